"""Triples in a loop: the student writes tails, and the critic says which relations it still lacks.

pool of questions ──┬── heads kept apart: the student answers, the critic scores ── yield, errors ──┐
                    └── the others: the teacher is asked ── rules, critic ── accepted rows ── student
                                    ▲───────────────────────── which relations ◄───────────────────┘
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
from synthkd.loops.rounds import recipe_path
from synthkd.loops.task import LoopTask, Row, ValidationResult
from synthkd.loops.triples.answers import (
    answer_metrics,
    can_examine,
    metrics_by_relation,
    score_answers,
    train_examiner,
)
from synthkd.loops.triples.measure import (
    EvaluationQuestions,
    few_shot_heads,
    first_names,
    questions_of_rows,
    questions_of_share,
    read_triples,
)
from synthkd.loops.triples.questions import (
    TripleQuestion,
    check_kind,
    distinct_questions,
    head_of,
    split_by_heads,
)
from synthkd.loops.triples.recipe_check import check_loop, loop_student, selection_metric
from synthkd.loops.triples.selection import QuestionPool
from synthkd.stages.critic import decide
from synthkd.stages.plan import plan_run
from synthkd.students.folders import save_student

if TYPE_CHECKING:
    from synthkd.corpora.read import Corpus
    from synthkd.critics.base import Critic
    from synthkd.recipe import Recipe
    from synthkd.students.generators.student import GeneratorStudent

#: Rows that a student can be trained on, at least.
LEAST = 10


class TripleTask(LoopTask["GeneratorStudent"]):
    """The loop for a generator student and a critic. A question is asked once; a head that is kept for validation, or stands
    in the test rows, never."""

    kind = "triple"
    columns = ("validity", "accepted", "distinct", "gold", "loss", "test_validity", "test_gold")
    falling = frozenset({"loss"})
    #: No question is asked twice, so every round samples as the recipe says, and loops that share a journal pay once.
    anew = False

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.loop = recipe, check_loop(recipe)
        self.made, self.options = loop_student(recipe)
        self.plan = plan_run(recipe)
        check_kind(self.plan.kind)
        self._said: list[str] = []
        pool = distinct_questions(self.plan.kind, self.plan.inputs.rows(), recipe.seed)
        self.test, self.validation = self._measures(pool)
        self.metric = selection_metric(self.loop, self.validation.gold is not None)
        #: Heads that the teacher is never asked about.
        self.held = self.validation.heads | (self.test.heads if self.test else frozenset())
        self.pool, _ = split_by_heads(pool, self.held)
        if not self.pool:
            raise InputError(
                "no question is left to ask: every head of the inputs is kept for validation or test"
            )
        self._start = self._read_start()
        given = frozenset(str(row["id"]) for row in self._start)
        self.asking = QuestionPool(self.plan.kind, self.pool, self.plan.components.sampling.n, given)
        self.decision = decide(self.plan.components)
        self.decision.refuse()
        if not can_examine(self.decision.trained):
            self._said.append(
                "validity: the critic keeps too few labelled rows to train an examiner; its own scores stand in, which flatter"
            )

    @cached_property
    def examiner(self) -> Critic | None:
        """What scores the student's answers; trained when first needed."""
        trained = self.decision.trained
        return train_examiner(trained, self.recipe.seed) if can_examine(trained) else None

    def _measures(
        self, pool: Sequence[TripleQuestion]
    ) -> tuple[EvaluationQuestions | None, EvaluationQuestions]:
        """Test and validation questions: of rows, or of a share of the pool's heads."""
        kind, loop, recipe = self.plan.kind, self.loop, self.recipe
        shown = few_shot_heads(
            kind, self.plan.components.prompt.examples if self.plan.components.prompt else ()
        )
        test = questions_of_rows(recipe, kind, loop.test, "test", shown, self._said) if loop.test else None
        tested = test.heads if test else frozenset()
        if isinstance(loop.validation, float):
            taken = shown | tested
            return test, questions_of_share(kind, pool, loop.validation, taken, recipe.seed, self._said)
        found = questions_of_rows(recipe, kind, loop.validation, "validation", shown, self._said)
        if both := sorted(found.heads & tested):
            raise InputError(
                f"heads stand in validation and in test: {first_names(both)}; give each to one of them"
            )
        return test, found

    def _read_start(self) -> list[Row]:
        if self.loop.start is None:
            return []
        kind = self.plan.kind
        rows = read_triples(self.recipe, kind, self.loop.start, "start", tails=True)
        kept = [row for row in rows if head_of(kind, row) not in self.held]
        if len(kept) < len(rows):
            self._said.append(
                f"start: {len(rows) - len(kept):,} rows left out, their heads are kept for measuring"
            )
        return [row | {"id": kind.identity(row)} for row in kept]

    @property
    def said(self) -> Sequence[str]:
        return self._said

    def facts(self) -> dict[str, Any]:
        """Questions, rows and critic."""
        found: dict[str, Any] = {
            "questions": len(self.pool),
            "questions_hash": content_hash([one.key for one in self.pool]),
            "critic": (self.decision.record or {}).get("fingerprint"),
        }
        for name, part in (("validation", self.validation), ("test", self.test)):
            if part is not None:
                found |= {f"{name}_{key}": value for key, value in part.facts().items()}
        if self._start:
            hashed = content_hash(sorted(row["id"] for row in self._start))
            found["start"] = {"rows": len(self._start), "hash": hashed}
        return found

    def start(self) -> list[Row]:
        return list(self._start)

    def lacking(self, rows: Sequence[Row]) -> str:
        if len(rows) >= LEAST:
            return ""
        return f"{len(rows)} rows were accepted, a student needs {LEAST}"

    def first(self, rows: Sequence[Row], attempt: int, asked: Sequence[Row]) -> list[Row]:
        if not self.lacking(rows) and (attempt or not self._first_questions()):
            return []
        return self.asking.uniform(asked, self._first_questions() or self.loop.rows)

    def _first_questions(self) -> int:
        """Questions of round 0: none where there are rows to start from."""
        if self.loop.first is not None:
            return self.loop.first
        return 0 if self._start else self.loop.rows

    def ask(
        self,
        number: int,
        student: GeneratorStudent,
        figures: ValidationResult,
        rows: Sequence[Row],
        asked: Sequence[Row],
        before: Sequence[Mapping[str, Any]] = (),
    ) -> list[Row]:
        if self.loop.allocate == "uniform":
            return self.asking.uniform(asked, self.loop.rows)
        return self.asking.own(asked, self.loop.rows, rows, figures.details["relations"])

    def check(self, inputs: Sequence[Row]) -> None:
        for row in inputs:
            if head_of(self.plan.kind, row) in self.held:
                raise InputError(
                    f"the head {row[self.plan.kind.group_column]!r} is kept for measuring; it is never asked about"
                )

    def wanted(self, inputs: Sequence[Row]) -> int:
        """Completions."""
        return len(inputs) * self.plan.components.sampling.n

    def train(self, rows: Sequence[Row], folder: Path) -> GeneratorStudent:
        unique = list({row["id"]: row for row in rows}.values())
        student: GeneratorStudent = self.made(**self.options)
        with warnings.catch_warnings():
            # What no answer can say is counted in the student's record; the loop trains many times.
            warnings.filterwarnings("ignore", message="generator: ")
            student.fit_rows(unique, self.plan.kind)
        save_student(student, folder, {"rows": len(unique), "recipe": self.recipe.fingerprint()})
        return student

    def load(self, folder: Path) -> GeneratorStudent:
        student: GeneratorStudent = self.made.load(folder, self.plan.kind)
        return student

    def validate(self, student: GeneratorStudent) -> ValidationResult:
        shown, relations = self._figures(student, self.validation)
        if self.test:
            tested, _ = self._figures(student, self.test)
            shown |= {"test_validity": tested["validity"], "test_gold": tested["gold"]}
        value = shown[self.metric]
        if value is None:
            raise TrainingError("the student has no loss on any row of `loop.validation`")
        return ValidationResult(
            -value if self.metric in self.falling else value, shown, {"relations": relations}
        )

    def _figures(
        self, student: GeneratorStudent, by: EvaluationQuestions
    ) -> tuple[dict[str, float | None], dict[str, Any]]:
        kind = self.plan.kind
        said = student.generate([one.row for one in by.questions], n=1, temperature=0.0)
        found = score_answers(self.plan, self.decision, by.questions, said, self.examiner)
        whole = answer_metrics(kind, found, by.ids(kind))
        shown: dict[str, float | None] = {
            "validity": whole.validity, "accepted": whole.accepted, "distinct": whole.distinct, "gold": whole.gold,
            "loss": None,
        }  # fmt: skip
        if by.gold is not None:
            losses = student.loss(list(by.gold))
            # Of rows that no answer of the student can say there is none.
            known = losses[np.isfinite(losses)]
            shown["loss"] = float(known.mean()) if len(known) else None
        relations = sorted({one.relation for one in by.questions})
        return shown, metrics_by_relation(kind, found, relations)

    def prepare(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        """The critic is trained once, not in every round; an id of the inputs keeps its name."""
        part = self.recipe.critic
        assert part is not None
        if part.labels is not None:
            trained = recipe_path(recipe, self.recipe.work_dir / "critic")
            part = part.model_copy(update={"path": trained, "labels": None})
        own = self.recipe.inputs.id
        name = None if own is None else self.recipe.inputs.rename.get(own, own)
        inputs = recipe.inputs.model_copy(update={"id": name})
        return recipe.with_parts(critic=part, inputs=inputs)

    def read(self, corpus: Corpus) -> list[Row]:
        names = ["id", *self.plan.kind.columns]
        return sorted(corpus.accepted.select(names).to_pylist(), key=lambda row: str(row["id"]))

    def told(self, inputs: Sequence[Row], rows: Sequence[Row]) -> dict[str, Any]:
        """Completions asked for and rows accepted, of each relation."""
        n, (asked, came) = self.plan.components.sampling.n, map(self.asking.of_relation, (inputs, rows))
        return {
            "asked": {name: asked[name] * n for name in sorted(asked)},
            "came": {name: came[name] for name in sorted(asked)},
        }
