"""Find the rows that have an entity of a type, by the words of the type; and recall@k.

The task of NERetrieve (Katz et al. 2023, arXiv 2310.14282): given an entity type in words, retrieve
all texts in which an entity of it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from synthkd.errors import StudentError
from synthkd.students.base import Floats, Ints, text_list
from synthkd.students.spans import TaggedTexts


class TextEmbedder(Protocol):
    """Gives texts unit vectors, as `synthkd.encoders.frozen.FrozenEncoder` does."""

    def embed(self, texts: Sequence[str]) -> Any:
        """Return (n, d) unit vectors."""
        ...


@dataclass(frozen=True)
class TypeRecall:
    """Recall of the rows of one type.

    Attributes:
        relevant: Rows that have a span of the type.
        recall: Share of them among the first k rows, by k.
        at_relevant: The same for k = `relevant`, as NERetrieve measures it.
    """

    type: str
    relevant: int
    recall: Mapping[int, float]
    at_relevant: float


class RowsByType:
    """Rows by their similarity to the words of an entity type.

    With the spans of a tagger (or of a teacher) beside the texts, a row is as near as the nearest
    of the text and its spans: the type is then compared with the entities too.
    """

    def __init__(
        self, texts: Sequence[str], encoder: TextEmbedder, spans: TaggedTexts | None = None
    ) -> None:
        """Embed the rows.

        Args:
            texts: The n rows.
            encoder: Embeds texts.
            spans: The same texts with spans, whose own words are embedded too.
        """
        given = text_list(texts)
        if spans is not None and list(spans.texts) != given:
            raise StudentError("the spans are of other texts than the rows")
        self.encoder = encoder
        self.vectors = np.asarray(encoder.embed(given), dtype=np.float64)
        self._spans: Any = None
        if spans is not None:
            pairs = [
                (row, text[one.start : one.end])
                for row, (text, of_row) in enumerate(zip(spans.texts, spans.spans, strict=True))
                for one in of_row
            ]
            self._rows = np.array([row for row, _ in pairs], dtype=np.int64)
            if pairs:
                self._spans = np.asarray(encoder.embed([text for _, text in pairs]))

    def scores(self, description: str) -> Floats:
        """Return (n,) similarities of the rows to a type in words."""
        query = np.asarray(self.encoder.embed([description]), dtype=np.float64)[0]
        scores: Floats = self.vectors @ query
        if self._spans is not None:
            np.maximum.at(scores, self._rows, self._spans @ query)
        return scores

    def ranked(self, description: str) -> Ints:
        """Return the (n,) rows, the most similar first; equal ones in their order."""
        return np.argsort(-self.scores(description), kind="stable")


def recall_at(ranked: Sequence[int] | Ints, relevant: set[int], k: int) -> float:
    """Return the share of the relevant rows among the first k; NaN without a relevant row."""
    if not relevant:
        return float("nan")
    return len(relevant & {int(row) for row in ranked[:k]}) / len(relevant)


def recall_by_type(
    rows: RowsByType,
    true: TaggedTexts,
    descriptions: Mapping[str, str] | None = None,
    ks: Sequence[int] = (10, 50, 100),
) -> list[TypeRecall]:
    """Measure the recall of every type that has a row.

    Args:
        rows: The rows.
        true: The same texts with their true spans.
        descriptions: Words of types. Default: their names.
        ks: Numbers of rows that are looked at.
    """
    results = []
    for name in true.types:
        relevant = {
            row for row, spans in enumerate(true.spans) if any(span.type == name for span in spans)
        }
        ranked = rows.ranked((descriptions or {}).get(name, name))
        recall = {k: recall_at(ranked, relevant, k) for k in ks}
        at_relevant = recall_at(ranked, relevant, len(relevant))
        results.append(TypeRecall(name, len(relevant), recall, at_relevant))
    return results
