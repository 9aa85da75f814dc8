"""Tests of a judge's folder, which names model and identity only.

The address, the key and other settings come from the scoring user.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from support.files import write_csv
from support.judge_critic import KIND, rows, sure, table
from support.recipes import Make
from typer.testing import CliRunner

from synthkd.artifacts.folder import write_hashes
from synthkd.cli.app import app
from synthkd.critics.files import CONFIG
from synthkd.critics.folder import FACTS, load_critic
from synthkd.critics.judge.critic import TEMPLATE
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError
from synthkd.testing import FakeServer

FOREIGN: dict[str, Any] = {
    "teacher": {
        "backend": "openai",
        "model": "fake",
        "base_url": "http://127.0.0.1:9/v1",
        "api_key_env": "AWS_SECRET",
    },
    "base_url": "http://127.0.0.1:9/v1",
    "api_key_env": "AWS_SECRET",
    "headers": {"X-All": "$AWS_SECRET"},
    "proxy": "http://127.0.0.1:9",
    "ca_file": "/etc/ssl/cert.pem",
    "journal": "/tmp/journal.sqlite",
    "limits": {"dollars": 1000},
    "options": {"serve": True, "python": "./payload", "args": {"trust_remote_code": True}},
    "device": "cuda",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a judge that was trained on a server that is gone."""
    folder = tmp_path_factory.mktemp("judge")
    sheet = read_labels(write_csv(folder / "labels.csv", rows(200)), KIND)
    with FakeServer(answer=sure) as server:
        teacher = {
            "backend": "openai",
            "model": "fake",
            "base_url": server.url,
            "api_key_env": "MY_KEY",
        }
        options = {
            "teacher": teacher,
            "journal": str(folder / "training.sqlite"),
            "limits": {"tokens": 10**9},
        }
        train_critic(KIND, sheet, "judge", folder / "critic", options)
        stacked = {"critics": ["linear", {"judge": options}], "folds": 2}
        train_critic(KIND, sheet, "stack", folder / "stack", stacked)
    return folder


@pytest.fixture
def critic(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import shutil

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET", "PLANTED-SECRET")
    monkeypatch.setenv("OPENAI_API_KEY", "PLANTED-OPENAI")
    return shutil.copytree(made / "critic", tmp_path / "critic")


def reached(server: FakeServer) -> dict[str, Any]:
    return {"teacher": {"backend": "openai", "base_url": server.url, "api_key_env": "NO_SUCH_KEY"}}


def altered(folder: Path, **changes: Any) -> None:
    """Write another critic.json, with hashes that fit."""
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes))
    write_hashes(folder)


@pytest.mark.slow
def test_no_address_variable_journal_or_limit_stands_in_the_folder(made: Path) -> None:
    for folder in (made / "critic", made / "stack"):
        for path in folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                for said in (
                    b"127.0.0.1",
                    b"MY_KEY",
                    b"training.sqlite",
                    b"limits",
                    str(made).encode(),
                ):
                    assert said not in data, (path, said)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_a_folder_that_says_how_its_judge_is_reached_is_refused(critic: Path, name: str) -> None:
    altered(critic, **{name: FOREIGN[name]})
    with (
        FakeServer(answer=sure) as server,
        pytest.raises(CriticError, match=f"critic.json: {name}: an unknown field"),
    ):
        load_critic(critic, KIND, reached(server))
    assert server.requests == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{"max_tokens": 10**9}, {"extra_body": {"n": 50}}, {"temperature": "hot"}, {"regex": "(a+)+$"}],
)
def test_sampling_that_costs_or_cannot_be_is_refused(critic: Path, changes: dict[str, Any]) -> None:
    altered(critic, sampling=changes)
    with pytest.raises(CriticError, match=r"critic\.json: sampling"):
        load_critic(critic, KIND)


