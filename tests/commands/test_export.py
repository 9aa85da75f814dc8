"""`synthkd export` and the rows of `synthkd show`: chosen, written, refused in one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.cli import one_line, write
from support.command_line import synthkd

from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    with FakeServer() as server:
        assert synthkd("run", write(folder, server.url), "-q").returncode == 0
    return folder / "corpus"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_export_writes_the_rows_that_a_condition_keeps(
    corpus: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"rows.{ending}"
    done = synthkd(
        "export", corpus, "-o", out, "--where", "head in ('thing 1', 'thing 2')",
        "--columns", "head,tail", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(out), "rows": 2}
    if ending == "csv":
        with out.open() as file:
            rows = list(csv.DictReader(file))
    elif ending == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        rows = pq.read_table(out).to_pylist()
    assert sorted(row["head"] for row in rows) == ["thing 1", "thing 2"]
    assert set(rows[0]) == {"head", "tail"}


def test_export_to_standard_output_prints_rows_alone(corpus: Path) -> None:
    done = synthkd("export", corpus, "--limit", "3")
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3
    assert done.stderr == "3 rows\n"


def test_show_prints_chosen_rows_as_a_table_or_as_json(corpus: Path) -> None:
    args = ["show", corpus, "--where", "head = 'thing 1'", "--columns", "head,relation"]
    table = synthkd(*args).stdout.splitlines()
    assert table[0].split() == ["head", "relation"]
    assert table[-1].split() == ["thing", "1", "UsedFor"]
    shown = json.loads(synthkd(*args, "--json").stdout)
    assert shown["rows"] == [{"head": "thing 1", "relation": "UsedFor"}]
    assert "no rows" in synthkd("show", corpus, "--where", "head = 'x'").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--where", "head ="], "expected a value at the end; write it as in SQL"),
        (["--where", "haed = 'x'"], "did you mean 'head'"),
        (["--where", "score < 'low'"], "'score' holds numbers"),
        (["--columns", "head,tial"], "did you mean 'tail'"),
        (["-o", "rows.xlsx"], "ends in .csv, .jsonl or .parquet"),
        (["-o", "gone/rows.csv"], "make it first"),
        (["--format", "parquet"], "name a file with --out"),
        (["--json"], "name a file with --out"),
    ],
)
def test_a_wrong_choice_of_rows_is_one_line_with_a_remedy(
    corpus: Path, tmp_path: Path, args: list[str], said: str
) -> None:
    one_line(synthkd("export", corpus, *args, cwd=tmp_path), 2, said)
    assert not list(tmp_path.iterdir())


def test_stages_report_their_counts_as_json(tmp_path: Path) -> None:
    with FakeServer() as server:
        recipe = write(tmp_path, server.url)
        reports = [
            json.loads(synthkd(verb, recipe, "--json").stdout)
            for verb in ("generate", "filter", "publish")
        ]
        whole = synthkd("run", recipe, "--json", "-q")
        dry = synthkd("run", recipe, "--json", "--dry-run")
    assert json.loads(whole.stdout)["counts"]["accepted"] == 4
    one_line(dry, 2, "leave --dry-run and --probe out")
    assert reports[0]["completed"] == 4
    assert reports[1]["accepted"] == 4
    assert reports[2]["counts"]["accepted"] == 4
    info = json.loads(synthkd("journal", "info", tmp_path / "journal.sqlite", "--json").stdout)
    assert (info["completions"], info["failures"]) == (4, 0)


def test_the_verbs_of_a_journal_report_as_json(tmp_path: Path) -> None:
    with FakeServer() as server:
        synthkd("generate", write(tmp_path, server.url), "-q")
    reports = {
        verb: json.loads(synthkd("journal", verb, *args, "--json", cwd=tmp_path).stdout)
        for verb, args in {
            "export": ["journal.sqlite", "out.parquet"],
            "import": ["new.sqlite", "out.parquet"],
            "retry": ["journal.sqlite"],
            "copy": ["journal.sqlite", "copy.sqlite"],
        }.items()
    }
    assert reports["export"] == {"file": "out.parquet", "completions": 4}
    assert reports["import"] == {"journal": "new.sqlite", "new": 4, "existing": 0}
    assert reports["retry"] == {"journal": "journal.sqlite", "forgotten": 0}
    assert reports["copy"] == {"file": "copy.sqlite", "completions": 4}


def test_help_has_a_short_name_and_completion_is_offered() -> None:
    assert synthkd("journal", "info", "-h").stdout.startswith("Usage: synthkd journal info")
    assert "--show-completion" in synthkd("-h").stdout


def test_completion_names_the_verbs() -> None:
    done = synthkd(
        _SYNTHKD_COMPLETE="complete_bash", COMP_WORDS="synthkd jour", COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="synthkd jour",
    )  # fmt: skip
    assert done.stdout.split() == ["journal"]


def test_init_keeps_journals_out_of_git(tmp_path: Path) -> None:
    done = synthkd("init", tmp_path / "mine", "--json")
    assert json.loads(done.stdout)["next"].startswith("synthkd run ")
    assert "*.sqlite" in (tmp_path / "mine/.gitignore").read_text().splitlines()
