"""Tests of mistakes in `synthkd critic`: each is one line, before anything is trained."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.command_line import synthkd
from support.critic_sheets import sheet_rows
from support.files import write_csv

from synthkd.critics.options import make_critic
from synthkd.critics.stack import StackCritic
from synthkd.errors import CriticError
from synthkd.kinds.triple import TripleKind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "l.csv", sheet_rows())
    return tmp_path


def critic(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return synthkd("critic", *arguments, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--held-out", "1"], "--held-out is 1; it must lie between 0 and 1"),
        (["--precision", "1.5"], "--precision is 1.5; it must lie between 0 and 1"),
        (["--option", "foo=1"], "critic 'linear': no option 'foo'"),
        (["--option", "foo"], "--option foo: write key=value"),
        (["--merge", "majorty"], "did you mean 'majority'"),
        (["--critic", "linaer"], "did you mean 'linear'"),
        (["--kind", "tripel"], "did you mean 'triple'"),
        (["--all", "--held-out", "0.9"], "--all holds no row out, --held-out 0.9 some"),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    folder: Path, options: list[str], said: str
) -> None:
    done = critic(folder, "train", "l.csv", "c", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "c").exists()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("linear", {"words": 3}, "critic 'linear': no option 'words'; it has none"),
        ("text", {"words": "abc"},
        "critic 'text': words: a whole number from 0 on is needed, not 'abc'"),
        ("encoder", {}, "critic 'encoder': model: needed"),
        ("encoder", {"model": "x", "epoch": 3}, r"critic 'encoder': no option 'epoch' \(did you"
            r" mean 'epochs'\?\)"),
        ("encoder", {"model": "x", "epochs": "x"}, "critic 'encoder': epochs: a whole number from 1"
            " on is needed"),
        ("stack", {"critics": ["linear", "text"], "folds": "x"}, "critic 'stack': folds: a whole"
            " number from 1 on is needed"),
        ("stack", {"critics": [{"text": {"words": "x"}}]}, "critic 'stack': member 'text': words: a"
            " whole number"),
    ],
)  # fmt: skip
def test_an_option_of_another_name_or_type_is_refused(
    name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(CriticError, match=said):
        make_critic(name, TripleKind(), options)


def test_one_name_is_a_stack_of_one() -> None:
    assert [name for name, _ in StackCritic(TripleKind(), "linear").specs] == ["linear"]


@pytest.mark.slow
def test_rows_that_calibration_leaves_out_are_told(folder: Path) -> None:
    assert critic(folder, "train", "l.csv", "c").returncode == 0
    done = critic(folder, "calibrate", "c", "l.csv", "--out", "d")
    assert "left out, of groups that the critic was trained on: " in done.stderr
    assert done.returncode == 0


def test_output_and_card_name_a_sample_and_the_critic_scores(folder: Path) -> None:
    count = len((folder / "l.csv").read_text().splitlines()) - 1
    done = critic(folder, "train", "l.csv", "c", "--max-rows", "150")
    assert done.returncode == 0, done.stderr
    assert f"a sample of 150 distinct rows of {count:,} (--max-rows)" in done.stderr
    card = (folder / "c" / "README.md").read_text()
    assert f"of {count:,} rows (`--max-rows`)" in " ".join(card.split())
    assert "--max-rows 150" in card
    done = critic(folder, "score", "c", "l.csv", "s.parquet")
    assert done.returncode == 0, done.stderr