def test_nothing_is_sent_before_the_user_names_the_address(
    critic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(answer=sure) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        for options in (
            {},
            {"teacher": {"api_key_env": "OPENAI_API_KEY"}},
            {"teacher": {"model": "fake"}},
        ):
            with pytest.raises(CriticError, match="--base-url URL"):
                load_critic(critic, KIND, options).score(table(3))
        assert server.requests == 0


def test_the_program_that_a_folder_names_is_not_started(critic: Path, tmp_path: Path) -> None:
    payload = critic / "payload.md"
    payload.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    payload.chmod(payload.stat().st_mode | stat.S_IXUSR)
    altered(critic, backend="vllm")
    for teacher in ({"base_url": "http://127.0.0.1:9/v1"}, {"backend": "vllm"}):
        with pytest.raises(CriticError):
            load_critic(critic, KIND, {"teacher": teacher}).score(table(3))
    assert not (tmp_path / "ran").exists()


def test_what_goes_where_is_named_before_it_goes(
    critic: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeServer(answer=sure) as server:
        teacher = {
            "base_url": server.url, "api_key_env": "OPENAI_API_KEY",
            "headers": {"X-Mine": "$AWS_SECRET"},
        }  # fmt: skip
        with caplog.at_level(logging.WARNING, "synthkd"):
            load_critic(critic, KIND, {"teacher": teacher, "journal": "mine.sqlite"}).score(
                table(7)
            )
        (said,) = [
            record.getMessage() for record in caplog.records if "judge:" in record.getMessage()
        ]
    host = server.url.split("/")[2]
    assert f"7 rows goes to {host} with $AWS_SECRET, $OPENAI_API_KEY, model 'fake'" in said
    assert "mine.sqlite" in said
    assert "PLANTED" not in said


def test_replies_are_kept_where_the_user_says_and_asked_once(critic: Path, tmp_path: Path) -> None:
    with FakeServer(answer=sure) as server:
        options = reached(server) | {"journal": "kept/judge.sqlite"}
        (tmp_path / "kept").mkdir()
        once = load_critic(critic, KIND, options).score(table(20))
        asked = server.requests
        assert (load_critic(critic, KIND, options).score(table(20)) == once).all()
        assert server.requests == asked == 20
    assert (tmp_path / "kept" / "judge.sqlite").is_file()
    assert not (tmp_path / "judge.sqlite").exists()


@pytest.mark.slow
def test_the_command_names_the_server_by_options(critic: Path, tmp_path: Path) -> None:
    write_csv(
        tmp_path / "rows.csv", [{k: v for k, v in row.items() if k != "label"} for row in rows(5)]
    )
    run = CliRunner().invoke
    with FakeServer(answer=sure) as server:
        where = ["--base-url", server.url, "--api-key-env", "NO_SUCH_KEY", "--journal", "j.sqlite"]
        found = run(
            app,
            ["critic", "score", "critic", "rows.csv", "out.parquet", *where],
            catch_exceptions=False,
        )
        assert found.exit_code == 0, found.output
        assert server.requests == 5
    assert (tmp_path / "j.sqlite").is_file()


@pytest.mark.parametrize(
    "tag",
    ["{% include 'critic.json' %}", "{% import 'critic.json' as x %}", "{% extends 'README.md' %}"],
)
def test_a_template_of_a_folder_that_reads_other_files_is_refused(critic: Path, tag: str) -> None:
    path = critic / TEMPLATE
    path.write_text(path.read_text() + tag)
    from synthkd.critics.judge.prompt import JudgePrompt

    altered(critic, template_hash=JudgePrompt.load(str(path), KIND).hash)
    with pytest.raises(CriticError, match="includes other files"):
        load_critic(critic, KIND)


@pytest.mark.slow
def test_a_judge_within_a_stack_asks_nobody_unless_it_is_told_whom(
    made: Path, tmp_path: Path
) -> None:
    with pytest.raises(CriticError, match="its folder does not name the server"):
        load_critic(made / "stack", KIND).score(table(4))
    with FakeServer(answer=sure) as server:
        own = {"1-judge": reached(server), "journal": str(tmp_path / "j.sqlite")}
        for options in (own, reached(server) | {"journal": str(tmp_path / "k.sqlite")}):
            assert len(load_critic(made / "stack", KIND, options).score(table(4))) == 4
        assert server.requests == 8


def test_a_judge_hidden_in_a_stack_cannot_name_an_address_either(
    made: Path, tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(made / "stack", tmp_path / "stack")
    altered(folder / "member-1-judge", teacher=FOREIGN["teacher"])
    write_hashes(folder)
    with pytest.raises(CriticError, match="teacher: an unknown field"):
        load_critic(folder, KIND)
    config = json.loads((made / "stack" / CONFIG).read_text())
    config["members"][1]["options"] = {
        "teacher": FOREIGN["teacher"],
        "journal": "/tmp/foreign.sqlite",
    }
    shutil.copy(made / "stack" / "member-1-judge" / CONFIG, folder / "member-1-judge" / CONFIG)
    write_hashes(folder / "member-1-judge")
    altered(folder, members=config["members"])
    with pytest.raises(CriticError, match="its folder does not name the server"):
        load_critic(folder, KIND).score(table(2))
    assert not os.path.lexists("/tmp/foreign.sqlite")


def test_facts_that_name_a_teacher_reach_nobody(critic: Path) -> None:
    facts = json.loads((critic / FACTS).read_text())
    facts["options"] = {"teacher": FOREIGN["teacher"]}
    (critic / FACTS).write_text(json.dumps(facts))
    write_hashes(critic)
    with pytest.raises(CriticError, match="its folder does not name the server"):
        load_critic(critic, KIND).score(table(2))


@pytest.mark.slow
def test_a_recipe_that_does_not_say_where_to_ask_is_refused_before_anything_is_bought(
    critic: Path, make_recipe: Make
) -> None:
    from synthkd.stages.plan import plan_run

    with FakeServer(answer=sure) as server:
        for options, said in (
            ({}, "give critic.options.teacher"),
            ({"teechar": {}}, "did you mean 'teacher'"),
        ):
            with pytest.raises(CriticError, match=said):
                plan_run(make_recipe(server.url, critic={"path": str(critic), "options": options}))
        plan_run(make_recipe(server.url, critic={"path": str(critic), "options": reached(server)}))
        assert server.requests == 0


def test_a_stack_with_a_judge_that_nobody_named_is_refused_before_anything_is_bought(
    made: Path, make_recipe: Make
) -> None:
    from synthkd.stages.plan import plan_run

    with FakeServer(answer=sure) as server:
        part = {"path": str(made / "stack"), "options": {}}
        with pytest.raises(
            CriticError, match=r"its member 1-judge asks .* give critic.options.teacher"
        ):
            plan_run(make_recipe(server.url, critic=part))
        plan_run(make_recipe(server.url, critic=part | {"options": {"1-judge": reached(server)}}))
        assert server.requests == 0


def test_a_critic_without_its_facts_is_no_missing_critic(critic: Path) -> None:
    (critic / FACTS).unlink()
    with pytest.raises(CriticError, match=r"facts\.json: missing; train the critic again"):
        load_critic(critic, KIND)
