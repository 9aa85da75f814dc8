"""The plug-in contract: the groups, how options are written, and how a plug-in is found.

    group       a member                                  base class
    backend     answers requests                          `synthkd.teachers.base.Teacher`
    kind        a shape of knowledge                      `synthkd.kinds.base.Kind`
    rule        rejects rows, each with a reason          `synthkd.filters.base.Filter`
    vote        says what a completion's vote weighs      `synthkd.filters.vote_weights.VoteWeight`
    critic      gives rows a probability of being valid   `synthkd.critics.base.CriticModel`
    student     learns from a corpus                      `synthkd.students.base.StudentModel`
    loop task   rows, students and prompts of a loop      `synthkd.loops.task.LoopTask`

A plug-in is a class with a ``name`` and a nested ``Options`` model. Four doors lead to the same
contract:

    [project.entry-points."synthkd.rules"]     an entry point of a package, found by its name
    no_brands = "mypackage.rules:NoBrands"

    rules: [mypackage.rules:NoBrands]          a path in a recipe, or `./rules.py:NoBrands`

    @synthkd.rule                              a decorator: known by its name in this process
    def no_brands(row): ...

    synthkd.run(recipe, rules=[no_brands])     a class or function, given in Python

`docs/extending/` has a tutorial for each group.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from synthkd.errors import (
    CriticError,
    KindError,
    RecipeError,
    StudentError,
    SynthKDError,
    UserError,
    nearest,
)
from synthkd.keys import bytes_hash
from synthkd.options import BaseOptions, NoOptions, checked_options
from synthkd.returned_values import Check, check_methods

__all__ = [
    "GROUPS",
    "BaseOptions",
    "Plugin",
    "fault_of_plugin",
    "find",
    "make",
    "names",
    "register",
]


class Plugin:
    """A base class of plug-ins: what every group shares.

    Attributes:
        name: What recipes, messages and published files call the plug-in.
        Options: The model of the options. Subclasses nest their own, derived from
            `synthkd.BaseOptions`.
        options: The checked options of this instance.
    """

    name: ClassVar[str]
    #: The error for a wrong option.
    options_error: ClassVar[type[UserError]] = RecipeError
    Options: ClassVar[type[BaseOptions]] = NoOptions
    #: Options that may be paths.
    path_options: ClassVar[frozenset[str]] = frozenset()
    #: Checks of what the methods of classes from outside return, by method.
    returns: ClassVar[Mapping[str, Check]] = MappingProxyType({})
    options: BaseOptions

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        check_methods(cls, cls.returns)

    def __init__(self, **options: Any) -> None:
        self.options = self.checked(options)

    @classmethod
    def class_problem(cls) -> str:
        """Return what is wrong with the attributes of the class; "" if nothing is."""
        return ""

    @classmethod
    def checked(cls, options: Mapping[str, Any], label: str = "") -> Any:
        """Check options against the model.

        Args:
            options: Values by name.
            label: What the plug-in is called in messages. Default: its name.

        Raises:
            RecipeError: An option is unknown or its value does not fit; all such are named in one
                line.
        """
        return checked_options(cls.Options, options, label or cls.__name__, cls.options_error)

    @classmethod
    def located(cls, options: Mapping[str, Any], resolve: Callable[[str], Path]) -> dict[str, Any]:
        """Return a recipe's options with their relative paths taken from the recipe's folder.

        Args:
            options: Options of the constructor, or of `load`.
            resolve: Makes a path of a text of the recipe.
        """
        located = dict(options)
        for name in cls.path_options & set(options):
            # A text that is no path, such as a name of a hub, stays as it is.
            if isinstance(options[name], str) and (path := resolve(options[name])).exists():
                located[name] = str(path)
        return located

    @classmethod
    def of_function(cls, function: Callable[..., Any], name: str) -> type[Plugin]:
        """Make a plug-in class of a plain function.

        Groups that accept functions override this method.
        """
        raise TypeError("a class is needed, not a function")


@dataclass(frozen=True)
class Group:
    """One sort of plug-in: name in messages, error, dotted path of the base class."""

    word: str
    error: type[UserError]
    contract: str

    def base(self) -> type[Any]:
        """Import the base class, which stands in a room above this module."""
        module, _, name = self.contract.partition(":")
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


#: The groups of plug-ins by name.
GROUPS: dict[str, Group] = {
    "backends": Group("backend", RecipeError, "synthkd.teachers.base:Teacher"),
    "kinds": Group("kind", KindError, "synthkd.kinds.base:Kind"),
    "rules": Group("rule", RecipeError, "synthkd.filters.base:Filter"),
    "votes": Group("vote", RecipeError, "synthkd.filters.vote_weights:VoteWeight"),
    "critics": Group("critic", CriticError, "synthkd.critics.base:CriticModel"),
    "students": Group("student", StudentError, "synthkd.students.base:StudentModel"),
    "loop_tasks": Group("loop task", RecipeError, "synthkd.loops.task:LoopTask"),
}

#: What `register` made known: the class, by group and name.
_registered: dict[tuple[str, str], Any] = {}
#: Files of plug-ins that are not synthkd's, whose faults are theirs.
_files: set[str] = set()
#: What `find` loaded by path, by group and the plug-in's own name.
_found_by_path: dict[tuple[str, str], Any] = {}
T = TypeVar("T")


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, without loading them."""
    return {point.name: point for point in _all_points().select(group=f"synthkd.{group}")}


