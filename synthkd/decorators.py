"""The decorators of plug-ins, such as `synthkd.rule`: a class or function is known by its name.

    @synthkd.rule
    def no_brands(row): ...

    @synthkd.rule(name="no-brands")
    def brands(row): ...

What is decorated is returned as it was given, with its type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast, overload

from synthkd.plugins import GROUPS, Plugin, register

PluginClass = TypeVar("PluginClass", bound=type[Plugin])


class RuleFunction(Protocol):
    """A function from a row to None, or the reason why the row is rejected."""

    def __call__(self, row: dict[str, Any], /, *args: Any, **options: Any) -> str | None: ...


class VoteFunction(Protocol):
    """A function from a row to the weight of its vote."""

    def __call__(self, row: dict[str, Any], /, *args: Any, **options: Any) -> float: ...


AnyRule = TypeVar("AnyRule", bound=RuleFunction)
AnyVote = TypeVar("AnyVote", bound=VoteFunction)


class ClassDecorator(Protocol):
    """The decorator of a group whose members are classes."""

    @overload
    def __call__(self, plugin: PluginClass, /) -> PluginClass: ...
    @overload
    def __call__(self, *, name: str) -> Callable[[PluginClass], PluginClass]: ...


class _NamedRule(Protocol):
    @overload
    def __call__(self, plugin: PluginClass, /) -> PluginClass: ...
    @overload
    def __call__(self, plugin: AnyRule, /) -> AnyRule: ...


class RuleDecorator(Protocol):
    """The decorator of rules, which are classes or functions."""

    @overload
    def __call__(self, plugin: PluginClass, /) -> PluginClass: ...
    @overload
    def __call__(self, plugin: AnyRule, /) -> AnyRule: ...
    @overload
    def __call__(self, *, name: str) -> _NamedRule: ...


class _NamedVote(Protocol):
    @overload
    def __call__(self, plugin: PluginClass, /) -> PluginClass: ...
    @overload
    def __call__(self, plugin: AnyVote, /) -> AnyVote: ...


class VoteDecorator(Protocol):
    """The decorator of votes, which are classes or functions."""

    @overload
    def __call__(self, plugin: PluginClass, /) -> PluginClass: ...
    @overload
    def __call__(self, plugin: AnyVote, /) -> AnyVote: ...
    @overload
    def __call__(self, *, name: str) -> _NamedVote: ...


def _decorator(group: str) -> Any:
    def decorate(plugin: Any = None, *, name: str | None = None) -> Any:
        if plugin is None:
            return lambda given: register(group, given, name)
        return register(group, plugin, name)

    word = GROUPS[group].word
    decorate.__name__ = word.replace(" ", "_")
    decorate.__doc__ = (
        f"Make a {word} known by its name in this process; ``name`` gives it another name."
    )
    return decorate


#: Decorator: make a backend known by its name in this process.
backend = cast(ClassDecorator, _decorator("backends"))
#: Decorator: make a kind known by its name in this process.
kind = cast(ClassDecorator, _decorator("kinds"))
#: Decorator: make a rule known by its name in this process.
rule = cast(RuleDecorator, _decorator("rules"))
#: Decorator: make a vote known by its name in this process.
vote = cast(VoteDecorator, _decorator("votes"))
#: Decorator: make a critic known by its name in this process.
critic = cast(ClassDecorator, _decorator("critics"))
#: Decorator: make a student known by its name in this process.
student = cast(ClassDecorator, _decorator("students"))
#: Decorator: make a loop task known by its name in this process.
loop_task = cast(ClassDecorator, _decorator("loop_tasks"))
