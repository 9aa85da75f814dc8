"""Judge: parse what is in the journal, and give every candidate a fate. The teacher is never called.

First pass, a batch of inputs at a time: parse, then the rules that look at one row. Rows go to partitions by
the question that their completions vote on. Second pass, a partition at a time: the global rules' verdicts, votes,
exact duplicates, the critic. Memory holds one batch or one partition, whatever the number of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import TeacherError
from synthkd.filters.base import GlobalFilter
from synthkd.filters.duplicates import NAME as DUPLICATE
from synthkd.filters.duplicates import find_duplicates
from synthkd.filters.reliability import Pattern
from synthkd.filters.votes import NAME as VOTES
from synthkd.journal import Journal
from synthkd.keys import content_hash
from synthkd.kinds.base import Malformed, Row
from synthkd.kinds.structured import read_answer
from synthkd.progress import Progress
from synthkd.requests import Completion
from synthkd.stages.critic import Decision
from synthkd.stages.partitions import Partitions, read_partition
from synthkd.stages.plan import Asked, InputCounts, Plan
from synthkd.stages.votes import ANSWER, FIELDS, QUESTION, Ballot, question_of
from synthkd.storage import replaced_folder

#: Rows that a partition should hold, about.
PARTITION_ROWS = 200_000
MALFORMED = "malformed"


@dataclass
class Judged:
    """The fate of everything that came. Candidates = accepted + rejected, to the row.

    ``repaired`` counts structured answers that were read, but not as they came (see `kinds.structured`).
    ``votes`` says how many questions were unanimous, led or tied, where the recipe has votes.
    """

    asked: int = 0
    completed: int = 0
    failed: int = 0
    missing: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    candidates: int = 0
    malformed: int = 0
    repaired: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    accepted: int = 0
    tokens: int = 0
    cost: float | None = None
    votes: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def judge(plan: Plan, journal: Journal, decision: Decision, folder: Path, progress: Progress) -> Judged:
    """Write judged candidates as ``part-*.parquet`` into ``folder``, those of one question together; return the
    counts."""
    done = Judged()
    fates: Counter[str] = Counter()
    with replaced_folder(folder) as temporary:
        partitions = _count_partitions(plan)
        parsed = temporary / "parsed"
        parsed.mkdir()
        _parse_all(plan, journal, parsed, partitions, done, progress)
        sources = [path for n in range(partitions) if (path := parsed / f"{n:04d}.arrows").exists()]
        ballot = _ballot(plan, sources)
        held: Counter[str] = Counter()
        for source in sources:
            table, counts = _decide(_Fates(read_partition(source), plan), ballot, decision)
            held.update(counts)
            fates.update(table.column("rejected_by").fill_null("accepted").to_pylist())
            pq.write_table(table, temporary / f"part-{source.stem}.parquet", compression="zstd")
            source.unlink()
            progress.advance(table.num_rows)
        parsed.rmdir()
    if ballot.part:
        done.votes = dict(held) | ({"teachers": ballot.teachers.sure} if ballot.teachers.sure else {})
    done.accepted = fates.pop("accepted", 0)
    done.malformed = fates.pop(MALFORMED, 0)
    order = [*(rule.name for rule in plan.rules), DUPLICATE]
    if ballot.part:
        order.insert(-1, VOTES)
    if decision.trained is not None:
        order.append(decision.name)
    done.rejected = {name: fates[name] for name in dict.fromkeys(order)}
    return done


def _count_partitions(plan: Plan) -> int:
    """A power of two, so that about `PARTITION_ROWS` rows fall in each."""
    wanted = plan.count() * plan.sampling.n / PARTITION_ROWS
    count = 1
    while count < wanted and count < 4096:
        count *= 2
    return count


def _parse_all(
    plan: Plan, journal: Journal, folder: Path, partitions: int, done: Judged, progress: Progress
) -> None:
    schema = pa.schema([*candidate_schema(plan.kind), *FIELDS])
    failures: Counter[str] = Counter()
    with Partitions(folder, schema, partitions, QUESTION) as out:
        for batch in plan.asked(InputCounts()):
            rows = list(_candidates(plan, journal, batch, done, failures))
            if not rows:
                continue
            table = pa.RecordBatch.from_pylist(rows, schema=schema)
            out.write(_apply_rules(table, plan))
            done.candidates += sum(row["rejected_by"] != MALFORMED for row in rows)
            progress.more(len(rows))
    done.failures = dict(sorted(failures.items()))
    if not done.completed:
        raise TeacherError(_nothing(done))


def _nothing(done: Judged) -> str:
    if not done.failed:
        return (
            "nothing to judge: no completion of this recipe is in the journal; run `synthkd generate` first"
        )
    reasons = ", ".join(f"{name} {count:,}" for name, count in done.failures.items())
    return (
        f"nothing to judge: all {done.failed:,} requests failed ({reasons}); `synthkd journal list JOURNAL --table"
        " failures` shows what was said, `synthkd journal retry JOURNAL` lets the next run ask again"
    )


def _candidates(
    plan: Plan, journal: Journal, batch: list[Asked], done: Judged, failures: Counter[str]
) -> Iterator[dict[str, Any]]:
    ids = [asked.request.request_id for asked in batch]
    held, failed = journal.completions(ids), journal.failures(ids)
    for asked, request_id in zip(batch, ids, strict=True):
        for index in asked.request.sample_indexes:
            done.asked += 1
            completion = held.get(request_id, {}).get(index)
            failure = failed.get(request_id, {}).get(index)
            if completion is not None:
                done.completed += 1
                done.tokens += completion.completion_tokens or 0
                if completion.price is not None:
                    done.cost = (done.cost or 0.0) + completion.price
                yield from _parse(plan, asked, completion, done)
            elif failure is not None:
                done.failed += 1
                failures[failure.reason] += 1
            else:
                done.missing += 1


def _found(plan: Plan, text: str, row: Row, done: Judged) -> list[dict[str, str]] | Malformed:
    """The candidates of a completion, plain or structured."""
    if plan.answer is None:
        return plan.kind.parse(text, row)
    answer = read_answer(text, plan.answer)
    if isinstance(answer, Malformed):
        return answer
    done.repaired += answer.repaired
    return plan.kind.read(answer.value, row)


def _parse(plan: Plan, asked: Asked, completion: Completion, done: Judged) -> Iterator[dict[str, Any]]:
    kind = plan.kind
    common = {
        "kind": kind.name,
        "input_id": asked.input_id,
        "completion_key": completion.key,
        "sample_index": completion.sample_index,
        "prompt": plan.prompt.name if plan.prompt else None,
        "teacher": completion.model or plan.teacher.identity,
        "logprob": completion.logprob,
        "tokens": completion.completion_tokens,
        "finish_reason": completion.finish_reason,
        "raw": completion.text,
    }
    found = _found(plan, completion.text, asked.row, done)
    if isinstance(found, Malformed):
        reason = f"{found.reason}: {found.detail}" if found.detail else found.reason
        # Two inputs may share a completion (equal prompts), so both are part of the id.
        name = content_hash([MALFORMED, completion.key, asked.input_id])
        # It counts among those that were asked the question, where the input says which that was.
        question = question_of(kind, asked.row)
        on = name if question is None else content_hash([kind.name, *question])
        yield {**common, "id": name, "rejected_by": MALFORMED, "reason": reason, QUESTION: on}
        return
    for candidate in found:
        yield {
            **common,
            **candidate,
            "id": kind.identity(candidate),
            "text": kind.verbalize(candidate),
            "rejected_by": None,
            "reason": None,
            QUESTION: content_hash([kind.name, *kind.vote_on(candidate)]),
            ANSWER: kind.vote_for(candidate) or None,
        }


def _apply_rules(batch: pa.RecordBatch, plan: Plan) -> pa.RecordBatch:
    """The first rule that objects is the row's fate. Global rules only observe what is still open."""
    fate = batch.column("rejected_by").to_pylist()
    reason = batch.column("reason").to_pylist()
    for rule in plan.rules:
        places = [i for i, by in enumerate(fate) if by is None]
        if not places:
            break
        open_rows = batch.take(pa.array(places))
        if isinstance(rule, GlobalFilter):
            rule.observe(open_rows, plan.kind)
            continue
        for place, verdict in zip(places, rule.judge(open_rows, plan.kind), strict=True):
            if verdict is not None:
                fate[place], reason[place] = rule.name, verdict
    return _with_fate(batch, fate, reason)


