"""Places of a run that are refused before anything is sent, and what of them is ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.recipes import Make

from synthkd import pipeline
from synthkd.errors import RecipeError, StorageError, SynthKDError
from synthkd.loops.round_folders import begin_round, round_folder_kind
from synthkd.loops.round_run import write_inputs
from synthkd.recipe import Recipe
from synthkd.storage import MARK, remove_folder, replaced_folder, write_temporary_mark
from synthkd.testing import FakeServer


def everything(folder: Path) -> dict[str, bytes | None]:
    """Return the content of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def refused(
    recipe: Recipe, server: FakeServer, kept: Path, said: str | None, error: type[SynthKDError]
) -> None:
    """Assert that every verb that buys is refused before a request, and nothing is lost."""
    before = everything(kept)
    for verb in (pipeline.run, pipeline.generate):
        with pytest.raises(error, match=said) as found:
            verb(recipe, quiet=True)
        assert "\n" not in str(found.value)
    after = everything(kept)
    assert {name: after.get(name) for name in before} == before
    assert server.requests == 0


def _mine(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("years of work")


@pytest.mark.parametrize(
    "name",
    ["work/thesis.txt", "work/filtered/thesis.txt", "work/filtered/part-0000.parquet",
    "work/generated.json",
     "work/rounds/000/thesis.txt", "work/report.md", "work/filtered.json",
     "work/run.lock/thesis.txt"],
)  # fmt: skip
def test_a_work_folder_that_holds_something_of_others_is_refused(
    make_recipe: Make, server: FakeServer, tmp_path: Path, name: str
) -> None:
    _mine(tmp_path / name)
    refused(make_recipe(server.url, work="work"), server, tmp_path, "work", StorageError)


@pytest.mark.slow
def test_rows_of_another_tool_under_our_names_are_kept(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    recipe = make_recipe(server.url, work="work")
    pipeline.run(recipe, quiet=True)
    shutil.rmtree(tmp_path / "work/filtered")
    (tmp_path / "work/filtered").mkdir()
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "work/filtered/part-0000.parquet")
    with pytest.raises(
        StorageError, match=r"filtered: not a folder of filtered rows.*part-0000\.parquet"
    ):
        pipeline.filter(recipe, quiet=True)
    assert (tmp_path / "work/filtered/part-0000.parquet").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["notes.txt", "more/notes.txt", "part-0009.parquet"])
def test_a_file_of_others_among_filtered_rows_is_kept(
    make_recipe: Make, server: FakeServer, tmp_path: Path, name: str
) -> None:
    recipe = make_recipe(server.url, work="work")
    pipeline.run(recipe, quiet=True)
    sent = server.requests
    _mine(tmp_path / "work/filtered" / name)
    with pytest.raises(StorageError, match="filtered: .*holds " + name):
        pipeline.run(recipe, quiet=True)
    assert (tmp_path / "work/filtered" / name).read_text() == "years of work"
    assert server.requests == sent


@pytest.mark.slow
def test_folders_of_version_0_1_0_are_replaced(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    recipe = make_recipe(server.url)
    first = pipeline.run(recipe, quiet=True)
    # That version wrote no mark.
    for mark in list(tmp_path.rglob(MARK)):
        mark.unlink()
    assert pipeline.run(recipe, quiet=True).manifest == first.manifest
    assert (tmp_path / "runs/test" / MARK).is_file()
    for name in ("generated.json", "filtered.json"):
        (tmp_path / "runs/test" / name).unlink()
    (tmp_path / "runs/test" / MARK).unlink()
    assert pipeline.run(recipe, quiet=True).manifest == first.manifest


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"corpus": {"path": "."}}, "the recipe's folder"),
        ({"corpus": {"path": ".."}}, "the recipe's folder"),
        ({"corpus": {"path": "/"}}, "lies in it"),
        ({"corpus": {"path": "~"}}, "the home folder"),
        ({"corpus": {"path": "data"}, "journal": "data/j.sqlite"}, "the journal"),
        ({"corpus": {"path": "runs"}}, "the run's folder"),
        ({"corpus": {"path": "runs/test"}}, "the run's folder"),
        ({"corpus": {"path": "runs/test/filtered"}}, "place of the run itself"),
        ({"corpus": {"path": "runs/test/filtered/corpus"}}, "place of the run itself"),
        ({"corpus": {"path": "runs/test/rounds/000"}}, "place of the run itself"),
        ({"journal": "runs/test/filtered/j.sqlite"}, "place of the run itself"),
        ({"journal": "runs/test/filtered.json"}, "place of the run itself"),
        ({"work": "~"}, "work: .* is the home folder"),
        ({"work": "/"}, "work: .* is the root"),
        ({"corpus": {"path": "link"}}, "the recipe's folder"),
    ],
)  # fmt: skip
def test_places_that_hold_one_another_are_refused(
    make_recipe: Make,
    server: FakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parts: Any,
    said: str,
) -> None:
    home = tmp_path / "home"
    _mine(home / "thesis.txt")
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "link").symlink_to(".")
    refused(make_recipe(server.url, **parts), server, tmp_path, said, RecipeError)


