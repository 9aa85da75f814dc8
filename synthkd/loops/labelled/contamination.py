"""Keep validation and test rows out of prompts: compare texts with them, for equality and near copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthkd.errors import InputError
from synthkd.text.near_duplicates import NearCopy, NearCopyIndex

#: Rows that an error names.
_NAMED = 3


class EvaluationTexts:
    """Texts of validation and test rows. ``near``: similarity from which a text counts as a copy of one; ``places``: what an
    error calls each of them."""

    def __init__(self, texts: Sequence[str], near: float = 0.8, places: Sequence[str] | None = None) -> None:
        self.texts, self.places = tuple(texts), tuple(places or ())
        self._near = NearCopyIndex(self.texts, near)
        #: What was found before: the same examples are shown round after round.
        self._known: dict[str, NearCopy | None] = {}

    def find(self, text: str) -> NearCopy | None:
        """The held row that a text copies; None where it copies none."""
        if text not in self._known:
            self._known[text] = self._near.find(text)
        return self._known[text]

    def refuse(self, rows: Iterable[str | Mapping[str, Any]], what: str) -> None:
        """Raise `InputError` where one of the rows (texts, or rows with a `text`) copies a held one. ``what`` says where the
        rows stand."""
        found: list[str] = []
        for number, row in enumerate(rows, 1):
            text = row if isinstance(row, str) else str(row.get("text") or "")
            if (copy := self.find(text)) is not None:
                found.append(f"row {number} {text[:60]!r} {self.told(copy)}")
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise InputError(
                f"{what}: {'; '.join(found[:_NAMED])}{more}; validation and test rows are never shown to a teacher:"
                " take the row out of one of the two, or raise loop.near"
            )

    def told(self, copy: NearCopy) -> str:
        """In words: which held row it is, and how near."""
        place = self.places[copy.number] if self.places else f"validation or test row {copy.number + 1}"
        how = "is" if copy.similarity == 1 else f"is nearly ({copy.similarity:.2f})"
        return f"{how} {place}"
