"""What the text critic reads of a row: numbers of its text and of the teacher, common words, each in each category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from synthkd.critics.features import NUMERIC, Floats, Hashes, _column, numbers
from synthkd.critics.siblings import SIBLINGS
from synthkd.critics.text.wording import Words, form, overlap, rarities
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind

#: A column with at most so many values in the training rows is a category: a number may mean another thing in each.
CATEGORIES = 8
#: A number further from the mean than so many deviations counts as so many.
_FARTHEST = 4.0


@dataclass(frozen=True)
class Reader:
    """Rows to features: which columns are answers, sources and categories, and what the training rows say of each.

    ``common`` are the hashes of the commonest words, ``mean`` and ``deviation`` those of the numbers.
    """

    answers: Sequence[str]
    sources: Sequence[str]
    categories: dict[str, list[str]]
    siblings: Sequence[str]
    rarity: Floats
    common: Hashes
    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, rows: pa.Table, kind: Kind, words: int) -> Reader:
        """What training rows come to."""
        categories = _categories(rows, kind)
        answers = tuple(kind.answer_columns or kind.columns[-1:])
        sources = tuple(name for name in kind.columns if name not in {*answers, *categories})
        answers = tuple(name for name in answers if name not in categories) or answers
        siblings = tuple(name for name in SIBLINGS if not np.isnan(_column(rows, name, rows.num_rows)).all())
        said = _said(rows, answers)
        rarity = rarities([said, *(Words(rows.column(name)) for name in sources)])
        common, nothing = _commonest(said, words), np.zeros(0)
        bare = cls(answers, sources, categories, siblings, rarity, common, nothing, nothing)
        known = [column[~np.isnan(column)] for column in bare.numbers(rows, said).T]
        known = [column if len(column) else np.zeros(1) for column in known]
        deviation = np.array([column.std() for column in known])
        deviation[deviation < 1e-9] = 1.0
        return replace(bare, mean=np.array([column.mean() for column in known]), deviation=deviation)

    def numbers(self, rows: pa.Table | pa.RecordBatch, said: Words) -> Floats:
        """(rows, numbers); NaN where one is not known."""
        for name in self.siblings:
            if name not in rows.schema.names:
                raise CriticError(
                    f"the rows have no column {name!r}, which this critic was trained with; "
                    "`synthkd.critics.siblings.with_siblings` makes it"
                )
        teacher = dict(zip(NUMERIC, numbers(rows, self.answers).T, strict=True))
        beside = {name: _column(rows, name, rows.num_rows) for name in self.siblings}
        sources = {name: Words(rows.column(name)) for name in self.sources}
        found = teacher | beside | form(_joined(rows, self.answers)) | overlap(said, sources, self.rarity)
        return np.stack(list(found.values()), axis=1)

    def features(self, rows: pa.Table | pa.RecordBatch) -> Floats:
        """(rows, d): standardised numbers and common words, by themselves and in each category."""
        said = _said(rows, self.answers)
        values = (self.numbers(rows, said) - self.mean) / self.deviation
        values = np.nan_to_num(values, nan=0.0).clip(-_FARTHEST, _FARTHEST)
        plain = np.concatenate([values, self._common(said)], axis=1)
        blocks = [plain]
        for name, known in self.categories.items():
            here = np.array([str(value) for value in rows.column(name).to_pylist()])
            for value in known:
                inside = (here == value)[:, None].astype(np.float64)
                blocks += [inside, plain * inside]
        return np.concatenate(blocks, axis=1)

    def _common(self, said: Words) -> Floats:
        """(rows, words) 1 where a row has the word."""
        found = np.zeros((said.size, len(self.common)))
        if len(self.common):
            order = np.argsort(self.common)
            place = np.minimum(np.searchsorted(self.common[order], said.whole), len(order) - 1)
            hit = self.common[order][place] == said.whole
            found[said.rows[hit], order[place[hit]]] = 1
        return found


def _categories(rows: pa.Table, kind: Kind) -> dict[str, list[str]]:
    """Columns of two to `CATEGORIES` values, and these."""
    found = {name: sorted({str(value) for value in rows.column(name).to_pylist()}) for name in kind.columns}
    return {name: values for name, values in found.items() if 1 < len(values) <= CATEGORIES}


def _commonest(said: Words, words: int) -> Hashes:
    """Hashes of the words that the most rows have; the hash decides between equals."""
    distinct = np.unique(np.stack([said.whole, said.rows.astype(np.uint64)]), axis=1)[0]
    values, counts = np.unique(distinct, return_counts=True)
    return values[np.argsort(-counts, kind="stable")[:words]]


def _joined(rows: pa.Table | pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    """The answers of each row as one text."""
    import pyarrow.compute as pc

    columns = [rows.column(name).cast(pa.string()) for name in names]
    texts = pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in columns), " ")
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _said(rows: pa.Table | pa.RecordBatch, names: Sequence[str]) -> Words:
    return Words(_joined(rows, names))
