"""Tests that published files hold no absolute path, no name of a user and no private host."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.files import write_csv

from synthkd import run
from synthkd.recipe import Recipe
from synthkd.recipe.published_values import published, published_path, published_text
from synthkd.secrets import is_private
from synthkd.students.train import TrainingRequest, train_student
from synthkd.testing import FakeServer

FOLDER = Path("/elsewhere/telltale/project")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("heads.csv", "heads.csv"), ("../data/heads.csv", "../data/heads.csv"), ("$DATA/heads.csv",
        "$DATA/heads.csv"),
        ("~/heads.csv", "~/heads.csv"), ("/elsewhere/telltale/project/a/heads.csv", "a/heads.csv"),
        ("/elsewhere/telltale/project", "."),
        ("/elsewhere/telltale/project/../x/heads.csv", "heads.csv"), ("/rows/heads.csv",
        "heads.csv"), ("~telltale/heads.csv", "heads.csv"),
        ("C:\\Users\\telltale\\heads.csv", "heads.csv"), ("file:///elsewhere/telltale/heads.csv",
        "heads.csv"), ("/", "path"),
        ("/elsewhere/telltale/projecting/heads.csv", "heads.csv"),
    ],
)  # fmt: skip
def test_a_path_is_shown_from_the_folder_or_by_its_name(path: str, shown: str) -> None:
    assert published_path(path, FOLDER) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/no_think", "/no_think"), ("and/or", "and/or"), ("http://example.org/a/b",
        "http://example.org/a/b"),
        ("transformers:/elsewhere/telltale/m@abc:float32", "transformers:m@abc:float32"),
        ("stopped; see /elsewhere/telltale/project/runs/r/log, please", "stopped; see runs/r/log,"
            " please"),
        ("openai:http://gpu-box-7:8000/v1:m", "openai:http://private-host:8000/v1:m"),
        ("openai:http://127.0.0.1:8000/v1:m", "openai:http://127.0.0.1:8000/v1:m"),
    ],
)  # fmt: skip
def test_a_text_is_shown_without_paths_and_private_hosts(text: str, shown: str) -> None:
    assert published_text(text, FOLDER) == shown


@pytest.mark.parametrize(
    "host",
    ["gpu-box", "10.1.2.3", "192.168.0.9", "box.local", "a.b.corp", "fe80::1", "169.254.1.1"],
)
def test_private_hosts_are_known(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "::1", "api.openai.com", "1.1.1.1", "$HOST"]
)
def test_this_machine_and_public_hosts_are_no_private_ones(host: str) -> None:
    assert not is_private(host)


def test_options_of_any_depth_are_shortened() -> None:
    raw = {
        "options": {
            "taxonomy": "/elsewhere/telltale/project/t.yaml",
            "deep": [{"x": "/elsewhere/telltale/a/b.csv"}],
        },
        "n": 3,
    }
    assert published(raw, FOLDER) == {
        "options": {"taxonomy": "t.yaml", "deep": [{"x": "b.csv"}]},
        "n": 3,
    }


def every_text(folder: Path) -> str:
    """Return all text of a published folder: files as bytes, and Parquet with its footer."""
    texts = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        texts.append(file.read_bytes().decode("utf-8", "replace"))
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            texts += [
                str(pq.read_metadata(file).metadata),
                str(table.schema.metadata),
                json.dumps(table.to_pylist()),
            ]
    return "\n".join(texts)


def absolute_recipe(home: Path, teacher: dict[str, Any]) -> Recipe:
    """Return a recipe of absolute paths below a folder with a tell-tale name.

    Some of the paths are outside the recipe's folder.
    """
    (home / "project").mkdir(parents=True)
    (home / "elsewhere").mkdir()
    write_csv(
        home / "elsewhere" / "heads.csv",
        [{"head": f"pan {n}", "relation": "UsedFor"} for n in range(6)],
    )
    (home / "elsewhere" / "mine.j2").write_text("Say what {{ head }} is for:\n")
    raw = {
        "name": "r", "inputs": {"path": str(home / "elsewhere" / "heads.csv")},
        "prompt": {"template": str(home / "elsewhere" / "mine.j2")}, "teacher": teacher,
        "corpus": {"path": str(home / "project" / "corpus")},
        "journal": str(home / "elsewhere" / "j.sqlite"),
        "work": str(home / "project" / "runs" / "r"),
    }  # fmt: skip
    return Recipe.from_dict(raw, home / "project")


@pytest.mark.slow
def test_a_corpus_holds_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    home = tmp_path / "telltale-user"
    with FakeServer() as server:
        teacher = {"backend": "openai", "model": str(home / "weights"), "base_url": server.url}
        made = absolute_recipe(home, teacher)
        run(made, quiet=True)
    text = every_text(made.corpus_path)
    assert "heads.csv" in text
    for telltale in ("telltale-user", str(tmp_path), socket.gethostname()):
        assert telltale not in text
    manifest = json.loads((made.corpus_path / "manifest.json").read_text())
    assert manifest["recipe"]["journal"] == "j.sqlite"
    assert manifest["recipe"]["corpus"]["path"] == "corpus"
    assert manifest["prompt"]["name"] == "mine.j2"


@pytest.mark.slow
def test_two_people_publish_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("telltale-user", "another"):
        with FakeServer() as server:
            teacher = {
                "backend": "openai",
                "model": "m",
                "base_url": server.url,
                "identity": "same",
            }
            home = tmp_path / name
            made = absolute_recipe(home, teacher)
            made = made.with_parts(teacher=made.teacher.model_copy(update={"base_url": server.url}))
            run(made, quiet=True)
            record = made.record()
            record["teacher"]["base_url"] = ""
            found.append(json.dumps(record))
    assert found[0] == found[1]


def test_a_student_holds_nothing_of_the_machine_that_trained_it(tmp_path: Path) -> None:
    home = tmp_path / "telltale-user"
    home.mkdir()
    rows = [
        {"text": f"{word} {n}", "label": label}
        for label, word in (("a", "red"), ("b", "blue"))
        for n in range(12)
    ]
    for name in ("train.csv", "test.csv"):
        write_csv(
            home / name,
            rows if name == "train.csv" else [{**row, "text": row["text"] + " x"} for row in rows],
        )
    train_student(TrainingRequest(home / "train.csv", home / "student", test=home / "test.csv"))
    text = every_text(home / "student")
    assert "train.csv" in text
    assert "telltale-user" not in text
    assert str(tmp_path) not in text
