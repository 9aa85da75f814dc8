"""Triples of many answers at once are those of each answer by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.keys import content_hash
from synthkd.kinds.base import Malformed
from synthkd.kinds.columns import (
    AnswerColumns,
    column_answers,
    column_identities,
    column_questions,
)
from synthkd.kinds.triple import TripleKind

RELATIONS = ("UsedFor", "IsA", "xWant", "xNeed")
HEADS = ("a knife", "Knife", "PersonX pays PersonY", "café", "{tail}", "\t", "k", "a\u200bnt")
#: Pieces of answers: beginnings of sentences, names, marks, JSON, thoughts, odd characters.
PIECES = (
    "cutting", " Cutting.", "a knife is used for ", "A KNIFE is used for", "Alex", "Alex wants to ",
    "Chris", "\n", "1. ", "- ", '{"tail": "bread"}', "[", '["a", "b"]', "<think>", "</think>", ":",
    " ... ", "**", "caf\u00e9 is a ", "e\u0301", "\u017f", "\u212anife", "\u200b", "\ufffd", '"',
    "",
)  # fmt: skip


@pytest.mark.parametrize("several", [False, True])
@given(
    texts=st.lists(
        st.one_of(st.lists(st.sampled_from(PIECES), max_size=5).map("".join), st.text(max_size=12)),
        min_size=1,
        max_size=8,
        unique=True,
    ),
    inputs=st.lists(
        st.tuples(st.sampled_from(HEADS), st.sampled_from(RELATIONS)), min_size=1, max_size=4
    ),
    data=st.data(),
)
def test_columns_hold_what_each_answer_holds(
    several: bool, texts: list[str], inputs: list[tuple[str, str]], data: st.DataObject
) -> None:
    kind = TripleKind(several=several)
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    rows = [{"head": head, "relation": relation} for head, relation in inputs]
    pairs = [(text, row) for row in range(len(rows)) for text in range(len(texts))]
    pairs = data.draw(st.lists(st.sampled_from(pairs), unique=True))
    text, row = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    parsed = kind.parse_columns(AnswerColumns(texts, rows, text, row))
    assert parsed is not None

    wanted: list[tuple[Any, ...]] = []
    malformed: dict[int, tuple[Malformed, ...]] = {}
    for number, (of, at) in enumerate(pairs):
        found = kind.parse(texts[of], rows[at])
        if isinstance(found, Malformed):
            malformed[number] = (found,)
            continue
        wanted += [
            (
                number, *one.values(), kind.verbalize(one), kind.identity(one),
                content_hash([kind.name, *kind.vote_on(one)]), kind.vote_for(one),
            )
            for one in found
        ]  # fmt: skip
    columns = [
        parsed.answer.tolist(),
        *(parsed.columns[name].to_pylist() for name in kind.columns),
        parsed.sentence.to_pylist(),
        column_identities(kind.name, parsed.normal).to_pylist(),
        column_questions(kind.name, parsed.normal[:2]).to_pylist(),
        column_answers(parsed.normal).to_pylist(),
    ]
    assert list(zip(*columns, strict=True)) == wanted
    assert dict(parsed.malformed) == malformed


def test_a_class_that_reads_an_answer_otherwise_is_not_read_by_its_parents_columns() -> None:
    class Loud(TripleKind):
        def verbalize(self, candidate: Any) -> str:
            return super().verbalize(candidate).upper()

    answers = AnswerColumns(
        ["cutting"], [{"head": "knife", "relation": "UsedFor"}], np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )  # fmt: skip
    assert TripleKind().parse_columns(answers) is not None
    assert Loud().parse_columns(answers) is None


def test_an_input_of_an_unknown_relation_is_left_to_the_parser_of_one_answer() -> None:
    answers = AnswerColumns(
        ["cutting"], [{"head": "knife", "relation": "Nothing"}], np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )  # fmt: skip
    assert TripleKind().parse_columns(answers) is None
