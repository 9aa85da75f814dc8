"""Tests of ordinary mistakes, verb by verb.

A mistake is one line on stderr that names the place, with the documented exit status and no
traceback.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.files import write_csv

from synthkd import pipeline
from synthkd.cli.program import main
from synthkd.journal.exchange import export_parquet
from synthkd.recipe import Recipe
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

HEADS = [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(4)]
RECIPE: dict[str, Any] = {
    "name": "r",
    "inputs": {"path": "inputs.csv"},
    "prompt": {"template": "triple/everyday-plain"},
    "teacher": {"backend": "openai", "model": "fake", "max_attempts": 1},
    "corpus": {"path": "corpus"},
}
SHEET = [
    {"id": f"{i}", "head": f"thing {i}", "relation": "UsedFor", "tail": "cutting",
    "verdict": ("accept", "reject")[i % 2],
     "annotator": "me", "time": "", "chosen": "uniform", "probability": "", "weight": "",
     "design": "", "why": ""}
    for i in range(6)
]  # fmt: skip
TASK = {
    "data": {
        "id": "1",
        "candidate": "a",
        "source": "",
        "row": {"head": "a", "relation": "b", "tail": "c"},
    }
}
RECORD = {"id": "1", "fields": {"candidate": "a"}, "metadata": {"head": "a"}, "responses": {}}


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that a run leaves."""
    folder = tmp_path_factory.mktemp("mistakes")
    write_csv(folder / "inputs.csv", HEADS)
    write_csv(folder / "sheet.csv", SHEET)
    with FakeServer() as server:
        raw = RECIPE | {"teacher": {**RECIPE["teacher"], "base_url": server.url}}
        (folder / "recipe.yaml").write_text(yaml.safe_dump(raw))
        pipeline.run(Recipe.load(folder / "recipe.yaml"), quiet=True)
    export_parquet(folder / "journal.sqlite", folder / "out.parquet")
    return folder


