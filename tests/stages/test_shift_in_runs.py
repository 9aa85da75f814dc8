"""Tests of rows unlike the calibration rows: table, manifest and card withdraw the guarantee."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.files import write_csv
from support.recipes import Make

from synthkd import run
from synthkd.critics.shift_monitor import (
    FEWEST,
    SAMPLE,
    ShiftMonitor,
    _drawn,
    _one_of_each,
)
from synthkd.critics.splits import group_names
from synthkd.critics.trained_critic import group_hash
from synthkd.errors import WithdrawnError
from synthkd.kinds.triple import TripleKind
from synthkd.pipeline import check_guarantee
from synthkd.testing import FakeServer

KIND = TripleKind()
WORDS = ("cutting", "eating", "sitting", "reading", "cooking", "washing", "driving", "writing")


def table(first: int, count: int, words: tuple[str, ...] = WORDS) -> pa.Table:
    rng = np.random.default_rng(first)
    rows = [
        {
            "id": f"{i}",
            "head": f"thing {i % 1500}",
            "relation": "UsedFor",
            "tail": " ".join(rng.choice(words, 2)),
        }
        for i in range(first, first + count)
    ]
    return pa.Table.from_pylist(rows)


def verdict(scored: pa.Table) -> dict[str, Any]:
    watch = ShiftMonitor(KIND.columns)
    watch.add(scored, [0.5] * scored.num_rows)
    return watch.verdict(table(30_000, 600), KIND)


@pytest.mark.slow
def test_rows_of_the_same_sort_are_no_shift() -> None:
    assert not verdict(table(0, 600))["shifted"]


@pytest.mark.slow
def test_rows_of_another_sort_are_a_shift_and_the_sentence_says_what_to_do() -> None:
    found = verdict(table(0, 600, ("quantum", "entropy", "tensor", "lattice")))
    assert found["shifted"]
    assert "guarantee is withdrawn" in found["sentence"]
    assert "Label a sample" in found["sentence"]


def clustered(seed: int, groups: int, size: int) -> pa.Table:
    """Rows of one sort in groups of a size; heads and tails are words of 400."""
    rng = np.random.default_rng(seed)
    vocabulary = [f"{a}{b}" for a in "bdfghklmnprstvwz"[:16] for b in ("ack", "ell", "ino", "oft")]
    vocabulary = [one + two for one in vocabulary for two in vocabulary[:8]]
    rows = []
    for group in range(groups):
        head = " ".join(rng.choice(vocabulary, 2))
        for i in range(size):
            tail = " ".join(rng.choice(vocabulary, 2))
            name = f"{seed}-{group}-{i}"
            rows.append({"id": name, "head": head, "relation": "UsedFor", "tail": tail})
    return pa.Table.from_pylist(rows)


@pytest.mark.slow
def test_larger_groups_of_the_same_sort_are_no_shift() -> None:
    shifted = 0
    for seed in range(8):
        monitor = ShiftMonitor(KIND.columns)
        scored = clustered(seed, 55, 9)
        monitor.add(scored, [0.5] * scored.num_rows)
        shifted += monitor.verdict(clustered(100 + seed, 250, 2), KIND)["shifted"]
    assert shifted <= 1


def test_of_each_group_the_row_of_the_first_draw_is_compared() -> None:
    """Heavy rows are drawn first, so that weights count inside of groups too."""
    rows = [
        {"head": f"head {i}", "tail": weight, "weight": float(weight)}
        for i in range(200)
        for weight in (1, 9)
    ]
    drawn = _drawn(rows)
    chosen = _one_of_each(drawn, [row["head"] for row in drawn])
    assert np.mean([row["tail"] == 9 for row in chosen]) > 0.8


def with_numbers(rows: pa.Table, score: float, recurrence: float | None) -> pa.Table:
    rng = np.random.default_rng(1)
    scores = pa.array(np.clip(rng.normal(score, 0.1, rows.num_rows), 0, 1))
    times = [
        None if recurrence is None else float(rng.poisson(recurrence)) for _ in range(rows.num_rows)
    ]
    return rows.append_column("score", scores).append_column(
        "recurrence", pa.array(times, pa.float64())
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("score", "recurrence", "numbers", "shifted"),
    [
        (0.5, 2, ["recurrence"], False),
        (0.4, 2, ["recurrence"], True),
        (0.5, 5, ["recurrence"], True),
        (0.5, None, ["recurrence"], True),
        (0.5, 5, [], False),
    ],
)
def test_scores_and_the_numbers_that_the_critic_reads_are_compared_too(
    score: float, recurrence: float | None, numbers: list[str], shifted: bool
) -> None:
    watch = ShiftMonitor(KIND.columns, numbers)
    rows = with_numbers(table(0, 600), score, recurrence)
    watch.add(rows, rows.column("score").to_pylist())
    found = watch.verdict(with_numbers(table(30_000, 600), 0.5, 2), KIND)
    assert found["shifted"] is shifted


def test_the_sample_does_not_depend_on_batches_or_order() -> None:
    whole, parts = ShiftMonitor(KIND.columns), ShiftMonitor(KIND.columns)
    rows = table(0, 3 * SAMPLE)
    whole.add(rows, [0.5] * rows.num_rows)
    for start in range(3 * SAMPLE - 7, -7, -7):
        part = rows.slice(max(start, 0), 7 + min(start, 0))
        parts.add(part, [0.5] * part.num_rows)
    assert sorted(whole._lowest, key=lambda x: x[1]) == sorted(parts._lowest, key=lambda x: x[1])
    assert len(whole._lowest) == SAMPLE


@pytest.mark.slow
def test_scores_of_rows_that_the_critic_was_trained_on_tell_of_no_shift() -> None:
    rows, watch = table(0, 600), ShiftMonitor(KIND.columns)
    watch.add(rows, [0.99] * 600)
    held_out = with_numbers(table(30_000, 600), 0.5, 2)
    assert watch.verdict(held_out, KIND)["shifted"]
    for column in ("head", "tail", "none"):
        trained_on = {group_hash(name) for name in group_names(KIND, rows.to_pylist(), column)}
        assert not watch.verdict(held_out, KIND, trained_on, column)["shifted"]


@pytest.mark.parametrize("count", [0, 1, 5, FEWEST - 1])
def test_with_too_few_rows_the_guarantee_stands_and_shift_was_not_tested(count: int) -> None:
    watch = ShiftMonitor(KIND.columns)
    watch.add(
        table(0, count, ("quantum", "entropy")) if count else table(0, 1).slice(1), [0.5] * count
    )
    found = watch.verdict(table(30_000, 600), KIND)
    assert not found["shifted"]
    assert not found["tested"]
    assert f"shift was not tested: {count} groups of rows were scored" in found["sentence"]


def sheet(path: Path) -> Path:
    """Return a sheet of tails that the teacher of these tests never writes."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(900):
        good = i % 2 == 0
        tail = f"{'good' if good else 'bad'} {rng.choice(WORDS)} {rng.choice(WORDS)}"
        rows.append({"head": f"h{i}", "relation": "UsedFor", "tail": tail, "label": good})
    return write_csv(path, rows)


