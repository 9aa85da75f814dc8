"""Scores of a student's answers by rules, critic and examiner, without known answers.

The examiner is a critic that is trained on a critic's held-out rows and on corruptions of them,
since a student makes mistakes that no teacher made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.corpora.schema import candidate_schema
from synthkd.critics.base import CriticModel, Labels
from synthkd.critics.labels import verdict_column
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.critics.triples.negatives import SLOTS, TrueTriples, corrupt
from synthkd.kinds.base import Kind, Malformed, Row, readable
from synthkd.loops.triples.questions import TripleQuestion
from synthkd.stages.apply_rules import apply_rules
from synthkd.stages.critic import Decision
from synthkd.stages.parse import MALFORMED
from synthkd.stages.plan import RunPlan
from synthkd.students.base import Floats


@dataclass(frozen=True)
class StudentAnswer:
    """One candidate of an answer.

    Attributes:
        row: The candidate; None for a malformed answer.
        score: The examiner's score, or the critic's if there is none; 0 if malformed or rejected by
            a rule.
        rejected_by: The rule or critic that rejected it; None if accepted.
    """

    question: TripleQuestion
    row: Mapping[str, Any] | None
    score: float
    rejected_by: str | None
    id: str = ""


def score_answers(
    plan: RunPlan,
    decision: Decision,
    questions: Sequence[TripleQuestion],
    texts: Sequence[Sequence[str]],
    examiner: CriticModel | None = None,
) -> list[StudentAnswer]:
    """Parse and filter answers as those of the teacher, and score them.

    Args:
        plan: The plan of the run, with kind and rules.
        decision: The critic's decision.
        questions: The questions.
        texts: The texts that answer each question.
        examiner: Scores the answers; default: the critic.
    """
    kind = plan.kind
    parsed: list[tuple[TripleQuestion, dict[str, Any] | None]] = []
    for one, texts_of_question in zip(questions, texts, strict=True):
        for text in texts_of_question:
            candidates = readable(kind.parse(text, one.row))
            if isinstance(candidates, Malformed) or not candidates:
                parsed.append((one, None))
            else:
                parsed += [(one, row) for row in candidates]
    rows = [row for _, row in parsed if row is not None]
    outcomes = iter(_outcomes(plan, decision, rows, examiner))
    return [
        StudentAnswer(one, None, 0.0, MALFORMED)
        if row is None
        else StudentAnswer(one, row, *next(outcomes))
        for one, row in parsed
    ]


def _outcomes(
    plan: RunPlan, decision: Decision, rows: Sequence[Row], examiner: CriticModel | None
) -> list[tuple[float, str | None, str]]:
    """Return score, rejecting rule or critic, and id of each row."""
    if not rows:
        return []
    batch = apply_rules(_batch(plan.kind, rows), plan.kind, plan.components.rules)
    passed = pc.is_null(batch.column("rejected_by"))
    table = pa.Table.from_batches([batch.filter(passed)])
    scores, verdicts = decision.decide(table)
    if examiner is not None:
        scores = examiner.score(table).tolist()
    critic = iter(zip(scores, verdicts, strict=True))
    result: list[tuple[float, str | None, str]] = []
    for name, rule in zip(
        batch.column("id").to_pylist(), batch.column("rejected_by").to_pylist(), strict=True
    ):
        if rule is not None:
            result.append((0.0, rule, name))
            continue
        score, verdict = next(critic)
        result.append((float(score or 0.0), None if verdict is None else decision.name, name))
    return result


def _batch(kind: Kind, rows: Sequence[Row]) -> pa.RecordBatch:
    """Return the rows as candidates; columns of a completion are null."""
    values: dict[str, list[Any]] = {
        name: [row.get(name) for row in rows] for name in (*kind.columns, *kind.details)
    }
    values |= {"id": [kind.identity(row) for row in rows], "kind": [kind.name] * len(rows)}
    if "text" not in kind.columns:
        values["text"] = [kind.verbalize(row) for row in rows]
    arrays = [
        pa.array(values[field.name], field.type)
        if field.name in values
        else pa.nulls(len(rows), field.type)
        for field in candidate_schema(kind)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=candidate_schema(kind))


@dataclass(frozen=True)
class AnswerMetrics:
    """Figures of answers; each question counts once.

    Attributes:
        validity: Mean score.
        accepted: Accepted share.
        distinct: Distinct accepted answers, without heads, as a share of the accepted ones; low for
            a
            student that gives every head the same answer.
        gold: Share among the known answers; None if none are given.
    """

    questions: int
    validity: float
    accepted: float
    distinct: float
    gold: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {name: _rounded(value) for name, value in vars(self).items()}


def answer_metrics(
    kind: Kind, answers: Sequence[StudentAnswer], gold: frozenset[str] | None = None
) -> AnswerMetrics:
    """Return the figures of answers. ``gold``: ids of the known answers."""
    means = _per_question(answers, gold)
    if not len(means):
        return AnswerMetrics(0, 0.0, 0.0, 0.0, None if gold is None else 0.0)
    validity, accepted, gold_share = means.mean(0)
    contents = [_without_head(kind, one) for one in answers if one.rejected_by is None]
    return AnswerMetrics(
        len(means),
        float(validity),
        float(accepted),
        len(set(contents)) / len(contents) if contents else 0.0,
        None if gold is None else float(gold_share),
    )


def metrics_by_relation(
    kind: Kind, answers: Sequence[StudentAnswer], relations: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the figures of each relation's answers."""
    groups: dict[str, list[StudentAnswer]] = {relation: [] for relation in relations}
    for one in answers:
        groups[one.question.relation].append(one)
    return {relation: answer_metrics(kind, group).as_dict() for relation, group in groups.items()}