@pytest.fixture
def here(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    shutil.copytree(done, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("SYNTHKD_DEBUG", raising=False)
    return folder


def ran(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: str
) -> tuple[int, str]:
    """Return exit status and stderr of a call of the program; let other exceptions pass."""
    monkeypatch.setattr(sys, "argv", ["synthkd", *args])
    capsys.readouterr()
    status: Any = 0
    try:
        main()
    except SystemExit as end:
        status = end.code or 0
    return status, capsys.readouterr().err


def jsonl(*rows: str) -> Callable[[Path], None]:
    return lambda path: path.write_text("".join(f"{row}\n" for row in rows)) and None


def raw(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def parquet(**columns: Any) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table(columns), path)


def cut(source: str, size: int) -> Callable[[Path], None]:
    return lambda path: path.write_bytes((path.parent / source).read_bytes()[:size]) and None


def folder(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere-else")


def other_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (a)")
    db.close()


DRY = ["run", "recipe.yaml", "--dry-run"]
DEEP = "[" * 5000 + "]" * 5000
BIG = "9" * 5000

#: The file of inputs, what it holds, and what is said of it.
INPUTS: list[tuple[str, Callable[[Path], None], str]] = [
    ("empty.csv", raw(b""), "empty.csv: empty"),
    ("head.csv", raw(b"head,relation\n"), "head.csv: no rows"),
    ("blank.jsonl", raw(b"\n\n"), "blank.jsonl: no rows"),
    ("wide.csv", raw(b"head,relation\na,UsedFor\nb,UsedFor,c\n"), "wide.csv line 3: more fields"),
    ("quote.csv", raw(b'head,relation\na,UsedFor\n"b,UsedFor\n'),
    "quote.csv line 3: not valid CSV"),
    ("zero.csv", raw(b"head,relation\na,UsedFor\n\0\0,UsedFor\n"), "zero.csv line 3: a zero byte"),
    ("latin.csv", raw(b"head,relation\na,UsedFor\ncaf\xe9,UsedFor\n"), "latin.csv line 3: not UTF-8"
        " (byte 27)"),
    ("utf16.csv", raw("head,relation\na,UsedFor\n".encode("utf-16")), "UTF-16, not UTF-8"),
    ("latin.jsonl", raw(b'{"head": "a"}\n{"head": "\xe9"}\n'), "latin.jsonl line 2: not UTF-8"),
    ("cut.jsonl", raw(b'{"head": "a", "relation": "UsedFor"}\n{"head": "b", "rel'), "cut.jsonl line"
        " 2: not valid JSON"),
    ("list.jsonl", jsonl("[1, 2]"), "line 1: a JSON object is needed"),
    ("big.jsonl", jsonl(f'{{"head": {BIG}}}'), "line 1: not valid JSON: a number of more than 4,300"
        " digits"),
    ("deep.jsonl", jsonl(f'{{"head": {DEEP}}}'), "line 1: lists and objects are nested deeper"),
    ("text.parquet", raw(b"head,relation\n"), "text.parquet: not readable as Parquet"),
    ("cut.parquet", cut("out.parquet", 300), "cut.parquet: not readable as Parquet"),
    ("other.parquet", parquet(a=[1]), "no column 'head'"),
    ("date.yaml", raw(b"- {head: 2024-99-99, relation: UsedFor}\n"), "date.yaml"),
    ("deep.yaml", raw(DEEP.encode()), "deep.yaml"),
    ("tab.yaml", raw(b"a:\n\t- b\n"), "tab.yaml line 2"),
    ("map.yaml", raw(b"head: a\n"), "map.yaml: a list of mappings"),
    ("folder.csv", folder, "folder.csv: no Parquet files in this folder"),
    ("link.csv", dangling, "nowhere-else: no such file"),
    ("pipe.csv", fifo, "pipe.csv: not a file, but a pipe"),
    ("gone.csv", lambda path: None, "gone.csv: no such file"),
    ("sheet.xlsx", raw(b"PK"), "unknown format '.xlsx'"),
    ("inputs.csv/rows.csv", lambda path: None, "rows.csv"),
    ("n" * 5000, lambda path: None, "nnn"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "said"), INPUTS, ids=[name[:20] for name, _, _ in INPUTS])
def test_a_wrong_file_of_inputs_is_one_line_with_its_place(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    name: str, make: Callable[[Path], None], said: str,
) -> None:  # fmt: skip
    make(here / name)
    status, err = ran(capsys, monkeypatch, *DRY, "--set", f"inputs.path={name}")
    assert (status, err.count("\n")) == (2, 1), err
    assert said in err
    assert len(err) < 1000


def test_odd_values_in_columns_that_nobody_uses_do_not_matter(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    far = 253402300800  # The year 10000, in seconds.
    rows = {
        "head": ["a", "b"],
        "relation": ["UsedFor"] * 2,
        "day": pa.array([far // 86400, 0], pa.date32()),
        "second": pa.array([far, -far], pa.timestamp("s")),
        "nano": pa.array([1, 2], pa.timestamp("ns")),
        "zoned": pa.array([far, 0], pa.timestamp("s", "+01:00")),
        "duration": pa.array([1, 2**62], pa.duration("ns")),
        "decimal": pa.array([Decimal("1.5"), None]),
        "days": pa.array([[datetime.date(2020, 1, 1)], []]),
        "gaps": pa.array([[float("nan"), 1.0], [float("inf")]]),
        "bytes": pa.array([b"\xff", None]),
        "struct": pa.array([{"a": 1}, {"a": 2}]),
        "map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    }
    parquet(**rows)(here / "odd.parquet")
    status, err = ran(capsys, monkeypatch, *DRY, "--set", "inputs.path=odd.parquet")
    assert (status, err) == (0, "")


RELATIONS = "kind.relations=r.yaml"
TEMPLATE = "prompt.template=t.j2"
LABEL_IN = ["label", "import", "answers.json", "tasks.json", "new.csv"]
GOOD_TASKS = json.dumps([TASK])

#: Arguments, a file and what it holds, the exit status, and what is said.
VERBS: list[tuple[list[str], str, Callable[[Path], None] | None, int, str]] = [
    # run and its parts
    ([*DRY, "--set", TEMPLATE], "t.j2", raw(b"a\n{{ 1 / 0 }}"), 2, "inputs.csv row 1: template t.j2"
        " line 2: division by zero"),
    ([*DRY, "--set", TEMPLATE], "t.j2", raw(b"{{ head }\n"), 2, "t.j2 line 1"),
    ([*DRY, "--set", TEMPLATE], "t.j2", raw(b"\xff"), 2, "t.j2 line 1: not UTF-8"),
    ([*DRY, "--set", TEMPLATE], "t.j2", folder, 2, "no template 't.j2'"),
    ([*DRY, "--set", TEMPLATE], "t.j2", raw(b"---\n" + DEEP.encode() + b"\n---\nx"), 2,
    "t.j2 line 2: its head"),
    ([*DRY, "--set", TEMPLATE], "t.j2", raw(b"---\nabout:"
        b" 2024-99-99\n---\nx"), 2, "t.j2 line 2, column 8: its head"),
    ([*DRY, "--set", TEMPLATE], "t.j2", raw(b"{% include 'gone.j2' %}"), 2, "no file 'gone.j2'"),
    ([*DRY, "--set", f"prompt.template={'t' * 5000}"], "", None, 2, "no template"),
    ([*DRY, "--set", "corpus.path=inputs.csv/corpus"], "", None, 0, ""),
    ([*DRY, "--set", "prompt.examples={path: inputs.csv, n: 2}"], "", None, 2, "few-shot row 1:"
        " 'tail' is empty or missing"),
    (["run", "recipe.yaml", "--dry-run", "--set", "inputs.path=i.jsonl"], "i.jsonl",
    jsonl('{"head": "a", "relation": ["UsedFor"]}'), 2, "i.jsonl row 1: 'relation' is a list of 1"),
    (["run", "nowhere.yaml"], "", None, 2, "nowhere.yaml"),
    (["run", "."], "", None, 2, "."),
    (["run", "x.yaml"], "x.yaml", raw(b"\xff\xfe\x00"), 2, "x.yaml"),
    (["filter", "recipe.yaml", "-q", "--set", "journal=inputs.csv"], "", None, 4, "inputs.csv: not"
        " a journal"),
    (["filter", "recipe.yaml", "-q", "--set", "journal=corpus"], "", None, 4, "corpus"),
    (["filter", "recipe.yaml", "-q", "--set", "journal=new.sqlite"], "", None, 2, "new.sqlite: no"
        " journal here"),
    (["filter", "recipe.yaml", "-q", "--set", "prompt.template=triple/everyday-chat"], "", None, 2,
    "nothing to filter: no completion of this recipe"),
    (["init", "corpus"], "", None, 2, "corpus is not empty"),
    (["generate", "recipe.yaml", "-q", "--set", "journal=inputs.csv/j.sqlite"], "", None, 4,
    "inputs.csv"),
    (["init", "new", "--example", "nothing"], "", None, 2, "no example 'nothing'; examples:"),
    (["init", "new", "--model", "gone.gguf"], "", None, 2, "gone.gguf: no such folder or file"),
    (["init", "new", "--model", "inputs.csv"], "", None, 2, "inputs.csv: not a GGUF file"),
    (["init", "new", "--model", "corpus"], "", None, 2, "corpus: no config.json in this folder"),
    (["init", "new", "--model", "m" * 5000], "", None, 2, "neither a path nor the name of a model"),
    (["init", "new", "--model", "m", "--example", "critic"], "", None, 2, "or --model"),
    (["init", "new", "--model", "m", "--kind", "tripel"], "", None, 2, "did you mean 'triple'"),
    (["init", "new", "--kind", "span"], "", None, 2, "'span'; give --model"),
    (["init", "recipe.yaml"], "", None, 4, "recipe.yaml is a file"),
    (["init", "recipe.yaml/x"], "", None, 4, "recipe.yaml/x"),
    (["init", "x" * 5000], "", None, 4, "xxx"),
    # journal
    (["journal", "info", "gone.sqlite"], "", None, 4, "gone.sqlite: no journal here"),
    (["journal", "info", "inputs.csv"], "", None, 4, "inputs.csv: not a journal"),
    (["journal", "info", "corpus"], "", None, 4, "corpus"),
    (["journal", "info", "cut.sqlite"], "cut.sqlite", cut("journal.sqlite", 3000), 4, "cut.sqlite"),
    (["journal", "list", "journal.sqlite", "--table", "mine"], "", None, 2, "no table 'mine'"),
    (["journal", "export", "journal.sqlite", "inputs.csv/out.parquet"], "", None, 4, "inputs.csv"),
    (["journal", "export", "journal.sqlite", "corpus"], "", None, 4, "corpus"),
    (["journal", "import", "new.sqlite", "inputs.csv"], "", None, 2, "inputs.csv: not readable as"
        " Parquet"),
    (["journal", "import", "new.sqlite", "gone.parquet"], "", None, 2,
    "gone.parquet: no such file"),
    (["journal", "import", "new.sqlite", "corpus"], "", None, 2, "corpus: a folder"),
    (["journal", "import", "new.sqlite", "x.parquet"], "x.parquet", cut("out.parquet", 2000), 2,
    "x.parquet: not readable"),
    (["journal", "import", "new.sqlite", "x.parquet"], "x.parquet", parquet(a=[1]), 2,
    "not an export of a journal"),
    (["journal", "import", "out.parquet", "out.parquet"], "", None, 4, "out.parquet: not a"
        " journal"),
    # kinds
    ([*DRY, "--set", RELATIONS], "r.yaml", raw(b""), 2, "r.yaml"),
    # labels
    (["critic", "train", "s.csv", "c"], "s.csv", raw(b""), 2, "s.csv: empty"),
    (["critic", "train", "sheet.csv", "inputs.csv/c"], "", None, 2, "sheet.csv"),
    (["critic", "train", "s.jsonl", "c"], "s.jsonl", jsonl('{"head": "a", "relation": "b", "tail":'
        ' "c", "label": {}}'), 2, "s.jsonl row 1: 'label' is an empty object, which is no verdict"),
    (["critic", "train", "s.jsonl", "c"], "s.jsonl", jsonl('{"head": "a", "relation": "b", "tail":'
        ' "c", "label": true, "weight": []}'), 2, "s.jsonl row 1: the weight is []"),
    (["critic", "train", "s.jsonl", "c"], "s.jsonl", jsonl(f'{{"head": "a", "relation": "b",'
        f' "tail": "c", "label": true, "tokens": 1{"0" * 400}}}'), 2, "s.jsonl row 1: tokens is"),
    (["critic", "negatives", "gone.csv", "n.csv"], "", None, 2, "gone.csv: no such file"),
    (["critic", "negatives", "inputs.csv", "n.csv"], "", None, 2, "inputs.csv"),
    (["label", "agreement", "inputs.csv"], "", None, 2, "inputs.csv row 1"),
    (["label", "agreement", "s.csv"], "s.csv", raw(b"id,verdict,annotator\n"), 0, ""),
    (["label", "inputs.csv", "new.csv"], "", None, 2, "inputs.csv: no column 'tail'"),
    (["label", "corpus", "inputs.csv"], "", None, 2, "inputs.csv: no column"),
    (["label", "corpus", "corpus"], "", None, 4, "corpus: Is a directory"),
    (["label", "corpus", "pipe.csv"], "pipe.csv", fifo, 4, "pipe.csv: not a file"),
    (["label", "corpus", "new.csv", "--share", "nan"], "", None, 2, "--share is nan"),
    (["label", "corpus", "new.csv", "--threshold", "nan"], "", None, 2, "--threshold is nan"),
    (["label", "corpus", "s.csv"], "s.csv", raw(b"\xff\xfe\n"), 2,
    "s.csv: not a CSV file in UTF-8"),
    (["label", "corpus", "new.csv"], "corpus/manifest.json", raw(b"[1]"), 4, "manifest.json"),
    (["label", "corpus", "new.csv"], "corpus/manifest.json", raw(b"{}"), 4, "manifest.json"),
    (["label", "export", "corpus", "inputs.csv/x.json"], "", None, 4, "inputs.csv"),
    (LABEL_IN, "answers.json", raw(b"[]"), 2, "tasks.json: no such file"),
    (LABEL_IN, "tasks.json", raw(GOOD_TASKS.encode()), 2, "answers.json: no such file"),
    (LABEL_IN, "tasks.json", raw(b"[{"), 2, "tasks.json: not JSON"),
    (LABEL_IN, "tasks.json", raw(b"\xff"), 2, "tasks.json: not JSON"),
    (LABEL_IN, "tasks.json", raw(DEEP.encode()), 2, "tasks.json"),
    (LABEL_IN, "tasks.json", raw(BIG.encode()), 2, "tasks.json: not JSON"),
    (LABEL_IN, "tasks.json", folder, 2, "tasks.json: not readable: Is a directory"),
    # pairs, segment, diversity, show
    (["pairs", "inputs.csv", "-n", "3"], "", None, 2, "categor"),
    (["pairs", "gone.csv"], "", None, 2, "gone.csv: no such file"),
    (["pairs", "t.csv", "--by", "random"], "t.csv", raw(b"name\n"), 2, "no rows"),
    (["pairs", "t.csv", "--by", "random", "-o", "gone/p.csv"], "t.csv", raw(b"name\na\nb\n"), 2,
    "gone/p.csv"),
    (["segment", "gone.txt", "--out", "o.jsonl"], "", None, 2, "gone.txt: no such file"),
    (["segment", "x.txt", "--out", "o.jsonl"], "x.txt", raw(b"\xff"), 2, "x.txt line 1: not UTF-8"),
    (["segment", "x.txt", "--out", "o.jsonl"], "x.txt", raw(b"a\0b"), 2, "x.txt: binary"),
    (["segment", "inputs.csv", "--out", "o.jsonl"], "", None, 2, "inputs.csv row 1: no column"
        " 'text'"),
    (["segment", "x.txt", "--out", "gone/o.jsonl"], "x.txt", raw(b"Cats purr."), 2, "gone"),
    (["segment", "x.txt", "--out", "o.csv"], "x.txt", raw(b"Cats purr."), 2, "o.csv: unknown"
        " format"),
    (["segment", "x.txt", "--out", "o.jsonl", "--work", "inputs.csv"], "x.txt", raw(b"Cats purr."),
    4, "inputs.csv"),
    (["diversity", "inputs.csv"], "", None, 2, "inputs.csv"),
    (["diversity", "gone"], "", None, 2, "gone"),
    (["show", "gone"], "", None, 2, "gone"),
    (["batches", "list", "gone.yaml"], "", None, 2, "gone.yaml"),
    (["distill", "recipe.yaml"], "", None, 2, "loop"),
    (["student", "train", "gone", "s"], "", None, 2, "gone"),
    (["student", "predict", "gone", "inputs.csv", "p.parquet"], "", None, 2, "gone"),
    # options
    (["run", "recipe.yaml", "--limit", "none"], "", None, 2, "--limit"),
    (["run", "recipe.yaml", "--set", "teacher"], "", None, 2, "teacher"),
    (["nothing"], "", None, 2, "nothing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "name", "make", "status", "said"),
    VERBS,
    ids=[f"{'-'.join(args)[:50]} {name} {number}" for number, (args, name, *_) in enumerate(VERBS)],
)
def test_a_mistake_is_one_line_that_names_the_place_and_a_status(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    args: list[str], name: str, make: Callable[[Path], None] | None, status: int, said: str,
) -> None:  # fmt: skip
    if make is not None:
        make(here / name)
    found, err = ran(capsys, monkeypatch, *args)
    assert found == status, err
    assert said in err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("synthkd: ")]
    # The program's own words for wrong options are of several lines.
    assert len(lines) == 1 if status and not err.startswith("Usage") else not lines, err
