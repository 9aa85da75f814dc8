"""How a batch stands, read from what a provider says: each value checked.

The `openai` package makes its objects of whatever comes, without a look at the types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Characters of an id and of a status, and of a provider's words.
_ID, _WORDS = 200, 500
#: Errors of a batch that are looked at, and the largest number of rows.
_ERRORS, _ROWS = 1000, 2**53


@dataclass(frozen=True)
class Trouble:
    """An error that a provider names for a batch. ``line`` is 0 if it names none."""

    code: str
    message: str
    line: int


@dataclass(frozen=True)
class State:
    """A batch at its provider. ``files`` are the results: what was answered, and what failed."""

    id: str
    status: str
    files: tuple[str, ...] = ()
    errors: tuple[Trouble, ...] = ()
    done: int = 0
    failed: int = 0
    total: int = 0


def id_of(found: Any) -> str:
    """The id of a file or batch. Raises `ValueError` for what can be none."""
    return _id(getattr(found, "id", None))


def state_of(found: Any) -> State:
    """A batch as the provider describes it. Raises `ValueError` where its id or status can be none."""
    files = (getattr(found, name, None) for name in ("output_file_id", "error_file_id"))
    counts = getattr(found, "request_counts", None)
    return State(
        id_of(found),
        _id(getattr(found, "status", None)),
        tuple(_id(file) for file in files if file is not None and file != ""),
        _errors(getattr(getattr(found, "errors", None), "data", None)),
        *(_count(getattr(counts, name, None)) for name in ("completed", "failed", "total")),
    )


def _id(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= _ID or not value.isascii() or not value.isprintable():
        raise ValueError("not an id")
    return value


def _errors(data: Any) -> tuple[Trouble, ...]:
    if type(data) is not list:
        return ()
    return tuple(
        Trouble(
            _words(getattr(error, "code", None)),
            _words(getattr(error, "message", None)),
            _count(getattr(error, "line", None)),
        )
        for error in data[:_ERRORS]
    )


def _words(value: Any) -> str:
    return value if type(value) is str else ""


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < _ROWS else 0
