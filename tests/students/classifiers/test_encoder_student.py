"""Tests of the encoder student: fine-tuning, early stopping, soft labels, checkpoints."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.encoder_student import TEXTS, rows

from synthkd.errors import StudentError, TrainingError
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.encoder import EncoderStudent
from synthkd.students.folders import load_student, save_student

pytest.importorskip("torch")

pytestmark = pytest.mark.slow


def made(base: Path, classes: tuple[str, ...] = (), **options: Any) -> EncoderStudent:
    return EncoderStudent(
        classes, base=base, **({"lr": 3e-3, "epochs": 6, "batch_size": 8} | options)
    )


@pytest.fixture(scope="module")
def trained(small: Path) -> EncoderStudent:
    return made(small).fit(rows(), rows(each=9))


def test_it_learns_the_classes(trained: EncoderStudent) -> None:
    assert trained.predict(TEXTS[:3]) == ["card", "cash", "rate"]


def test_probabilities_sum_to_one_and_do_not_depend_on_their_neighbours(
    trained: EncoderStudent,
) -> None:
    together = trained.probabilities(TEXTS)
    assert together.shape == (5, 3)
    np.testing.assert_allclose(together.sum(1), 1)
    alone = np.concatenate([trained.probabilities([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert trained.probabilities([]).shape == (0, 3)


def test_one_seed_gives_one_student_and_leaves_other_random_numbers_alone(
    small: Path, trained: EncoderStudent
) -> None:
    random.seed(1)
    np.random.seed(1)
    expected = random.Random(1).random(), np.random.RandomState(1).rand()
    again = made(small).fit(rows(), rows(each=9))
    assert (random.random(), np.random.rand()) == expected
    np.testing.assert_allclose(again.probabilities(TEXTS), trained.probabilities(TEXTS), atol=1e-6)


def test_a_loaded_student_gives_the_probabilities_of_the_saved_one(
    tmp_path: Path, trained: EncoderStudent
) -> None:
    folder = save_student(trained, tmp_path / "s")
    loaded = load_student(folder)
    assert isinstance(loaded, EncoderStudent)
    np.testing.assert_allclose(loaded.probabilities(TEXTS), trained.probabilities(TEXTS), atol=1e-7)
    assert (loaded.classes, loaded.history) == (trained.classes, trained.history)
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    (folder / "encoder" / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(StudentError, match="cut or altered"):
        load_student(folder)


def test_the_best_epoch_is_kept_and_training_stops_after_patience(small: Path) -> None:
    # Validation rows with wrong labels get worse the more is learnt.
    right = rows()
    wrong = LabelledTexts(right.texts, right.labels[8:] + right.labels[:8])
    student = made(small, epochs=12, patience=2).fit(right, wrong)
    kept, losses = student.history["kept"], student.history["validation"]
    assert len(losses) == min(kept + 2, 12)
    assert losses[kept - 1] == min(losses)


def test_without_validation_rows_it_is_calibrated_on_rows_held_out_once(small: Path) -> None:
    student = made(small).fit(rows())
    assert student.temperature != 1
    assert student.history["validation"]
    assert made(small, calibrate=False, epochs=1).fit(rows()).temperature == 1


def test_rows_of_which_none_can_judge_an_epoch_do_not_end_the_training(small: Path) -> None:
    # With one row a class, all that is held out is of classes without a training row.
    alone = rows("card", "cash", "rate", "my", "the", "is", each=1)
    assert made(small, epochs=4, patience=1).fit(alone).history["kept"] == 4
    student = made(small, ("card", "cash", "pin"), epochs=4, patience=1)
    assert student.fit(rows("card", "cash"), rows("pin")).history["kept"] == 4


def test_the_name_of_a_class_is_a_training_row(small: Path) -> None:
    student = made(small, ("card", "cash", "rate"), class_names=2, epochs=12).fit(
        rows("card", "cash")
    )
    assert student.predict(["rate"]) == ["rate"]


def test_a_class_without_a_training_row_is_unlikely(small: Path) -> None:
    student = made(small, ("card", "cash", "pin"), calibrate=False).fit(rows("card", "cash"))
    found = student.probabilities(TEXTS)
    assert (found[:, 2] > 0).all()
    assert (found[:3, 2] <= 1 / 19 + 1e-6).all()


def test_soft_labels_teach_more_than_hard_ones(small: Path) -> None:
    train = rows("card", "cash")
    soft = np.where(np.array(train.labels)[:, None] == "card", [[0.7, 0.3]], [[0.0, 1.0]])
    student = made(small, soft="ce", soft_share=1.0, epochs=30, calibrate=False).fit(
        LabelledTexts(train.texts, train.labels, soft=soft)
    )
    assert student.probabilities(["my card x"])[0, 0] == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("soft", ["kl", "reverse_kl", "jsd", "dist", "sinkhorn"])
def test_every_objective_trains(small: Path, soft: str) -> None:
    train = rows("card", "cash")
    targets = np.where(np.array(train.labels)[:, None] == "card", [[0.9, 0.1]], [[0.1, 0.9]])
    student = made(small, soft=soft, epochs=20, calibrate=False).fit(
        LabelledTexts(train.texts, train.labels, soft=targets)
    )
    assert student.predict(["my card", "the cash"]) == ["card", "cash"]


@pytest.mark.parametrize(
    ("soft", "message"),
    [
        (None, "the rows have none"),
        (np.ones((16, 3)) / 3, "2 columns"),
        (np.ones((16, 2)), "row 1: its soft label sums to 2"),
    ],
)
def test_invalid_soft_labels_are_refused(small: Path, soft: Any, message: str) -> None:
    train = rows("card", "cash", soft=soft)
    with pytest.raises(StudentError, match=message):
        made(small, soft="kl").fit(train)


def test_weights_count_with_soft_labels_too(small: Path) -> None:
    # Two labels of one text: the heavier one wins.
    train = LabelledTexts(
        ("my card", "my card", "the cash") * 4, ("card", "cash", "cash") * 4,
        weights=np.array([9.0, 1.0, 1.0] * 4), soft=np.array([[1.0, 0], [0, 1], [0, 1]] * 4),
    )  # fmt: skip
    for soft in (None, "kl"):
        student = made(small, soft=soft, calibrate=False, epochs=8).fit(train)
        assert student.predict(["my card"]) == ["card"]
    with pytest.raises(StudentError, match="knows no weights"):
        made(small, soft="dist").fit(train)


def test_balanced_classes_weigh_the_same(small: Path) -> None:
    train = LabelledTexts(
        rows("card", each=9).texts * 4 + ("the cash",), ("card",) * 36 + ("cash",)
    )
    plain, balanced = (
        made(small, class_weights=weights, calibrate=False, epochs=2)
        .fit(train)
        .probabilities(["cash"])[0, 1]
        for weights in (None, "balanced")
    )
    assert balanced > plain


def test_a_loss_that_is_not_finite_ends_training_and_leaves_the_student_unchanged(
    small: Path,
) -> None:
    student = made(small, epochs=1, calibrate=False).fit(rows())
    before = student.probabilities(TEXTS)
    student.options = student.options.model_copy(
        update={"lr": 1e30, "epochs": 3, "batch_size": 8, "calibrate": False}
    )
    with pytest.raises(TrainingError, match=r"step \d+: .*lower `lr`"):
        student.fit(rows())
    np.testing.assert_array_equal(student.probabilities(TEXTS), before)


def test_a_loss_that_is_not_finite_after_an_epoch_keeps_the_best_epoch(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from synthkd.students.classifiers.module import ClassificationLoss
    from synthkd.students.train import TrainingRequest, train_student

    plain, calls = ClassificationLoss.__call__, []

    def turns(self: ClassificationLoss, *args: Any) -> Any:
        calls.append(1)
        return plain(self, *args) * (float("nan") if len(calls) > 4 else 1)

    monkeypatch.setattr(ClassificationLoss, "__call__", turns)
    student = made(small)
    with pytest.raises(TrainingError, match="step 5"):
        student.fit(rows(), rows(each=9))
    assert student.history["kept"] == 1
    assert len(student.predict(TEXTS)) == 5

    calls.clear()
    lines = [
        f'{{"text": "{text}", "label": "{label}"}}'
        for text, label in zip(rows().texts, rows().labels, strict=True)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    source, out = tmp_path / "rows.jsonl", tmp_path / "out"
    options = {"base": str(small), "lr": 3e-3, "epochs": 6, "batch_size": 8}
    with pytest.raises(TrainingError, match=r"step 5.*best weights before are in"):
        train_student(TrainingRequest(source, out, "encoder", options, validation=source))
    assert len(load_student(out).predict(TEXTS)) == 5  # type: ignore[attr-defined]


def test_a_decoder_is_refused(tmp_path: Path, small: Path) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2Model

    GPT2Model(GPT2Config(vocab_size=99, n_embd=16, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(small).save_pretrained(tmp_path)
    with pytest.raises(StudentError, match="is a decoder"):
        made(tmp_path).fit(rows())


def test_an_encoder_decoder_is_refused(tmp_path: Path, small: Path) -> None:
    from transformers import AutoTokenizer, T5Config, T5Model

    T5Model(
        T5Config(vocab_size=99, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    ).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(small).save_pretrained(tmp_path)
    with pytest.raises(StudentError, match="encoder-decoder"):
        made(tmp_path).fit(rows())


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path, small: Path) -> None:
    from transformers import AutoTokenizer, BertConfig, BertModel

    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(small).save_pretrained(tmp_path)
    with pytest.raises(StudentError, match="vectors for 20"):
        made(tmp_path).fit(rows())


@pytest.mark.parametrize(
    ("change", "message"),
    [({"num_hidden_layers": 3}, "not in the checkpoint"), ({"vocab_size": 9}, "cannot be loaded")],
)
def test_a_config_of_other_weights_is_refused(
    tmp_path: Path, small: Path, change: dict[str, int], message: str
) -> None:
    for path in small.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(StudentError, match=message):
        made(tmp_path).fit(rows())


def test_weights_that_can_run_code_are_refused(tmp_path: Path, small: Path) -> None:
    for path in small.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(StudentError, match="safetensors"):
        made(tmp_path).fit(rows())


def test_max_length_is_bounded_by_the_checkpoint_and_defaults_to_it(
    small: Path,
) -> None:
    with pytest.raises(StudentError, match="reads 48 tokens"):
        made(small, max_length=64).fit(rows())
    long = LabelledTexts((*rows().texts, "card " * 90), (*rows().labels, "card"))
    student = made(small, epochs=1, calibrate=False).fit(long)
    assert (student.max_length, student.history["cut"]) == (48, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"start": "setfit"}, "contrastive"),
        ({"epochs": 0}, "epochs: "),
        ({"epochs": "many"}, "epochs: "),
        ({"lr": -1}, "lr: "),
        ({"batch_size": 1}, "batch_size: "),
        ({"soft": "l2"}, "soft: "),
        ({"soft": "kl", "start": "contrastive"}, "reads no soft ones"),
        ({"class_weights": "even"}, "class_weights: "),
        ({"calibrate": "maybe"}, "calibrate: "),
        ({"seed": -1}, "seed"),
    ],
)
def test_invalid_options_are_refused_by_the_constructor(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudentError, match=message):
        EncoderStudent(base="anything", **options)


def test_training_prints_nothing(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made(small, epochs=1).fit(rows())
    assert capfd.readouterr() == ("", "")


def test_frozen_vectors_train_a_linear_student_that_knows_its_encoder(
    tmp_path: Path, small: Path
) -> None:
    import shutil

    from synthkd.students.classifiers.linear import LinearStudent

    base = tmp_path / "base"
    shutil.copytree(small, base)
    student = LinearStudent(features="embeddings", encoder=base).fit(rows(), rows(each=9))
    assert student.predict(["my card x", "the cash y"]) == ["card", "cash"]
    folder = save_student(student, tmp_path / "s")
    np.testing.assert_array_equal(
        load_student(folder).probabilities(TEXTS), student.probabilities(TEXTS)
    )  # type: ignore[attr-defined]
    from safetensors.numpy import load_file, save_file

    weights = load_file(base / "model.safetensors")
    save_file(
        {name: value + 1 for name, value in weights.items()},
        base / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(StudentError, match="another one now"):
        load_student(folder).probabilities(TEXTS)  # type: ignore[attr-defined]


def test_padding_on_the_left_changes_no_probability(small: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(small, tmp_path / "left")
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings | {"padding_side": "left"}), "utf-8"
    )
    student = made(folder).fit(rows(), rows(each=9))
    alone = np.concatenate([student.probabilities([text]) for text in TEXTS])
    np.testing.assert_allclose(student.probabilities(TEXTS), alone, atol=1e-6)
