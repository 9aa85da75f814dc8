"""A frozen encoder is found again after a move, by its content, and not looked up on a hub."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.files import write_csv
from support.tiny_encoder import write_bert
from typer.testing import CliRunner

from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.cli.app import app
from synthkd.encoders.reference import EncoderReference
from synthkd.errors import CriticError, StudentError
from synthkd.kinds.triple import TripleKind
from synthkd.students.base import LabelledTexts

pytest.importorskip("torch")

pytestmark = pytest.mark.slow
KIND = TripleKind()
ROWS = LabelledTexts(
    tuple(f"{'good' if i % 2 else 'bad'} thing {i}" for i in range(20)),
    tuple("ab"[i % 2] for i in range(20)),
)
SHA = "0" * 64


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with `models/small` and a student in `student`, trained from within."""
    from synthkd.students.classifiers.linear import LinearStudent
    from synthkd.students.folders import save_student

    home = tmp_path / "project"
    (home / "models" / "small").mkdir(parents=True)
    write_bert(home / "models" / "small", ["good", "bad", "thing"], 40)
    monkeypatch.chdir(home)
    student = LinearStudent(features="embeddings", encoder="models/small", device="cpu").fit(ROWS)
    save_student(student, "student")
    np.save(home / "before.npy", student.probabilities(ROWS.texts))
    return home


def same(folder: Path, before: Path, **options: Any) -> None:
    from synthkd.students.folders import load_student

    found = load_student(folder, **options).probabilities(ROWS.texts)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, np.load(before), atol=1e-5)


def test_it_is_found_from_any_working_folder(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    same(place / "student", place / "before.npy")


def test_the_working_folder_may_change_after_a_student_was_made_or_loaded(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkd.students.classifiers.linear import LinearStudent
    from synthkd.students.folders import load_student

    monkeypatch.chdir(place)
    loaded = [load_student("student"), load_student("student", encoder="models/small")]
    fresh = LinearStudent(features="embeddings", encoder="models/small", device="cpu")
    monkeypatch.chdir(tmp_path)
    for student in [*loaded, fresh.fit(ROWS)]:
        found = student.probabilities(ROWS.texts)  # type: ignore[attr-defined]
        np.testing.assert_allclose(found, np.load(place / "before.npy"), atol=1e-5)


def test_the_whole_project_may_be_moved(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.move(place, tmp_path / "elsewhere")
    same(tmp_path / "elsewhere" / "student", tmp_path / "elsewhere" / "before.npy")


def test_it_is_found_beside_the_student_and_in_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("beside/small", "inside/student/encoder"):
        base = tmp_path / name.split("/")[0]
        shutil.copytree(place / "student", base / "student")
        shutil.copytree(place / "models" / "small", tmp_path / name)
        same(base / "student", place / "before.npy")


def test_an_encoder_that_is_not_found_can_be_given_by_the_option(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkd.students.folders import load_student

    monkeypatch.chdir(tmp_path)
    shutil.move(place / "models" / "small", tmp_path / "other-name")
    with pytest.raises(
        StudentError,
        match=r"'small' is not found; name it by the option `encoder` \(--encoder FOLDER",
    ):
        load_student(place / "student").probabilities(ROWS.texts)  # type: ignore[attr-defined]
    same(place / "student", place / "before.npy", encoder=tmp_path / "other-name")
    sheet = write_csv(
        tmp_path / "rows.csv",
        [{"text": t, "label": one} for t, one in zip(ROWS.texts, ROWS.labels, strict=True)],
    )
    run = CliRunner().invoke
    found = run(
        app,
        [
            "student",
            "eval",
            str(place / "student"),
            str(sheet),
            "--encoder",
            str(tmp_path / "other-name"),
        ],
    )
    assert found.exit_code == 0, found.output


def test_another_encoder_of_that_name_is_refused(place: Path, tmp_path: Path) -> None:
    from synthkd.students.folders import load_student

    shutil.rmtree(place / "models" / "small")
    (place / "models" / "small").mkdir()
    write_bert(place / "models" / "small", ["other", "words"], 40)
    for options in ({}, {"encoder": place / "models" / "small"}):
        with pytest.raises(StudentError, match="another one"):
            load_student(place / "student", **options).probabilities(ROWS.texts)  # type: ignore[attr-defined]


def test_a_hub_is_not_asked_unless_the_user_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    from synthkd.encoders.load import load_referenced

    asked: list[dict[str, Any]] = []

    def spy(name: str, **options: Any) -> Any:
        asked.append({"name": name, **options})
        raise OSError("not here")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", spy)
    for given, local in ((None, True), ("org/model", False)):
        with pytest.raises(CriticError):
            load_referenced(
                EncoderReference(name="org/model", hub=True, sha256=SHA),
                tmp_path,
                given,
                STUDENT_ARTIFACT,
            )
        assert asked.pop()["local_files_only"] is local


def test_no_student_has_an_encoder_that_it_was_not_trained_with(tmp_path: Path) -> None:
    from synthkd.students.classifiers.linear import LinearStudent
    from synthkd.students.folders import load_student, save_student

    folder = save_student(LinearStudent().fit(ROWS), tmp_path / "s")
    with pytest.raises(StudentError, match="without an encoder"):
        load_student(folder, encoder="any")


def test_no_name_or_path_leads_out_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    for where in ("home/me/models/small", "opt/models/small"):
        (tmp_path / where).mkdir(parents=True)
    student = tmp_path / "home" / "me" / "work" / "student"
    within = EncoderReference.of(str(tmp_path / "home/me/models/small"), SHA, student)
    assert (within.name, within.path) == ("small", "../../models/small")
    outside = EncoderReference.of(str(tmp_path / "opt/models/small"), SHA, student)
    assert (outside.name, outside.path) == ("small", None)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_critic_finds_its_encoder_after_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen: bool
) -> None:
    import pyarrow as pa

    from synthkd.critics.encoder.critic import EncoderCritic

    (tmp_path / "p" / "small").mkdir(parents=True)
    write_bert(tmp_path / "p" / "small", ["good", "bad", "thing"], 40)
    monkeypatch.chdir(tmp_path / "p")
    rows = pa.Table.from_pylist(
        [
            {"head": f"thing {i}", "relation": "UsedFor", "tail": "good" if i % 2 else "bad"}
            for i in range(40)
        ]
    )
    critic = EncoderCritic(KIND, "small", frozen=frozen, epochs=1, device="cpu")
    assert critic.max_length == 128
    critic.fit(rows, np.arange(40) % 2 == 1)
    assert critic.max_length == 40
    (tmp_path / "p" / "critic").mkdir()
    critic.save(tmp_path / "p" / "critic")
    shutil.move(tmp_path / "p", tmp_path / "q")
    monkeypatch.chdir(tmp_path)
    found = EncoderCritic.load(tmp_path / "q" / "critic", KIND, device="cpu")
    np.testing.assert_allclose(found.score(rows), critic.score(rows), atol=1e-5)
    for path in (tmp_path / "q" / "critic").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
