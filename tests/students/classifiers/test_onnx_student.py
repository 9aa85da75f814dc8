"""Exported encoder students: the same probabilities, in any order and batch."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkd.errors import StorageError, StudentError
from synthkd.students.classifiers.onnx import SETTINGS, OnnxClassifier
from synthkd.students.classifiers.onnx_export import export_onnx
from synthkd.students.classifiers.temperature import softmax_at

for needed in ("torch", "transformers", "onnx", "onnxruntime"):
    pytest.importorskip(needed)

pytestmark = pytest.mark.slow

SAID = "my card has not come yet where is it the money went to another account again please help"
WORDS = SAID.split()


class Trained:
    """The attributes of an encoder student that an export reads."""

    name = "encoder"
    learns, exports_onnx = "labels", True
    classes = ("arrival", "money", "other")
    max_length, temperature = 24, 1.7
    training_hashes = frozenset({1, 2})

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    def probabilities(self, texts: Any) -> np.ndarray:
        import torch

        found = []
        for text in texts:
            fields = self.tokenizer(
                text, truncation=True, max_length=self.max_length, return_tensors="pt"
            )
            with torch.no_grad():
                found.append(self.model(**fields).logits.double().numpy())
        return softmax_at(np.concatenate(found), self.temperature)


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        word: place
        for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted({*WORDS, "?"})])
    }
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def bert() -> Trained:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    model = BertForSequenceClassification(
        BertConfig(vocab_size=40, num_labels=3, initializer_range=0.5, **sizes)
    )
    return Trained(model, tokenizer())


def roberta() -> Trained:
    """Return a model whose positions count from the padding, without token types."""
    import torch
    from transformers import RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    config = RobertaConfig(
        vocab_size=40,
        num_labels=3,
        initializer_range=0.5,
        pad_token_id=0,
        max_position_embeddings=64,
        **sizes,
    )
    made = tokenizer()
    made.model_input_names = ["input_ids", "attention_mask"]
    return Trained(RobertaForSequenceClassification(config), made)


def texts(count: int = 60) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, rng.integers(0, 40))) for _ in range(count)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    student = bert()
    out = tmp_path_factory.mktemp("onnx") / "student"
    assert export_onnx(student, out) < 1e-4
    return student, out


def test_the_exported_model_gives_the_probabilities_of_torch(
    exported: tuple[Trained, Path],
) -> None:
    student, out = exported
    said = OnnxClassifier.load(out, threads=1).probabilities(texts())
    assert np.abs(said - student.probabilities(texts())).max() < 1e-4
    assert said.sum(1) == pytest.approx(1.0)
    assert np.ptp(said[:, 0]) > 0.1, "texts must differ, or this shows nothing"


def test_a_model_without_token_types_is_exported_too(tmp_path: Path) -> None:
    student = roberta()
    export_onnx(student, tmp_path / "out")
    said = OnnxClassifier.load(tmp_path / "out", threads=1).probabilities(texts(20))
    assert np.abs(said - student.probabilities(texts(20))).max() < 1e-4


def test_batches_and_order_do_not_change_probabilities(exported: tuple[Trained, Path]) -> None:
    _, out = exported
    rows = texts()
    whole = OnnxClassifier.load(out, threads=1, batch_tokens=10_000).probabilities(rows)
    small = OnnxClassifier.load(out, threads=1, batch_tokens=30).probabilities(rows[::-1])[::-1]
    assert np.abs(whole - small).max() < 1e-5


def test_no_texts_have_no_probabilities(exported: tuple[Trained, Path]) -> None:
    made = OnnxClassifier.load(exported[1])
    assert made.training_hashes == {1, 2}
    assert made.probabilities([]).shape == (0, 3)
    assert made.predict([]) == []


def test_predictions_are_names_of_classes(exported: tuple[Trained, Path]) -> None:
    student, out = exported
    rows = texts(10)
    expected = [student.classes[place] for place in student.probabilities(rows).argmax(1)]
    assert OnnxClassifier.load(out).predict(rows) == expected


def test_int8_is_smaller_and_close(exported: tuple[Trained, Path], tmp_path: Path) -> None:
    student, out = exported
    export_onnx(student, tmp_path / "small", int8=True)
    small = OnnxClassifier.load(tmp_path / "small", threads=1)
    assert small.int8
    assert (tmp_path / "small" / "model.onnx").stat().st_size < (out / "model.onnx").stat().st_size
    assert np.abs(small.probabilities(texts()) - student.probabilities(texts())).mean() < 0.05


def test_an_altered_model_is_refused(exported: tuple[Trained, Path], tmp_path: Path) -> None:
    shutil.copytree(exported[1], tmp_path / "out")
    (tmp_path / "out" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(StudentError, match="altered"):
        OnnxClassifier.load(tmp_path / "out")


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=f"{SETTINGS}.*export"):
        OnnxClassifier.load(tmp_path)


def test_an_export_with_other_probabilities_is_not_written(tmp_path: Path) -> None:
    student = bert()
    student.probabilities = lambda texts: np.full((len(texts), 3), 1 / 3)  # type: ignore[method-assign]
    with pytest.raises(StudentError, match="other probabilities"):
        export_onnx(student, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_replaces_an_export_and_nothing_else(
    exported: tuple[Trained, Path], tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for place in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(StorageError, match=r"not an exported student|is a file"):
            export_onnx(exported[0], place)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    export_onnx(bert(), exported[1])


def test_halves_of_characters_are_read_as_question_marks(exported: tuple[Trained, Path]) -> None:
    model = OnnxClassifier.load(exported[1], threads=1)
    np.testing.assert_array_equal(
        model.probabilities(["my \udcff card"]), model.probabilities(["my ? card"])
    )


def test_a_student_that_exports_no_onnx_is_refused(tmp_path: Path) -> None:
    student = bert()
    student.exports_onnx = False
    with pytest.raises(StudentError, match="plain numpy already"):
        export_onnx(student, tmp_path / "out")


def test_a_trained_student_is_exported_into_its_folder_and_served_without_torch(
    tmp_path: Path,
) -> None:
    pytest.importorskip("accelerate")
    from synthkd.students.base import LabelledTexts
    from synthkd.students.classifiers.encoder import EncoderStudent
    from synthkd.students.folders import load_student, save_student

    base = bert()
    base.model.bert.save_pretrained(tmp_path / "base")
    base.tokenizer.save_pretrained(tmp_path / "base")
    rows = LabelledTexts(("my card", "my money", "the card", "the money"), ("arrival", "money") * 2)
    student = EncoderStudent(base=tmp_path / "base", epochs=2, batch_size=2, calibrate=False).fit(
        rows
    )
    folder = save_student(student, tmp_path / "student")
    export_onnx(load_student(folder), folder / "onnx")
    load_student(folder)  # an export beside its files does not make it another student
    program = (
        "import sys; from synthkd.students.serve import open_classifier; from pathlib import Path;"
        f"student = open_classifier(Path({str(folder / 'onnx')!r}), 1);"
        "print(student.probabilities(['my card'])[0, 0]);"
        "assert not {'torch', 'transformers', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(student.probabilities(["my card"])[0, 0], abs=1e-4)
