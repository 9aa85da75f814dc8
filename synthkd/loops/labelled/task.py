"""The loop over labelled text (PGKD): a classifier's errors decide which texts the teacher writes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from synthkd.corpora.read import Corpus
from synthkd.errors import RecipeError, StudentError, nearest
from synthkd.keys import content_hash, text_hash
from synthkd.kinds.labelled_text.taxonomy import read_all_rows
from synthkd.loops.labelled.out_of_fold import CrossValidation, texts_of
from synthkd.loops.labelled.requests import ClassAllocation, RoundInputs
from synthkd.loops.labelled.round_recipe import HAD, HELD, labelled_round_recipe
from synthkd.loops.labelled.sets import read_splits
from synthkd.loops.labelled.students import StudentMaker
from synthkd.loops.rounds import round_recipe, write_inputs
from synthkd.loops.task import LoopTask, Row, ValidationResult
from synthkd.recipe import LoopPart, Recipe, RowsPart
from synthkd.stages.plan import plan_run
from synthkd.storage import TemporaryFolder
from synthkd.students.base import Classifier, LabelledTexts
from synthkd.students.folders import load_student, read_manifest, save_student
from synthkd.students.metrics import ClassifierEvaluation, evaluate_classifier
from synthkd.teachers.spending import SpendingBounds

#: Figures by which rounds may be compared.
METRICS = ("loss", "macro_f1", "accuracy")
#: Hard negatives that a round's record keeps, for the report.
_EXAMPLES = 8


class LabelledTextTask(LoopTask[Classifier]):
    """Texts of classes, and a student that `learns` labels."""

    kind: ClassVar[str] = "labelled_text"
    columns: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "macro_f1", "test_accuracy")
    falling: ClassVar[frozenset[str]] = frozenset({"loss"})
    files: ClassVar[frozenset[str]] = frozenset({HAD, HELD})

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.loop is not None
        self.recipe, self.part = recipe, recipe.loop
        self.metric = self.part.metric or "loss"
        _check(recipe, self.part, self.metric)
        self.sets = read_splits(recipe)
        self.maker = StudentMaker(recipe, self.sets.classes)
        self.crossed = CrossValidation(self.part, self.maker, self.sets)
        self.requests = RoundInputs(recipe, self.sets.classes, len(self.sets.start))
        #: Of the last round that was asked for.
        self._allocation = ClassAllocation({})
        #: For each class, short hashes of the texts that were answered for it, kept or not.
        self._had: dict[str, set[str]] = {label: set() for label in self.sets.classes}
        for text, label in zip(self.sets.start.texts, self.sets.start.labels, strict=True):
            self._had[label].add(text_hash(text))
        self._try()

    def _try(self) -> None:
        """Render the first prompt of a round, and look at the few-shot examples: what is wrong with a template, a rule or a
        file is found before a student is trained."""
        with TemporaryFolder() as name:
            folder, rows = Path(name), self.start()
            inputs = self.requests.of_classes(0, {self.sets.classes[0]: 1}, rows, self._had)
            if self.part.allocate == "teacher":
                inputs += [{**inputs[0], "label": "", "contrast": ""}]
            write_inputs(folder, inputs)
            recipe = self.prepare(round_recipe(self.recipe, 0, folder), folder, rows)
            if recipe.prompt.examples:
                shown = read_all_rows(recipe.resolve(recipe.prompt.examples.path))
                self.sets.held.refuse(shown, f"few-shot examples, {recipe.prompt.examples.path}")
            plan = plan_run(recipe)
            SpendingBounds.of(recipe, plan.components.teacher)
            for _ in plan.batches():
                pass

    @property
    def said(self) -> Sequence[str]:
        return self.sets.said

    def facts(self) -> dict[str, Any]:
        lots = {
            "start": self.sets.start,
            "validation": self.sets.validation,
            "test": self.sets.test,
            "pool": self.sets.pool,
        }
        found: dict[str, Any] = {
            name: {"rows": len(lot), "hash": lot.hash} for name, lot in lots.items() if len(lot)
        }
        return {"classes": list(self.sets.classes), **found}

    def start(self) -> list[Row]:
        return [
            {"text": text, "label": label}
            for text, label in zip(self.sets.start.texts, self.sets.start.labels, strict=True)
        ]

    def first(self, rows: Sequence[Row], attempt: int, asked: Sequence[Row]) -> list[Row]:
        have = Counter(row["label"] for row in rows)
        # Some are rejected: twice what is missing.
        wanted = {label: 2 * (self.part.minimum - have[label]) for label in self._short(rows)}
        if not attempt:
            for label, number in self.requests.even(self._first_rows(), have).items():
                wanted[label] = max(wanted.get(label, 0), number)
        # An input that came to too little is not asked again, but another.
        before = Counter(str(row["label"]) for row in asked)
        return self.requests.of_classes(0, wanted, rows, self._had, before=before)

    def _first_rows(self) -> int:
        """Rows of the first round: none where there are real ones."""
        if self.part.first is not None:
            return self.part.first
        return 0 if len(self.sets.start) else self.part.rows

    def _short(self, rows: Sequence[Row]) -> list[str]:
        have = Counter(row["label"] for row in rows)
        return [label for label in self.sets.classes if have[label] < self.part.minimum]

    def lacking(self, rows: Sequence[Row]) -> str:
        have = Counter(row["label"] for row in rows)
        if not (short := self._short(rows)):
            return ""
        shown = ", ".join(f"{label!r} has {have[label]}" for label in short[:5])
        more = f" and {len(short) - 5} more" if len(short) > 5 else ""
        return (
            f"a class needs {self.part.minimum} training rows (loop.minimum), and {shown}{more}; add rows to `start`, or"
            " look at what the rules reject in the corpus of round 0"
        )

    def train(self, rows: Sequence[Row], folder: Path) -> Classifier:
        kept = self.crossed.kept(rows)
        ids = {row.get("id") for row in kept}
        aside = sorted(row["id"] for row in rows if row.get("id") not in ids)
        texts = texts_of(kept)
        student = self.maker.make().fit(texts, self.sets.validation.rows)
        facts = {"rows": len(texts), "set_aside": aside, "recipe": self.recipe.fingerprint()}
        save_student(student, folder, facts)
        return student

    def aside(self, folder: Path) -> frozenset[str]:
        return frozenset(read_manifest(folder).get("set_aside", ()))

    def load(self, folder: Path) -> Classifier:
        student = load_student(folder)
        if not isinstance(student, Classifier) or student.classes != self.sets.classes:
            raise StudentError(f"{folder}: not a student of these {len(self.sets.classes)} classes")
        return student

    def validate(self, student: Classifier) -> ValidationResult:
        found = self._measured(student, self.sets.validation.rows)
        test = self._measured(student, self.sets.test.rows) if len(self.sets.test) else None
        value = {"loss": -found.loss, "accuracy": found.accuracy, "macro_f1": found.macro_f1}
        shown = {
            "loss": found.loss,
            "accuracy": found.accuracy,
            "macro_f1": found.macro_f1,
            "test_accuracy": test.accuracy if test else None,
        }
        details = {"validation": found.as_dict(), **({"test": test.as_dict()} if test else {})}
        return ValidationResult(value[self.metric], shown, details, found)

    def _measured(self, student: Classifier, rows: LabelledTexts) -> ClassifierEvaluation:
        return evaluate_classifier(student.probabilities(rows.texts), rows.labels, student.classes, draws=0)

    def ask(
        self,
        number: int,
        student: Classifier,
        figures: ValidationResult,
        rows: Sequence[Row],
        asked: Sequence[Row],
        before: Sequence[Mapping[str, Any]] = (),
    ) -> list[Row]:
        kept = self.crossed.kept(rows)
        if self.part.allocate != "teacher":
            have = Counter(row["label"] for row in kept)
            self._allocation = self.requests.allocation(figures.held, have, before)
            if not self._allocation.wanted:
                return []
        mined, answers = self.crossed.mined(student, rows, kept)
        # The rule `contaminated` of a recipe may be laxer than `loop.near`, and may miss a near copy.
        free = [i for i, text in enumerate(mined.texts) if self.sets.held.find(text) is None]
        mined, answers = mined.take(free), None if answers is None else answers[free]
        showable = [row for row in kept if self.sets.held.find(row["text"]) is None]
        wanted = self._allocation.wanted
        return self.requests.of_round(number, figures.held, mined, answers, showable, self._had, wanted)

    def check(self, inputs: Sequence[Row]) -> None:
        for row in inputs:
            for column in ("shots", "correct", "incorrect", "hard"):
                self.sets.held.refuse(row[column], f"loop: {column} of the class {row['label']!r}")

    def wanted(self, inputs: Sequence[Row]) -> int:
        return sum(int(row["texts"]) for row in inputs) * self.recipe.teacher.sampling.n

    def prepare(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        return labelled_round_recipe(recipe, folder, rows, self.sets, self.requests.axis_names)

    def read(self, corpus: Corpus) -> list[Row]:
        columns = ["id", "label", "text"]
        for split in ("accepted", "rejected"):
            for row in corpus.dataset(split).to_table(columns=columns[1:]).to_pylist():
                if row["text"] and row["label"] in self._had:
                    self._had[row["label"]].add(text_hash(row["text"]))
        rows = corpus.dataset().to_table(columns=[*columns, "input_id"]).to_pylist()
        return [
            {name: row[name] for name in ("text", "label", "id", "input_id")}
            for row in sorted(rows, key=lambda row: (row["id"], row["label"]))
        ]

    def told(self, inputs: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
        asked: Counter[str] = Counter()
        for row in inputs:
            asked[row["label"]] += int(row["texts"]) * self.recipe.teacher.sampling.n
        hard = {(shown["text"], shown["label"]): shown for row in inputs for shown in row["hard"]}
        of = {content_hash(row): row["label"] for row in inputs}
        other = Counter((of.get(row["input_id"], ""), row["label"]) for row in rows)
        return {
            "asked": dict(asked),
            # What the teacher wrote for another class than it was asked for: its own label counts.
            "other_class": sum(number for (was, label), number in other.items() if was not in ("", label)),
            "came": dict(sorted(Counter(row["label"] for row in rows).items())),
            "allocation": dict(self._allocation.notes),
            "hard": sorted(hard.values(), key=lambda one: (-one["confidence"], one["text"]))[:_EXAMPLES],
        }


def _check(recipe: Recipe, part: LoopPart, metric: str) -> None:
    """Refuse what means nothing for labelled text."""
    if recipe.kind.options.get("real"):
        raise RecipeError("kind.options.real: in a loop real rows are named in `loop.start`; take one out")
    if part.allocate == "teacher" and not recipe.kind.several:
        raise RecipeError(
            "loop.allocate: teacher: the teacher chooses the classes of a list of texts; set kind.several: true and"
            " take a template that asks for one, such as labelled_text/pgkd"
        )
    if metric not in METRICS:
        raise RecipeError(
            f"loop.metric: {metric!r} is no figure of a classifier{nearest(metric, list(METRICS))}"
        )
    if part.start is None and not isinstance(part.validation, RowsPart):
        raise RecipeError(
            "loop: without `start`, name the rows of `validation`: something real must judge the student"
        )
