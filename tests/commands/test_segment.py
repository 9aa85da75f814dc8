"""Tests of `synthkd segment`: text files in, propositions out, an outcome for every sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.cli import one_line
from support.command_line import synthkd

from synthkd.errors import InputError
from synthkd.rows import read_rows
from synthkd.testing import FakeServer

MARKDOWN = "# Title\n\nA cat can run\nand jump.\n\n```\nx = 1\n```\n\nIt rains.\n"


def answer(prompt: str, index: int, seed: int) -> str:
    """Answer with two propositions of the first sentence, and none of the second."""
    return (
        "<s>\n- A cat can run.\n- A cat can jump.\n</s>"
        if "cat can run and jump." in prompt.rpartition("Sentences:")[2]
        else "<s>\n</s>"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text(MARKDOWN)
    return tmp_path


def segment(folder: Path, url: str, *more: str) -> object:
    arguments = ("segment", *(more or ("a.md",)), "--model", "fake", "--base-url", url)
    return synthkd(*arguments, cwd=folder, OPENAI_API_KEY="x")


@pytest.mark.slow
def test_propositions_come_with_their_places_and_a_second_run_sends_nothing(folder: Path) -> None:
    with FakeServer(answer=answer) as server:
        first = synthkd(
            "segment",
            "a.md",
            "--model",
            "fake",
            "--base-url",
            server.url,
            "--outcomes",
            "f.jsonl",
            cwd=folder,
        )
        sent = server.requests
        again = synthkd(
            "segment",
            "a.md",
            "--model",
            "fake",
            "--base-url",
            server.url,
            "--out",
            "o.parquet",
            cwd=folder,
        )
        assert server.requests == sent == 2
    assert first.returncode == again.returncode == 0, first.stderr
    rows = [json.loads(line) for line in first.stdout.splitlines()]
    assert [row["proposition"] for row in rows] == ["A cat can jump.", "A cat can run."]
    assert {MARKDOWN[row["start"] : row["end"]] for row in rows} == {"A cat can run\nand jump."}
    assert pq.read_table(folder / "o.parquet").num_rows == 2
    outcomes = [json.loads(line) for line in (folder / "f.jsonl").read_text().splitlines()]
    assert [(one["outcome"], one["reason"]) for one in outcomes] == [
        ("skipped", "heading"), ("accepted", ""), ("skipped", "code"), ("rejected", "empty_group"),
    ]  # fmt: skip
    assert (
        "a.md: 2 sentences in 2 chunks, 2 propositions; 1 sentences with some, 1 without"
        " (empty_group 1)" in first.stderr
    )
    assert "skipped: code 1, heading 1" in first.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "a.txt: empty"), (b"\xff\xfe", "a.txt: UTF-16, not UTF-8"), (b"a\x00b", "a.txt: binary"),
    (b" \r\n\n", "a.txt: empty")],
)  # fmt: skip
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(read_rows(tmp_path / "a.txt"))


def test_a_folder_of_texts_is_read_by_path_and_hidden_files_are_left(tmp_path: Path) -> None:
    for name in ("b.txt", "sub/a.md", ".hidden/c.txt", "d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(f"in {name}\r\n".encode())
    found = [row for rows in read_rows(tmp_path) for row in rows]
    assert found == [
        {"document_id": "b.txt", "text": "in b.txt\r\n"},
        {"document_id": "sub/a.md", "text": "in sub/a.md\r\n"},
    ]


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone")
    assert [row["text"] for rows in read_rows(tmp_path / "a.txt") for row in rows] == ["one"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gone.txt",), "gone.txt: no such file"),
        (("a.md", "a.md"), "a second document 'a.md'"),
        (("rows.jsonl",), "row 1: no column 'text'"),
        (("a.md", "--out", "o.csv"), "unknown format '.csv'"),
        (("a.md", "--out", "gone/o.jsonl"), "no such folder 'gone'"),
        (("a.md", "--base-url", "http://127.0.0.1:9/v1"), "--base-url needs --model"),
    ],
)
def test_wrong_input_is_told_in_one_line_before_anything_is_sent(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    (folder / "rows.jsonl").write_text('{"txt": "x"}\n')
    one_line(synthkd("segment", *arguments, cwd=folder), 2, said)
