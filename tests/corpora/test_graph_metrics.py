"""Comparison of graphs: figures by hand, the best match, and scorers."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_encoder import write_bert

from synthkd.corpora.graph_metrics import (
    ExactTriples,
    GraphTriple,
    TokenTriples,
    VectorTriples,
    WordTriples,
    match_triples,
    score_graphs,
)
from synthkd.errors import InputError

pytest.importorskip("scipy", reason="needs the extra critics")

CAT: GraphTriple = ("cat", "isA", "animal")
DOG: GraphTriple = ("dog", "isA", "animal")
TREE: GraphTriple = ("oak", "partOf", "old forest")


def test_exact_figures_are_means_of_precision_and_recall_over_documents() -> None:
    gold = {"a": [CAT, DOG], "b": [TREE]}
    predicted = {"a": [CAT], "b": [TREE, CAT, DOG]}
    scores = score_graphs(gold, predicted, ExactTriples())
    assert (scores.exact_precision, scores.exact_recall) == pytest.approx(((1 + 1 / 3) / 2, 0.75))
    assert scores.exact_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (scores.gold, scores.predicted) == (3, 4)


def test_case_articles_and_spellings_of_a_relation_do_not_count() -> None:
    scores = score_graphs({"a": [CAT]}, {"a": [("The Cat", "is_a", "Animal.")]}, ExactTriples())
    assert scores.exact_f1 == scores.f1 == scores.coverage == 1.0


def test_repeated_triples_count_once() -> None:
    scores = score_graphs(
        {"a": [CAT, CAT]}, {"a": [CAT, ("cat", "is a", "animal")]}, ExactTriples()
    )
    assert (scores.gold, scores.predicted, scores.exact_f1) == (1, 1, 1.0)


def test_a_document_without_a_graph_has_nothing_right() -> None:
    scores = score_graphs({"a": [CAT], "b": [DOG]}, {"a": [CAT], "c": [TREE]}, ExactTriples())
    assert (scores.f1, scores.without_gold) == (0.5, 1)


def test_soft_figures_by_hand() -> None:
    # `cat is a animal` and `dog is a animal` share three of four words.
    scores = score_graphs({"a": [CAT, TREE]}, {"a": [DOG]}, WordTriples(), covered_at=0.7)
    assert scores.precision == pytest.approx(0.75)
    assert scores.recall == pytest.approx(0.375)
    assert scores.semantic == scores.token_f1 == pytest.approx(0.375)
    assert scores.coverage == 0.5


@given(st.integers(0, 4), st.integers(0, 4), st.data())
def test_the_match_has_the_greatest_sum(rows: int, columns: int, data: st.DataObject) -> None:
    shares = st.floats(0, 1, allow_nan=False)
    values = data.draw(st.lists(shares, min_size=rows * columns, max_size=rows * columns))
    likeness = np.array(values).reshape(rows, columns)
    pairs = match_triples(likeness)
    assert (
        len({row for row, _ in pairs}) == len({column for _, column in pairs}) == min(rows, columns)
    )
    wide = likeness if rows <= columns else likeness.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(chosen))
        for chosen in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert sum(likeness[pair] for pair in pairs) == pytest.approx(best)


def test_no_gold_is_an_error() -> None:
    with pytest.raises(InputError, match="no gold triples"):
        score_graphs({"a": []}, {"a": [CAT]}, ExactTriples())


@pytest.mark.slow
@pytest.mark.parametrize("scorer", [TokenTriples, VectorTriples])
def test_an_encoder_scores_equal_triples_one_and_is_named(
    scorer: type[TokenTriples | VectorTriples], tmp_path: Path
) -> None:
    pytest.importorskip("transformers", reason="needs the extra local")
    encoder = scorer(str(write_bert(tmp_path, ["cat", "dog", "is", "a", "animal"], 64)), "cpu")
    likeness = encoder.matrix([CAT, DOG], [DOG, CAT, TREE])
    assert likeness[0, 1] == pytest.approx(1.0)
    assert likeness[1, 0] == pytest.approx(1.0)
    assert (likeness.argmax(1) == [1, 0]).all()
    assert likeness.shape == (2, 3)
    assert f":{tmp_path.name}@" in encoder.name


@pytest.mark.slow
def test_token_scores_are_greedy_matches(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra local")
    from synthkd.encoders.frozen import FrozenEncoder
    from synthkd.encoders.token_vectors import token_vectors

    folder = str(write_bert(tmp_path, ["cat", "dog", "is", "a", "animal", "oak"], 64))
    one, other = token_vectors(FrozenEncoder.load(folder, 64, "cpu"), ["cat is a animal", "oak is"])
    assert (len(one), len(other)) == (4, 2)
    assert np.linalg.norm(one, axis=1) == pytest.approx(1.0)
    likeness = one @ other.T
    recall, precision = likeness.max(1).mean(), likeness.max(0).mean()
    score = TokenTriples(folder, "cpu").matrix([("cat", "is a", "animal")], [("oak", "is", "")])
    assert score[0, 0] == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-6)
