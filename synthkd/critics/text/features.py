"""Features of texts: form, overlap with sources, words.

Words are compared by their first letters (`_STEM` bytes), so that `painted` and `painting` meet;
each weighs by how rare it is among the training rows, so that no list of common words of a language
is needed. A batch is hashed at once, as in `critics.features`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd.critics.teacher_numbers import NUMERIC, column_values, teacher_numbers
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SIBLINGS
from synthkd.text.hashed_ngrams import Floats, HashedColumn, Hashes, Ints, joined_hashes, mixed_bits

#: Buckets of the table of rarities, as a power of two.
BITS = 16
_STEM = 5
_DIGITS = (48, 57)
Numbers = dict[str, Floats]
Columns = Mapping[str, "ColumnWords"]


class ColumnWords:
    """Words of a column of texts: lower case, letters, digits and apostrophes only."""

    def __init__(self, column: pa.Array | pa.ChunkedArray) -> None:
        part = HashedColumn(_plain(column))
        self._part = part
        blanks = np.flatnonzero(part.data == 32)
        start, end = blanks[:-1] + 1, blanks[1:]
        inside = (part.byte_rows[blanks[:-1]] == part.byte_rows[blanks[1:]]) & (end > start)
        self._start, self._end = start[inside], end[inside]
        #: Of each word: its row, its hash, that of its first letters, and whether it begins with a
        #: digit.
        self.rows, self.whole = part.word_rows, part.words
        self.stems = part.hashes(self._start, np.minimum(self._end, self._start + _STEM))
        first = part.data[self._start]
        self.digits = (first >= _DIGITS[0]) & (first <= _DIGITS[1])
        #: Of each row: its words and the place of the first.
        self.size, self.count, self.first = len(part.every), part.count, part.first

    def distinct(self) -> tuple[Hashes, Ints, Ints]:
        """Return keys of the distinct words of each row, their rows, and their first places."""
        keys, place = np.unique(_in_row(self.stems, self.rows), return_index=True)
        # In the order of the text: sums over words must not depend on the place in the batch.
        order = np.argsort(place)
        keys, place = keys[order], place[order]
        return keys, self.rows[place], place

    def pairs(self) -> tuple[Hashes, Ints]:
        """Return keys and rows of pairs of neighbouring words."""
        near = np.flatnonzero(self.rows[:-1] == self.rows[1:])
        rows = self.rows[near]
        return _in_row(joined_hashes(self.stems[near], self.stems[near + 1], 1), rows), rows

    def holding(self, other: ColumnWords) -> Ints:
        """Return places at which the other column's whole text of the same row begins."""
        last = np.arange(len(self.rows)) + other.count[self.rows] - 1
        fits = (other.count[self.rows] > 0) & (last < len(self.rows))
        fits[fits] &= self.rows[last[fits]] == self.rows[fits]
        begin = np.flatnonzero(fits)
        rows = self.rows[begin]
        first = other.first[rows]
        sought = other._part.hashes(other._start[first], other._end[first + other.count[rows] - 1])
        answer = self._part.hashes(self._start[begin], self._end[last[begin]])
        places: Ints = begin[answer == sought]
        return places


def rarities(columns: Sequence[ColumnWords]) -> Floats:
    """Return the inverse frequency of words among rows (2**BITS,); 0 for a word of every row."""
    rows = np.concatenate([words.rows for words in columns])
    buckets = np.concatenate([bucket(words.stems) for words in columns])
    seen = np.bincount(np.unique((rows << BITS) + buckets) & (1 << BITS) - 1, minlength=1 << BITS)
    rarity: Floats = np.log((1 + columns[0].size) / (1 + seen))
    return rarity


def bucket(stems: Hashes) -> Ints:
    """Return the place of each word in the table of rarities."""
    return (mixed_bits(stems) >> np.uint64(64 - BITS)).astype(np.int64)


def form_features(texts: pa.Array | pa.ChunkedArray) -> Numbers:
    """Return features of each text's form: length, marks, sentences."""
    import pyarrow.compute as pc

    texts = pc.fill_null(texts.cast(pa.string()), "")
    words = _floats(pc.count_substring_regex(texts, r"[\p{L}\p{N}']+"))
    characters = _floats(pc.utf8_length(texts))
    return {
        "words": np.log1p(words),
        "word_length": characters / (words + 1),
        "marks": _floats(pc.count_substring_regex(texts, r"[^\p{L}\p{N}\s,.']")) / (characters + 1),
        "commas": _floats(pc.count_substring(texts, ",")) / (words + 1),
        "sentences": np.minimum(_floats(pc.count_substring_regex(texts, r"[.!?]")), 20),
        "asks": _floats(pc.match_substring(texts, "?")),
        "ends": _floats(pc.match_substring_regex(texts, r"[.!?]['\"”’]?\s*$")),
        "begins_upper": _floats(pc.match_substring_regex(texts, r"^\s*\p{Lu}")),
    }


