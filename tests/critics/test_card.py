"""Tests of the critic card: rows left out, new rows, the command that repeats it, pictures."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.files import write_csv
from typer.testing import CliRunner

from synthkd.cli.critic import app
from synthkd.critics.calibration import Curve
from synthkd.critics.folder import load_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.plots import precision_picture
from synthkd.critics.splits import NEW_WORDS, SEEN_REST, SEEN_WORDS, novelty
from synthkd.critics.train import train_critic
from synthkd.kinds.triple import TripleKind

KIND = TripleKind()


def rows(count: int = 400) -> list[dict[str, Any]]:
    """Return one row a head; tails repeat from head to head."""
    return [
        {
            "head": f"h{i}",
            "relation": ("UsedFor", "IsA")[i % 4 // 2],
            "tail": f"{'good' if i % 2 == 0 else 'bad'} {i % 100}",
            "label": i % 2 == 0,
        }
        for i in range(count)
    ]


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    found = rows()
    return write_csv(tmp_path / "labels.csv", [*found, found[0] | {"label": False}, found[1]])


def card(folder: Path) -> str:
    return (folder / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_what_was_left_out_or_joined_is_counted_and_named(sheet: Path, tmp_path: Path) -> None:
    train_critic(KIND, read_labels(sheet, KIND), out=tmp_path / "c")
    found = card(tmp_path / "c")
    assert "- labelled both ways, left out: 1\n  - `h0 | UsedFor | good 0`" in found
    assert "- given more than once by one annotator, joined: 2" in found


@pytest.mark.slow
def test_a_sheet_with_nothing_left_out_says_nothing_of_it(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "l.csv", rows())
    train_critic(KIND, read_labels(path, KIND), out=tmp_path / "c")
    assert "left out" not in card(tmp_path / "c")


@pytest.mark.slow
def test_the_command_on_the_card_makes_the_same_critic_again(
    sheet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["train", "labels.csv", "one", "--held-out", "0.4", "--seed", "7"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    (command,) = re.findall(r"\$ synthkd critic (.*)", card(tmp_path / "one"))
    assert CliRunner().invoke(app, shlex.split(command.replace("FOLDER", "two"))).exit_code == 0
    assert (
        load_critic(tmp_path / "one", KIND).fingerprint
        == load_critic(tmp_path / "two", KIND).fingerprint
    )


@pytest.mark.slow
def test_an_option_stands_in_the_command_and_a_teacher_part_does_not(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "l.csv", rows())
    stack = {"critics": ["linear", "linear"], "folds": 2}
    train_critic(KIND, read_labels(path, KIND), "stack", tmp_path / "c", stack)
    assert '--option \'critics=["linear", "linear"]\' --option folds=2' in card(tmp_path / "c")
    from synthkd.critics.options import published_options

    options = {
        "critics": [
            {"judge": {"teacher": {"key": "x"}, "samples": 2, "journal": "/home/me/j.sqlite"}}
        ]
    }
    assert published_options(options) == {"critics": [{"judge": {"samples": 2}}]}


def test_a_path_of_this_machine_is_published_as_its_last_part(tmp_path: Path) -> None:
    from synthkd.critics.options import published_options

    found = published_options(
        {"model": str(tmp_path / "encoders" / "small"), "reference": "org/name", "epochs": 2}
    )
    assert found == {"model": "small", "reference": "org/name", "epochs": 2}


def test_a_row_is_as_new_as_its_words_and_its_rest_are() -> None:
    def table(*tails: str) -> pa.Table:
        return pa.Table.from_pylist(
            [{"head": "h", "relation": "IsA", "tail": tail} for tail in tails]
        )

    train, held = table("big dog", "cat"), table("Big  Dog", "big cat", "small dog")
    assert novelty(train, held, KIND.columns, "head") == [SEEN_REST, SEEN_WORDS, NEW_WORDS]


@pytest.mark.slow
def test_figures_by_novelty_are_on_the_card_and_gone_after_another_calibration(
    sheet: Path, tmp_path: Path
) -> None:
    found = read_labels(sheet, KIND)
    trained = train_critic(KIND, found, out=tmp_path / "c")
    assert "| the rest was seen |" in card(tmp_path / "c")
    assert set(trained.held_out.column("novelty").to_pylist()) <= {SEEN_REST, SEEN_WORDS, NEW_WORDS}
    from synthkd.critics.evaluate import recalibrate

    fresh = [row | {"head": f"new {row['head']}"} for row in rows(100)]
    again = read_labels(write_csv(tmp_path / "fresh.csv", fresh), KIND, held_out=1.0)
    from synthkd.critics.card import critic_card

    assert "Where rows are new" not in critic_card(recalibrate(trained, again))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_the_axis_of_precision_is_marked_at_round_numbers(share: float) -> None:
    scores = [i / 2000 for i in range(2000)]
    picture = precision_picture(Curve.of(scores, [i % 100 < 100 * share for i in range(2000)]))
    marks = [float(text) for text in re.findall(r"text-anchor='end'[^>]*>([\d.]+)<", picture)]
    assert len(marks) == 6
    step = round(marks[1] - marks[0], 6)
    assert step in (0.02, 0.05, 0.1, 0.2)


@pytest.mark.slow
def test_what_a_sheet_says_is_no_markup_on_the_card(tmp_path: Path) -> None:
    from markdown_it import MarkdownIt

    # A long relation would make each row nearly every other.
    found = [row | {"relation": f"<b>`|\x1b[2J{row['relation']}"} for row in rows()]
    name = "l`<img src=x>![a](https:).csv"
    path = write_csv(tmp_path / name, [*found, found[0] | {"label": False}])
    train_critic(KIND, read_labels(path, KIND), out=tmp_path / "c")
    source = card(tmp_path / "c")
    assert "\x1b" not in source
    assert "<img" not in source.partition("```")[0]
    parsed = MarkdownIt("gfm-like", {"linkify": False}).parse(source)
    tokens = [token for top in parsed for token in (top, *(top.children or []))]
    images = [token.attrs["src"] for token in tokens if token.type == "image"]
    assert images == ["precision.svg", "reliability.svg"]
    assert not {token.type for token in tokens} & {"link_open", "html_inline", "html_block"}
    # Five rows of the weakest classes at most, four cells each: no `|` of a class cut one.
    assert sum(token.type == "td_open" for token in tokens) % 2 == 0
    (command,) = [token.content for token in tokens if token.type == "fence"]
    assert shlex.split(command)[4] == name


def test_pictures_escape_what_they_name() -> None:
    import xml.etree.ElementTree as ET

    from synthkd.critics.plots import unit_plot
    from synthkd.reporting.plots import picture

    plot = unit_plot("<x>&\x1b", "y\ufffe'\ud800")
    root = ET.fromstring(picture(420, 300, "</title><script>", [plot]))
    assert not [node for node in root.iter() if "script" in str(node.tag)]
