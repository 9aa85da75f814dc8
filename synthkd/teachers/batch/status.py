"""A batch as its provider describes it; each value is checked.

The `openai` package makes its objects without a check of types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Characters of an id or a status.
_MAX_ID = 200
#: Errors of a batch that are read, and the largest number of rows.
_MAX_ISSUES, _MAX_ROWS = 1000, 2**53


@dataclass(frozen=True)
class BatchIssue:
    """An error of a batch. ``line`` is the row's line in the file; 0 if not given."""

    code: str
    message: str
    line: int


@dataclass(frozen=True)
class ProviderBatch:
    """A batch at its provider. ``files`` are the ids of its results: answers and errors."""

    id: str
    status: str
    files: tuple[str, ...] = ()
    issues: tuple[BatchIssue, ...] = ()
    done: int = 0
    failed: int = 0
    total: int = 0


def object_id(response: Any) -> str:
    """Return the id of a file or batch.

    Raises:
        ValueError: It has no valid id.
    """
    return checked_id(getattr(response, "id", None))


def parse_batch(response: Any) -> ProviderBatch:
    """Return a batch as the provider describes it.

    Raises:
        ValueError: Its id or status is not valid.
    """
    files = (getattr(response, name, None) for name in ("output_file_id", "error_file_id"))
    counts = getattr(response, "request_counts", None)
    return ProviderBatch(
        object_id(response),
        checked_id(getattr(response, "status", None)),
        tuple(checked_id(file) for file in files if file is not None and file != ""),
        _issues(getattr(getattr(response, "errors", None), "data", None)),
        *(checked_count(getattr(counts, name, None)) for name in ("completed", "failed", "total")),
    )


def checked_id(value: Any) -> str:
    """Return an id or a status.

    Raises:
        ValueError: It is none.
    """
    if (
        type(value) is not str
        or not 0 < len(value) <= _MAX_ID
        or not value.isascii()
        or not value.isprintable()
    ):
        raise ValueError("not an id")
    return value


def _issues(data: Any) -> tuple[BatchIssue, ...]:
    if type(data) is not list:
        return ()
    return tuple(
        BatchIssue(
            _text(getattr(error, "code", None)),
            _text(getattr(error, "message", None)),
            checked_count(getattr(error, "line", None)),
        )
        for error in data[:_MAX_ISSUES]
    )


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def checked_count(value: Any) -> int:
    """Return a count of rows; 0 if it is none."""
    return value if type(value) is int and 0 <= value < _MAX_ROWS else 0
