"""The knowledge-base critic: what a reference of true triples says about a candidate."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import write_csv

from synthkd.critics.calibration import Curve
from synthkd.critics.files import ARRAYS
from synthkd.critics.triples.critic import KnowledgeBaseCritic
from synthkd.critics.triples.neighbours import Neighbours
from synthkd.critics.triples.phrases import Triple, Vocabulary
from synthkd.critics.triples.training import LabelledTriples, fold_of_group, make_training_set
from synthkd.critics.triples.trees import BINS, Trees, bin_columns, bin_edges
from synthkd.errors import CriticError, InputError
from synthkd.kinds.event import EventKind
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

KIND = TripleKind()
ANIMALS, TOOLS = ([f"{name} {i}" for i in range(24)] for name in ("animal", "tool"))
#: What each animal can do and each tool is used for; a sixth of it is kept out of the reference.
TRUE: list[Triple] = [
    *itertools.product(ANIMALS, ["CapableOf"], ["breathe", "eat food", "run away", "sleep well"]),
    *itertools.product(
        TOOLS, ["UsedFor"], ["cut wood", "join metal", "fix things", "build houses"]
    ),
]
KNOWN = [triple for place, triple in enumerate(TRUE) if place % 6]
UNSEEN = TRUE[::6]
FALSE = [
    (head, relation, "cut wood" if relation == "CapableOf" else "breathe")
    for head, relation, _ in UNSEEN
]


def table(triples: list[Triple]) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(KIND.columns, triple, strict=True)) for triple in triples]
    )


def write(path: Path, triples: list[Triple]) -> str:
    return str(write_csv(path, table(triples).to_pylist()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kb")


@pytest.fixture(scope="module")
def critic(folder: Path) -> KnowledgeBaseCritic:
    """Train on true triples alone, which are also the reference."""
    trained = KnowledgeBaseCritic(KIND, reference=write(folder / "known.csv", KNOWN))
    trained.fit(table(KNOWN).slice(0, 0), np.zeros(0, dtype=bool))
    trained.save(folder)
    return trained


@pytest.mark.slow
def test_true_triples_that_the_reference_lacks_score_above_false_ones(
    critic: KnowledgeBaseCritic,
) -> None:
    assert np.median(critic.score(table(UNSEEN))) > 0.8
    assert np.median(critic.score(table(FALSE))) < 0.2


@pytest.mark.slow
def test_a_loaded_critic_scores_as_the_trained_one_did(
    critic: KnowledgeBaseCritic, folder: Path
) -> None:
    loaded = KnowledgeBaseCritic.load(folder, KIND)
    np.testing.assert_allclose(loaded.score(table(UNSEEN)), critic.score(table(UNSEEN)), atol=1e-9)


@pytest.mark.slow
def test_batches_carry_no_meaning_for_scores(critic: KnowledgeBaseCritic) -> None:
    rows = table(UNSEEN + FALSE)
    parts = [critic.score(rows.slice(start, 5)) for start in range(0, rows.num_rows, 5)]
    np.testing.assert_allclose(np.concatenate(parts), critic.score(rows), atol=1e-9)


def test_no_rows_have_no_scores(critic: KnowledgeBaseCritic) -> None:
    assert len(critic.score(table(UNSEEN).slice(0, 0))) == 0


@pytest.mark.parametrize(
    "triple", [("zzz", "UsedFor", "qqq"), ("tool 1", "NoSuch", "cut wood"), ("", "UsedFor", "")]
)
def test_what_the_reference_never_heard_of_has_a_score_too(
    critic: KnowledgeBaseCritic, triple: Triple
) -> None:
    assert 0 < critic.score(table([triple]))[0] < 1


def test_no_text_of_the_reference_is_in_the_files(
    critic: KnowledgeBaseCritic, folder: Path
) -> None:
    data = (folder / ARRAYS).read_bytes()
    assert b"animal" not in data
    assert b"breathe" not in data


def test_altered_arrays_are_refused(
    critic: KnowledgeBaseCritic, folder: Path, tmp_path: Path
) -> None:
    critic.save(tmp_path)
    data = bytearray((tmp_path / ARRAYS).read_bytes())
    data[-1] ^= 1
    (tmp_path / ARRAYS).write_bytes(bytes(data))
    with pytest.raises(CriticError, match="cut or altered"):
        KnowledgeBaseCritic.load(tmp_path, KIND)


@pytest.mark.slow
def test_labels_teach_what_the_reference_does_not_say(folder: Path) -> None:
    # By the reference nothing that an animal does is a use of it; by the labels it is.
    right = [(animal, "UsedFor", "breathe") for animal in ANIMALS]
    wrong = [(animal, "UsedFor", "cut wood") for animal in ANIMALS]
    trained = KnowledgeBaseCritic(KIND, reference=write(folder / "known.csv", KNOWN))
    trained.fit(table(right[:18] + wrong[:18]), np.arange(36) < 18)
    assert np.median(trained.score(table(right[18:]))) > np.median(trained.score(table(wrong[18:])))
    assert trained.out_of_fold is not None
    assert trained.out_of_fold[:18].mean() > trained.out_of_fold[18:].mean()


@pytest.mark.slow
def test_without_a_reference_the_accepted_rows_are_it() -> None:
    trained = KnowledgeBaseCritic(KIND)
    trained.fit(table(KNOWN), np.ones(len(KNOWN), dtype=bool))
    assert np.median(trained.score(table(UNSEEN))) > np.median(trained.score(table(FALSE)))


@pytest.mark.slow
def test_a_held_out_triple_looks_like_its_corruption_where_nothing_can_be_known() -> None:
    # A triple or corruption source left in the reference would tell the two apart by counts.
    noise = [(f"h{i}", "IsA", f"t{i}") for i in range(400)]
    found = make_training_set(noise, LabelledTriples([], []), None)
    for column in found.features.T:
        assert column[found.labels].mean() == pytest.approx(column[~found.labels].mean(), abs=0.01)


def test_a_labelled_row_of_the_reference_is_held_out_of_it() -> None:
    found = make_training_set(
        KNOWN, LabelledTriples(KNOWN[:10], [head for head, _, _ in KNOWN[:10]]), None
    )
    whole = found.reference.features(found.reference.vocabulary.read(KNOWN[:10]))
    assert (found.labelled_features != whole).any(axis=1).all()


def test_trees_of_arrays_say_what_scikit_learn_says() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 5))
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(
        x, x[:, 0] * x[:, 1] > 0
    )
    trees = Trees._from(model)
    back = Trees.from_arrays(trees.arrays("t"), "t")
    np.testing.assert_allclose(back.logits(x), model.decision_function(x), atol=1e-9)


@pytest.mark.parametrize("distinct", [3, 200, 255, 256, 5000])
def test_trees_that_were_grown_on_bins_judge_raw_features_as_they_did_the_bins(
    distinct: int,
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=distinct)
    x = np.stack([rng.choice(values, 6000), rng.normal(size=6000), np.zeros(6000)], axis=1)
    y = (x[:, 0] > np.median(values)) ^ (rng.random(6000) < 0.1)
    trees = Trees.grow(x, y, rng.random(6000) + 0.5, rounds=20)
    edges = [bin_edges(column) for column in x.T]
    walked = trees.logits(x)
    for row in range(0, 6000, 500):
        alike = (bin_columns(x, edges) == bin_columns(x[row : row + 1], edges)).all(axis=1)
        assert np.ptp(walked[alike]) == 0
    assert ((walked > 0) == (x[:, 0] > np.median(values))).mean() > 0.97


def test_a_bin_holds_the_values_up_to_its_edge_and_all_bins_about_as_many() -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    place = bin_columns(values[:, None], [edges := bin_edges(values)])[:, 0].astype(int)
    assert len(edges) == BINS - 1
    assert (values[place < len(edges)] <= edges[place[place < len(edges)]]).all()
    assert np.ptp(np.bincount(place)) <= 2


def test_the_nearest_known_triple_counts_both_slots() -> None:
    unit = np.eye(4, dtype=np.float32)
    near = Neighbours(unit[:2], np.zeros(2, np.int64), unit[2:], relations=1)
    found = near.features(unit[[0, 0]], np.zeros(2, np.int64), unit[[2, 3]])
    assert found["near"].tolist() == [2.0, 1.0]
    assert found["h"].tolist() == [1.0, 1.0]
    assert found["both"].tolist() == [1.0, 0.0]


def test_words_that_the_reference_lacks_share_one_number() -> None:
    vocabulary = Vocabulary.of(KNOWN)
    read = vocabulary.read([("xyz", "UsedFor", "abc")])
    assert set(read.phrases.flat.tolist()) == {len(vocabulary.words)}
    assert read.phrases.places.tolist() == [len(vocabulary.phrases)] * 2


def test_a_kind_without_head_relation_and_tail_is_refused() -> None:
    with pytest.raises(CriticError, match="'event' has no 'head'"):
        KnowledgeBaseCritic(EventKind())


def test_too_small_a_reference_is_refused(tmp_path: Path) -> None:
    critic = KnowledgeBaseCritic(KIND, reference=write(tmp_path / "few.csv", KNOWN[:5]))
    with pytest.raises(CriticError, match=r"few\.csv: 5 distinct true triples, 20 are needed"):
        critic.fit(table(KNOWN), np.ones(len(KNOWN), dtype=bool))


def test_a_missing_reference_is_named(tmp_path: Path) -> None:
    critic = KnowledgeBaseCritic(KIND, reference=tmp_path / "gone.csv")
    with pytest.raises(InputError, match=r"gone\.csv"):
        critic.fit(table(KNOWN), np.ones(len(KNOWN), dtype=bool))


def test_rows_without_a_tail_are_refused(critic: KnowledgeBaseCritic) -> None:
    with pytest.raises(CriticError, match="no column 'tail'"):
        critic.score(table(KNOWN).drop_columns(["tail"]))


def test_the_set_conceptnet_words_every_relation_of_the_real_rows(data: Path) -> None:
    relations = load_relations("conceptnet")
    for part in ("train", "dev1", "dev2"):
        rows = pq.read_table(data / "conceptnet_cn100k" / f"{part}.parquet", columns=["relation"])
        assert set(rows.column("relation").to_pylist()) <= set(relations)


@pytest.mark.minutes
def test_a_small_part_of_a_real_reference_tells_true_from_corrupted_triples(
    data: Path, tmp_path: Path
) -> None:
    # With 3,000 of 100,000 triples most candidates are new in both slots: the ranking is weaker.
    folder = data / "conceptnet_cn100k"
    pq.write_table(
        pq.read_table(folder / "train.parquet").slice(0, 3000), tmp_path / "known.parquet"
    )
    rows = pq.read_table(folder / "dev1.parquet")
    labels = rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)
    learnt = np.array([fold_of_group(head) < 3 for head in rows.column("head").to_pylist()])
    critic = KnowledgeBaseCritic(KIND, reference=tmp_path / "known.parquet")
    critic.fit(rows.filter(learnt), labels[learnt])
    assert Curve.of(critic.score(rows.filter(~learnt)), labels[~learnt]).auc > 0.78
