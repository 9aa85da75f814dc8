"""Fixed checks that need no training. Each looks at one row alone.

They follow the cheap validity checks of symbolic knowledge distillation (West et al. 2022) and look at
the kind's columns, so they serve every kind whose content is short text.
"""

from __future__ import annotations

import itertools
import re
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from synthkd.filters.base import Filter, Reasons
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.text import normal_phrase

if TYPE_CHECKING:
    import pyarrow as pa


class RowRule(Filter):
    """A rule on one row at a time. ``column`` is what it looks at; default: the kind's last column."""

    def __init__(self, column: str | None = None) -> None:
        self.column = column

    def judge(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        names = [*kind.columns, "finish_reason", "raw"]
        rows = batch.select([name for name in names if name in batch.schema.names]).to_pylist()
        return [self.check(row, kind) for row in rows]

    def text(self, row: Row, kind: Kind) -> str:
        """The checked text of a row."""
        return str(row[self.column or kind.columns[-1]] or "")

    @abstractmethod
    def check(self, row: Row, kind: Kind) -> str | None:
        """``None``, or why the row is rejected."""


class Empty(RowRule):
    """Nothing but space and punctuation."""

    name: ClassVar[str] = "empty"

    def check(self, row: Row, kind: Kind) -> str | None:
        return None if any(ch.isalnum() for ch in self.text(row, kind)) else "no letter or digit"


class TooLong(RowRule):
    """More than ``max_words`` words or ``max_characters`` characters."""

    name: ClassVar[str] = "too_long"

    def __init__(self, max_words: int = 12, max_characters: int = 120, column: str | None = None) -> None:
        super().__init__(column)
        self.max_words, self.max_characters = max_words, max_characters

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        words = len(text.split())
        if words > self.max_words:
            return f"{words} words, more than {self.max_words}"
        return (
            f"{len(text)} characters, more than {self.max_characters}"
            if len(text) > self.max_characters
            else None
        )


class TooShort(RowRule):
    """Fewer than ``min_characters`` characters; ATOMIC-10x drops tails of at most two."""

    name: ClassVar[str] = "too_short"

    def __init__(self, min_characters: int = 3, column: str | None = None) -> None:
        super().__init__(column)
        self.min_characters = min_characters

    def check(self, row: Row, kind: Kind) -> str | None:
        length = len(self.text(row, kind))
        return (
            f"{length} characters, fewer than {self.min_characters}" if length < self.min_characters else None
        )


class SelfLoop(RowRule):
    """The first and the last column say the same, as head and tail of a triple."""

    name: ClassVar[str] = "self_loop"

    def check(self, row: Row, kind: Kind) -> str | None:
        if len(kind.columns) < 2:
            return None
        first, last = (
            normal_phrase(str(row[kind.columns[0]] or "")),
            normal_phrase(self.text(row, kind)),
        )
        return f"{kind.columns[0]} and {kind.columns[-1]} are the same" if first == last else None


class Echo(RowRule):
    """The text begins with the head again, or repeats itself: the teacher read its prompt back."""

    name: ClassVar[str] = "echo"

    def check(self, row: Row, kind: Kind) -> str | None:
        text = normal_phrase(self.text(row, kind))
        if len(kind.columns) > 1:
            head = normal_phrase(str(row[kind.columns[0]] or ""))
            if head and text.startswith(head + " ") and len(text.split()) > len(head.split()) + 1:
                return "begins with the head"
        words = text.split()
        if any(a == b for a, b in itertools.pairwise(words)):
            return "repeats a word"
        return None


class Unfinished(RowRule):
    """Cut by the token limit, or ends in a word that asks for another."""

    name: ClassVar[str] = "unfinished"

    _OPEN: ClassVar[frozenset[str]] = frozenset(
        [
            "a",
            "an",
            "and",
            "are",
            "as",
            "at",
            "because",
            "but",
            "by",
            "for",
            "from",
            "if",
            "in",
            "into",
            "is",
            "its",
            "of",
            "on",
            "or",
            "than",
            "that",
            "the",
            "their",
            "to",
            "was",
            "were",
            "when",
            "where",
            "which",
            "while",
            "who",
            "with",
            "without",
        ]
    )

    def check(self, row: Row, kind: Kind) -> str | None:
        if row.get("finish_reason") == "length":
            return "cut by max_tokens"
        words = normal_phrase(self.text(row, kind)).split()
        return f"ends in {words[-1]!r}" if words and words[-1] in self._OPEN else None


class Characters(RowRule):
    """A character outside ``allowed`` (the inside of a regular-expression class).

    The default is the set of ATOMIC-10x heads: letters, digits, space, comma, full stop, hyphen, dollar,
    quotation mark and both apostrophes; letters and digits of every script count.
    """

    name: ClassVar[str] = "characters"

    def __init__(self, allowed: str = r"\w ,.\-$\"'’", column: str | None = None) -> None:
        super().__init__(column)
        try:
            self._other = re.compile(f"[^{allowed}]|_" if allowed.startswith(r"\w") else f"[^{allowed}]")
        except re.error as error:
            raise ValueError(f"allowed: not a class of characters: {error}") from None

    def check(self, row: Row, kind: Kind) -> str | None:
        found = self._other.search(self.text(row, kind))
        return f"character {found.group()!r}" if found else None


class StartsWith(RowRule):
    """The text must begin with ``prefix``; heads of ATOMIC-10x begin with PersonX."""

    name: ClassVar[str] = "starts_with"

    def __init__(self, prefix: str = "PersonX", column: str | None = None) -> None:
        super().__init__(column)
        self.prefix = prefix

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        if not text.startswith(self.prefix):
            return f"does not begin with {self.prefix}"
        return None if len(text) > len(self.prefix) else f"nothing but {self.prefix}"
