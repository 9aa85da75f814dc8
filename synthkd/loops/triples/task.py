"""Triples in a loop: the student writes tails, and the critic says which relations it still lacks.

pool of questions ──┬── heads kept apart: the student answers, the critic scores ── yield, errors ──┐
                    └── the others: the teacher is asked ── rules, critic ── accepted rows ── student
                                    ▲───────────────────────── which relations ◄───────────────────┘
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthkd.errors import InputError
from synthkd.keys import content_hash
from synthkd.loops.rounds import beside
from synthkd.loops.task import Figures, Row, Task
from synthkd.loops.triples import allocate
from synthkd.loops.triples.answers import answers, by_relation, scored
from synthkd.loops.triples.examiner import examiner_of
from synthkd.loops.triples.measure import Measure, examples_heads, of_rows, read_triples, share_of, some
from synthkd.loops.triples.part import check_loop, metric_of, student_of
from synthkd.loops.triples.questions import Question, check_kind, head_of, parted, question, questions
from synthkd.stages.critic import decide
from synthkd.stages.plan import Plan
from synthkd.students.folders import save_student

if TYPE_CHECKING:
    from synthkd.corpora.read import Corpus
    from synthkd.recipe import Recipe
    from synthkd.students.generators.student import GeneratorStudent

#: Rows that a student can be trained on, at least.
LEAST = 10


class Triples(Task["GeneratorStudent"]):
    """The loop for a generator student and a critic. A question is asked once; a head that is kept for validation, or stands
    in the test rows, never."""

    kind = "triple"
    columns = ("validity", "accepted", "distinct", "gold", "loss", "test_validity", "test_gold")
    falling = frozenset({"loss"})
    #: No question is asked twice, so every round samples as the recipe says, and loops that share a journal pay once.
    anew = False

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.loop = recipe, check_loop(recipe)
        self.made, self.options = student_of(recipe)
        self.plan = Plan(recipe)
        check_kind(self.plan.kind)
        self._said: list[str] = []
        pool = questions(self.plan.kind, self.plan.rows(), recipe.seed)
        self.test, self.validation = self._measures(pool)
        self.metric = metric_of(self.loop, self.validation.gold is not None)
        #: Heads that the teacher is never asked about.
        self.held = self.validation.heads | (self.test.heads if self.test else frozenset())
        self.pool, _ = parted(pool, self.held)
        if not self.pool:
            raise InputError(
                "no question is left to ask: every head of the inputs is kept for validation or test"
            )
        self.relations = tuple(sorted({one.relation for one in self.pool}))
        self._start = self._read_start()
        self.decision = decide(self.plan)
        self.decision.refuse()
        self.examiner = examiner_of(self.decision.trained, recipe.seed)
        if self.examiner is None:
            self._said.append(
                "validity: the critic keeps too few labelled rows to train an examiner; its own scores stand in, which flatter"
            )

    def _measures(self, pool: Sequence[Question]) -> tuple[Measure | None, Measure]:
        """Test and validation questions: of rows, or of a share of the pool's heads."""
        kind, loop, recipe = self.plan.kind, self.loop, self.recipe
        shown = examples_heads(kind, self.plan.prompt.examples if self.plan.prompt else ())
        test = of_rows(recipe, kind, loop.test, "test", shown, self._said) if loop.test else None
        tested = test.heads if test else frozenset()
        if isinstance(loop.validation, float):
            taken = shown | tested
            return test, share_of(kind, pool, loop.validation, taken, recipe.seed, self._said)
        found = of_rows(recipe, kind, loop.validation, "validation", shown, self._said)
        if both := sorted(found.heads & tested):
            raise InputError(f"heads stand in validation and in test: {some(both)}; give each to one of them")
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
        return self._take(self._left(asked), None, self._first_questions() or self.loop.rows)

    def _first_questions(self) -> int:
        """Questions of round 0: none where there are rows to start from."""
        if self.loop.first is not None:
            return self.loop.first
        return 0 if self._start else self.loop.rows

    def ask(
        self,
        number: int,
        student: GeneratorStudent,
        figures: Figures,
        rows: Sequence[Row],
        asked: Sequence[Row],
    ) -> list[Row]:
        left, questions = self._left(asked), self.loop.rows
        if self.loop.allocate == "uniform":
            return self._take(left, None, questions)
        known = self._known(left, figures, rows, asked)
        return self._take(left, allocate.own(known, questions, self.plan.sampling.n), questions)

    def _left(self, asked: Sequence[Row]) -> list[list[Question]]:
        """The questions of each relation that were not asked yet."""
        before = {question(self.plan.kind, row, 0).key for row in asked}
        groups: dict[str, list[Question]] = {relation: [] for relation in self.relations}
        for one in self.pool:
            if one.key not in before:
                groups[one.relation].append(one)
        return list(groups.values())

    def _known(
        self, left: list[list[Question]], figures: Figures, rows: Sequence[Row], asked: Sequence[Row]
    ) -> allocate.Known:
        """Yields and errors of each relation, from what is on disk."""
        column, n = str(self.plan.kind.class_column), self.plan.sampling.n
        completions = Counter(str(row[column]) for row in asked)
        given = {row["id"] for row in self._start}
        accepted = Counter(str(row[column]) for row in rows if row.get("id") not in given)
        seen = figures.details["relations"]
        counts = [int(seen.get(relation, {}).get("questions", 0)) for relation in self.relations]
        good = [float(seen.get(relation, {}).get("validity", 0.0)) for relation in self.relations]
        return allocate.Known.of(
            [len(group) for group in left],
            [completions[relation] * n for relation in self.relations],
            [accepted[relation] for relation in self.relations],
            counts,
            [count * (1 - share) for count, share in zip(counts, good, strict=True)],
        )

    def _take(self, left: list[list[Question]], counts: Any, wanted: int) -> list[Row]:
        """The first questions of each relation, as rows of the inputs."""
        if counts is None:
            counts = allocate.uniform(np.array([len(group) for group in left]), wanted)
        taken = [one for group, count in zip(left, counts, strict=True) for one in group[: int(count)]]
        return [dict(one.row) for one in sorted(taken, key=lambda one: (one.draw, one.key))]

    def check(self, inputs: Sequence[Row]) -> None:
        for row in inputs:
            if head_of(self.plan.kind, row) in self.held:
                raise InputError(
                    f"the head {row[self.plan.kind.group_column]!r} is kept for measuring; it is never asked about"
                )

    def wanted(self, inputs: Sequence[Row]) -> int:
        """Completions."""
        return len(inputs) * self.plan.sampling.n

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

    def validate(self, student: GeneratorStudent) -> Figures:
        shown, relations = self._figures(student, self.validation)
        if self.test:
            tested, _ = self._figures(student, self.test)
            shown |= {"test_validity": tested["validity"], "test_gold": tested["gold"]}
        value = shown[self.metric]
        assert value is not None
        return Figures(-value if self.metric in self.falling else value, shown, {"relations": relations})

    def _figures(
        self, student: GeneratorStudent, by: Measure
    ) -> tuple[dict[str, float | None], dict[str, Any]]:
        kind = self.plan.kind
        said = student.generate([one.row for one in by.questions], n=1, temperature=0.0)
        found = answers(self.plan, self.decision, by.questions, said, self.examiner)
        whole = scored(kind, found, by.ids(kind))
        shown: dict[str, float | None] = {
            "validity": whole.validity, "accepted": whole.accepted, "distinct": whole.distinct, "gold": whole.gold,
            "loss": None,
        }  # fmt: skip
        if by.gold is not None:
            shown["loss"] = float(np.mean(student.loss(list(by.gold))))
        relations = sorted({one.relation for one in by.questions})
        return shown, by_relation(kind, found, relations)

    def prepare(self, recipe: Recipe, folder: Path, rows: Sequence[Row]) -> Recipe:
        """The critic is trained once, not in every round; an id of the inputs keeps its name."""
        part = self.recipe.critic
        assert part is not None
        if part.labels is not None:
            trained = beside(recipe, self.recipe.work_dir / "critic")
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
        column, n = str(self.plan.kind.class_column), self.plan.sampling.n
        asked, came = (Counter(str(row[column]) for row in part) for part in (inputs, rows))
        return {
            "asked": {name: asked[name] * n for name in sorted(asked)},
            "came": {name: came[name] for name in sorted(asked)},
        }
