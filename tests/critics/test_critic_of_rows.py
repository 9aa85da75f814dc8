"""`synthkd.Critic`: trained, scored, saved and loaded on rows of any table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.recipes import Make

import synthkd
from synthkd.errors import CriticError, InputError, NotReachableError

TAILS = {"a tool": True, "a machine": True, "blurp": False, "blorp": False, "blarp": False}
LABELLED = [
    {"head": f"thing {i}", "relation": "IsA", "tail": tail, "label": verdict}
    for i in range(80)
    for tail, verdict in TAILS.items()
]
ROWS = [{"head": "lamp", "relation": "IsA", "tail": tail} for tail in TAILS]


@pytest.fixture(scope="module")
def critic() -> synthkd.Critic:
    return synthkd.Critic.train(LABELLED, "triple")


def frame(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows)


@pytest.mark.parametrize("make", [list, pa.Table.from_pylist, frame])
def test_every_table_is_scored_alike(make: Any, critic: synthkd.Critic) -> None:
    scores = critic.score(make(ROWS))

    assert scores[2] < min(scores[:2])
    assert np.array_equal(scores, critic.score(ROWS))
    assert critic.score(ROWS[0]).tolist() == scores[:1].tolist()


@pytest.mark.parametrize("make", [iter, pa.Table.from_pylist, frame])
def test_every_table_trains_the_same_critic(make: Any, critic: synthkd.Critic) -> None:
    trained = synthkd.Critic.train(make(LABELLED), "triple")

    assert trained.trained.fingerprint == critic.trained.fingerprint


def test_a_saved_critic_is_loaded_with_its_kind(critic: synthkd.Critic, tmp_path: Path) -> None:
    critic.save(tmp_path / "mine")
    loaded = synthkd.Critic.load(tmp_path / "mine")

    assert loaded.kind.name == "triple"
    assert loaded.score(ROWS) == pytest.approx(critic.score(ROWS))
    assert loaded.threshold(0.8) == critic.threshold(0.8)


def test_the_shipped_critic_is_loaded_by_its_name() -> None:
    assert repr(synthkd.Critic.load("everyday")).startswith("<Critic linear of triple: AUC 0.9")


@pytest.mark.slow
def test_a_critic_in_memory_decides_a_run(critic: synthkd.Critic, make_recipe: Make) -> None:
    with synthkd.FakeServer(answer=lambda p, i, s: ["a tool", "blurp", "a machine"][i]) as server:
        result = synthkd.run(
            make_recipe(server.url), teacher={"sampling": {"n": 3}}, critic=critic, precision=0.9,
            quiet=True,
        )  # fmt: skip

    assert "blurp" in {row["tail"] for row in result.corpus.rejected.where(rejected_by="critic")}
    assert "blurp" not in result.corpus["tail"].to_pylist()
    assert result.corpus.at(precision=0.9).accepted.num_rows == len(result.corpus)


@pytest.mark.parametrize(
    ("use", "error", "says"),
    [
        (lambda c: c.score([{"head": "a"}]), InputError, "rows: no column 'relation'"),
        (lambda c: c.score([]), InputError, "rows: no rows"),
        (lambda c: c.score(["a text"]), InputError, "rows row 1: the text 'a text' is no row"),
        (
            lambda c: synthkd.Critic.train([{**LABELLED[0], "label": "perhaps so"}], "triple"),
            CriticError, "labelled rows row 1: 'label' is 'perhaps so', which is no verdict",
        ),
        (
            lambda c: synthkd.Critic.train(LABELLED, "tripel"),
            synthkd.SynthKDError, "unknown kind 'tripel' (did you mean 'triple'?)",
        ),
        (lambda c: synthkd.Critic.load("nowhere"), CriticError, "nowhere: no critic here"),
    ],
)  # fmt: skip
def test_a_wrong_use_is_refused_in_one_line(
    use: Any, error: type[Exception], says: str, critic: synthkd.Critic
) -> None:
    with pytest.raises(error) as raised:
        use(critic)
    assert says in str(raised.value)
    assert "/tmp" not in str(raised.value)


def test_verdicts_that_cannot_be_kept_are_refused(critic: synthkd.Critic) -> None:
    table = pa.table({"score": [0.9, 0.1]})
    with pytest.raises(NotReachableError):
        critic.verdicts(table, 0.9999)


def test_html_shows_the_curves(critic: synthkd.Critic) -> None:
    assert "<svg" in critic._repr_html_()
