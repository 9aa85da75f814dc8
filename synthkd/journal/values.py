"""Values that SQLite and a journal can hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthkd.fastjson import dumps
from synthkd.requests import Answer, Completion, Failure

_INF = float("inf")
_LARGEST_COUNT = 2**53


def is_storable(answer: Answer) -> bool:
    """Tell if the fields of an answer have types and sizes that a journal can hold.

    Backends check what they read. This last check keeps one odd answer from failing all of its
    commit group.
    """
    counts: tuple[Any, ...]
    numbers: tuple[Any, ...]
    texts: tuple[Any, ...]
    if not isinstance(answer, Completion):
        counts, numbers, texts = (answer.tokens,), (answer.price,), (answer.reason, answer.detail)
    else:
        if answer.seed is not None and (
            type(answer.seed) is not int or not -(2**63) <= answer.seed < 2**63
        ):
            return False
        if type(answer.text) is not str or type(answer.finish_reason) is not str:
            return False
        counts = (
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.reasoning_tokens,
            answer.cached_tokens,
        )
        numbers = (answer.price, answer.latency, answer.logprob)
        texts = (answer.model, answer.first_tokens, answer.reasoning)
    for count in counts:
        if count is not None and (type(count) is not int or not 0 <= count <= _LARGEST_COUNT):
            return False
    for text in texts:
        if text is not None and type(text) is not str:
            return False
    for number in numbers:
        if number is not None and (
            not isinstance(number, float | int) or not -_INF < number < _INF
        ):
            return False
    return answer.price is None or answer.price >= 0


def unstorable_failure(answer: Answer) -> Failure:
    """Return the failure of unknown cost that replaces an answer which cannot be stored."""
    detail = "the backend gave an answer with fields of odd types or sizes"
    return Failure(answer.request_id, answer.sample_index, "bad_answer", detail, 1, False, None)


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Rows of a statement as SQLite reads them: one JSON text, and values that all rows share.

    Attributes:
        text: JSON list of rows, without the constant columns.
        constants: Value of each constant column, in order.
        is_constant: Whether each column is constant.
    """

    text: str
    constants: Sequence[Any]
    is_constant: Sequence[bool]

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> EncodedRows:
        """Encode rows, of which there is at least one."""
        columns = list(zip(*rows, strict=True))
        is_constant = [all(value == column[0] for value in column) for column in columns]
        varying = [column for column, same in zip(columns, is_constant, strict=True) if not same]
        return cls(
            rows_json(list(zip(*varying, strict=True)) if varying else [()] * len(rows)),
            [
                representable(column[0])
                for column, same in zip(columns, is_constant, strict=True)
                if same
            ],
            is_constant,
        )

    def rows(self) -> list[list[Any]]:
        """Decode the rows."""
        decoded = []
        for row in json.loads(self.text):
            varying, constants = iter(row), iter(self.constants)
            decoded.append(
                [next(constants) if same else next(varying) for same in self.is_constant]
            )
        return decoded

    def select(self, places: Sequence[int]) -> EncodedRows:
        """Return the rows at some places."""
        rows = json.loads(self.text)
        text = rows_json([rows[place] for place in places])
        return EncodedRows(text, self.constants, self.is_constant)

    @property
    def has_nul(self) -> bool:
        """Tell if a varying text contains NUL, at which SQLite's JSON cuts a text."""
        return "\\u0000" in self.text


def rows_json(rows: Sequence[Sequence[Any]]) -> str:
    """Write rows as JSON.

    A lone surrogate, which no file can hold, becomes the replacement character.
    """
    text = dumps(rows)
    return (
        str(representable(json.dumps(rows, ensure_ascii=False)))
        if b"\\ud" in text
        else text.decode()
    )


def representable(value: Any) -> Any:
    """Return a text without lone surrogates, which SQLite cannot hold; other values unchanged."""
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
