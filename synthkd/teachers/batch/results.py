"""The rows of a batch that has ended, in chunks, with what its files say of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from synthkd.errors import TeacherError
from synthkd.journal.batches import Batch, BatchRow
from synthkd.teachers.batch.files import lines_of
from synthkd.teachers.batch.status import State

#: States that a batch does not leave.
ENDED = ("completed", "expired", "cancelled", "failed")
#: Rows of a result that become one group of answers.
_GROUP = 512


@dataclass
class Result:
    """What one batch gave: its files, and why a row that is in none of them has no answer."""

    batch: Batch
    status: str
    absent: dict[str, Any]
    files: list[IO[bytes]] = field(default_factory=list)
    #: Ends the run, once the rows have their outcomes.
    fatal: TeacherError | None = None
    #: Its rows are submitted again as they were.
    crowded: bool = False


def absent(state: State) -> dict[str, Any]:
    """The error of rows that are in no file of a batch."""
    if not state.errors:
        code = "batch_missing_row" if state.status == "completed" else f"batch_{state.status}"
        return {"code": code, "message": f"the batch {state.id} ({state.status}) gave nothing for this row"}
    first = state.errors[0]
    where = f" in line {first.line}" if first.line else ""
    return {"code": f"batch_{state.status}", "message": f"{first.message or first.code}{where}"}


def rows_of(
    result: Result, left: dict[str, BatchRow], most: int
) -> Iterator[tuple[BatchRow, dict[str, Any]]]:
    """The rows of a batch with what the files say of them, in any order; then those that no file names."""
    for file in result.files:
        for line in lines_of(file, most):
            if row := left.pop(_text(line.get("custom_id")), None):
                yield row, line
    while left:
        yield left.popitem()[1], {"error": result.absent}


def chunks(
    rows: Iterator[tuple[BatchRow, dict[str, Any]]],
) -> Iterator[list[tuple[BatchRow, dict[str, Any]]]]:
    """So many at a time as become one group of answers."""
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _GROUP:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _text(value: Any) -> str:
    return value if type(value) is str else ""
