"""Answers and candidates as columns: what a kind gets and gives that parses many answers at once.

`Kind.parse_columns` is the place. Repeated texts come once, with numbers that say where, and normal
forms are given as dictionaries: a text that a thousand answers have is cleaned and normalised once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.keys import encoded_text, hex_hashes
from synthkd.kinds.candidates import Malformed, Row

Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class AnswerColumns:
    """Answers to a batch of inputs, each a pair of numbers; no pair comes twice.

    Attributes:
        texts: Distinct texts of the answers, thoughts included.
        rows: The input rows.
        text: For each answer the number of its text.
        row: For each answer the number of its input.
    """

    texts: Sequence[str]
    rows: Sequence[Row]
    text: Numbers
    row: Numbers


@dataclass(frozen=True)
class ParsedColumns:
    """The candidates in answers, as columns of one length.

    Attributes:
        answer: For each candidate the number of its answer, ascending.
        columns: Values by name: the kind's `columns` and `details`.
        normal: For each of the kind's `columns` what `normalize` gives, as dictionary arrays.
        sentence: What `verbalize` gives.
        malformed: Unreadable parts by the number of their answer, in the order of the parts.
    """

    answer: Numbers
    columns: Mapping[str, pa.Array]
    normal: Sequence[pa.DictionaryArray]
    sentence: pa.Array
    malformed: Mapping[int, Sequence[Malformed]] = field(default_factory=dict)


def column_identities(kind: str, normal: Sequence[pa.DictionaryArray]) -> pa.StringArray:
    """Return `Kind.identity` of candidates by the kind's name and their normal forms.

    Also the hashes of questions, by the normal forms of the columns that make up a question.
    """
    parts = [
        pa.array(list(map(encoded_text, part.dictionary.to_pylist())), pa.string()).take(
            part.indices
        )
        for part in normal
    ]
    begin = pa.scalar(f"[{encoded_text(kind)}")
    joined = pc.binary_join_element_wise(begin, *parts, ",")
    return hex_hashes(pc.binary_join_element_wise(joined, "]", "").cast(pa.binary()).to_pylist())


def column_questions(kind: str, given: Sequence[pa.DictionaryArray]) -> pa.DictionaryArray:
    """Return the hashes of `Kind.vote_on` by the normal forms that make up the question."""
    # Most candidates share their question with others: distinct ones are hashed.
    of, distinct = distinct_rows([indices_of(column) for column in given])
    parts = [column.take(pa.array(distinct)) for column in given]
    hashes = column_identities(kind, parts)
    return pa.DictionaryArray.from_arrays(pa.array(of.astype(np.int32)), hashes)


def column_answers(normal: Sequence[pa.DictionaryArray]) -> pa.StringArray:
    """Return `Kind.vote_for` of candidates by their normal forms."""
    texts = pc.binary_join_element_wise(*(part.dictionary_decode() for part in normal), "\n")
    # Nothing is no vote.
    return texts if len(normal) > 1 else pc.if_else(pc.equal(texts, ""), None, texts)


def spread(counts: Numbers) -> tuple[Numbers, Numbers]:
    """Return for each of the items of groups of these sizes its group, and its place in the group.

    Of ``[2, 0, 1]`` that is ``[0, 0, 2]`` and ``[0, 1, 0]``.
    """
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def indices_of(column: pa.DictionaryArray) -> Numbers:
    """Return the numbers of a dictionary array without nulls."""
    indices: Numbers = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return indices


def encode_texts(values: Sequence[str]) -> tuple[Numbers, list[str]]:
    """Return for each text the number of its distinct text, and the distinct texts in order."""
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(v, len(numbers)) for v in values), np.int64)
    return codes, list(numbers)


def dictionary_of(codes: Numbers, values: Sequence[str]) -> pa.DictionaryArray:
    """Return texts by their numbers."""
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), pa.array(values, pa.string())
    )


def distinct_rows(columns: Sequence[Numbers]) -> tuple[Numbers, Numbers]:
    """Find equal rows of whole numbers.

    Returns:
        For each row the number of its distinct row, in the order of first occurrence; and the place
        of the first row of each.
    """
    combined = columns[0].astype(np.int64)
    for column in columns[1:]:
        if combined.max(initial=0) >= 2**31:
            combined = _numbered(combined)
        combined = combined * (int(column.max(initial=0)) + 1) + column
    of = _numbered(combined)
    first = np.zeros(int(of.max(initial=-1)) + 1, np.int64)
    first[of[::-1]] = np.arange(len(of))[::-1]
    return of, first


def _numbered(values: Numbers) -> Numbers:
    indices: Numbers = pa.array(values).dictionary_encode().indices.to_numpy()
    return indices.astype(np.int64)
