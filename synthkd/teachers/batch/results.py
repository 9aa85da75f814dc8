"""The files of a finished batch, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from synthkd.errors import TeacherError
from synthkd.fastjson import loads
from synthkd.journal.batches import Batch, BatchRow
from synthkd.teachers.batch.status import ProviderBatch

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart

#: Statuses that a batch does not leave.
FINAL_STATUSES = ("completed", "expired", "cancelled", "failed")
#: Rows of a result that become one group of answers.
_GROUP_SIZE = 512
#: Bytes of a result at most: in all, for each sample, for each token, and for each alternative of a
#: token.
_BASE_BYTES, _SAMPLE_BYTES, _TOKEN_BYTES, _ALTERNATIVE_BYTES = 64_000_000, 16_384, 64, 256


@dataclass
class BatchResult:
    """The result of a finished batch.

    Attributes:
        batch: The batch.
        status: Its status at the provider.
        missing_row: The error of a row that no file names.
        files: The files with answers and errors.
        fatal: An error that ends the run, once all rows have an outcome.
        is_crowded_out: The provider had no room for the batch: its rows are submitted again
            unchanged.
    """

    batch: Batch
    status: str
    missing_row: dict[str, Any]
    files: list[IO[bytes]] = field(default_factory=list)
    fatal: TeacherError | None = None
    is_crowded_out: bool = False


def missing_row_error(batch: ProviderBatch) -> dict[str, Any]:
    """Return the error of rows that no file of a batch names."""
    if not batch.issues:
        code = "batch_missing_row" if batch.status == "completed" else f"batch_{batch.status}"
        return {
            "code": code,
            "message": f"the batch {batch.id} ({batch.status}) gave nothing for this row",
        }
    first = batch.issues[0]
    where = f" in line {first.line}" if first.line else ""
    return {"code": f"batch_{batch.status}", "message": f"{first.message or first.code}{where}"}


def max_result_bytes(part: TeacherPart, megabytes: float | None, rows: Sequence[BatchRow]) -> int:
    """Return the bytes that the result of a batch may have.

    Args:
        part: The recipe's teacher part.
        megabytes: What the recipe says, if it says anything.
        rows: The batch's rows.
    """
    if megabytes is not None:
        return int(megabytes * 1e6)
    sampling = part.sampling
    numbers = [
        value for value in sampling.extra_body.values() if type(value) is int and 0 < value <= 20
    ]
    token = _TOKEN_BYTES
    if sampling.logprobs:
        token += _ALTERNATIVE_BYTES * (1 + max(numbers, default=0))
    samples = sum(len(row.sample_indexes) for row in rows)
    return _BASE_BYTES + samples * (_SAMPLE_BYTES + sampling.max_tokens * token)


def result_lines(file: IO[bytes], max_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a result file; skip lines that are truncated, invalid or too long."""
    file.seek(0)
    while line := file.readline(max_bytes):
        if not line.endswith(b"\n") and len(line) == max_bytes:
            while (rest := file.readline(max_bytes)) and not rest.endswith(b"\n"):
                pass
            continue
        try:
            row = loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def rows_with_results(
    result: BatchResult,
    rows: dict[str, BatchRow],
    read_rows: Callable[[IO[bytes]], Iterator[dict[str, Any]]],
) -> Iterator[tuple[BatchRow, dict[str, Any]]]:
    """Yield each row of a batch with its line of the files, then the rows that no file names.

    Args:
        result: The result.
        rows: Custom id -> row; emptied.
        read_rows: Reads the lines of a file.
    """
    for file in result.files:
        for line in read_rows(file):
            custom_id = line.get("custom_id")
            if type(custom_id) is str and (row := rows.pop(custom_id, None)):
                yield row, line
    while rows:
        yield rows.popitem()[1], {"error": result.missing_row}


def row_groups(
    rows: Iterator[tuple[BatchRow, dict[str, Any]]],
) -> Iterator[list[tuple[BatchRow, dict[str, Any]]]]:
    """Yield the rows in groups, each of which becomes one group of answers."""
    group = []
    for row in rows:
        group.append(row)
        if len(group) == _GROUP_SIZE:
            yield group
            group = []
    if group:
        yield group