class _Fates:
    """The rows of a partition, and what became of each. Global rules have spoken when one is made."""

    def __init__(self, table: pa.Table, plan: Plan) -> None:
        keys = (QUESTION, "id", "completion_key", "input_id")
        self.table = table.sort_by([(name, "ascending") for name in keys])
        self.fate: list[str | None] = _list(self.table, "rejected_by")
        self.reason: list[str | None] = _list(self.table, "reason")
        for rule in plan.rules:
            if isinstance(rule, GlobalFilter) and (places := self.places()):
                batch = self.table.take(pa.array(places, pa.int64())).combine_chunks()
                self.note(places, rule.judge(batch.to_batches()[0], plan.kind), rule.name)

    @property
    def is_open(self) -> list[bool]:
        return [by is None for by in self.fate]

    def places(self) -> list[int]:
        return [i for i, by in enumerate(self.fate) if by is None]

    def open_rows(self) -> pa.Table:
        return self.table.take(pa.array(self.places(), pa.int64()))

    def note(self, places: Any, verdicts: Any, name: str) -> None:
        """Reject the rows that have a verdict."""
        for place, verdict in zip(places, verdicts, strict=True):
            if verdict is not None and self.fate[place] is None:
                self.fate[place], self.reason[place] = name, verdict

    def fill(self, name: str, values: pa.Array) -> None:
        self.table = self.table.set_column(self.table.schema.get_field_index(name), name, values)

    def spread(self, values: list[float | None]) -> list[float | None]:
        """Values of the open rows, at the places of these among all rows."""
        column: list[float | None] = [None] * len(self.fate)
        for i, value in zip(self.places(), values, strict=True):
            column[i] = value
        return column

    def done(self) -> pa.Table:
        return _with_fate(self.table.drop_columns([field.name for field in FIELDS]), self.fate, self.reason)


