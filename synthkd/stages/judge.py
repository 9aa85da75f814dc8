"""Judge: parse what is in the journal, and give every candidate a fate. The teacher is never called.

First pass, a batch of inputs at a time: parse, then the rules that look at one row. Rows go to partitions by
their id. Second pass, a partition at a time: the global rules' verdicts, exact duplicates, the critic.
Memory holds one batch or one partition, whatever the number of rows.
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
from synthkd.journal import Journal
from synthkd.keys import content_hash
from synthkd.kinds.base import Malformed, Row
from synthkd.kinds.structured import read_answer
from synthkd.progress import Progress
from synthkd.requests import Completion
from synthkd.stages.critic import Decision
from synthkd.stages.partitions import Partitions, read_partition
from synthkd.stages.plan import Asked, InputCounts, Plan
from synthkd.storage import replaced_folder

#: Rows that a partition should hold, about.
PARTITION_ROWS = 200_000
MALFORMED = "malformed"


@dataclass
class Judged:
    """The fate of everything that came. Candidates = accepted + rejected, to the row.

    ``repaired`` counts structured answers that were read, but not as they came (see `kinds.structured`).
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

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def judge(plan: Plan, journal: Journal, decision: Decision, folder: Path, progress: Progress) -> Judged:
    """Write judged candidates as ``part-*.parquet`` into ``folder``, sorted by id; return the counts."""
    done = Judged()
    fates: Counter[str] = Counter()
    with replaced_folder(folder) as temporary:
        partitions = _count_partitions(plan)
        parsed = temporary / "parsed"
        parsed.mkdir()
        _parse_all(plan, journal, parsed, partitions, done, progress)
        for number in range(partitions):
            source = parsed / f"{number:04d}.arrows"
            if source.exists():
                table = _decide(read_partition(source), plan, decision)
                fates.update(table.column("rejected_by").fill_null("accepted").to_pylist())
                pq.write_table(table, temporary / f"part-{number:04d}.parquet", compression="zstd")
                source.unlink()
                progress.advance(table.num_rows)
        parsed.rmdir()
    done.accepted = fates.pop("accepted", 0)
    done.malformed = fates.pop(MALFORMED, 0)
    order = [*(rule.name for rule in plan.rules), DUPLICATE]
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
    schema = candidate_schema(plan.kind)
    failures: Counter[str] = Counter()
    with Partitions(folder, schema, partitions) as out:
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
        yield {**common, "id": name, "rejected_by": MALFORMED, "reason": reason}
        return
    for candidate in found:
        yield {
            **common,
            **candidate,
            "id": kind.identity(candidate),
            "text": kind.verbalize(candidate),
            "rejected_by": None,
            "reason": None,
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


def _decide(table: pa.Table, plan: Plan, decision: Decision) -> pa.Table:
    """The steps that look across rows, on one partition that holds all rows of each of its ids."""
    table = table.sort_by([(name, "ascending") for name in ("id", "completion_key", "input_id")])
    fate, reason = table.column("rejected_by").to_pylist(), table.column("reason").to_pylist()
    for rule in plan.rules:
        if isinstance(rule, GlobalFilter):
            places = [i for i, by in enumerate(fate) if by is None]
            batch = table.take(pa.array(places, pa.int64())).combine_chunks()
            if batch.num_rows:
                verdicts = rule.judge(batch.to_batches()[0], plan.kind)
                _note(fate, reason, places, verdicts, rule.name)
    duplicates = find_duplicates(table, [by is None for by in fate])
    _note(fate, reason, range(len(fate)), duplicates.reasons, DUPLICATE)
    place = table.schema.get_field_index("recurrence")
    table = table.set_column(place, "recurrence", pa.array(duplicates.recurrence, pa.int32()))
    places = [i for i, by in enumerate(fate) if by is None]
    scores, verdicts = decision.judge(table.take(pa.array(places, pa.int64())))
    _note(fate, reason, places, verdicts, decision.name)
    column: list[float | None] = [None] * len(fate)
    for i, score in zip(places, scores, strict=True):
        column[i] = score
    table = table.set_column(table.schema.get_field_index("score"), "score", pa.array(column, pa.float64()))
    return _with_fate(table, fate, reason)


def _note(fate: list[str | None], reason: list[str | None], places: Any, verdicts: Any, name: str) -> None:
    for place, verdict in zip(places, verdicts, strict=True):
        if verdict is not None and fate[place] is None:
            fate[place], reason[place] = name, verdict


def _with_fate(rows: Any, fate: list[str | None], reason: list[str | None]) -> Any:
    for name, values in (("rejected_by", fate), ("reason", reason)):
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return rows
