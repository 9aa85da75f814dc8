"""The curve and the report of a loop."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from support.loops import loop_recipe
from support.recipes import Make

from benchmarks.kills.loop_texts import write
from synthkd import distill, run
from synthkd.loops import DistillResult
from synthkd.loops.learning_curve import curve
from synthkd.loops.outputs import join_corpora
from synthkd.loops.rounds import Round
from synthkd.testing import FakeServer


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> DistillResult:
    with FakeServer(answer=write) as server:
        return distill(
            loop_recipe(tmp_path_factory.mktemp("report"), server.url, loop={"rounds": 2}),
            quiet=True,
        )


def report(done: DistillResult) -> str:
    return (done.recipe.work_dir / "report.md").read_text()


def test_a_curve_is_well_formed_and_has_a_point_for_each_figure_of_each_round() -> None:
    lines = [{"accuracy": [0.5, 0.7, None], "a < b": [0.1, 0.2, 0.3]}, {"loss": [3.0, 2.0, 1.0]}]
    root = ET.fromstring(curve(lines, [10, 20, 30], best=1))
    circles = [node for node in root.iter() if node.tag.endswith("circle")]
    assert len(circles) == 8


@pytest.mark.parametrize(
    "values", [[], [0.5], [0.5, 0.5], [None, None], [float("nan"), 1.0], [-1e9, 1e9]]
)
def test_a_curve_can_be_drawn_of_anything(values: list[float | None]) -> None:
    ET.fromstring(curve([{"accuracy": values}], list(range(len(values)))))


def test_points_lie_inside_the_picture() -> None:
    root = ET.fromstring(curve([{"accuracy": [0.123, 0.987]}], [1, 2]))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for node in root.iter():
        if node.tag.endswith("circle"):
            assert 0 < float(node.attrib["cx"]) < width
            assert 0 < float(node.attrib["cy"]) < height


@pytest.mark.slow
def test_a_report_has_table_classes_what_was_asked_hard_negatives_cost_and_hashes(
    done: DistillResult,
) -> None:
    text = report(done)
    for heading in (
        "| round | asked |",
        "## Classes",
        "## What was asked",
        "## Hard negatives",
        "## Cost",
        "## Hashes",
    ):
        assert heading in text
    assert done.corpus.hash in text
    assert "curve.svg" in text


@pytest.mark.slow
def test_a_report_tells_which_figures_stand_on_rows_that_decided(done: DistillResult) -> None:
    assert "on validation rows, so their figures flatter it; test rows decided nothing." in report(
        done
    )


@pytest.mark.slow
def test_a_report_marks_the_best_round(done: DistillResult) -> None:
    assert f"| **{done.best}** |" in report(done)


EVIL = "<img src=x> [a](https://p.example) `b` **c** a|b\r\x1b]52;c;eA==\x07\u202e\ufffe\ud800"


def test_a_curve_is_well_formed_whatever_a_figure_is_called() -> None:
    root = ET.fromstring(curve([{EVIL: [0.5, 0.7]}], [1, 2], title=EVIL))
    assert not [node for node in root.iter() if str(node.tag).endswith("img")]


@pytest.mark.slow
def test_a_corpus_of_rounds_of_which_one_lost_its_guarantee_says_so(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    recipe = make_recipe(server.url)
    manifest = dict(run(recipe, quiet=True).manifest)
    critic = {
        "asked_precision": 0.8, "confidence": 0.95, "reachable": True, "threshold": 0.5,
        "precision": 0.9,
        "held_out": {"held_out_rows": 100, "auc": 0.9},
    }  # fmt: skip
    rounds = []
    for number, guarantee in enumerate(("kept", "withdrawn", "kept")):
        folder = tmp_path / "rounds" / str(number)
        shutil.copytree(recipe.corpus_path, folder / "corpus")
        shift = {"shifted": guarantee == "withdrawn", "tested": True, "sentence": f"round {number}"}
        said = manifest | {"critic": critic | {"guarantee": guarantee, "shift": shift}}
        (folder / "corpus" / "manifest.json").write_text(json.dumps(said))
        record = {
            "round": number,
            "inputs": "",
            "counts": manifest["counts"],
            "corpora": {"corpus": ""},
        }
        rounds.append(Round(folder, record))
    joined = join_corpora(recipe, rounds)
    assert joined is not None
    assert joined["critic"]["guarantee"] == "withdrawn"
    card = (recipe.corpus_path / "README.md").read_text()
    assert "is not guaranteed" in card
    assert "Round 1" in card
