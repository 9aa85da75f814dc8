"""The tagger: training, windows, self-training, prototypes, files, commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.command_line import synthkd
from support.tagged_texts import marked, tagged

from synthkd.errors import StudentError
from synthkd.students.base import SpanStudent
from synthkd.students.folders import load_student, read_card, save_student
from synthkd.students.metrics import evaluate_spans
from synthkd.students.spans import TaggedTexts, TypedSpan
from synthkd.students.taggers.options import TaggerOptions
from synthkd.students.taggers.student import TaggerStudent
from synthkd.students.taggers.units import UNLABELLED, text_units
from synthkd.students.taggers.windows import TextWindows

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow
FAST = {"lr": 3e-3, "epochs": 12, "batch_size": 8, "embeddings": True}
NEW = "the map of oslo, eve saw."


def made(base: Path | str, **options: Any) -> TaggerStudent:
    return TaggerStudent(base=base, **FAST | options)


@pytest.fixture(scope="module")
def trained(tiny: Path) -> TaggerStudent:
    return made(tiny).fit(tagged())


def keys(spans: Any) -> list[tuple[int, int, str]]:
    return [span.key for span in spans]


def test_it_learns_the_spans_and_their_places(trained: TaggerStudent) -> None:
    assert trained.types == ("person", "place")
    (spans,) = trained.spans(NEW)
    assert keys(spans) == keys(marked(NEW))
    assert all(0.5 < span.confidence <= 1 for span in spans)


def test_texts_of_nothing_have_no_spans(trained: TaggerStudent) -> None:
    assert trained.spans(["", " ", "."]) == [(), (), ()]
    assert trained.spans([]) == []


def test_a_long_text_has_the_spans_of_its_parts(trained: TaggerStudent) -> None:
    text = " ".join([NEW] * 30)
    found = trained.spans(text)
    assert evaluate_spans([marked(text)], found, draws=0).f1 > 0.8
    assert found[0][-1].start > 29 * len(NEW)


def test_every_unit_is_read_once_where_it_is_farthest_from_an_edge(trained: TaggerStudent) -> None:
    text = " ".join(["ada left for rome ."] * 20)
    units = text_units(text, True)
    tokenizer = trained._tagger.tokenizer  # type: ignore[union-attr]
    windows = TextWindows(tokenizer, [text], [units], 16, 6)
    assert len(windows.lengths) > 5
    assert windows.cut == 1
    numbers = np.concatenate([part[:, 1] for part in windows.units])
    assert sorted(numbers.tolist()) == list(range(len(units)))
    # 14 tokens of text in a window, of which 6 are the neighbour's too.
    inner = [part[:, 0] for part in windows.units[1:-1]]
    assert all(tokens.min() >= 3 and tokens.max() <= 12 for tokens in inner)


def test_one_seed_gives_one_student(tiny: Path, trained: TaggerStudent) -> None:
    again = made(tiny).fit(tagged())
    assert again.history["losses"] == trained.history["losses"]


def test_validation_rows_choose_the_epoch(tiny: Path) -> None:
    student = made(tiny, patience=2, epochs=9).fit(tagged(), tagged(",").take(range(4)))
    f1 = student.history["validation"]
    assert student.history["kept"] == 1 + int(np.argmax(f1))
    assert len(f1) <= student.history["kept"] + 2


def test_a_saved_tagger_gives_the_same_spans(trained: TaggerStudent, tmp_path: Path) -> None:
    save_student(trained, tmp_path / "s")
    loaded = load_student(tmp_path / "s")
    assert isinstance(loaded, SpanStudent)
    assert read_card(tmp_path / "s")["learns"] == "spans"
    assert keys(loaded.spans(NEW)[0]) == keys(trained.spans(NEW)[0])
    names = {path.suffix for path in (tmp_path / "s").rglob("*") if path.is_file()}
    assert names <= {".json", ".safetensors", ".parquet", ".txt"}


def test_an_altered_file_is_refused(trained: TaggerStudent, tmp_path: Path) -> None:
    save_student(trained, tmp_path / "s")
    settings = json.loads((tmp_path / "s" / "tagger.json").read_text())
    (tmp_path / "s" / "tagger.json").write_text(json.dumps(settings | {"types": ["a"]}))
    with pytest.raises(StudentError, match=r"tagger.json: cut or altered"):
        load_student(tmp_path / "s")


def test_the_tagger_on_spacy_learns_and_is_loaded_again(tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    student = TaggerStudent(base="spacy", epochs=15, batch_size=4).fit(tagged())
    evaluation = evaluate_spans(tagged().spans, student.spans(tagged().texts), draws=0)
    assert evaluation.f1 > 0.9
    save_student(student, tmp_path / "s")
    loaded = load_student(tmp_path / "s")
    assert isinstance(loaded, SpanStudent)
    assert loaded.spans(tagged().texts) == student.spans(tagged().texts)


@pytest.mark.parametrize("prototypes", [False, True])
def test_self_training_goes_on_with_what_two_teachers_agree_on(
    tiny: Path, prototypes: bool
) -> None:
    clean = tagged()
    # The last three texts lost their labels, as texts that no gazetteer covers.
    noisy = TaggedTexts(clean.texts, (*clean.spans[:-5], *((),) * 5))
    options = {"self_training": True, "self_epochs": 2, "threshold": 0.0, "prototypes": prototypes}
    student = made(tiny, epochs=6, **options).fit(noisy)
    assert len(student.history["losses"]) == 6 + 2
    assert len(student.history["agreed"]) == 2
    assert 0.5 < student.history["agreed"][0] <= 1
    assert evaluate_spans(clean.spans, student.spans(clean.texts), draws=0).f1 > 0.8


def test_units_on_which_teachers_disagree_or_are_not_sure_are_unlabelled() -> None:
    from synthkd.students.taggers.self_training import co_predictions

    first = torch.tensor([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0], [0.1, 0.0]])
    second = torch.tensor([[4.0, 0.0], [0.0, 4.0], [0.0, 4.0], [0.1, 0.0]])
    assert co_predictions(first, second).tolist() == [0, 1, UNLABELLED, 0]
    assert co_predictions(first, second, 0.6).tolist() == [0, 1, UNLABELLED, UNLABELLED]


def test_a_label_weighs_less_the_farther_its_unit_lies_from_the_prototype() -> None:
    from synthkd.students.taggers.self_training import Prototypes

    prototypes = Prototypes(2, 2, 0.5)
    prototypes.update(torch.tensor([[2.0, 0.0], [4.0, 0.0]]), np.array([0, 0]))
    vectors = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    near, middle, far, unknown = prototypes.weights(vectors, np.array([0, 0, 0, 1])).tolist()
    assert near == 1
    np.testing.assert_allclose(middle, np.exp(-(1 - np.sqrt(0.5)) / 0.5), rtol=1e-6)
    np.testing.assert_allclose(far, np.exp(-2))
    assert unknown == 1


def test_a_prototype_moves_slowly_towards_new_units() -> None:
    from synthkd.students.taggers.self_training import Prototypes

    prototypes = Prototypes(1, 2, 0.5)
    prototypes.update(torch.tensor([[1.0, 0.0]]), np.array([0]))
    prototypes.update(torch.tensor([[0.0, 1.0], [5.0, 5.0]]), np.array([0, UNLABELLED]))
    expected = np.array([0.9, 0.1]) / np.hypot(0.9, 0.1)
    np.testing.assert_allclose(prototypes.vectors[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base": "spacy", "self_training": True}, "needs an encoder"),
        ({"base": "x", "prototypes": True}, "set `self_training`"),
        ({"base": "x", "ema": 1}, "ema"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(StudentError, match=words):
        TaggerStudent(**options)


def test_rows_that_cannot_train_a_tagger_are_refused(tiny: Path) -> None:
    with pytest.raises(StudentError, match="training rows have no span"):
        made(tiny).fit(TaggedTexts(("a map",), ((),)))
    with pytest.raises(StudentError, match=r"'place' is none of the 1 types"):
        made(tiny, types=["person"]).fit(tagged())
    with pytest.raises(StudentError, match="not trained yet"):
        made(tiny).spans("x")
    assert TaggerOptions(base="x").epochs > 0


def write_rows(path: Path, rows: TaggedTexts) -> None:
    lines = [
        {
            "text": text,
            "spans": [
                {"type": one.type, "text": text[one.start : one.end], "start": one.start,
                 "end": one.end}
                for one in spans
            ],
        }
        for text, spans in zip(rows.texts, rows.spans, strict=True)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_the_commands_train_evaluate_and_tag(tiny: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", tagged())
    write_rows(tmp_path / "test.jsonl", TaggedTexts((NEW,), (marked(NEW),)))
    options = [f"--option={name}={str(value).lower()}" for name, value in FAST.items()]
    done = synthkd(
        "student", "train", "train.jsonl", "mine", "--student", "tagger", f"--option=base={tiny}",
        *options, "--test", "test.jsonl", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "on the test rows:" in done.stdout
    assert "with spans of 2 types" in (tmp_path / "mine" / "README.md").read_text()
    done = synthkd("student", "eval", "mine", "test.jsonl", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["f1"] == 1.0
    done = synthkd("student", "predict", "mine", "test.jsonl", "out.parquet", cwd=tmp_path)
    assert "1 rows tagged" in done.stdout
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["start"], row["end"], row["type"]) for row in rows] == keys(marked(NEW))
    done = synthkd("student", "eval", "mine", "out.parquet", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["f1"] == 1.0


def test_a_tagger_is_no_classifier(trained: TaggerStudent, tmp_path: Path) -> None:
    save_student(trained, tmp_path / "s")
    done = synthkd("student", "export", "s", cwd=tmp_path)
    assert done.returncode
    assert "Traceback" not in done.stderr


def test_a_student_from_outside_must_return_spans_of_the_text() -> None:
    class Wrong(SpanStudent):
        name = "wrong"

        def fit(self, train: Any, validation: Any = None) -> Any:
            return self

        def spans(self, texts: Any) -> Any:
            return [(TypedSpan(0, 99, "person"),)]

        def save(self, folder: Path) -> None: ...

        @classmethod
        def load(cls, folder: Path, **options: Any) -> Any: ...

    with pytest.raises(Exception, match="no span of the text"):
        Wrong(["person"]).spans(["x"])