def overlap_features(answer: ColumnWords, sources: Columns, rarity: Floats) -> Numbers:
    """Return features of a text's overlap with each source and with all; NaN if undefined."""
    keys, rows, place = answer.distinct()
    weight = rarity[bucket(answer.stems[place])]
    pairs, pair_rows = answer.pairs()
    distinct = {name: source.distinct() for name, source in sources.items()}
    numbers, seen, copied = Numbers(), np.zeros(len(keys), bool), np.zeros(len(pairs), bool)
    for name, source in sources.items():
        theirs, their_rows, their_place = distinct[name]
        their_weight = rarity[bucket(source.stems[their_place])]
        others = [one for other, (one, _, _) in distinct.items() if other != name]
        covered, from_it, pair_of_it = (
            np.isin(theirs, keys),
            np.isin(keys, theirs),
            np.isin(pairs, source.pairs()[0]),
        )
        seen, copied = seen | from_it, copied | pair_of_it
        alone = ~np.isin(theirs, np.concatenate(others)) if others else np.ones(len(theirs), bool)
        numbers |= {
            f"covers {name}": _share(covered, their_rows, their_weight, answer.size),
            f"covers only {name}": _share(
                covered[alone], their_rows[alone], their_weight[alone], answer.size
            ),
            f"from {name}": _share(from_it, rows, weight, answer.size),
            f"copied from {name}": _share(pair_of_it, pair_rows, None, answer.size),
            **_naming(name, answer, source),
        }
    digits = answer.digits[place]
    numbers |= {
        "new words": np.log1p(np.bincount(rows[~seen], weight[~seen], answer.size)),
        "new share": _share(~seen, rows, weight, answer.size),
        "copied": _share(copied, pair_rows, None, answer.size),
        "numbers found": _share(seen[digits], rows[digits], None, answer.size, np.nan),
        "rarity": np.bincount(rows, weight, answer.size)
        / np.maximum(np.bincount(rows, minlength=answer.size), 1),
        "variety": np.bincount(rows, minlength=answer.size) / np.maximum(answer.count, 1),
    }
    return numbers


def _naming(name: str, answer: ColumnWords, source: ColumnWords) -> Numbers:
    """Return whether a text contains the whole source, and how far from its beginning."""
    places = answer.holding(source)[::-1]
    where = np.full(answer.size, np.nan)
    rows = answer.rows[places]
    where[rows] = (places - answer.first[rows]) / answer.count[rows]
    return {f"names {name}": (~np.isnan(where)).astype(np.float64), f"where {name}": where}


def _share(hit: Any, rows: Ints, weight: Floats | None, size: int, empty: float = 0.0) -> Floats:
    """Return the weighted share of hits in each row; ``empty`` for a row without entries."""
    weight = np.ones(len(rows)) if weight is None else weight
    whole = np.bincount(rows, weight, size)
    shares: Floats = np.full(size, empty)
    np.divide(np.bincount(rows[hit], weight[hit], size), whole, out=shares, where=whole > 0)
    return shares