def _list(table: pa.Table, name: str) -> list[str | None]:
    values: list[str | None] = table.column(name).to_pylist()
    return values


def _ballot(plan: Plan, sources: list[Path]) -> Ballot:
    """How votes are counted. Teachers' reliabilities need all questions: a pass over all partitions."""
    ballot = Ballot.of(plan.recipe.votes, plan.kind)
    if ballot.by != "teacher":
        return ballot
    found: Counter[Pattern] = Counter()
    for source in sources:
        fates = _Fates(read_partition(source), plan)
        found.update(ballot.survey(fates.table, fates.is_open))
    return ballot.informed(found)


def _decide(fates: _Fates, ballot: Ballot, decision: Decision) -> tuple[pa.Table, Counter[str]]:
    """The steps that look across rows, on one partition that holds all rows of each of its questions."""
    scores: list[float | None] | None = None
    if ballot.by == "critic":
        scores = fates.spread(decision.scores(fates.open_rows()))
    held = ballot.hold(fates.table, fates.is_open, scores)
    for name, column in held.columns():
        fates.fill(name, column)
    everywhere = range(len(fates.fate))
    fates.note(everywhere, held.reasons(fates.is_open), VOTES)
    duplicates = find_duplicates(fates.table, fates.is_open)
    fates.note(everywhere, duplicates.reasons, DUPLICATE)
    fates.fill("recurrence", pa.array(duplicates.recurrence, pa.int32()))
    places = fates.places()
    known = None if scores is None else [scores[i] for i in places]
    found, verdicts = decision.judge(fates.open_rows(), known)
    scores = scores or fates.spread(found)
    fates.fill("score", pa.array(scores, pa.float64()))
    fates.note(places, verdicts, decision.name)
    return fates.done(), held.counts()


def _with_fate(rows: Any, fate: list[str | None], reason: list[str | None]) -> Any:
    for name, values in (("rejected_by", fate), ("reason", reason)):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return rows