def _per_question(answers: Sequence[StudentAnswer], gold: frozenset[str] | None) -> Floats:
    """Return (Q, 3) means of each question: score, accepted share, share of known answers."""
    rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for one in answers:
        values = (
            one.score,
            float(one.rejected_by is None),
            float(gold is not None and one.id in gold),
        )
        rows.setdefault(one.question.key, []).append(values)
    return np.array([np.mean(values, axis=0) for values in rows.values()])


def _without_head(kind: Kind, one: StudentAnswer) -> tuple[str, ...]:
    assert one.row is not None
    parts = zip(kind.columns, kind.normalize(one.row), strict=True)
    return tuple(part for column, part in parts if column != kind.group_column)


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


#: Minimum labelled rows of each verdict.
LEAST = 50
#: Corrupted rows for each valid one.
EACH = 1


def can_examine(trained: TrainedCritic) -> bool:
    """Return whether a critic has enough held-out rows of the columns head, relation and tail."""
    verdicts = _verdicts(trained)
    fewer = min(verdicts.sum(), (~verdicts).sum())
    return tuple(trained.critic.kind.columns) == SLOTS and int(fewer) >= LEAST


def _verdicts(trained: TrainedCritic) -> Labels:
    column = trained.held_out.column(verdict_column(trained.critic.kind))
    return np.asarray(column.to_pylist(), dtype=bool)


def train_examiner(trained: TrainedCritic, seed: int) -> CriticModel:
    """Train an examiner from a critic's held-out rows; equal rows and seed give an equal one."""
    kind, held_out, labels = trained.critic.kind, trained.held_out, _verdicts(trained)
    from synthkd.critics.linear import LinearCritic

    rows = [tuple(str(row[slot]) for slot in SLOTS) for row in held_out.select(SLOTS).to_pylist()]
    valid: Any = [row for row, good in zip(rows, labels.tolist(), strict=True) if good]
    distinct = set(rows)
    corruptions = [
        row
        for row in dict.fromkeys(corrupt(valid, TrueTriples(valid), EACH, seed).triples)
        if row not in distinct
    ]
    table = pa.table(dict(zip(SLOTS, zip(*rows, *corruptions, strict=True), strict=True)))
    verdicts = np.concatenate([labels, np.zeros(len(corruptions), dtype=bool)])
    critic = LinearCritic(kind)
    critic.fit(table, verdicts, groups=table.column(kind.group_column).to_pylist())
    return critic
