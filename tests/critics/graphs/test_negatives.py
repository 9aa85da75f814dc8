"""Corrupted graphs: what is replaced, and what is never a negative."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.critics.graphs.negatives import (
    OTHER,
    RELATION,
    SAME,
    WAYS,
    corrupt_graphs,
    write_graph_negatives,
)
from synthkd.errors import CriticError

GRAPHS = {
    "a": [("Ann", "born in", "Rysa"), ("Ann", "lives in", "Oslo"), ("Bo", "likes", "Ann")],
    "b": [("oak", "is a", "tree"), ("oaks", "grow in", "forests")],
}


def test_an_end_of_the_same_document_is_replaced() -> None:
    for one in corrupt_graphs(GRAPHS, [SAME], each=2):
        changed = [i for i in range(3) if one.triple[i] != one.origin[i]]
        assert len(changed) == 1
        assert changed[0] != 1
        ends = {end for head, _, tail in GRAPHS[one.document] for end in (head, tail)}
        assert one.triple[changed[0]] in ends


def test_an_end_of_another_document_is_replaced() -> None:
    own = {end for head, _, tail in GRAPHS["a"] for end in (head, tail)}
    for one in corrupt_graphs({"a": GRAPHS["a"], "b": GRAPHS["b"]}, [OTHER]):
        if one.document == "a":
            assert len(own & {one.triple[0], one.triple[2]}) == 1


def test_only_the_relation_is_replaced() -> None:
    for one in corrupt_graphs(GRAPHS, [RELATION]):
        assert (one.triple[0], one.triple[2]) == (one.origin[0], one.origin[2])
        assert one.triple[1] != one.origin[1]


NAMES = st.sampled_from(["Ann", "ann", "Bo", "Bos", "the Bo", "Cy"])
RELATIONS = st.sampled_from(["likes", "isPartOf", "is part of"])


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("xyz"), st.lists(st.tuples(NAMES, RELATIONS, NAMES), max_size=5)
    )
)
def test_no_negative_is_true_but_for_spelling(
    graphs: dict[str, list[tuple[str, str, str]]],
) -> None:
    from synthkd.critics.graphs.negatives import _form

    for one in corrupt_graphs(graphs, WAYS, each=2):
        assert _form(one.triple) not in {_form(triple) for triple in graphs[one.document]}


def test_a_seed_gives_the_same_negatives_again() -> None:
    assert corrupt_graphs(GRAPHS, seed=1) == corrupt_graphs(GRAPHS, seed=1)


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(CriticError, match="'same'"):
        corrupt_graphs(GRAPHS, ["same"])


def test_a_sheet_has_true_facts_and_negatives_with_their_source(tmp_path: Path) -> None:
    facts, out = tmp_path / "facts.csv", tmp_path / "sheet.csv"
    lines = [f"{name},{','.join(one)},text of {name}" for name in GRAPHS for one in GRAPHS[name]]
    facts.write_text("\n".join(["document_id,head,relation,tail,source", *lines]) + "\n")
    counts = write_graph_negatives(facts, out)
    rows = list(csv.DictReader(out.open()))
    assert (counts.true, counts.made) == (5, sum(row["label"] == "false" for row in rows))
    assert all(row["source"] == f"text of {row['document_id']}" for row in rows)
    assert {row["made"] for row in rows if row["label"] == "false"} <= set(WAYS)
