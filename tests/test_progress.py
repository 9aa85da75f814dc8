"""Progress in a log: the total, the rate and the remaining time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.recipes import Make

from synthkd.journal import Journal
from synthkd.pipeline import generate
from synthkd.progress import Progress, duration_text, rate_text
from synthkd.testing import FakeServer


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (3600.4, "3,600 rows/s"),
        (12.4, "12 rows/s"),
        (1.04, "1.0 rows/s"),
        (0.4, "24.0 rows/min"),
        (0.01, "36.0 rows/h"),
        (0.0, "0.0 rows/h"),
    ],
)
def test_a_rate_below_one_is_shown_per_minute_or_hour(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.3, "0 s"),
        (99, "99 s"),
        (150, "2 min"),
        (5900, "98 min"),
        (7200, "2.0 h"),
        (864000, "10.0 days"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def line_of(progress: Progress, seconds: float, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line in a log, so many seconds after the start."""
    progress._start = time.monotonic() - seconds
    capsys.readouterr()
    progress._print_line()
    return capsys.readouterr().err.strip()


def test_the_whole_is_shown_before_it_is_all_known(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("generate")
    progress.expect(1000)
    progress.more(64)
    progress.advance(50)
    assert (
        line_of(progress, 10, capsys) == "generate: 50 of 1,000 rows, 5.0 rows/s, about 3 min left"
    )


def test_rows_of_an_earlier_run_count_as_done_but_not_for_the_rate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress("generate")
    progress.expect(1000)
    progress.skip(900)
    progress.more(64)
    progress.advance(20)
    assert (
        line_of(progress, 10, capsys) == "generate: 920 of 1,000 rows, 2.0 rows/s, about 40 s left"
    )


def test_no_remaining_time_is_shown_before_anything_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress("generate")
    progress.expect(10)
    progress.skip(3)
    assert line_of(progress, 5, capsys) == "generate: 3 of 10 rows, 0.0 rows/h"


def test_a_stage_of_unknown_size_counts_the_rows_added_so_far(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress("filter")
    progress.more(30)
    progress.advance(30)
    assert line_of(progress, 1, capsys).startswith("filter: 30 of 30 rows, 30 rows/s")


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3])
def test_a_run_that_goes_on_counts_what_it_has_and_ends_with_all_rows(
    n: int,
    make_recipe: Make,
    server: FakeServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sampling = {"n": n, "logprobs": True}
    teacher = {"backend": "openai", "model": "fake", "base_url": server.url, "sampling": sampling}
    generate(make_recipe(teacher=teacher, heads=3), quiet=True)
    generate(make_recipe(teacher=teacher, heads=5))
    said = capsys.readouterr().err
    assert f"generate: {5 * n} of {5 * n} rows" in said
    with Journal(tmp_path / "journal.sqlite", read_only=True) as journal:
        assert journal.counts().completions == 5 * n


def test_repeated_inputs_do_not_stay_as_work_that_is_left(
    make_recipe: Make, server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make_recipe(server.url)
    rows = (tmp_path / "inputs.csv").read_text().splitlines()
    (tmp_path / "inputs.csv").write_text("\n".join([*rows, *rows[1:]]) + "\n")
    generate(recipe)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("generate: 15 of 15 rows")
    assert "left" not in last