def _in_row(values: Hashes, rows: Ints) -> Hashes:
    """Return keys that are equal only for equal values in one row."""
    return joined_hashes(values, rows.astype(np.uint64), 2)


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Normalise texts to words between single blanks, with a blank on each side."""
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    plain = pc.fill_null(column.cast(pa.string()), "")
    plain = pc.utf8_lower(pc.utf8_normalize(plain, form="NFKC"))
    plain = pc.replace_substring(plain, "’", "'")
    plain = pc.utf8_trim(
        pc.replace_substring_regex(plain, r"[^\p{L}\p{M}\p{N}']+", " "), characters=" "
    )
    return pc.binary_join_element_wise("", plain, "", " ")


#: A column with at most so many values in the training rows is a category: a feature may mean
#: another thing in each.
CATEGORIES = 8
#: Numbers are clipped at so many deviations from the mean.
_FARTHEST = 4.0


@dataclass(frozen=True)
class TextFeatures:
    """Features fitted to training rows.

    Attributes:
        answers: Answer columns.
        sources: Columns that answers are compared with.
        categories: Values of each categorical column.
        siblings: Columns of siblings, if the training rows have them.
        rarity: Rarity of words (2**BITS,).
        common: Hashes of the commonest words.
        mean: Means of the numbers.
        deviation: Standard deviations of the numbers.
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
    def of(cls, rows: pa.Table, kind: Kind, words: int) -> TextFeatures:
        """Fit the features to training rows."""
        categories = _categories(rows, kind)
        answers = tuple(kind.answer_columns or kind.columns[-1:])
        sources = tuple(name for name in kind.columns if name not in {*answers, *categories})
        answers = tuple(name for name in answers if name not in categories) or answers
        siblings = tuple(
            name
            for name in SIBLINGS
            if not np.isnan(column_values(rows, name, rows.num_rows)).all()
        )
        answer = _answer_words(rows, answers)
        rarity = rarities([answer, *(ColumnWords(rows.column(name)) for name in sources)])
        common, nothing = _commonest(answer, words), np.zeros(0)
        bare = cls(answers, sources, categories, siblings, rarity, common, nothing, nothing)
        present = [column[~np.isnan(column)] for column in bare.numbers(rows, answer).T]
        present = [column if len(column) else np.zeros(1) for column in present]
        deviation = np.array([column.std() for column in present])
        deviation[deviation < 1e-9] = 1.0
        return replace(
            bare, mean=np.array([column.mean() for column in present]), deviation=deviation
        )

    def numbers(self, rows: pa.Table | pa.RecordBatch, answer: ColumnWords) -> Floats:
        """Return the numbers (rows, numbers); NaN for a missing one."""
        for name in self.siblings:
            if name not in rows.schema.names:
                raise CriticError(
                    f"the rows have no column {name!r}, which this critic was trained with; "
                    "`synthkd.critics.with_siblings` makes it"
                )
        teacher = dict(zip(NUMERIC, teacher_numbers(rows, self.answers).T, strict=True))
        beside = {name: column_values(rows, name, rows.num_rows) for name in self.siblings}
        sources = {name: ColumnWords(rows.column(name)) for name in self.sources}
        columns = (
            teacher
            | beside
            | form_features(_text_columns(rows, self.answers))
            | overlap_features(answer, sources, self.rarity)
        )
        return np.stack(list(columns.values()), axis=1)

    def matrix(self, rows: pa.Table | pa.RecordBatch) -> Floats:
        """Return the features (rows, d), alone and in each category."""
        answer = _answer_words(rows, self.answers)
        values = (self.numbers(rows, answer) - self.mean) / self.deviation
        values = np.nan_to_num(values, nan=0.0).clip(-_FARTHEST, _FARTHEST)
        plain = np.concatenate([values, self._common(answer)], axis=1)
        blocks = [plain]
        for name, categories in self.categories.items():
            here = np.array([str(value) for value in rows.column(name).to_pylist()])
            for value in categories:
                inside = (here == value)[:, None].astype(np.float64)
                blocks += [inside, plain * inside]
        return np.concatenate(blocks, axis=1)

    def _common(self, answer: ColumnWords) -> Floats:
        """Return which common words each row has (rows, words)."""
        counts = np.zeros((answer.size, len(self.common)))
        if len(self.common):
            order = np.argsort(self.common)
            place = np.minimum(np.searchsorted(self.common[order], answer.whole), len(order) - 1)
            hit = self.common[order][place] == answer.whole
            counts[answer.rows[hit], order[place[hit]]] = 1
        return counts


def _categories(rows: pa.Table, kind: Kind) -> dict[str, list[str]]:
    """Return columns of two to `CATEGORIES` values, with these values."""
    values_of = {
        name: sorted({str(value) for value in rows.column(name).to_pylist()})
        for name in kind.columns
    }
    return {name: values for name, values in values_of.items() if 1 < len(values) <= CATEGORIES}


def _commonest(answer: ColumnWords, words: int) -> Hashes:
    """Return hashes of the words that most rows have; among equals the smaller hash comes first."""
    distinct = np.unique(np.stack([answer.whole, answer.rows.astype(np.uint64)]), axis=1)[0]
    values, counts = np.unique(distinct, return_counts=True)
    return values[np.argsort(-counts, kind="stable")[:words]]


def _text_columns(rows: pa.Table | pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    """Join the answers of each row to one text."""
    import pyarrow.compute as pc

    columns = [rows.column(name).cast(pa.string()) for name in names]
    texts = pc.binary_join_element_wise(*(pc.fill_null(column, "") for column in columns), " ")
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _answer_words(rows: pa.Table | pa.RecordBatch, names: Sequence[str]) -> ColumnWords:
    return ColumnWords(_text_columns(rows, names))
