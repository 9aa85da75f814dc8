"""The contrastive start: its batches, its loss, and its logistic head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkd.errors import TrainingError
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.encoder import EncoderStudent

torch = pytest.importorskip("torch")

from support.encoder_student import TEXTS, rows  # noqa: E402

from synthkd.students.classifiers.training import class_batches  # noqa: E402
from synthkd.students.losses import supervised_contrastive  # noqa: E402

pytestmark = pytest.mark.slow


def begun(base: Path, classes: tuple[str, ...] = (), **options: Any) -> EncoderStudent:
    options = {"lr": 1e-3, "epochs": 4, "batch_size": 8, "calibrate": False} | options
    return EncoderStudent(classes, base=base, start="contrastive", **options)


def test_the_loss_is_the_hand_worked_value() -> None:
    # Cosines 0 and 1, tau 1: each text sees its other at 0, and the stranger at 0 or 1.
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    found = supervised_contrastive(vectors, torch.tensor([0, 0, 1]), torch.ones(3), tau=1.0)
    expected = (np.log(1 + np.e) + np.log(2)) / 2
    assert found.item() == pytest.approx(expected)


def test_the_loss_has_the_gradient_that_differences_give() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    places, weights = (
        torch.tensor([0, 0, 1, 1, 2]),
        torch.tensor([1.0, 2, 1, 1, 3], dtype=torch.float64),
    )
    assert torch.autograd.gradcheck(
        lambda v: supervised_contrastive(v, places, weights), (vectors,)
    )


def test_texts_without_another_of_their_class_have_no_loss() -> None:
    vectors = torch.eye(3, requires_grad=True)
    loss = supervised_contrastive(vectors, torch.tensor([0, 1, 2]), torch.ones(3))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(vectors.grad).all()


def test_each_text_comes_once_an_epoch_and_meets_another_of_its_class() -> None:
    places = np.repeat(np.arange(7), 5)
    found = list(class_batches(places, 8, np.random.default_rng(0)))
    assert sorted(np.concatenate(found)) == list(range(35))
    for batch in found:
        _, counts = np.unique(places[batch], return_counts=True)
        assert (counts > 1).all()
        assert len(counts) > 1


def test_it_learns_the_classes_from_two_rows_of_each(small: Path) -> None:
    student = begun(small, epochs=20).fit(rows(each=2))
    assert student.predict(["my card z", "my cash z", "my rate z"]) == ["card", "cash", "rate"]
    np.testing.assert_allclose(student.probabilities(TEXTS).sum(1), 1)


def test_the_head_is_a_linear_layer_of_the_module(small: Path) -> None:
    student = begun(small).fit(rows())
    fields = student.tokenizer(TEXTS[:2], padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = student.model(**fields)
    np.testing.assert_allclose(logits.numpy(), student.logits(TEXTS[:2]), atol=1e-5)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("card_arrival", "lostCard"), True),
        (("positive", "negative"), True),
        (("label_1", "label_2"), False),
        (("0", "1"), False),
        (("a", "b"), False),
    ],
)
def test_descriptive_class_names_are_training_rows(names: tuple[str, ...], expected: bool) -> None:
    options = EncoderStudent(names, base="any", start="contrastive").options
    assert options.names_for(names) == float(expected)
    assert EncoderStudent(names, base="any").options.names_for(names) == 0


def test_one_seed_gives_one_start(small: Path) -> None:
    first, again = (begun(small).fit(rows()).probabilities(TEXTS) for _ in range(2))
    np.testing.assert_allclose(first, again, atol=1e-6)


@pytest.mark.parametrize(
    "train",
    [
        LabelledTexts(("my card", "the cash", "a rate"), ("card", "cash", "rate")),
        LabelledTexts(
            (*rows("card", "cash").texts, "rate"), (*rows("card", "cash").labels, "rate")
        ),
        LabelledTexts(("same", "same", "card", "card"), ("a", "b", "a", "b")),
        LabelledTexts(("", "", "card", "my card"), ("a", "b", "a", "b")),
    ],
    ids=[
        "one row of each class",
        "a class of one row",
        "equal texts in two classes",
        "empty texts",
    ],
)
@pytest.mark.parametrize("start", ["none", "contrastive"])
def test_odd_rows_train_all_the_same(small: Path, train: LabelledTexts, start: Any) -> None:
    student = EncoderStudent(base=small, start=start, epochs=1, batch_size=4).fit(train)
    found = student.probabilities(TEXTS)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1)


def test_a_contrastive_loss_that_is_not_finite_ends_training(small: Path) -> None:
    with pytest.raises(TrainingError, match=r"contrastive loss.*lower `lr`"):
        begun(small, lr=1e30).fit(rows())
