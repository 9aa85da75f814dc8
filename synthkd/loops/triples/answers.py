"""What a student answers to questions, and what rules, critic and examiner say of it. No truth is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.corpora.schema import candidate_schema
from synthkd.critics.base import Critic, Labels
from synthkd.critics.labels import verdict_column
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.critics.triples.negatives import SLOTS, TrueTriples, corrupt
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.loops.triples.questions import TripleQuestion
from synthkd.stages.critic import Decision
from synthkd.stages.parse import MALFORMED, apply_rules
from synthkd.stages.plan import RunPlan
from synthkd.students.base import Floats


@dataclass(frozen=True)
class StudentAnswer:
    """One candidate of an answer. ``score`` is the examiner's (the critic's where there is none), 0 for what cannot be read or a
    rule refused; ``refused_by`` names the rule or critic that refused it, None where it was accepted."""

    question: TripleQuestion
    row: Mapping[str, Any] | None
    score: float
    refused_by: str | None
    id: str = ""


def score_answers(
    plan: RunPlan,
    decision: Decision,
    asked: Sequence[TripleQuestion],
    texts: Sequence[Sequence[str]],
    examiner: Critic | None = None,
) -> list[StudentAnswer]:
    """Every candidate in the texts that answer each question, judged as those of the teacher are."""
    kind = plan.kind
    found: list[tuple[TripleQuestion, dict[str, Any] | None]] = []
    for one, said in zip(asked, texts, strict=True):
        for text in said:
            candidates = kind.parse(text, one.row)
            if isinstance(candidates, Malformed) or not candidates:
                found.append((one, None))
            else:
                found += [(one, row) for row in candidates]
    rows = [row for _, row in found if row is not None]
    judged = iter(_judged(plan, decision, rows, examiner))
    return [
        StudentAnswer(one, None, 0.0, MALFORMED) if row is None else StudentAnswer(one, row, *next(judged))
        for one, row in found
    ]


def _judged(
    plan: RunPlan, decision: Decision, rows: Sequence[Row], examiner: Critic | None
) -> list[tuple[float, str | None, str]]:
    """Score, what refused it, and id of each row."""
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
    """The rows as candidates: what a completion brings beside its text is not there."""
    values: dict[str, list[Any]] = {
        name: [row.get(name) for row in rows] for name in (*kind.columns, *kind.details)
    }
    values |= {"id": [kind.identity(row) for row in rows], "kind": [kind.name] * len(rows)}
    if "text" not in kind.columns:
        values["text"] = [kind.verbalize(row) for row in rows]
    arrays = [
        pa.array(values[field.name], field.type) if field.name in values else pa.nulls(len(rows), field.type)
        for field in candidate_schema(kind)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=candidate_schema(kind))


@dataclass(frozen=True)
class AnswerMetrics:
    """Figures of answers, each question counting once. ``validity``: mean score of the examiner; ``accepted``: share that
    the critic accepts; ``distinct``: distinct answers among the accepted ones, as a share of them, heads left out: a student that says
    the same of every head has little; ``gold``: share that is among the known answers, where those were given."""

    questions: int
    validity: float
    accepted: float
    distinct: float
    gold: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {name: _short(value) for name, value in vars(self).items()}


def answer_metrics(
    kind: Kind, found: Sequence[StudentAnswer], gold: frozenset[str] | None = None
) -> AnswerMetrics:
    """The figures of all these answers. ``gold``: ids of the known answers."""
    per = _per_question(found, gold)
    if not len(per):
        return AnswerMetrics(0, 0.0, 0.0, 0.0, None if gold is None else 0.0)
    validity, accepted, known = per.mean(0)
    said = [_without_head(kind, one) for one in found if one.refused_by is None]
    return AnswerMetrics(
        len(per),
        float(validity),
        float(accepted),
        len(set(said)) / len(said) if said else 0.0,
        None if gold is None else float(known),
    )


def metrics_by_relation(
    kind: Kind, found: Sequence[StudentAnswer], relations: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The figures of each relation's answers."""
    groups: dict[str, list[StudentAnswer]] = {relation: [] for relation in relations}
    for one in found:
        groups[one.question.relation].append(one)
    return {relation: answer_metrics(kind, group).as_dict() for relation, group in groups.items()}


def _per_question(found: Sequence[StudentAnswer], gold: frozenset[str] | None) -> Floats:
    """(Q, 3) of each question: mean score, accepted share, share among the gold of its candidates."""
    rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for one in found:
        values = (one.score, float(one.refused_by is None), float(gold is not None and one.id in gold))
        rows.setdefault(one.question.key, []).append(values)
    return np.array([np.mean(values, axis=0) for values in rows.values()])


def _without_head(kind: Kind, one: StudentAnswer) -> tuple[str, ...]:
    assert one.row is not None
    parts = zip(kind.columns, kind.normalize(one.row), strict=True)
    return tuple(part for column, part in parts if column != kind.group_column)


def _short(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


#: Labelled rows of each verdict, at least.
LEAST = 50
#: Corrupted rows for each valid one.
EACH = 1


def can_examine(trained: TrainedCritic) -> bool:
    """Whether a critic keeps enough labelled rows, of the columns head, relation and tail."""
    verdicts = _verdicts(trained)
    few = min(verdicts.sum(), (~verdicts).sum())
    return tuple(trained.critic.kind.columns) == SLOTS and int(few) >= LEAST


def _verdicts(trained: TrainedCritic) -> Labels:
    column = trained.held_out.column(verdict_column(trained.critic.kind))
    return np.asarray(column.to_pylist(), dtype=bool)


def train_examiner(trained: TrainedCritic, seed: int) -> Critic:
    """Train one from a critic's held-out rows. The same rows and seed give the same examiner."""
    kind, held, labels = trained.critic.kind, trained.held_out, _verdicts(trained)
    from synthkd.critics.linear import LinearCritic

    rows = [tuple(str(row[slot]) for slot in SLOTS) for row in held.select(SLOTS).to_pylist()]
    valid: Any = [row for row, good in zip(rows, labels.tolist(), strict=True) if good]
    known = set(rows)
    made = [
        row
        for row in dict.fromkeys(corrupt(valid, TrueTriples(valid), EACH, seed).triples)
        if row not in known
    ]
    table = pa.table(dict(zip(SLOTS, zip(*rows, *made, strict=True), strict=True)))
    verdicts = np.concatenate([labels, np.zeros(len(made), dtype=bool)])
    critic = LinearCritic(kind)
    critic.fit(table, verdicts, groups=table.column(kind.group_column).to_pylist())
    return critic
