"""Uses of the public names as a user's code has them, for mypy alone; nothing here is run.

`# type: ignore[code]` marks wrong uses: mypy reports an ignore without an error, so that a use that
is no longer refused fails, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, assert_type

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

import synthkd
from synthkd.critics import CriticModel
from synthkd.filters import TextRule, VoteWeight
from synthkd.kinds import Kind, Malformed
from synthkd.loops import LoopTask, ValidationResult
from synthkd.students import Classifier, LabelledTexts, StudentModel
from synthkd.teachers import Answer, Completion, Request, Teacher

# --- a run, and its parts

assert_type(synthkd.__version__, str)

recipe = synthkd.Recipe.load("recipe.yaml", ["teacher.sampling.n=5"])
assert_type(recipe, synthkd.Recipe)
assert_type(synthkd.Recipe.from_dict({"name": "tools"}, folder=Path()), synthkd.Recipe)
synthkd.Recipe.from_dict("recipe.yaml")  # type: ignore[arg-type]

result = synthkd.run(recipe, quiet=True, workers=2)
assert_type(result, synthkd.RunResult)
assert_type(result.recipe, synthkd.Recipe)
assert_type(result.corpus, synthkd.Corpus)
assert_type(result.counts, dict[str, Any])
assert_type(result.generated.cost, float | None)
assert_type(synthkd.run(Path("recipe.yaml")), synthkd.RunResult)
synthkd.run(recipe, threads=2)  # type: ignore[call-arg]

assert_type(synthkd.generate("recipe.yaml").asked, int)
assert_type(synthkd.filter(recipe), dict[str, Any])
assert_type(synthkd.publish(recipe), dict[str, Any])

corpus = synthkd.load_corpus("corpora/tools")
assert_type(corpus, synthkd.Corpus)
assert_type(corpus.hash, str)
assert_type(len(corpus), int)
corpus.accpeted  # type: ignore[attr-defined]  # noqa: B018

rows = [{"head": "a knife", "relation": "UsedFor"}]
assert_type(synthkd.run({"name": "tools"}, inputs=rows, budget=5, limit=2), synthkd.RunResult)
assert_type(synthkd.run(recipe, inputs=pa.table({"head": ["x"]}), target=9), synthkd.RunResult)
synthkd.run(recipe, budget="five")  # type: ignore[arg-type]
assert_type(synthkd.Recipe(name="a", inputs=rows, teacher={}, corpus={}), synthkd.Recipe)
synthkd.Recipe(name="a", teacher={}, corpus={})  # type: ignore[call-arg]
synthkd.dry_run(recipe, inputs=rows, shown=1)
synthkd.probe(recipe, 20, budget=1.0)
assert_type(synthkd.write_starter("mine", "messages"), Path)

assert_type(corpus[0], dict[str, Any])
assert_type(len(corpus[:5]), int)
assert_type([row["head"] for row in corpus.where("score > 0.5", relation="IsA")], list[Any])
assert_type(corpus.at(precision=0.9).precision, float)
corpus.at("high")  # type: ignore[arg-type]

trained = synthkd.Critic.train(rows, "triple", held_out=0.2)
assert_type(trained, synthkd.Critic)
assert_type(trained.score(rows), np.ndarray[Any, np.dtype[np.float64]])
assert_type(synthkd.Critic.load("everyday").save("mine"), Path)
synthkd.run(recipe, critic=trained, precision=0.9)

synthkd.plot_precision_yield(trained)
synthkd.plot_reliability(trained, bins=10)

pupil = synthkd.Student.train(corpus, "linear")
assert_type(pupil, synthkd.Student)
assert_type(pupil.probabilities("a text"), np.ndarray[Any, np.dtype[np.float64]])
pupil.predict(5)  # type: ignore[arg-type]


async def twins() -> None:
    """Await the asynchronous twins, which have the types of their verbs."""
    assert_type(await synthkd.arun(recipe, limit=5), synthkd.RunResult)
    assert_type((await synthkd.agenerate(recipe)).asked, int)
    assert_type(await synthkd.afilter(recipe), dict[str, Any])
    await synthkd.adry_run(recipe)
    await synthkd.aprobe(recipe, 5)
    assert_type(await synthkd.adistill("loop.yaml"), synthkd.DistillResult)
    await synthkd.arun(recipe, threads=5)  # type: ignore[call-arg]


with synthkd.FakeServer() as server:
    assert_type(server.url, str)

distilled = synthkd.distill("loop.yaml", quiet=True)
assert_type(distilled, synthkd.DistillResult)
assert_type(distilled.best, int)
synthkd.plot_learning_curve(distilled, "accuracy")
assert_type(distilled.figures, list[dict[str, float | None]])
assert_type(distilled.student, StudentModel)
assert_type(distilled.corpus, synthkd.Corpus)

with synthkd.Journal("journal.sqlite", must_exist=True) as journal:
    assert_type(journal, synthkd.Journal)

try:
    synthkd.run(recipe)
except synthkd.SynthKDError as error:
    assert_type(error, synthkd.SynthKDError)


# --- rules: a function, a class, the decorator with and without a name


@synthkd.rule
def no_cups(row: Mapping[str, Any], *, word: str = "cup") -> str | None:
    """Reject rows with a word."""
    return f"has {word}" if word in row["head"] else None


assert_type(no_cups({"head": "a cup"}, word="cup"), str | None)
no_cups({"head": "a cup"}, words="cup")  # type: ignore[call-arg]


@synthkd.rule(name="no-knives")
def no_knives(row: dict[str, Any]) -> str | None:
    """Reject rows with a knife."""
    return "a knife" if "knife" in row["head"] else None


assert_type(no_knives({"head": "a knife"}), str | None)


@synthkd.rule  # type: ignore[call-overload]
def wrong_rule(row: Mapping[str, Any]) -> bool:
    """Return no reason."""
    return True


@synthkd.rule
class FewVowels(TextRule):
    """Reject texts with few vowels."""

    name: ClassVar[str] = "few_vowels"

    class Options(TextRule.Options):
        share: float = Field(0.2, gt=0, lt=1, description="Share of vowels that a text needs.")

    options: Options  # pyright: ignore[reportIncompatibleVariableOverride]

    def check(self, row: Mapping[str, Any], kind: Kind) -> str | None:
        return None if self.options.share < len(self.text(row, kind)) else "short"


assert_type(FewVowels(share=0.5), FewVowels)
assert_type(FewVowels(share=0.5).options.share, float)

synthkd.run(recipe, rules=["empty", {"too_long": {"max_words": 8}}, no_cups, FewVowels])
synthkd.run(recipe, rules=[FewVowels()])  # type: ignore[list-item]
recipe.with_rules([3])  # type: ignore[list-item]


# --- the other groups


@synthkd.vote
def by_length(row: Mapping[str, Any]) -> float:
    """Weigh a vote by the length of its text."""
    return float(len(row["tail"]))


@synthkd.vote  # type: ignore[call-overload]
def wrong_vote(row: Mapping[str, Any]) -> str:
    """Return no number."""
    return "1"


@synthkd.vote(name="constant")
class Constant(VoteWeight):
    """Weigh each vote 1."""

    name: ClassVar[str] = "constant"

    def weigh(self, rows: pa.Table, votes: Any, scores: Any) -> npt.NDArray[np.float64]:
        return np.ones(len(votes))


assert_type(Constant(), Constant)


@synthkd.kind
class WordKind(Kind):
    """A word of a topic."""

    name = "word"
    columns = ("topic", "word")
    input_columns = ("topic",)
    group_column = "topic"

    class Options(synthkd.BaseOptions):
        longest: int = Field(20, ge=1, description="Letters of a word.")

    options: Options  # pyright: ignore[reportIncompatibleVariableOverride]

    def parse(self, text: str, row: Mapping[str, Any]) -> list[dict[str, Any]] | Malformed:
        word = text.strip()[: self.options.longest]
        return [{"topic": row["topic"], "word": word}] if word else Malformed("no_text")

    def verbalize(self, candidate: Mapping[str, Any]) -> str:
        return f"{candidate['word']} belongs to {candidate['topic']}"

    def normalize(self, candidate: Mapping[str, Any]) -> tuple[str, ...]:
        return str(candidate["topic"]), str(candidate["word"])


assert_type(WordKind(longest=5).options.longest, int)


@synthkd.kind  # type: ignore[call-overload]
def no_kind(text: str) -> list[dict[str, Any]]:
    """Parse a text: a kind is a class."""
    return [{"word": text}]


@synthkd.critic(name="length")
class LengthCritic(CriticModel):
    """Score short rows high."""

    name = "length"

    def fit(
        self,
        rows: pa.Table,
        labels: npt.NDArray[np.bool_],
        groups: Sequence[str] = (),
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.share = float(labels.mean())

    def score(self, batch: pa.RecordBatch | pa.Table) -> npt.NDArray[np.float64]:
        return np.full(batch.num_rows, self.share)

    def save(self, folder: Path) -> None:
        (folder / "share.txt").write_text(str(self.share))

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Self:
        critic = cls(kind)
        critic.share = float((folder / "share.txt").read_text())
        return critic


assert_type(LengthCritic(WordKind()), LengthCritic)


@synthkd.backend
class Mirror(Teacher):
    """Answer with the prompt."""

    name = "mirror"

    @property
    def identity(self) -> str:
        return "mirror:1"

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        async for request in requests:
            yield [
                Completion(request.request_id, index, request.prompt, "stop")
                for index in request.sample_indexes
            ]


assert_type(Mirror.from_recipe(recipe).identity, str)


@synthkd.student
class Prior(Classifier):
    """Give every class the same probability."""

    name = "prior"

    def fit(self, train: LabelledTexts, validation: LabelledTexts | None = None) -> Self:
        self.check_training_rows(train)
        return self

    def probabilities(self, texts: Sequence[str] | str) -> npt.NDArray[np.float64]:
        return np.full((len(texts), len(self.classes)), 1 / len(self.classes))

    def save(self, folder: Path) -> None:
        (folder / "classes.txt").write_text("\n".join(self.classes))

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        return cls((folder / "classes.txt").read_text().split("\n"))


assert_type(Prior(["a", "b"]).predict(["a text"]), list[str])
assert_type(Prior().fit(LabelledTexts(("x", "y"), ("a", "b"))), Prior)


@synthkd.loop_task
class OneRound(LoopTask[Prior]):
    """Ask once."""

    name = "one-round"
    metrics = ("accuracy",)

    def row_facts(self) -> dict[str, Any]:
        return {"start": self.facts_of(self.initial_rows())}

    def initial_rows(self) -> list[dict[str, Any]]:
        return [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}]

    def train(self, rows: Sequence[dict[str, Any]], folder: Path) -> Prior:
        return Prior(["a", "b"])

    def load(self, folder: Path) -> Prior:
        return Prior.load(folder)

    def validate(self, student: Prior) -> ValidationResult:
        return ValidationResult(0.5, {"accuracy": 0.5})

    def next_inputs(
        self,
        number: int,
        student: Prior,
        result: ValidationResult,
        rows: Sequence[dict[str, Any]],
        earlier: Sequence[dict[str, Any]],
        records: Sequence[Mapping[str, Any]] = (),
    ) -> list[dict[str, Any]]:
        return [{"label": "a"}] if number == 1 else []


assert_type(OneRound(recipe), OneRound)
synthkd.loop_task(Prior().fit)  # type: ignore[call-overload]
