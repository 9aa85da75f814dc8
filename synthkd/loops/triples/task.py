"""The loop over triples: a generator's errors decide which relations are asked about.

questions ─┬─ held-out heads ─► answers of the student ─► scores ─► errors of each relation ─┐
           └─ other heads ─► teacher ─► rules, critic ─► accepted rows ─► student            │
                   ▲───────────────────── questions of a round ◄────────────────────────────┘
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthkd.errors import InputError, TrainingError
from synthkd.keys import content_hash
from synthkd.loops.task import LoopTask, Row, ValidationResult
from synthkd.loops.triples.answers import (
    answer_metrics,
    can_examine,
    metrics_by_relation,
    score_answers,
    train_examiner,
)
from synthkd.loops.triples.evaluation_questions import (
    EvaluationQuestions,
    few_shot_heads,
    first_names,
    questions_of_rows,
    questions_of_share,
    read_triples,
)
from synthkd.loops.triples.question_pool import QuestionPool
from synthkd.loops.triples.questions import (
    TripleQuestion,
    check_kind,
    distinct_questions,
    head_of,
    split_by_heads,
)
from synthkd.loops.triples.recipe_check import check_loop, selection_metric, text_student_factory
from synthkd.stages.critic import decide
from synthkd.stages.plan import plan_run
from synthkd.students.folders import save_student

if TYPE_CHECKING:
    from synthkd.corpora.read import Corpus
    from synthkd.critics.base import CriticModel
    from synthkd.recipe import Recipe
    from synthkd.students.generators.student import GeneratorStudent

#: Minimum rows to train a student on.
LEAST = 10


class TripleTask(LoopTask["GeneratorStudent"]):
    """Triples, with a generator as the student and a critic.

    A question is asked once. Heads of validation and test questions are never asked about.
    """

    name = "triple"
    metrics = ("validity", "accepted", "distinct", "gold", "loss", "test_validity", "test_gold")
    lower_is_better = frozenset({"loss"})
    #: No question is asked twice, and loops that share a journal share completions.
    resamples = False

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        check_loop(recipe)
        self.make_student = text_student_factory(recipe)
        self.plan = plan_run(recipe)
        check_kind(self.plan.kind)
        self._notices: list[str] = []
        pool = distinct_questions(self.plan.kind, self.plan.inputs.rows(), recipe.seed)
        self.test, self.validation = self._evaluation_questions(pool)
        self.selection_metric = selection_metric(self.loop, self.validation.gold is not None)
        #: Heads that the teacher is never asked about.
        self.held_out_heads = self.validation.heads | (
            self.test.heads if self.test else frozenset()
        )
        self.questions, _ = split_by_heads(pool, self.held_out_heads)
        if not self.questions:
            raise InputError(
                "no question is left to ask: every head of the inputs is kept for validation or"
                " test"
            )
        self._start = self._read_start()
        start = frozenset(str(row["id"]) for row in self._start)
        samples = self.plan.components.sampling.n
        self.pool = QuestionPool(self.plan.kind, self.questions, samples, start)
        self.decision = decide(self.plan.components)
        self.decision.refuse()
        if not can_examine(self.decision.trained):
            self._notices.append(
                "validity: the critic keeps too few labelled rows to train an examiner; its own"
                " scores are used,"
                " which are biased upwards"
            )

    @cached_property
    def examiner(self) -> CriticModel | None:
        """Scores the student's answers; trained when first used. None if it cannot be trained."""
        trained = self.decision.trained
        return train_examiner(trained, self.recipe.seed) if can_examine(trained) else None

    def _evaluation_questions(
        self, pool: Sequence[TripleQuestion]
    ) -> tuple[EvaluationQuestions | None, EvaluationQuestions]:
        """Return test and validation questions: of rows, or of a share of the pool's heads."""
        kind, loop, recipe = self.plan.kind, self.loop, self.recipe
        shown = few_shot_heads(
            kind, self.plan.components.prompt.examples if self.plan.components.prompt else ()
        )
        test = (
            questions_of_rows(recipe, kind, loop.test, "test", shown, self._notices)
            if loop.test
            else None
        )
        tested = test.heads if test else frozenset()
        if isinstance(loop.validation, float):
            taken = shown | tested
            return test, questions_of_share(
                kind, pool, loop.validation, taken, recipe.seed, self._notices
            )
        validation = questions_of_rows(
            recipe, kind, loop.validation, "validation", shown, self._notices
        )
        if both := sorted(validation.heads & tested):
            raise InputError(
                f"heads stand in validation and in test: {first_names(both)}; give each to one of"
                " them"
            )
        return test, validation

    def _read_start(self) -> list[Row]:
        if self.loop.start is None:
            return []
        kind = self.plan.kind
        rows = read_triples(self.recipe, kind, self.loop.start, "start", tails=True)
        kept = [row for row in rows if head_of(kind, row) not in self.held_out_heads]
        if len(kept) < len(rows):
            self._notices.append(
                f"start: {len(rows) - len(kept):,} rows left out, their heads are held out for"
                " evaluation"
            )
        return [row | {"id": kind.identity(row)} for row in kept]

    @property
    def notices(self) -> Sequence[str]:
        return self._notices

    def row_facts(self) -> dict[str, Any]:
        """Return facts of questions, rows and critic."""
        facts: dict[str, Any] = {
            "questions": len(self.questions),
            "questions_hash": content_hash([one.key for one in self.questions]),
            "critic": (self.decision.record or {}).get("fingerprint"),
        }
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part is not None:
                facts |= {f"{name}_{key}": value for key, value in part.facts().items()}
        if self._start:
            hashed = content_hash(sorted(row["id"] for row in self._start))
            facts["start"] = {"rows": len(self._start), "hash": hashed}
        return facts

    def initial_rows(self) -> list[Row]:
        return list(self._start)

    def training_problem(self, rows: Sequence[Row]) -> str:
        if len(rows) >= LEAST:
            return ""
        return f"{len(rows)} rows were accepted, a student needs {LEAST}"

    def initial_inputs(
        self, rows: Sequence[Row], attempt: int, earlier: Sequence[Row]
    ) -> list[Row]:
        if not self.training_problem(rows) and (attempt or not self._initial_number()):
            return []
        return self.pool.proportional(earlier, self._initial_number() or self.loop.rows)

    def _initial_number(self) -> int:
        """Return the number of questions of round 0: none if there are rows to start from."""
        if self.loop.first is not None:
            return self.loop.first
        return 0 if self._start else self.loop.rows

    def next_inputs(
        self,
        number: int,
        student: GeneratorStudent,
        result: ValidationResult,
        rows: Sequence[Row],
        earlier: Sequence[Row],
        records: Sequence[Mapping[str, Any]] = (),
    ) -> list[Row]:
        if self.loop.allocate == "uniform":
            return self.pool.proportional(earlier, self.loop.rows)
        return self.pool.by_yield(earlier, self.loop.rows, rows, result.details["relations"])

    def check_inputs(self, inputs: Sequence[Row]) -> None:
        for row in inputs:
            if head_of(self.plan.kind, row) in self.held_out_heads:
                raise InputError(
                    f"the head {row[self.plan.kind.group_column]!r} is held out for evaluation; it"
                    " is never asked about"
                )

    def requested_rows(self, inputs: Sequence[Row]) -> int:
        """Return the number of completions."""
        return len(inputs) * self.plan.components.sampling.n

    def train(self, rows: Sequence[Row], folder: Path) -> GeneratorStudent:
        unique = list({row["id"]: row for row in rows}.values())
        student: GeneratorStudent = self.make_student()
        with warnings.catch_warnings():
            # The student's record counts rows that no answer can say.
            warnings.filterwarnings("ignore", message="generator: ")
            student.fit_rows(unique, self.plan.kind)
        save_student(student, folder, {"rows": len(unique), "recipe": self.recipe.fingerprint()})
        return student

    def load(self, folder: Path) -> GeneratorStudent:
        student: GeneratorStudent = type(self.make_student()).load(folder, self.plan.kind)
        return student

    def validate(self, student: GeneratorStudent) -> ValidationResult:
        metrics, relations = self._evaluate(student, self.validation)
        if self.test:
            test, _ = self._evaluate(student, self.test)
            metrics |= {"test_validity": test["validity"], "test_gold": test["gold"]}
        value = metrics[self.selection_metric]
        if value is None:
            raise TrainingError("the student has no loss on any row of `loop.validation`")
        return ValidationResult(
            -value if self.selection_metric in self.lower_is_better else value,
            metrics,
            {"relations": relations},
        )

    def _evaluate(
        self, student: GeneratorStudent, by: EvaluationQuestions
    ) -> tuple[dict[str, float | None], dict[str, Any]]:
        """Return the figures of all answers to these questions, and those of each relation."""
        kind = self.plan.kind
        texts = student.generate([one.row for one in by.questions], n=1, temperature=0.0)
        answers = score_answers(self.plan, self.decision, by.questions, texts, self.examiner)
        total = answer_metrics(kind, answers, by.ids(kind))
        metrics: dict[str, float | None] = {
            "validity": total.validity,
            "accepted": total.accepted,
            "distinct": total.distinct,
            "gold": total.gold,
            "loss": None,
        }
        if by.gold is not None:
            losses = student.loss(list(by.gold))
            # Rows that the student cannot write have no loss.
            finite = losses[np.isfinite(losses)]
            metrics["loss"] = float(finite.mean()) if len(finite) else None
        relations = sorted({one.relation for one in by.questions})
        return metrics, metrics_by_relation(kind, answers, relations)

    def prepare_recipe(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        """Return the recipe with the loop's critic, trained once, and the id of the inputs."""
        critic = self.recipe.critic
        assert critic is not None
        if critic.labels is not None:
            trained = recipe.path_text(self.recipe.work_dir / "critic")
            critic = critic.model_copy(update={"path": trained, "labels": None})
        column = self.recipe.inputs.id
        name = None if column is None else self.recipe.inputs.rename.get(column, column)
        inputs = recipe.inputs.model_copy(update={"id": name})
        return recipe.with_parts(critic=critic, inputs=inputs)

    def read_rows(self, corpus: Corpus) -> list[Row]:
        names = ["id", *self.plan.kind.columns]
        return sorted(corpus.table(columns=names).to_pylist(), key=lambda row: str(row["id"]))

    def round_facts(self, inputs: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
        """Return requested completions and accepted rows of each relation."""
        samples = self.plan.components.sampling.n
        requested, accepted = map(self.pool.rows_by_relation, (inputs, rows))
        return {
            "requested": {name: requested[name] * samples for name in sorted(requested)},
            "accepted": {name: accepted[name] for name in sorted(requested)},
        }
