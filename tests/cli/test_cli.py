"""The command line, with right and wrong input: one clear line, a status, and nothing lost."""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.cli import one_line, write
from support.command_line import synthkd
from support.files import ROOT

from synthkd.commands.init import EXAMPLES
from synthkd.testing import FakeServer


@pytest.mark.slow
def test_a_run_ends_with_one_table(tmp_path: Path, server: FakeServer) -> None:
    result = synthkd("run", str(write(tmp_path, server.url)))
    assert result.returncode == 0
    for name in (
        "asked",
        "completed",
        "failed",
        "malformed",
        "parsed",
        "rejected by duplicate",
        "accepted",
        "cost",
        "corpus",
    ):
        assert name in result.stdout


@pytest.mark.slow
def test_a_log_gets_plain_lines(tmp_path: Path, server: FakeServer) -> None:
    error = synthkd("run", str(write(tmp_path, server.url))).stderr
    assert "generate: 4 of 4 rows" in error
    assert "\x1b" not in error


@pytest.mark.slow
def test_a_dry_run_sends_nothing_and_shows_whole_prompts(
    tmp_path: Path, server: FakeServer
) -> None:
    result = synthkd("run", str(write(tmp_path, server.url)), "--dry-run")
    assert server.requests == 0
    assert result.stdout.count("--- prompt") == 3
    assert "nothing was sent" in result.stdout


@pytest.mark.slow
def test_options_change_the_recipe(tmp_path: Path, server: FakeServer) -> None:
    recipe = str(write(tmp_path, server.url))
    synthkd("run", recipe, "--limit", "2", "--teacher", "other", "--set", "teacher.sampling.n=2")
    assert [(body["model"], body["n"]) for body in server.bodies] == [("other", 2)] * 2


@pytest.mark.slow
def test_stages_run_alone(tmp_path: Path, server: FakeServer) -> None:
    recipe = str(write(tmp_path, server.url))
    assert "completed 4" in synthkd("generate", recipe).stdout
    assert "accepted 4" in synthkd("filter", recipe).stdout
    assert "4 accepted rows" in synthkd("publish", recipe).stdout


@pytest.mark.slow
def test_show_tells_of_a_corpus_a_run_and_a_candidate_with_its_lineage(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = write(tmp_path, server.url)
    synthkd("run", str(recipe))
    listing = synthkd("show", str(tmp_path / "corpus")).stdout
    assert "4 accepted" in listing
    assert "filtered:" in synthkd("show", str(tmp_path / "runs" / "cli")).stdout
    name = next(line.split()[0] for line in listing.splitlines() if " | " in line)
    lineage = synthkd("show", str(recipe), name).stdout
    assert "accepted" in lineage
    assert "is used for" in lineage
    assert "openai:http://127.0.0.1" in lineage
    assert synthkd("show", str(tmp_path / "runs" / "cli"), name).stdout == lineage
    assert synthkd("show", str(tmp_path / "corpus"), name).stdout == lineage


@pytest.mark.slow
def test_the_journal_is_counted_listed_exported_and_imported(
    tmp_path: Path, server: FakeServer
) -> None:
    synthkd("run", str(write(tmp_path, server.url)))
    journal, out = str(tmp_path / "journal.sqlite"), str(tmp_path / "out.parquet")
    assert "completions 4" in synthkd("journal", "info", journal).stdout
    listed = synthkd("journal", "list", journal, "--limit", "2").stdout.splitlines()
    assert [set(json.loads(line)) >= {"text", "finish_reason"} for line in listed] == [True, True]
    assert "4 completions" in synthkd("journal", "export", journal, out).stdout
    assert "4 new" in synthkd("journal", "import", str(tmp_path / "new.sqlite"), out).stdout


@pytest.mark.slow
def test_describe_is_readable_by_machines() -> None:
    found = json.loads(synthkd("describe", "--json").stdout)
    assert {"kinds", "backends", "rules", "critics", "recipe"} <= set(found)
    assert found["kinds"]["triple"]["columns"] == ["head", "relation", "tail"]
    assert found["rules"]["too_long"]["options"]["max_words"]["default"] == 20


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_init_makes_a_recipe_that_runs_and_leaves_a_full_folder_alone(
    example: str, tmp_path: Path
) -> None:
    assert synthkd("init", "mine", "--example", example, cwd=tmp_path).returncode == 0
    shown = synthkd("run", "mine/recipe.yaml", "--dry-run", "--limit", "2", cwd=tmp_path).stdout
    assert "nothing was sent" in shown
    assert "reads outside   none" in shown
    one_line(synthkd("init", "mine", cwd=tmp_path), 2, "not empty")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"inptus": 1}, 2, "did you mean 'inputs'"),
        ({"inputs": {"path": "gone.csv"}}, 2, "gone.csv: no such file"),
        ({"inputs": {"path": "inputs.csv", "columns": ["hed"]}}, 2, "did you mean 'head'"),
        ({"prompt": {"template": "mine.j2"}}, 2, "'haed'"),
        ({"prompt": {"template": "nowhere"}}, 2, "no template 'nowhere'"),
        ({"kind": {"name": "tripel"}}, 2, "did you mean 'triple'"),
        ({"kind": {"name": "triple", "relations": ["IsA"]}}, 2, "unknown relation 'UsedFor'"),
        ({"rules": ["emty"]}, 2, "did you mean 'empty'"),
        ({"rules": [{"too_long": {"words": 3}}]}, 2, "words"),
        ({"teacher": {"backend": "opnai"}}, 2, "did you mean 'openai'"),
        (
            {"teacher": {"backend": "recorded", "path": "broken.parquet"}},
            2,
            "not readable as Parquet",
        ),
        ({"teacher": {"backend": "recorded", "path": "latin.jsonl"}}, 2, "not UTF-8"),
        ({"teacher": {"backend": "transformers", "model": "./gone"}}, 3, "no such checkpoint"),
        ({"critic": {"path": "nowhere"}}, 2, "no critic here"),
        ({}, 3, "nothing answers at http://127.0.0.1:9/v1"),
        ({"journal": "inputs.csv"}, 4, "not a journal"),
    ],
)
def test_wrong_input_is_one_clear_line_and_a_status(
    tmp_path: Path, change: dict[str, Any], status: int, said: str
) -> None:
    (tmp_path / "mine.j2").write_text("{{ haed }}")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "latin.jsonl").write_bytes('{"input_id": "a", "text": "é"}'.encode("latin-1"))
    one_line(synthkd("run", str(write(tmp_path, **change)), "--quiet"), status, said)


