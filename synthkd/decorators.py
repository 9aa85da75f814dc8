"""The decorators of plug-ins, such as `synthkd.rule`: a class or function is known by its name.

    @synthkd.rule
    def no_brands(row): ...

    @synthkd.rule(name="no-brands")
    def brands(row): ...

What is decorated is returned as it was given, with its type.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
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
        f"Make a {word} known by its name in this process; ``name`` gives it another name.\n\n"
        f"Example:\n{indent(_EXAMPLES[group], '    ')}"
    )
    return decorate


#: An example of each decorator, for its docstring.
_EXAMPLES = {
    "backends": """\
>>> import synthkd
>>> from synthkd.teachers import Completion, Teacher
>>> @synthkd.backend
... class Parrot(Teacher):
...     name = "parrot"
...     identity = "parrot:1"
...     async def stream(self, requests):
...         async for request in requests:
...             yield [
...                 Completion(request.request_id, index, "a bird", "stop")
...                 for index in request.sample_indexes
...             ]
>>> synthkd.run("recipe.yaml", limit=2, quiet=True, teacher={"backend": "parrot"}).counts["asked"]
20
""",
    "kinds": """\
>>> import synthkd
>>> from synthkd.kinds import Kind
>>> @synthkd.kind
... class WordKind(Kind):
...     name = "word"
...     columns = ("topic", "word")
...     input_columns = ("topic",)
...     group_column = "topic"
...     def parse(self, text, row):
...         return [{"topic": row["topic"], "word": text.strip()}]
...     def verbalize(self, candidate):
...         return f"{candidate['word']} belongs to {candidate['topic']}"
...     def normalize(self, candidate):
...         return candidate["topic"], candidate["word"]
>>> WordKind().verbalize({"topic": "birds", "word": "heron"})
'heron belongs to birds'
""",
    "rules": """\
>>> import synthkd
>>> @synthkd.rule
... def no_animals(row, *, word: str = "animal"):
...     return f"says {word}" if word in row["tail"] else None
>>> result = synthkd.run("recipe.yaml", limit=5, rules=["empty", {"no_animals": {"word": "a"}}],
...                      quiet=True)
>>> result.counts["rejected"]["no_animals"] > 0
True
""",
    "votes": """\
>>> import synthkd
>>> @synthkd.vote
... def by_length(row):
...     return 1 / len(row["tail"])
>>> recipe = synthkd.Recipe.load("recipe.yaml", ["votes.by=by_length", "votes.keep=winner"])
>>> result = synthkd.run(recipe, limit=5, quiet=True)
""",
    "critics": """\
>>> import numpy, synthkd
>>> from synthkd.critics import CriticModel
>>> @synthkd.critic
... class LengthCritic(CriticModel):
...     name = "length"
...     def fit(self, rows, labels, groups=(), weights=None):
...         pass
...     def score(self, batch):
...         return numpy.array([1 / len(tail) for tail in batch.column("tail").to_pylist()])
...     def save(self, folder):
...         (folder / "length.json").write_text("{}")
...     @classmethod
...     def load(cls, folder, kind, /, **options):
...         return cls(kind)
>>> rows = [
...     {"head": f"thing {i}", "relation": "IsA", "tail": tail, "label": tail != "it"}
...     for i in range(40)
...     for tail in ("it", "a tool")
... ]
>>> synthkd.Critic.train(rows, "triple", "length")
<Critic length of triple: AUC 0.00 on ... held-out rows>
""",
    "students": """\
>>> import numpy, synthkd
>>> from synthkd.students import Classifier
>>> @synthkd.student
... class Prior(Classifier):
...     name = "prior"
...     def fit(self, train, validation=None):
...         self.check_training_rows(train)
...         return self
...     def probabilities(self, texts):
...         return numpy.full((len(texts), len(self.classes)), 1 / len(self.classes))
...     def save(self, folder):
...         (folder / "classes.txt").write_text("\\n".join(self.classes))
...     @classmethod
...     def load(cls, folder, **options):
...         return cls((folder / "classes.txt").read_text().split("\\n"))
>>> rows = [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}]
>>> synthkd.Student.train(rows, "prior").probabilities("z")
array([[0.5, 0.5]])
""",
    "loop_tasks": """\
>>> import synthkd
>>> from synthkd.loops import LoopTask, ValidationResult
>>> from synthkd.students import LabelledTexts, LinearStudent
>>> @synthkd.loop_task
... class OneRound(LoopTask):
...     name = "one-round"
...     metrics = ("accuracy",)
...     def row_facts(self):
...         return {"start": self.facts_of(self.initial_rows())}
...     def initial_rows(self):
...         return [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}]
...     def train(self, rows, folder):
...         texts, labels = zip(*((row["text"], row["label"]) for row in rows))
...         return LinearStudent().fit(LabelledTexts(texts, labels))
...     def load(self, folder):
...         return LinearStudent.load(folder)
...     def validate(self, student):
...         return ValidationResult(1.0, {"accuracy": 1.0})
...     def next_inputs(self, number, student, result, rows, earlier, records=()):
...         return [{"label": "a"}] if number == 1 else []
>>> OneRound.name
'one-round'
""",
}


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
