"""A student's folder under changed bytes, fields and arrays: refused in one line, or usable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from support.tiny_encoder import write_bert

from synthkd.artifacts.folder import write_hashes
from synthkd.errors import StudentError, SynthKDError
from synthkd.storage import HASHES
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.files import ARRAYS, SETTINGS
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.students.folders import CARD, load_student, save_student

ROWS = LabelledTexts(
    ("red apple", "green apple", "red car", "blue car"), ("fruit", "fruit", "car", "car")
)
ANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.just(1 << 70), st.just(1e308), st.just(-0.5),
    st.sampled_from(["", "x", "../../x", "/etc/passwd", "generator"]), st.just([]), st.just({}),
    st.just([None]),
)  # fmt: skip


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("torch")
    from synthkd.students.classifiers.encoder import EncoderStudent

    base = tmp_path_factory.mktemp("students")
    (base / "bert").mkdir()
    bert = write_bert(base / "bert", ["red", "green", "apple", "car"], 40)
    made = {
        "tfidf": LinearStudent(("fruit", "car", "other")),
        "hashing": LinearStudent(features="hashing", bits=8),
        "embeddings": LinearStudent(features="embeddings", encoder=bert, device="cpu"),
        "encoder": EncoderStudent(base=bert, epochs=1, calibrate=False, device="cpu"),
    }
    manifest = {"rows": 4, "note": "x"}
    return {
        name: save_student(student.fit(ROWS), base / name, manifest)
        for name, student in made.items()
    }


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")


def loads_or_refuses(folder: Path) -> None:
    found, said = np.full((1, 2), 0.5), ""
    try:
        with np.errstate(all="ignore"):
            found = load_student(folder).probabilities(["red car"])  # type: ignore[attr-defined]
    except SynthKDError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


class Restored:
    """Puts files of a folder back as they were."""

    def __init__(self, folder: Path) -> None:
        self.before = {
            path: path.read_bytes() for path in files(folder) if path.stat().st_size < 1 << 20
        }

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        for path, data in self.before.items():
            if path.read_bytes() != data:
                path.write_bytes(data)


@pytest.mark.slow
@given(st.data())
@ANY
def test_a_changed_byte_of_any_file_is_refused_in_one_line(
    students: dict[str, Path], data: st.DataObject
) -> None:
    folder = students[data.draw(st.sampled_from(sorted(students)))]
    path = data.draw(st.sampled_from(files(folder)))
    before = path.read_bytes()
    place, other = data.draw(st.integers(0, len(before) - 1)), data.draw(st.integers(1, 255))
    with Restored(folder):
        path.write_bytes(before[:place] + bytes([before[place] ^ other]) + before[place + 1 :])
        with pytest.raises(StudentError) as caught:
            load_student(folder)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
@given(st.data())
@ANY
def test_an_odd_field_with_new_hashes_is_refused_or_gives_probabilities(
    students: dict[str, Path], data: st.DataObject
) -> None:
    folder = students[data.draw(st.sampled_from(sorted(students)))]
    path = folder / data.draw(st.sampled_from([CARD, SETTINGS]))
    found = json.loads(path.read_text())
    at, ways = found, data.draw(st.integers(1, 3))
    for _ in range(ways):
        keys = sorted(at) if isinstance(at, dict) else list(range(min(len(at), 5)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], dict | list) or not at[key]:
            break
        inner = at[key]
        if _ == ways - 1:
            break
        at = inner
        key = sorted(at)[0] if isinstance(at, dict) else 0
    at[key] = data.draw(ODD)
    with Restored(folder):
        path.write_text(json.dumps(found))
        write_hashes(folder)
        loads_or_refuses(folder)


HARMS: dict[str, Callable[[Any], Any]] = {
    "gone": lambda array: None,
    "nan": lambda array: np.full_like(array, np.nan) if array.dtype.kind == "f" else array + 10**6,
    "infinite": lambda array: (
        np.full_like(array, np.inf) if array.dtype.kind == "f" else -array - 1
    ),
    "minus infinity": lambda array: (
        np.full_like(array, -np.inf) if array.dtype.kind == "f" else array[:-1]
    ),
    "huge": lambda array: (
        np.full_like(array, 1e30) if array.dtype.kind == "f" else array * 0 + 2**30
    ),
    "shorter": lambda array: array[:-1],
    "empty": lambda array: array[:0],
    "another type": lambda array: array.astype(np.float16),
    "another shape": lambda array: array[None],
}


@pytest.mark.slow
@pytest.mark.parametrize("harm", sorted(HARMS))
@pytest.mark.parametrize("name", ["tfidf", "hashing", "embeddings", "encoder"])
def test_odd_arrays_with_new_hashes_are_refused(
    students: dict[str, Path], name: str, harm: str
) -> None:
    folder = students[name]
    arrays = load_file(folder / ARRAYS)
    for one in arrays:
        changed = dict(arrays)
        if (harmed := HARMS[harm](arrays[one])) is None:
            del changed[one]
        else:
            changed[one] = harmed
        with Restored(folder):
            save_file(
                {key: np.ascontiguousarray(value) for key, value in changed.items()},
                folder / ARRAYS,
            )
            write_hashes(folder)
            # The width of a frozen encoder is known once it is found, at the first text.
            with pytest.raises(StudentError, match=r"classifier\.(safetensors|json)") as caught:
                load_student(folder).probabilities(["red car"])  # type: ignore[attr-defined]
            assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
def test_a_folder_cannot_ask_for_more_memory_than_it_has(students: dict[str, Path]) -> None:
    folder = students["hashing"]
    found = json.loads((folder / SETTINGS).read_text())
    with Restored(folder):
        found["classes"] = [f"class {i}" for i in range(50_000)]
        (folder / SETTINGS).write_text(json.dumps(found))
        write_hashes(folder)
        with pytest.raises(StudentError, match="shape"):
            load_student(folder)


@pytest.mark.parametrize(
    "name",
    ["pytorch_model.bin", "own.py", "tokenizer.json", "encoder/own.py", "adapter_config.json"],
)
def test_a_file_that_is_not_listed_is_refused(students: dict[str, Path], name: str) -> None:
    folder = students["encoder"]
    (folder / name).write_text("{}")
    try:
        with pytest.raises(StudentError, match="not a file of this student"):
            load_student(folder)
    finally:
        (folder / name).unlink()


@pytest.mark.parametrize(
    "changes", [{"auto_map": {"AutoModel": "own.Own"}}, {"_attn_implementation": "org/kernel"}]
)
def test_an_encoder_of_a_student_that_names_code_is_refused(
    students: dict[str, Path], changes: dict[str, Any]
) -> None:
    folder = students["encoder"]
    path = folder / "encoder" / "config.json"
    with Restored(folder):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        write_hashes(folder)
        with pytest.raises(StudentError, match=r"config\.json: "):
            load_student(folder)


def test_no_file_of_a_student_holds_a_path_of_this_machine(students: dict[str, Path]) -> None:
    for folder in students.values():
        for path in files(folder):
            assert str(folder.parent).encode() not in path.read_bytes(), path


def test_a_student_of_an_earlier_version_is_refused_with_the_remedy(
    students: dict[str, Path],
) -> None:
    folder = students["tfidf"]
    card = json.loads((folder / CARD).read_text())
    with Restored(folder):
        (folder / CARD).write_text(json.dumps(card | {"format": 1, "files": {}}))
        (folder / HASHES).write_text("{}")
        with pytest.raises(
            StudentError,
            match=r"format 1, this version of synthkd reads 2; train the student again",
        ):
            load_student(folder)
