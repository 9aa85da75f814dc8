"""Tests of small, repeated, empty and strange references of the knowledge-base critic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkd.critics.triples.critic import KnowledgeBaseCritic
from synthkd.critics.triples.phrases import Triple
from synthkd.critics.triples.reference import COLUMNS, FEWEST, distinct_triples, read_true_triples
from synthkd.errors import CriticError, InputError
from synthkd.kinds.triple import TripleKind

KIND = TripleKind()
NONE = np.zeros(0, dtype=bool)
RELATIONS = ("IsA", "UsedFor", "AtLocation")
FEW = [(f"thing {i}", RELATIONS[i % 3], f"kind {i % 3}") for i in range(FEWEST)]


def table(triples: list[Triple]) -> pa.Table:
    columns = list(zip(*triples, strict=True)) or [()] * 3
    return pa.table(
        {name: pa.array(values, pa.string()) for name, values in zip(COLUMNS, columns, strict=True)}
    )


def write(path: Path, triples: list[Triple]) -> str:
    pq.write_table(table(triples), path)
    return str(path)


def trained(reference: str) -> KnowledgeBaseCritic:
    critic = KnowledgeBaseCritic(KIND, reference=reference)
    critic.fit(table([]), NONE)
    return critic


@pytest.fixture(scope="module")
def critic(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBaseCritic:
    known = [(f"Café {i}", RELATIONS[i % 3], f"東京 {i % 3}") for i in range(60)]
    return trained(write(tmp_path_factory.mktemp("kb") / "known.parquet", known))


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_too_few_triples_are_refused_with_their_number(tmp_path: Path, count: int) -> None:
    reference = write(tmp_path / "few.parquet", FEW[:count])
    with pytest.raises(
        CriticError, match=rf"few\.parquet: {count} distinct true triples, {FEWEST} are needed"
    ):
        trained(reference)


@pytest.mark.slow
def test_the_fewest_triples_are_enough(tmp_path: Path) -> None:
    scores = trained(write(tmp_path / "few.parquet", FEW)).score(table(FEW))
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.slow
def test_a_reference_of_one_relation_can_be_trained_on(tmp_path: Path) -> None:
    known = [(f"thing {i}", "IsA", f"kind {i % 7}") for i in range(40)]
    assert len(trained(write(tmp_path / "one.parquet", known)).score(table(known))) == 40


@pytest.mark.parametrize("name", ["label", "verdict"])
@pytest.mark.parametrize("said", ["false", "0", "reject", "unsure"])
def test_a_row_that_is_said_not_to_be_true_is_refused(tmp_path: Path, name: str, said: str) -> None:
    cells = ["true"] * len(FEW)
    cells[2] = said
    pq.write_table(table(FEW).append_column(name, pa.array(cells)), tmp_path / "known.parquet")
    with pytest.raises(
        CriticError, match=f"row 3: '{name}' is '{said}', but every row of this file counts as true"
    ):
        read_true_triples(tmp_path / "known.parquet")


def test_a_triple_that_differs_in_case_or_article_alone_is_a_repetition(tmp_path: Path) -> None:
    again = [(f"The {head.upper()}", relation, f"a {tail}.") for head, relation, tail in FEW]
    assert distinct_triples(FEW + again) == FEW
    assert read_true_triples(Path(write(tmp_path / "twice.parquet", FEW + again))) == FEW


def test_repetitions_do_not_make_a_reference_large_enough(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match="5 distinct true triples"):
        trained(write(tmp_path / "again.parquet", FEW[:5] * 10))


@pytest.mark.parametrize("slot", range(3))
@pytest.mark.parametrize("empty", ["", "  ", None])
def test_a_known_triple_with_an_empty_part_is_refused_with_its_row(
    tmp_path: Path, slot: int, empty: str | None
) -> None:
    row = [*FEW[1]]
    row[slot] = empty  # type: ignore[call-overload]
    reference = write(tmp_path / "gap.parquet", [FEW[0], tuple(row), *FEW[2:]])  # type: ignore[list-item]
    with pytest.raises(CriticError, match=rf"gap\.parquet row 2: the {COLUMNS[slot]} is empty"):
        trained(reference)


def test_a_reference_without_a_relation_column_is_refused(tmp_path: Path) -> None:
    pq.write_table(table(FEW).drop_columns(["relation"]), tmp_path / "two.parquet")
    with pytest.raises(InputError, match="no column 'relation'"):
        trained(str(tmp_path / "two.parquet"))


@pytest.mark.slow
def test_a_candidate_with_empty_parts_scores_below_a_known_triple(
    critic: KnowledgeBaseCritic,
) -> None:
    known, *empty = critic.score(
        table([("Café 3", "IsA", "東京 0"), ("", "IsA", ""), ("", "", ""), (".", "IsA", "the")])
    )
    assert max(empty) < known


@pytest.mark.slow
def test_a_null_is_an_empty_phrase_and_not_the_word_none(critic: KnowledgeBaseCritic) -> None:
    null, empty, none = critic.score(
        table([(None, "IsA", "東京 0"), ("", "IsA", "東京 0"), ("None", "IsA", "東京 0")])  # type: ignore[list-item]
    )
    assert null == empty
    assert none < 1


def test_a_relation_that_the_reference_lacks_scores_below_the_right_one(
    critic: KnowledgeBaseCritic,
) -> None:
    heads = [f"Café {i}" for i in range(0, 60, 3)]
    right = critic.score(table([(head, "IsA", "東京 0") for head in heads]))
    unheard = critic.score(table([(head, "NoSuch", "東京 0") for head in heads]))
    assert np.median(unheard) < np.median(right)


def test_letters_that_are_composed_or_not_are_the_same_phrase(critic: KnowledgeBaseCritic) -> None:
    composed, apart = critic.score(
        table([("Café 3", "IsA", "東京 0"), ("cafe\u0301 3", "IsA", "東京 0")])
    )
    assert composed == apart


def test_strange_characters_and_long_phrases_have_a_score(critic: KnowledgeBaseCritic) -> None:
    odd = ["🦊🦊", "\u0000", "\u200b", "a\nb\tc", "word " * 5000, "ـــ"]
    scores = critic.score(table([(text, "IsA", text) for text in odd]))
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("hard", [-0.1, 1.5])
def test_a_share_of_hard_negatives_outside_0_to_1_is_refused(hard: float) -> None:
    with pytest.raises(CriticError, match="hard: a number from 0 to 1 is needed"):
        KnowledgeBaseCritic(KIND, hard=hard)