@cache
def _all_points() -> Any:
    """Read the entry points of all packages once; each look takes 10 ms."""
    return entry_points()


def names(group: str) -> list[str]:
    """List a group's members by name: entry points and those registered in this process."""
    return sorted({*installed(group), *(name for known, name in _registered if known == group)})


def register(group: str, plugin: T, name: str | None = None) -> T:
    """Make a class or function known by its name in this process.

    Args:
        group: One of `GROUPS`.
        plugin: A class of the group's contract, or a function where the group accepts one.
        name: Default: the class's ``name``, or the function's own.

    Returns:
        ``plugin`` as it was given, so that a decorator can return it.

    Raises:
        UserError: The plug-in does not fit the contract, or its name belongs to an installed
            plug-in.
    """
    name = name or _name_of(plugin)
    if name in installed(group):
        word, error = GROUPS[group].word, GROUPS[group].error
        raise error(f"{word} {name!r}: an installed package has the name; choose another")
    _registered[group, name] = _fitting(group, plugin, name)
    return plugin


def name_in_recipe(group: str, plugin: Any) -> str:
    """Name a class or function as a recipe does: by dotted path if another process can import it.

    What no other process can import, as from a notebook, is registered under its own name.
    """
    module = sys.modules.get(getattr(plugin, "__module__", ""))
    path = getattr(plugin, "__qualname__", "")
    if (
        module is not None
        and module.__name__ != "__main__"
        and getattr(module, path, None) is plugin
    ):
        return f"{module.__name__}:{path}"
    register(group, plugin)
    return _name_of(plugin)


def own_name(group: str, name: str, folder: Path) -> str:
    """Return the name by which `find` knows a recipe's plug-in without the recipe's folder.

    A plug-in named by path is loaded and known by its own name from then on.
    """
    return str(find(group, name, folder).name) if ":" in name else name


def lives_here(group: str, name: str) -> bool:
    """Return True if a plug-in is known in this process alone, not to worker processes."""
    return (group, name) in _registered


def find(group: str, name: str, folder: Path | None = None) -> Any:
    """Find a plug-in class.

    Args:
        group: One of `GROUPS`.
        name: Name of an entry point or of a registered plug-in; with ``folder`` also `module:Name`
            or `./file.py:Name`.
        folder: Folder of the recipe that names the plug-in. Without one, no code is loaded by path:
            names in folders and
            corpora may be a stranger's.

    Raises:
        UserError: No such plug-in, it cannot be loaded, or it does not fit the group's contract.
    """
    word, error = GROUPS[group].word, GROUPS[group].error
    if (group, name) in _registered:
        return _registered[group, name]
    if (group, name) in _found_by_path:
        return _found_by_path[group, name]
    if ":" in name and folder is not None:
        plugin = _fitting(group, _by_path(group, name, folder), name)
        if plugin.name not in installed(group):
            # What the run writes names the plug-in by its own name.
            _found_by_path[group, plugin.name] = plugin
        return plugin
    point = installed(group).get(name)
    if point is None:
        raise error(
            f"unknown {word} {name!r}{nearest(name, names(group))}; a {word} of another package"
            " needs that package installed"
        )
    try:
        plugin = point.load()
    except SynthKDError:
        raise
    except (ImportError, AttributeError) as problem:
        raise error(
            f"{word} {name!r} cannot be loaded ({problem}); is the package of {point.value!r}"
            " whole?"
        ) from None
    return _fitting(group, plugin, name)