@pytest.mark.slow
def test_a_wrong_key_is_one_line_that_does_not_repeat_it(tmp_path: Path) -> None:
    with FakeServer(key="right") as server:
        result = synthkd(
            "run", str(write(tmp_path, server.url)), "--quiet", OPENAI_API_KEY="sk-wrong-one"
        )
    one_line(result, 3, "OPENAI_API_KEY", "401")
    assert "sk-wrong-one" not in result.stderr + result.stdout


@pytest.mark.parametrize(
    "args", [["show", "nowhere"], ["journal", "info", "nowhere.sqlite"], ["run", "nowhere.yaml"]]
)
def test_a_path_that_is_not_there_is_one_line(tmp_path: Path, args: list[str]) -> None:
    one_line(synthkd(*args, cwd=tmp_path), 4 if args[0] == "journal" else 2, "nowhere")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_what_was_committed_is_kept(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = write(tmp_path, server.url)
    assert synthkd("generate", str(recipe)).returncode == 0
    # A limit on file sizes stands in for a full disk: writing the filtered rows fails in the
    # middle.
    code = (
        "import resource, runpy, sys, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600));"
        f"sys.argv = ['synthkd', 'filter', {str(recipe)!r}, '--quiet']; runpy.run_module('synthkd',"
        " run_name='__main__')"
    )
    full = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert full.returncode == 4, full.stderr
    assert "Traceback" not in full.stderr
    assert not list((tmp_path / "runs" / "cli").glob(".judged*"))
    assert synthkd("run", str(recipe)).returncode == 0
    assert server.requests == 4


@pytest.mark.slow
def test_the_documented_recipe_for_real_candidates_runs_and_prints_its_auc(
    data: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "cskb.yaml"
    recipe.write_text((ROOT / "examples" / "cskb.yaml").read_text())
    result = synthkd("run", str(recipe), "--quiet", SYNTHKD_DATA=str(data))
    assert result.returncode == 0, result.stderr
    auc = float(result.stdout.split("AUC ")[1].split()[0])
    assert auc > 0.80


def test_a_fault_of_the_program_is_one_line_that_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module("synthkd.cli.program")

    def broken(**_: object) -> None:
        raise KeyError("something\nodd \x1b[2J")

    monkeypatch.setattr(program, "app", broken)
    monkeypatch.delenv("SYNTHKD_DEBUG", raising=False)
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "a fault of synthkd itself (KeyError" in said
    assert "\x1b" not in said
    monkeypatch.setenv("SYNTHKD_DEBUG", "1")
    with pytest.raises(KeyError):
        program.main()


@pytest.mark.parametrize(("code", "status"), [(errno.ENOSPC, 4), (errno.ENOTCONN, 1)])
def test_an_error_of_the_system_without_a_path_is_one_line(
    code: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module("synthkd.cli.program")

    def broken(**_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(program, "app", broken)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == status
    said = capsys.readouterr().err
    assert os.strerror(code) in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"asked": "many"}'])
def test_show_names_a_run_file_of_another_form(content: str, tmp_path: Path) -> None:
    from synthkd.commands.show import show_path
    from synthkd.errors import StorageError

    (tmp_path / "generated.json").write_text(content)
    with pytest.raises(StorageError, match=r"generated\.json: not what synthkd writes there"):
        show_path(tmp_path)


def test_the_table_of_exit_statuses_names_those_of_all_errors() -> None:
    from synthkd import errors
    from synthkd.cli.program import EXIT_STATUSES

    used = {
        str(value.exit_status)
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.SynthKDError)
    }
    known = {status for key in EXIT_STATUSES for status in key.split(", ")}
    assert used <= known
    page = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    assert all(f"| {key} | {meaning} |" in page for key, meaning in EXIT_STATUSES.items())
