"""RF and RB by hand with a stub scorer, and the scorers that are shipped."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from synthkd.corpora.proposition_metrics import (
    ExactScorer,
    OverlapScorer,
    entailment_class,
    mean_scores,
    reference_based,
    reference_free,
    scorer_named,
)
from synthkd.errors import InputError


class Stub:
    """Entailment by a table; what is not in it is 0."""

    name = "stub"

    def __init__(self, table: dict[tuple[str, str], float]) -> None:
        self.table = table
        self.asked: list[tuple[str, str]] = []

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked += pairs
        return [self.table.get(pair, 0.0) for pair in pairs]


def test_reference_free_scores_are_those_of_the_definition() -> None:
    stub = Stub(
        {
            ("T", "q1"): 1.0,
            ("T", "q2"): 0.5,
            ("T", "q3"): 0.0,
            ("q1 q2 q3", "s1"): 0.8,
            ("q1 q2 q3", "s2"): 0.4,
        }
    )
    found = reference_free("T", ["s1", "s2"], ["q1", "q2", "q3"], stub)
    assert (found.precision, found.recall) == (pytest.approx(0.5), pytest.approx(0.6))
    assert found.f1 == pytest.approx(2 * 0.5 * 0.6 / 1.1)


def test_reference_based_scores_are_those_of_the_definition() -> None:
    #        q1          q2          q3      b = min of both directions
    # p1   .9 / .7     .2 / .9     0         .7  .2  0
    # p2   .4 / .3     .6 / 1.0    .1 / .1   .3  .6  .1
    table = {
        ("p1", "q1"): 0.9, ("q1", "p1"): 0.7, ("p1", "q2"): 0.2, ("q2", "p1"): 0.9,
        ("p2", "q1"): 0.4, ("q1", "p2"): 0.3, ("p2", "q2"): 0.6, ("q2", "p2"): 1.0, ("p2",
        "q3"): 0.1, ("q3", "p2"): 0.1,
    }  # fmt: skip
    found = reference_based(["p1", "p2"], ["q1", "q2", "q3"], Stub(table))
    assert found.precision == pytest.approx((0.7 + 0.6 + 0.1) / 3)
    assert found.recall == pytest.approx((0.7 + 0.6) / 2)


def test_gold_propositions_score_one_against_themselves() -> None:
    gold = ["A cat can run.", "A cat can jump."]
    for scorer in (ExactScorer(), OverlapScorer()):
        found = reference_based(gold, gold, scorer)
        assert (found.precision, found.recall, found.f1) == (1, 1, 1)


def test_a_pair_is_asked_once() -> None:
    stub = Stub({})
    reference_based(["p", "p"], ["p", "q"], stub)
    assert len(stub.asked) == len(set(stub.asked))


def test_no_predictions_score_nothing_and_the_name_of_the_scorer_is_told() -> None:
    found = reference_free("T", ["s"], [], OverlapScorer())
    assert str(found) == "RF (overlap): precision 0.0000, recall 0.0000, F1 0.0000"


def test_the_mean_is_taken_over_texts_and_never_over_two_scorers() -> None:
    one, other = (
        reference_based(["a"], ["a"], ExactScorer()),
        reference_based(["a"], ["b"], ExactScorer()),
    )
    found = mean_scores([one, other])
    assert (found.precision, found.recall, found.texts) == (0.5, 0.5, 2)
    with pytest.raises(ValueError, match="do not compare"):
        mean_scores([one, reference_based(["a"], ["a"], OverlapScorer())])


def test_a_scorer_that_gives_too_few_or_wild_scores_is_named() -> None:
    class Few(Stub):
        def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
            return [0.5]

    class Wild(Stub):
        def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
            return [1.5 for _ in pairs]

    with pytest.raises(ValueError, match="'stub' gave 1 scores for"):
        reference_based(["a"], ["b"], Few({}))
    with pytest.raises(ValueError, match="outside 0 to 1"):
        reference_based(["a"], ["b"], Wild({}))


@pytest.mark.parametrize(
    ("premise", "hypothesis", "score"),
    [
        ("A cat can run and jump.", "A cat can jump.", 1.0),
        ("A cat can run.", "A dog can run.", 0.75),
        ("The town has 1,000 people.", "town has 1000 people", 1.0),
        ("It has two eggs.", "It has 2 egg", 1.0),
        ("", "x", 0.0),
        ("x", "", 0.0),
    ],
)
def test_overlap_is_the_share_of_the_hypothesis(
    premise: str, hypothesis: str, score: float
) -> None:
    assert OverlapScorer()([(premise, hypothesis)]) == [pytest.approx(score)]


@pytest.mark.parametrize(
    ("labels", "number"),
    [
        ({0: "contradiction", 1: "entailment", 2: "neutral"}, 1),
        ({0: "ENTAILMENT", 1: "NEUTRAL", 2: "CONTRADICTION"}, 0),
        ({0: "entailment", 1: "not_entailment"}, 0),
        ({0: "non-entailment", 1: "entailment"}, 1),
    ],
)
def test_the_class_of_a_checkpoint_is_known_by_its_name(
    labels: dict[int, str], number: int
) -> None:
    assert entailment_class(labels) == number


@pytest.mark.slow
def test_a_checkpoint_without_names_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="LABEL_0, LABEL_1"):
        entailment_class({0: "LABEL_0", 1: "LABEL_1"})
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match=r"no checkpoint here"):
        scorer_named(str(tmp_path))


@pytest.mark.slow
def test_a_checkpoint_scores_between_nought_and_one(tmp_path: Path) -> None:
    # The weights are random: a score shows that the checkpoint is run, and nothing else.
    checkpoint(tmp_path)
    scorer = scorer_named(str(tmp_path))
    scores = scorer([("a cat " * 20, "a cat can run"), ("a cat", "run")])
    assert all(0 < score < 1 for score in scores)
    assert scorer.truncated == 1  # type: ignore[attr-defined]
    assert scorer.name == tmp_path.name


def test_a_pickled_checkpoint_is_refused_and_nothing_in_it_is_run(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    witness = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (witness,)  # type: ignore[return-value]

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="checkpoint with safetensors"):
        scorer_named(str(tmp_path))
    assert not witness.exists()


def checkpoint(tmp_path: Path) -> None:
    """Write a classifier of three classes with random weights, in safetensors."""
    pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = {
        word: i
        for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "can", "run"])
    }
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )
    fast.save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=16,
        id2label={0: "contradiction", 1: "neutral", 2: "entailment"}, label2id={"contradiction": 0,
        "neutral": 1, "entailment": 2},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path)
