"""Contamination: copies and near copies of validation and test rows, which no prompt may show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthkd.errors import InputError
from synthkd.text.near_duplicates import NearCopy, NearCopyIndex

#: Rows that an error names at most.
_NAMED = 3


class EvaluationTexts:
    """Texts of validation and test rows, which no prompt may show."""

    def __init__(
        self, texts: Sequence[str], near: float = 0.8, places: Sequence[str] | None = None
    ) -> None:
        """Index the texts.

        Args:
            texts: The texts.
            near: Jaccard similarity from which a text is a copy of one.
            places: File and row of each text, for messages.
        """
        self.texts, self.places = tuple(texts), tuple(places or ())
        self._index = NearCopyIndex(self.texts, near)
        #: Earlier lookups: rounds show the same examples again.
        self._lookups: dict[str, NearCopy | None] = {}

    def find(self, text: str) -> NearCopy | None:
        """Return the row that a text copies; None if it copies none."""
        if text not in self._lookups:
            self._lookups[text] = self._index.find(text)
        return self._lookups[text]

    def refuse_copies(self, rows: Iterable[str | Mapping[str, Any]], source: str) -> None:
        """Refuse rows that copy a validation or test row.

        Args:
            rows: Texts, or rows with a `text`.
            source: Source of the rows, for the message.

        Raises:
            InputError: If a row is a copy.
        """
        copies: list[str] = []
        for number, row in enumerate(rows, 1):
            text = row if isinstance(row, str) else str(row.get("text") or "")
            if (copy := self.find(text)) is not None:
                copies.append(f"row {number} {text[:60]!r} {self.describe(copy)}")
        if copies:
            more = f" and {len(copies) - _NAMED} more" if len(copies) > _NAMED else ""
            raise InputError(
                f"{source}: {'; '.join(copies[:_NAMED])}{more}; validation and test rows are never"
                " shown to a teacher:"
                " take the row out of one of the two, or raise loop.near"
            )

    def describe(self, copy: NearCopy) -> str:
        """Return which row is copied, and how similar the copy is, in words."""
        place = (
            self.places[copy.number] if self.places else f"validation or test row {copy.number + 1}"
        )
        verb = "is" if copy.similarity == 1 else f"is nearly ({copy.similarity:.2f})"
        return f"{verb} {place}"
