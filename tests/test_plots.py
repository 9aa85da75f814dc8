"""The plots return axes with what they show, and draw on those that they are given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import synthkd
from synthkd.errors import InputError, MissingExtraError


@pytest.fixture
def pyplot(monkeypatch: pytest.MonkeyPatch) -> Any:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def critic() -> synthkd.Critic:
    pytest.importorskip("sklearn")
    return synthkd.Critic.load("everyday")


def loop() -> Any:
    """What a plot reads of a loop's result: three rounds."""
    rounds = [SimpleNamespace(number=n, record={"rows": 24 * (n + 1)}) for n in range(3)]
    figures = [{"accuracy": value} for value in (0.5, 0.7, 0.6)]
    return SimpleNamespace(metrics=["accuracy"], rounds=rounds, figures=figures, best=1)


def test_the_precision_of_all_rows_is_the_share_of_valid_ones(
    critic: synthkd.Critic, pyplot: Any
) -> None:
    axes = synthkd.plot_precision_yield(critic)
    (line,) = axes.get_lines()

    assert line.get_xdata()[-1] == pytest.approx(1.0)
    assert line.get_ydata()[-1] < line.get_ydata()[0] <= 1.0


def test_plots_draw_on_the_axes_that_they_are_given(critic: synthkd.Critic, pyplot: Any) -> None:
    _, (left, right) = pyplot.subplots(1, 2)

    assert synthkd.plot_precision_yield(critic, left) is left
    assert synthkd.plot_reliability(critic, right) is right
    assert left.get_lines()
    assert right.get_lines()


def test_a_learning_curve_has_a_point_for_each_round_and_marks_the_best(pyplot: Any) -> None:
    line, best = synthkd.plot_learning_curve(loop()).get_lines()

    assert list(line.get_xdata()) == [24, 48, 72]
    assert list(best.get_ydata()) == [0.7]


def test_an_unknown_figure_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        synthkd.plot_learning_curve(loop(), "acuracy")


def test_without_matplotlib_the_extra_is_named(
    critic: synthkd.Critic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthkd.errors.find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match=r"synthkd\[plots\]"):
        synthkd.plot_reliability(critic)