def test_inputs_inside_the_corpus_are_refused(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    _mine(tmp_path / "corpus/data/heads.csv")
    recipe = make_recipe(server.url, inputs={"path": "corpus/data/heads.csv"})
    refused(recipe, server, tmp_path, "the inputs", RecipeError)


@pytest.mark.parametrize(
    "parts",
    [
        {"corpus": {"path": "inputs.csv"}}, {"corpus": {"path": "inputs.csv/corpus"}},
        {"work": "inputs.csv"},
        {"work": "inputs.csv/work"}, {"corpus": {"path": "c" * 300}},
        {"corpus": {"path": "c" * 250}},
        {"corpus": {"path": "/proc/corpus"}}, {"work": "/proc/work"},
        {"corpus": {"path": "loop"}}, {"work": "loop/work"}, {"journal": "inputs.csv/j.sqlite"},
        {"corpus": {"path": "d/" * 3000}}, {"journal": "j" * 300},
    ],
)  # fmt: skip
def test_an_impossible_place_is_found_before_anything_is_sent(
    make_recipe: Make, server: FakeServer, tmp_path: Path, parts: Any
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refused(make_recipe(server.url, **parts), server, tmp_path, None, SynthKDError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs.csv", "loop"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [lambda p: p.write_text("{}"), lambda p: p.write_text("[1]"), lambda p: p.write_text("{")],
)
def test_an_altered_report_is_named_when_it_is_published(
    make_recipe: Make, server: FakeServer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    recipe = make_recipe(server.url)
    pipeline.run(recipe, quiet=True)
    spoil(tmp_path / "runs/test/filtered.json")
    with pytest.raises(StorageError, match=r"filtered\.json: not"):
        pipeline.publish(recipe)


ROUND = round_folder_kind({"had.parquet"})


def _round(folder: Path) -> Path:
    begin_round(folder, ROUND)
    write_inputs(folder, [{"text": "a"}])
    write_inputs(folder / "again-1", [{"text": "a"}])
    (folder / "had.parquet").write_bytes(b"")
    with replaced_folder(folder / "run" / "filtered"):
        pass
    return folder


def test_a_round_of_ours_is_removed_whole(tmp_path: Path) -> None:
    remove_folder(_round(tmp_path / "000"), ROUND)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "run/notes.txt", "again-1/notes.txt", "student/notes.txt", "more/notes.txt"],
)
def test_a_round_with_a_file_of_others_is_kept(tmp_path: Path, name: str) -> None:
    folder = _round(tmp_path / "000")
    _mine(folder / name)
    with pytest.raises(StorageError, match="not a round of a loop"):
        begin_round(folder, ROUND)
    assert (folder / name).is_file()


def test_a_folder_under_the_name_of_a_round_is_kept(tmp_path: Path) -> None:
    _mine(tmp_path / "000" / "inputs.jsonl")
    with pytest.raises(StorageError, match="no mark of ours"):
        begin_round(tmp_path / "000", ROUND)
    (tmp_path / "001").symlink_to("000")
    with pytest.raises(StorageError, match="symbolic link"):
        begin_round(tmp_path / "001", ROUND)
    assert (tmp_path / "000" / "inputs.jsonl").is_file()


def test_a_round_whose_process_was_killed_while_it_was_marked_is_begun_anew(tmp_path: Path) -> None:
    left = tmp_path / "000" / "..synthkd.json.0123abcd"
    left.mkdir(parents=True)
    write_temporary_mark(left, "0123abcd")
    (left / "half").write_text("{")
    begin_round(tmp_path / "000", ROUND)
    assert [path.name for path in (tmp_path / "000").iterdir()] == [MARK]
