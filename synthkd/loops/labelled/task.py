"""The loop over labelled text (PGKD): a classifier's errors decide the teacher's next texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from synthkd.corpora.read import Corpus
from synthkd.errors import RecipeError, StudentError, nearest
from synthkd.keys import content_hash, text_hash
from synthkd.kinds.labelled_text.taxonomy import read_all_rows
from synthkd.loops.labelled.cross_validation import CrossValidation, labelled_texts
from synthkd.loops.labelled.round_inputs import ClassAllocation, RoundInputs
from synthkd.loops.labelled.round_recipe import HAD, HELD, labelled_round_recipe
from synthkd.loops.labelled.splits import SplitRows, read_splits
from synthkd.loops.round_run import round_recipe, write_inputs
from synthkd.loops.students import student_factory
from synthkd.loops.task import LoopTask, Row, ValidationResult
from synthkd.recipe import LoopPart, Recipe, RowsPart, StudentPart
from synthkd.stages.plan import plan_run
from synthkd.storage import TemporaryFolder
from synthkd.students.base import Classifier
from synthkd.students.folders import load_student, read_manifest, save_student
from synthkd.students.metrics import ClassifierEvaluation, evaluate_classifier
from synthkd.teachers.spending import SpendingBounds

#: Metrics by which rounds may be compared.
METRICS = ("loss", "macro_f1", "accuracy")
#: Hard negatives that a round's record keeps for the report.
_EXAMPLES = 8


class LabelledTextTask(LoopTask[Classifier]):
    """Labelled texts, and a classifier as the student."""

    name: ClassVar[str] = "labelled_text"
    metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "macro_f1", "test_accuracy")
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss"})
    round_files: ClassVar[frozenset[str]] = frozenset({HAD, HELD})

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.selection_metric = self.loop.metric or "loss"
        _check(recipe, self.loop, self.selection_metric)
        self.splits = read_splits(recipe)
        part, classes = recipe.student or StudentPart(), self.splits.classes
        self.make_student = student_factory(recipe, part, "labels", classes=classes)
        self.cross_validation = CrossValidation(recipe, self.splits, self.make_student)
        self.round_inputs = RoundInputs(recipe, classes, len(self.splits.start))
        #: Allocation of the last round.
        self._allocation = ClassAllocation({})
        #: For each class, short hashes of all texts so far, accepted or rejected.
        self._had: dict[str, set[str]] = {label: set() for label in classes}
        for row in self.initial_rows():
            self._had[row["label"]].add(text_hash(row["text"]))
        self._check_first_prompt()

    def _check_first_prompt(self) -> None:
        """Render a prompt and check the few-shot examples, before a student is trained."""
        with TemporaryFolder() as name:
            folder, rows = Path(name), self.initial_rows()
            wanted = {self.splits.classes[0]: 1}
            inputs = self.round_inputs.of_classes(0, wanted, rows, self._had)
            if self.loop.allocate == "teacher":
                inputs += [{**inputs[0], "label": "", "contrast": ""}]
            write_inputs(folder, inputs)
            recipe = self.prepare_recipe(round_recipe(self.recipe, 0, folder), folder, rows)
            if recipe.prompt.examples:
                path = recipe.prompt.examples.path
                examples = read_all_rows(recipe.resolve(path))
                self.splits.evaluation.refuse_copies(examples, f"few-shot examples, {path}")
            plan = plan_run(recipe)
            SpendingBounds.of(recipe, plan.components.teacher)
            if not recipe.follows_steps:
                for _ in plan.batches():
                    pass

    @property
    def notices(self) -> Sequence[str]:
        return self.splits.notices

    def row_facts(self) -> dict[str, Any]:
        splits = {
            "start": self.splits.start,
            "validation": self.splits.validation,
            "test": self.splits.test,
            "pool": self.splits.pool,
        }
        facts: dict[str, Any] = {
            name: {"rows": len(rows), "hash": rows.hash}
            for name, rows in splits.items()
            if len(rows)
        }
        return {"classes": list(self.splits.classes), **facts}

    def initial_rows(self) -> list[Row]:
        start = self.splits.start
        return [
            {"text": text, "label": label}
            for text, label in zip(start.texts, start.labels, strict=True)
        ]

    def initial_inputs(
        self, rows: Sequence[Row], attempt: int, earlier: Sequence[Row]
    ) -> list[Row]:
        have = Counter(row["label"] for row in rows)
        # Twice the missing rows, as some are rejected.
        wanted = {label: 2 * (self.loop.minimum - have[label]) for label in self._short_of(rows)}
        if not attempt:
            for label, number in self.round_inputs.even(self._initial_number(), have).items():
                wanted[label] = max(wanted.get(label, 0), number)
        # Further draws, as an equal input would get the same answer.
        before = Counter(str(row["label"]) for row in earlier)
        return self.round_inputs.of_classes(0, wanted, rows, self._had, before=before)

    def _initial_number(self) -> int:
        """Return the number of rows of round 0: none if there are real ones."""
        if self.loop.first is not None:
            return self.loop.first
        return 0 if len(self.splits.start) else self.loop.rows

    def _short_of(self, rows: Sequence[Row]) -> list[str]:
        """Return the classes with too few rows to train on."""
        have = Counter(row["label"] for row in rows)
        return [label for label in self.splits.classes if have[label] < self.loop.minimum]

    def training_problem(self, rows: Sequence[Row]) -> str:
        have = Counter(row["label"] for row in rows)
        if not (short := self._short_of(rows)):
            return ""
        shown = ", ".join(f"{label!r} has {have[label]}" for label in short[:5])
        more = f" and {len(short) - 5} more" if len(short) > 5 else ""
        return (
            f"a class needs {self.loop.minimum} training rows (loop.minimum), and {shown}{more};"
            " add rows to `start`, or look at what the rules reject in the corpus of round 0"
        )

    def train(self, rows: Sequence[Row], folder: Path) -> Classifier:
        consistent = self.cross_validation.consistent_rows(rows)
        ids = {row.get("id") for row in consistent}
        excluded = sorted(row["id"] for row in rows if row.get("id") not in ids)
        texts = labelled_texts(consistent, self.loop.teacher_weight)
        student: Classifier = self.make_student()
        student.fit(texts, self.splits.validation.texts_and_labels)
        facts = {
            "rows": len(texts),
            "set_aside": excluded,
            "recipe": self.recipe.fingerprint(),
        }
        save_student(student, folder, facts)
        return student

    def excluded_ids(self, folder: Path) -> frozenset[str]:
        return frozenset(read_manifest(folder).get("set_aside", ()))

    def load(self, folder: Path) -> Classifier:
        student = load_student(folder)
        if not isinstance(student, Classifier) or student.classes != self.splits.classes:
            raise StudentError(
                f"{folder}: not a student of these {len(self.splits.classes)} classes"
            )
        return student

    def validate(self, student: Classifier) -> ValidationResult:
        evaluation = self._evaluate(student, self.splits.validation)
        test = self._evaluate(student, self.splits.test) if len(self.splits.test) else None
        score = {
            "loss": -evaluation.loss,
            "accuracy": evaluation.accuracy,
            "macro_f1": evaluation.macro_f1,
        }[self.selection_metric]
        metrics = {
            "loss": evaluation.loss,
            "accuracy": evaluation.accuracy,
            "macro_f1": evaluation.macro_f1,
            "test_accuracy": test.accuracy if test else None,
        }
        details = {"validation": evaluation.as_dict()}
        if test:
            details["test"] = test.as_dict()
        return ValidationResult(score, metrics, details, evaluation)

    def _evaluate(self, student: Classifier, rows: SplitRows) -> ClassifierEvaluation:
        probabilities = student.probabilities(rows.texts)
        return evaluate_classifier(probabilities, rows.labels, student.classes, draws=0)

    def next_inputs(
        self,
        number: int,
        student: Classifier,
        result: ValidationResult,
        rows: Sequence[Row],
        earlier: Sequence[Row],
        records: Sequence[Mapping[str, Any]] = (),
    ) -> list[Row]:
        consistent = self.cross_validation.consistent_rows(rows)
        if self.loop.allocate != "teacher":
            have = Counter(row["label"] for row in consistent)
            self._allocation = self.round_inputs.allocation(result.evaluation, have, records)
            if not self._allocation.wanted:
                return []
        mined, probabilities = self.cross_validation.minable_rows(student, rows, consistent)
        # The recipe's rule `contaminated` may be laxer than `loop.near`, and may miss a near copy.
        evaluation = self.splits.evaluation
        clean = [i for i, text in enumerate(mined.texts) if evaluation.find(text) is None]
        mined = mined.take(clean)
        probabilities = None if probabilities is None else probabilities[clean]
        return self.round_inputs.of_round(
            number,
            result.evaluation,
            mined,
            probabilities,
            [row for row in consistent if evaluation.find(row["text"]) is None],
            self._had,
            self._allocation.wanted,
        )

    def check_inputs(self, inputs: Sequence[Row]) -> None:
        for row in inputs:
            for column in ("shots", "correct", "incorrect", "hard"):
                source = f"loop: {column} of the class {row['label']!r}"
                self.splits.evaluation.refuse_copies(row[column], source)

    def requested_rows(self, inputs: Sequence[Row]) -> int:
        return sum(int(row["texts"]) for row in inputs) * self.recipe.teacher.sampling.n

    def prepare_recipe(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        axes = self.round_inputs.axis_names
        return labelled_round_recipe(recipe, folder, rows, self.splits, axes)

    def read_rows(self, corpus: Corpus) -> list[Row]:
        columns = ["id", "label", "text"]
        for split in ("accepted", "rejected"):
            for row in corpus.table(split, columns[1:]).to_pylist():
                if row["text"] and row["label"] in self._had:
                    self._had[row["label"]].add(text_hash(row["text"]))
        rows = corpus.table(columns=[*columns, "input_id"]).to_pylist()
        return [
            {name: row[name] for name in ("text", "label", "id", "input_id")}
            for row in sorted(rows, key=lambda row: (row["id"], row["label"]))
        ]

    def round_facts(self, inputs: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
        requested: Counter[str] = Counter()
        for row in inputs:
            requested[row["label"]] += int(row["texts"]) * self.recipe.teacher.sampling.n
        hard = {(one["text"], one["label"]): one for row in inputs for one in row["hard"]}
        label_of = {content_hash(row): row["label"] for row in inputs}
        pairs = Counter((label_of.get(row["input_id"], ""), row["label"]) for row in rows)
        return {
            "requested": dict(requested),
            # Texts that the teacher labelled otherwise than requested: its own label counts.
            "other_class": sum(
                number for (label, own), number in pairs.items() if label not in ("", own)
            ),
            "accepted": dict(sorted(Counter(row["label"] for row in rows).items())),
            "allocation": dict(self._allocation.notes),
            "hard": sorted(hard.values(), key=lambda one: (-one["confidence"], one["text"]))[
                :_EXAMPLES
            ],
        }


def _check(recipe: Recipe, loop: LoopPart, metric: str) -> None:
    """Refuse options that have no meaning for labelled text."""
    if recipe.kind.options.get("real"):
        raise RecipeError(
            "kind.options.real: in a loop real rows are named in `loop.start`; take one out"
        )
    if loop.allocate == "teacher" and not recipe.kind.several:
        raise RecipeError(
            "loop.allocate: teacher: the teacher chooses the classes of a list of texts; set"
            " kind.several: true and"
            " take a template that asks for one, such as labelled_text/pgkd"
        )
    if metric not in METRICS:
        raise RecipeError(
            f"loop.metric: {metric!r} is no figure of a classifier{nearest(metric, list(METRICS))}"
        )
    if loop.start is None and not isinstance(loop.validation, RowsPart):
        raise RecipeError(
            "loop: without `start`, name the rows of `validation`: the student must be validated on"
            " real rows"
        )
