"""A corpus that is replaced while it is read, and folders that are no corpus."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkd import Corpus, load_corpus
from synthkd.corpora.write import write_corpus
from synthkd.errors import InputError, StorageError

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("score", pa.float64()),
        ("rejected_by", pa.string()),
    ]
)
ROWS = 40


def write(folder: Path, parts: Path, name: str, rows_per_file: int = 15) -> dict[str, Any]:
    """Write a corpus of which every row and the manifest tell its name."""
    parts.mkdir(exist_ok=True)
    rows = [
        {
            "id": f"{name}{i}",
            "text": name,
            "score": None,
            "rejected_by": "rule" if i % 4 == 0 else None,
        }
        for i in range(ROWS)
    ]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), parts / "part-0000.parquet")
    manifest: dict[str, Any] = {
        "manifest_version": 1, "kind": {"name": "labelled_text", "columns": ["text"]},
        "counts": {"accepted": 30, "candidates": ROWS, "rejected": {"rule": 10}, "asked": 1,
        "completed": 1, "failed": 0, "missing": 0, "malformed": 0},
        "teacher": {"identity": name}, "prompt": None, "critic": None, "seed": 0, "diversity": {},
        "synthkd": "0",
        "recipe": {"journal": "j.sqlite", "kind": {"name": "labelled_text"}, "name": name,
        "corpus": {"title": None, "license": None}, "inputs": {}, "teacher": {"backend": "x"}},
        "recipe_hash": name, "inputs": {},
    }  # fmt: skip
    return write_corpus(folder, parts, SCHEMA, manifest, rows_per_file)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write(tmp_path / "corpus", tmp_path / "parts", "a")
    return tmp_path / "corpus"


def names_read(corpus: Corpus) -> set[str]:
    """Return every name in the manifest and in rows of both splits."""
    found = {str(corpus.manifest["teacher"]["identity"])}
    count = 0
    for split in ("accepted", "rejected"):
        table = corpus.table(split)
        count += table.num_rows
        found |= set(table.column("text").to_pylist())
    assert count == ROWS
    return found


def _replace(folder: str, parts: str, times: int) -> None:
    for number in range(times):
        write(Path(folder), Path(parts), "ab"[number % 2], 12 + number % 3)


@pytest.mark.slow
def test_a_reader_finds_one_whole_corpus_while_another_process_replaces_it(
    corpus: Path, tmp_path: Path
) -> None:
    writer = multiprocessing.get_context("spawn").Process(
        target=_replace, args=(str(corpus), str(tmp_path / "others"), 30)
    )
    writer.start()
    seen: set[str] = set()
    end = time.monotonic() + 60
    while writer.is_alive() and time.monotonic() < end:
        names = names_read(load_corpus(corpus))
        assert len(names) == 1
        seen |= names
    writer.join()
    assert writer.exitcode == 0
    assert seen == {"a", "b"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "others", "parts"]


def test_an_open_corpus_is_read_as_it_was_opened(corpus: Path, tmp_path: Path) -> None:
    opened = load_corpus(corpus)
    lazy = opened.dataset()
    write(corpus, tmp_path / "parts", "b", 7)
    assert names_read(opened) == {"a"}
    del opened
    assert set(lazy.to_table().column("text").to_pylist()) == {"a"}
    assert names_read(load_corpus(corpus)) == {"b"}


def test_files_that_are_opened_by_path_are_refused_if_they_are_of_another_writing(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthkd.corpora.snapshot._CAN_KEEP_OPEN", False)
    opened = load_corpus(corpus)
    assert names_read(opened) == {"a"}
    lazy = opened.dataset()
    write(corpus, tmp_path / "parts", "b")
    with pytest.raises(StorageError, match="replaced meanwhile"):
        opened.table()
    with pytest.raises(StorageError, match="replaced meanwhile"):
        lazy.to_table()


def test_a_corpus_and_its_dataset_can_be_sent_to_another_process(corpus: Path) -> None:
    assert names_read(pickle.loads(pickle.dumps(load_corpus(corpus)))) == {"a"}
    sent = pickle.loads(pickle.dumps(load_corpus(corpus).dataset()))
    assert sent.to_table().num_rows == 30


@pytest.mark.slow
def test_no_descriptor_stays_open_when_a_corpus_is_done_with(corpus: Path) -> None:
    def held() -> int:
        links = []
        for name in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):
                links.append(os.readlink(f"/proc/self/fd/{name}"))
        return sum(str(corpus) in link for link in links)

    for _ in range(3):
        names_read(load_corpus(corpus))
    gc.collect()
    end = time.monotonic() + 10
    # Threads of pyarrow let go of a file a little later.
    while held() and time.monotonic() < end:
        time.sleep(0.01)
    assert not held()


def _cut(corpus: Path) -> None:
    path = corpus / "data" / "accepted-00001.parquet"
    path.write_bytes(path.read_bytes()[:100])


def _emptied(corpus: Path) -> None:
    (corpus / "data" / "accepted-00000.parquet").write_bytes(b"")


def _gone(corpus: Path) -> None:
    (corpus / "data" / "accepted-00001.parquet").unlink()


def _folder_in_place(corpus: Path) -> None:
    _gone(corpus)
    (corpus / "data" / "accepted-00001.parquet").mkdir()


def _of_another(corpus: Path) -> None:
    write(corpus.with_name("other"), corpus.with_name("parts"), "b")
    shutil.copy(corpus.with_name("other") / "data" / "accepted-00000.parquet", corpus / "data")


def _middle(corpus: Path) -> None:
    path = corpus / "data" / "accepted-00000.parquet"
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("spoil", [_cut, _emptied, _gone, _folder_in_place, _of_another, _middle])
def test_a_file_that_is_not_as_it_was_written_is_named_in_one_line(
    corpus: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(corpus)
    with pytest.raises(StorageError, match=r"corpus.*(cut|missing|altered)") as error:
        load_corpus(corpus).table()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: {}, lambda m: [1], lambda m: None, lambda m: {**m,
        "files": {"../../etc/passwd": "0"}},
        lambda m: {**m, "files": []}, lambda m: {**m, "counts": {"accepted": "many"}},
        lambda m: {**m, "kind": "triple"},
        lambda m: {name: value for name, value in m.items() if name != "teacher"},
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_ours_is_refused_in_one_line(
    corpus: Path, change: Callable[[Any], Any]
) -> None:
    path = corpus / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(
        StorageError, match=r"manifest\.json: not what synthkd writes there"
    ) as error:
        load_corpus(corpus)
    assert "\n" not in str(error.value)


def test_a_corpus_that_a_killed_writer_took_away_is_named(corpus: Path) -> None:
    corpus.rename(corpus.with_name(".corpus.old-01234567"))
    with pytest.raises(InputError, match=r"no corpus here.*is in .*\.corpus\.old-01234567"):
        load_corpus(corpus)


def _web_app(folder: Path) -> None:
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "my app", "start_url": "/", "icons": []}')
    (folder / "app.js").write_text("run()")


def _extension(folder: Path) -> None:
    folder.mkdir()
    (folder / "manifest.json").write_text(
        '{"manifest_version": 3, "name": "x", "version": "1", "files": {}}'
    )


def _dataset(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    pq.write_table(pa.table({"text": ["a"]}), folder / "data" / "accepted-00000.parquet")


def _build(folder: Path) -> None:
    folder.mkdir()
    (folder / "manifest.json").write_text('["main.js"]')


def _ours_and_notes(folder: Path) -> None:
    write(folder, folder.with_name("parts"), "a")
    (folder / "notes.txt").write_text("mine")


def _ours_and_data(folder: Path) -> None:
    write(folder, folder.with_name("parts"), "a")
    (folder / "data" / "accepted-00009.parquet").write_text("mine")


def _ours_and_folder(folder: Path) -> None:
    write(folder, folder.with_name("parts"), "a")
    (folder / ".git").mkdir()


def _ours_and_files_in_manifest(folder: Path) -> None:
    _ours_and_notes(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["notes.txt"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _file(folder: Path) -> None:
    folder.write_text("mine")


def _linked(folder: Path) -> None:
    _web_app(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


FOREIGN = [
    _web_app, _extension, _dataset, _build, _ours_and_notes, _ours_and_data, _ours_and_folder,
    _ours_and_files_in_manifest, _file, _linked,
]  # fmt: skip


@pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__.strip("_"))
def test_what_is_not_a_corpus_of_ours_is_never_replaced(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "out")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(StorageError, match=r"out.*(name another folder in corpus\.path)"):
        write(tmp_path / "out", tmp_path / "others", "b")
    after = {
        path: path.is_file() and path.read_bytes()
        for path in tmp_path.rglob("*")
        if "others" not in path.parts
    }
    assert after == before


def test_a_corpus_of_ours_is_replaced_also_where_desktops_left_their_files_or_a_file_is_cut(
    corpus: Path,
) -> None:
    (corpus / ".DS_Store").write_text("")
    _cut(corpus)
    write(corpus, corpus.with_name("parts"), "b")
    assert names_read(load_corpus(corpus)) == {"b"}


def test_a_corpus_behind_a_link_is_replaced_and_the_link_stays(corpus: Path) -> None:
    link = corpus.with_name("link")
    link.symlink_to("corpus")
    write(link, corpus.with_name("parts"), "b")
    assert link.is_symlink()
    assert names_read(load_corpus(corpus)) == {"b"}


def test_a_cut_part_is_named_and_the_corpus_before_it_stays(corpus: Path, tmp_path: Path) -> None:
    part = tmp_path / "parts" / "part-0000.parquet"
    part.write_bytes(part.read_bytes()[:50])
    schema = SCHEMA
    with pytest.raises(StorageError, match=r"part-0000\.parquet: cut or altered.*synthkd filter"):
        write_corpus(corpus, tmp_path / "parts", schema, {"kind": {"columns": ["text"]}}, 10)
    assert names_read(load_corpus(corpus)) == {"a"}
