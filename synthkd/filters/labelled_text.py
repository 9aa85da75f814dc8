"""Rules for labelled text: its label, and whether an evaluation set has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from synthkd.errors import RecipeError
from synthkd.filters.base import Filter, Reasons
from synthkd.filters.row_rules import TextRule
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.labelled_text.taxonomy import label_form
from synthkd.options import BaseOptions
from synthkd.text.minhash import Bands
from synthkd.text.near_duplicates import jaccard
from synthkd.text.normal_columns import normal_texts
from synthkd.text.normal_forms import SHINGLE, normal_text, shingles
from synthkd.text.shingle_sets import Numbers, as_column

if TYPE_CHECKING:
    import pyarrow as pa


class LabelKnown(TextRule):
    """Reject labels that the teacher wrote and the taxonomy does not have.

    Without a taxonomy every label passes.
    """

    name: ClassVar[str] = "label_known"

    def check(self, row: Row, kind: Kind) -> str | None:
        return kind.label_problem(str(row["label"] or ""))

    def text(self, row: Row, kind: Kind) -> str:
        return str(row["label"] or "")


class LabelNamed(TextRule):
    """Reject texts that name their own label, all words in order.

    `cancel order` in *Cancel order, please* is such a text.

    A classifier would learn the name alone.
    """

    name: ClassVar[str] = "label_named"

    def check(self, row: Row, kind: Kind) -> str | None:
        form = label_form(str(row["label"] or ""))
        named = bool(form) and f" {form} " in f" {normal_text(self.text(row, kind))} "
        return f"names its label {row['label']!r}" if named else None


class Contaminated(Filter):
    """Reject texts of the evaluation set that the kind names, after normalisation or nearly."""

    name: ClassVar[str] = "contaminated"

    class Options(BaseOptions):
        threshold: float = Field(
            0.8, gt=0, le=1, description="Jaccard similarity from which texts are nearly equal."
        )
        size: int = Field(SHINGLE, ge=1, description="Characters of the runs that are compared.")
        near: bool = Field(True, description="Look for nearly equal texts too.")

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.bands = Bands(self.options.threshold, self.options.size) if self.options.near else None
        self._of: Kind | None = None
        self._equal: dict[str, int] = {}
        self._sorted: list[tuple[Numbers, Numbers]] = []

    def check_kind(self, kind: Kind) -> None:
        if not kind.evaluation:
            raise RecipeError(
                "rule 'contaminated': name the evaluation set in `kind.options.evaluation`"
            )

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        self.check_kind(kind)
        texts = [str(text or "") for text in batch.column(kind.rule_column or "text").to_pylist()]
        matches = self.find(texts, kind)
        return [None if match is None else _match_reason(kind, *match) for match in matches]

    def find(self, texts: list[str], kind: Kind) -> list[tuple[int, float] | None]:
        """Return for each text the nearest evaluation row and the similarity, or None."""
        self._read(kind)
        equal = [self._equal.get(normal_text(text)) for text in texts]
        found = [None if number is None else (number, 1.0) for number in equal]
        if self.bands is None:
            return found
        places = [i for i, one in enumerate(found) if one is None]
        hashes = self.bands.of(normal_texts(as_column([texts[i] for i in places])))
        for row, i in enumerate(places):
            found[i] = self._nearest(texts[i], hashes[row], kind)
        return found

    def _read(self, kind: Kind) -> None:
        if self._of is kind:
            return
        rows = [row.text for row in kind.evaluation]
        self._equal = {
            normal_text(text): number for number, text in reversed(list(enumerate(rows)))
        }
        if self.bands is not None:
            hashes = self.bands.of(normal_texts(as_column(rows)))
            orders = [
                np.argsort(hashes[:, band], kind="stable") for band in range(self.bands.count)
            ]
            self._sorted = [(hashes[order, band], order) for band, order in enumerate(orders)]
        self._of = kind

    def _nearest(self, text: str, hashes: Numbers, kind: Kind) -> tuple[int, float] | None:
        assert self.bands is not None
        others: set[int] = set()
        for value, (column, order) in zip(hashes, self._sorted, strict=True):
            begin, end = (
                np.searchsorted(column, value, "left"),
                np.searchsorted(column, value, "right"),
            )
            others.update(order[begin:end].tolist())
        own = self._shingles(text) if others else frozenset()
        near = [(jaccard(own, self._shingles(kind.evaluation[i].text)), -i) for i in others]
        similarity, other = max(near, default=(0.0, 0))
        return (-other, similarity) if similarity >= self.bands.threshold else None

    def _shingles(self, text: str) -> frozenset[str]:
        return shingles(normal_text(text), self.options.size)


def _match_reason(kind: Kind, number: int, similarity: float) -> str:
    row = kind.evaluation[number]
    how = "is" if similarity == 1 else f"is near ({similarity:.2f})"
    return f"{how} {row.place}: {row.text[:80]!r}"