def make(group: str, name: str, options: Mapping[str, Any], folder: Path | None = None) -> Any:
    """Make a plug-in whose constructor takes options alone.

    Raises:
        UserError: As `find`; or an option is unknown, or does not fit.
    """
    plugin = find(group, name, folder)
    label = f"{GROUPS[group].word} {name!r}"
    plugin.checked(options, label)
    try:
        return plugin(**options)
    except (TypeError, ValueError) as problem:
        raise GROUPS[group].error(f"{label}: {problem}") from None


def fault_of_plugin(error: BaseException) -> str | None:
    """Describe an error that a plug-in's code raised: file, line, function, error.

    None if no plug-in of a user or of another package took part.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename in _files:
            problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return (
                f"a plug-in failed in {Path(frame.filename).name} line {frame.lineno}"
                f" ({frame.name}): {problem}"
            )
    return None


def _name_of(plugin: Any) -> str:
    return str(
        plugin.__name__
        if not inspect.isclass(plugin)
        else vars(plugin).get("name", plugin.__name__)
    )


def _fitting(group: str, plugin: Any, name: str) -> Any:
    """Hold a plug-in against the group's contract; make a class of a function."""
    known = GROUPS[group]
    base = known.base()
    if inspect.isclass(plugin) and (
        getattr(base, "_is_protocol", False) or issubclass(plugin, base)
    ):
        _check_class(known, plugin, name)
        _note_files(plugin, *vars(plugin).values())
        return plugin
    if not inspect.isclass(plugin) and callable(plugin):
        _note_files(plugin)
        try:
            return base.of_function(plugin, name.rpartition(":")[2])
        except TypeError as problem:
            raise known.error(f"{known.word} {name!r}: {problem}") from None
    raise known.error(
        f"{known.word} {name!r}: {plugin!r:.60} is no subclass of"
        f" {known.contract.replace(':', '.')}"
    )


def _check_class(group: Group, plugin: Any, name: str) -> None:
    """Refuse a class that lacks a part of the contract."""
    label = f"{group.word} {name!r}: the class {plugin.__name__}"
    if missing := sorted(getattr(plugin, "__abstractmethods__", ())):
        raise group.error(f"{label} lacks {', '.join(f'`{one}`' for one in missing)}")
    if not isinstance(getattr(plugin, "name", None), str):
        raise group.error(f'{label} has no name; write `name = "…"` in the class')
    if problem := plugin.class_problem():
        raise group.error(f"{label}: {problem}")
    options = getattr(plugin, "Options", NoOptions)
    if not (inspect.isclass(options) and issubclass(options, BaseOptions)):
        raise group.error(f"{label}: derive `Options` from synthkd.BaseOptions")


def _note_files(*parts: Any) -> None:
    """Note the files of code that is not synthkd's."""
    for part in parts:
        code = getattr(inspect.unwrap(part) if callable(part) else part, "__code__", None)
        if code is not None and not str(getattr(part, "__module__", "")).startswith("synthkd."):
            _files.add(code.co_filename)


def _by_path(group: str, name: str, folder: Path) -> Any:
    """Load `module:Name`, or `file.py:Name` from the recipe's folder."""
    known = GROUPS[group]
    place, _, attribute = name.rpartition(":")
    try:
        module = (
            _load_file((folder / place).resolve())
            if place.endswith(".py")
            else importlib.import_module(place)
        )
    except SynthKDError:
        raise
    except FileNotFoundError:
        raise known.error(f"{known.word} {name!r}: no file {place}") from None
    except (Exception, SystemExit) as problem:  # noqa: BLE001 (a user's module may raise anything)
        raise known.error(
            f"{known.word} {name!r}: {place} cannot be imported: {type(problem).__name__}:"
            f" {problem}"
        ) from None
    if not hasattr(module, attribute):
        public = [one for one in vars(module) if one[0] != "_"]
        raise known.error(
            f"{known.word} {name!r}: {place} has no {attribute!r}{nearest(attribute, public)}"
        )
    return getattr(module, attribute)


def _load_file(path: Path) -> Any:
    """Import a file under a name of its own, once for a process."""
    module_name = f"synthkd_file_{bytes_hash(str(path).encode())[:16]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    if not path.is_file():
        raise FileNotFoundError(path)
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        # A module may have removed itself; its own error is the one to raise.
        sys.modules.pop(module_name, None)
        raise
    return module