@pytest.mark.slow
@pytest.mark.parametrize("alike", [True, False])
def test_a_run_says_whether_its_rows_are_like_the_labelled_ones(
    make_recipe: Make, tmp_path: Path, alike: bool
) -> None:
    sheet(tmp_path / "labels.csv")

    def answer(prompt: str, index: int, seed: int) -> str:
        rng = np.random.default_rng([len(prompt), index, sum(map(ord, prompt))])
        words = WORDS if alike else ("quantum", "entropy", "tensor", "lattice")
        return f"{rng.choice(('good', 'bad'))} {rng.choice(words)} {rng.choice(words)}"

    with FakeServer(answer=answer) as server:
        critic = {"labels": "labels.csv", "precision": 0.9}
        result = run(make_recipe(server.url, heads=150, critic=critic), quiet=True)
    shift = result.manifest["critic"]["shift"]
    withdrawn = "the guarantee is withdrawn"
    assert shift["shifted"] is not alike or alike
    assert (withdrawn in str(result)) == shift["shifted"]
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert (withdrawn in card.lower()) == shift["shifted"]
    assert ("is not guaranteed" in card) == shift["shifted"]
    assert ("NOT kept" in str(result)) == shift["shifted"]
    assert result.manifest["critic"]["guarantee"] == ("withdrawn" if shift["shifted"] else "kept")


@pytest.mark.parametrize(("anyway", "status"), [(False, 7), (True, 0)])
def test_a_withdrawn_guarantee_has_a_status_of_its_own_unless_it_was_waived(
    tmp_path: Path, anyway: bool, status: int
) -> None:
    record = {
        "guarantee": "withdrawn",
        "publish_anyway": anyway,
        "shift": {"sentence": "withdrawn: why"},
    }
    if not anyway:
        with pytest.raises(WithdrawnError, match="withdrawn: why") as caught:
            check_guarantee(record, tmp_path)
        assert caught.value.exit_status == status
    else:
        check_guarantee(record, tmp_path)


@pytest.mark.slow
def test_numbers_that_a_run_has_and_the_sheet_had_not_are_told_in_table_and_card(
    make_recipe: Make, tmp_path: Path
) -> None:
    sheet(tmp_path / "labels.csv")
    with FakeServer() as server:
        critic = {"labels": "labels.csv", "precision": 0.9, "publish_anyway": True}
        result = run(make_recipe(server.url, heads=20, critic=critic), quiet=True)
    assert result.manifest["critic"]["numbers_not_read"] == ["logprob", "recurrence", "tokens"]
    assert "logprob, recurrence, tokens: its label sheet lacked them" in str(result)
    card = (tmp_path / "corpus" / "README.md").read_text()
    assert "The critic does not read `logprob`, `recurrence`, `tokens` of these rows" in card
