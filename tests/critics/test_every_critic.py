"""Tests that hold for every critic: recalibration, training on all rows, kind options, progress."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.files import write_csv
from support.tiny_encoder import write_bert
from typer.testing import CliRunner

from synthkd import plugins
from synthkd.cli.critic import app
from synthkd.critics.evaluate import recalibrate
from synthkd.critics.folder import FACTS, load_critic, read_facts, save_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError, InputError
from synthkd.kinds.triple import TripleKind
from synthkd.progress import Progress

pytest.importorskip("sklearn")

KIND = TripleKind()
CRITICS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear", {}),
    "text": ("text", {}),
    "knowledge-base": ("knowledge-base", {"reference": "known.csv"}),
    "stack": ("stack", {"critics": ["linear", "text"], "folds": 2}),
    "bag": ("stack", {"critics": ["linear", "text"], "folds": 2, "refit": False}),
    "embedder": ("knowledge-base", {"reference": "known.csv", "embedder": "bert"}),
    "frozen": ("encoder", {"model": "bert", "frozen": True}),
    "tuned": ("encoder", {"model": "bert", "epochs": 1}),
    "stack of these": (
        "stack",
        {
            "critics": [
                "linear",
                {"knowledge-base": {"reference": "known.csv", "embedder": "bert"}},
                {"encoder": {"model": "bert", "frozen": True}},
            ],
            "folds": 1,
        },
    ),
}
ENCODERS = ("embedder", "frozen", "tuned", "stack of these")


def rows(first: int, count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(first)
    return [
        {
            "head": f"thing {i // 2}", "relation": "UsedFor",
            "tail": f"{'good' if i % 2 else 'bad'} {rng.choice(['cut', 'eat', 'sit', 'read'])}"
                f" {i % 7}", "label": i % 2 == 1,
            "logprob": float(rng.normal(-3)), "tokens": 3,
        }
        for i in range(first, first + count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("every")
    write_csv(found / "sheet.csv", rows(0, 160))
    write_csv(found / "fresh.csv", rows(1000, 120))
    write_csv(found / "known.csv", [row for row in rows(5000, 200) if row["label"]])
    return found


@pytest.fixture
def made(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of the critic, trained once."""
    monkeypatch.chdir(folder)
    name = request.param
    if name in ENCODERS:
        pytest.importorskip("torch")
        if not (folder / "bert").exists():
            (folder / "bert").mkdir()
            write_bert(folder / "bert", ["good", "bad", "thing", "used", "for"], 64)
    place = folder / f"critic {name}"
    if not place.exists():
        critic, options = CRITICS[name]
        train_critic(KIND, read_labels(folder / "sheet.csv", KIND), critic, place, options)
    return place


def critic(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def scores(folder: Path) -> Any:
    table = pq.read_table(folder / "held_out.parquet")
    return load_critic(folder, KIND).score(table)


@pytest.mark.slow
@pytest.mark.parametrize("made", CRITICS, indirect=True)
def test_calibration_leaves_the_critic_as_it_is(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibrated"
    assert "calibration rows" in critic("calibrate", made, "fresh.csv", "--out", out)
    again = load_critic(out, KIND)
    held = again.held_out
    assert np.array_equal(again.score(held), held.column("score").to_numpy())
    assert np.array_equal(load_critic(made, KIND).score(held), again.score(held))
    weights = sorted(path.relative_to(made) for path in made.rglob("*.safetensors"))
    assert all((out / name).read_bytes() == (made / name).read_bytes() for name in weights)


@pytest.mark.slow
@pytest.mark.parametrize("made", ["linear", "embedder"], indirect=True)
def test_calibration_in_place_keeps_what_loads_and_can_be_done_again(made: Path) -> None:
    before = scores(made)
    for _ in range(2):
        critic("calibrate", made, "fresh.csv")
    held = load_critic(made, KIND).held_out
    assert len(before)
    assert np.array_equal(load_critic(made, KIND).score(held), held.column("score").to_numpy())


@pytest.mark.slow
def test_a_critic_of_all_rows_says_that_it_guarantees_nothing(folder: Path, tmp_path: Path) -> None:
    said = critic("train", folder / "sheet.csv", tmp_path / "c", "--all")
    assert "trained on all 160 labels" in said
    assert "none is guaranteed" in said
    facts = json.loads((tmp_path / "c" / FACTS).read_text())
    assert facts["training_rows"] == 160
    card = (tmp_path / "c" / "README.md").read_text()
    assert "**No precision is guaranteed, and there is no threshold**" in card
    assert "--all" in card
    trained = load_critic(tmp_path / "c", KIND)
    assert trained.facts()["held_out_rows"] == 0
    with pytest.raises(CriticError, match="trained on all labelled rows"):
        trained.threshold(0.9)


@pytest.mark.slow
def test_a_critic_of_all_rows_scores_and_is_calibrated_later(folder: Path, tmp_path: Path) -> None:
    critic("train", folder / "sheet.csv", tmp_path / "c", "--all")
    assert "120 rows scored" in critic(
        "score", tmp_path / "c", folder / "fresh.csv", tmp_path / "s.parquet"
    )
    assert "calibration rows" in critic("calibrate", tmp_path / "c", folder / "fresh.csv")
    assert load_critic(tmp_path / "c", KIND).curve.auc > 0.5


@pytest.mark.slow
def test_a_critic_of_all_rows_cannot_be_judged_on_them(folder: Path, tmp_path: Path) -> None:
    critic("train", folder / "sheet.csv", tmp_path / "c", "--all")
    done = CliRunner().invoke(app, ["eval", str(tmp_path / "c"), str(folder / "sheet.csv")])
    assert isinstance(done.exception, CriticError)
    assert "label rows of other groups" in str(done.exception)


def test_a_sheets_own_split_holds_nothing_out_of_a_training_on_all(
    folder: Path, tmp_path: Path
) -> None:
    split = [row | {"split": "test" if i < 60 else "train"} for i, row in enumerate(rows(0, 160))]
    sheet = read_labels(write_csv(tmp_path / "l.csv", split), KIND, held_out=0)
    assert not sheet.held_out.any()
    assert sheet.rows.num_rows == 160


@pytest.mark.slow
def test_a_run_refuses_a_critic_without_a_threshold(folder: Path, tmp_path: Path) -> None:
    trained = train_critic(KIND, read_labels(folder / "sheet.csv", KIND, held_out=0))
    save_critic(trained, tmp_path / "c")
    with pytest.raises(CriticError, match="synthkd critic calibrate"):
        load_critic(tmp_path / "c", KIND).curve  # noqa: B018
    fresh = read_labels(folder / "fresh.csv", KIND, held_out=1.0)
    assert recalibrate(load_critic(tmp_path / "c", KIND), fresh).curve.auc > 0.5


@pytest.mark.slow
def test_options_of_the_kind_are_kept_and_used_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    critic(
        "train",
        folder / "sheet.csv",
        out,
        "--kind-option",
        "relations=everyday",
        "--kind-option",
        "several=true",
    )
    assert read_facts(out).kind_options == {"relations": "everyday", "several": True}
    assert "--kind-option relations=everyday" in (out / "README.md").read_text()
    assert "120 rows scored" in critic("score", out, folder / "fresh.csv", tmp_path / "s.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "text", "tuned", "frozen"])
def test_verdicts_that_are_all_the_same_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name in ("tuned", "frozen"):
        pytest.importorskip("torch")
    monkeypatch.chdir(folder)
    group, options = CRITICS[name]
    table = pa.Table.from_pylist(rows(0, 40))
    critic = plugins.find("critics", group)(KIND, **options)
    with pytest.raises(CriticError, match="all verdicts are the same"):
        critic.fit(table, np.ones(40, dtype=bool), [str(i // 2) for i in range(40)])


@pytest.mark.slow
def test_an_option_of_the_kinds_own_model_is_kept_and_used_again(tmp_path: Path) -> None:
    sheet = [
        {
            "left": f"thing {i}", "right": f"other {i}", "attribute": "size",
            "direction": "more" if i % 2 else "less",
            "comparative": "larger" if i % 2 else "smaller", "adverb": "typically",
            "quantifier": "much", "label": i % 2 == 1,
        }
        for i in range(200)
    ]  # fmt: skip
    write_csv(tmp_path / "l.csv", sheet)
    asked = ["--kind", "comparative", "--kind-option", "claims=3"]
    critic("train", tmp_path / "l.csv", tmp_path / "c", *asked)
    assert read_facts(tmp_path / "c").kind_options == {"claims": 3}
    assert "200 rows scored" in critic(
        "score", tmp_path / "c", tmp_path / "l.csv", tmp_path / "s.parquet"
    )


@pytest.mark.slow
def test_the_kind_of_a_critic_need_not_be_named_again(tmp_path: Path) -> None:
    words = ["bank", "card", "loan", "cash", "fee"]
    sheet = [
        {"text": f"{words[i % 5]} question {i}", "label": words[(i + i % 2) % 5],
        "verdict": ("reject", "accept")[1 - i % 2]}
        for i in range(120)
    ]  # fmt: skip
    write_csv(tmp_path / "l.csv", sheet)
    critic("train", tmp_path / "l.csv", tmp_path / "c", "--kind", "labelled_text")
    assert "120 rows scored" in critic(
        "score", tmp_path / "c", tmp_path / "l.csv", tmp_path / "s.parquet"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["relations=everyda"], "unknown set of relations 'everyda'"),
        (["relatons=everyday"], "no option 'relatons' (did you mean 'relations'?)"),
        (["several=perhaps"], "--kind-option: recipe: kind.several"),
        (["several"], "--kind-option several: write key=value"),
    ],
)
def test_a_wrong_option_of_the_kind_is_one_line(
    folder: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    asked = ["train", str(folder / "sheet.csv"), str(tmp_path / "c")]
    done = CliRunner().invoke(
        app, [*asked, *(word for one in options for word in ("--kind-option", one))]
    )
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "stack", "bag"])
def test_the_whole_of_a_training_is_known_at_its_start_and_done_at_its_end(
    folder: Path, name: str
) -> None:
    kinds, seen = CRITICS[name], []

    class Watched(Progress):
        def more(self, rows: int) -> None:
            super().more(rows)
            seen.append((self.total, self.done))

    with Watched("train", quiet=True) as progress:
        train_critic(
            KIND,
            read_labels(folder / "sheet.csv", KIND),
            kinds[0],
            None,
            kinds[1],
            progress=progress,
        )
    assert seen == [(progress.total, 0)]
    assert abs(progress.done - progress.total) <= 1 + 0.02 * progress.total


@pytest.mark.slow
def test_a_training_shows_nothing_where_there_is_no_terminal(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", str(folder / "sheet.csv"), str(tmp_path / "c")])
    assert "rows/s" not in done.output


@pytest.mark.slow
def test_a_number_that_is_no_number_is_named_with_its_file(folder: Path, tmp_path: Path) -> None:
    critic("train", folder / "sheet.csv", tmp_path / "c")
    odd = [row | {"logprob": "none"} for row in rows(0, 3)]
    write_csv(tmp_path / "odd.csv", odd)
    done = CliRunner().invoke(
        app, ["score", str(tmp_path / "c"), str(tmp_path / "odd.csv"), str(tmp_path / "s.parquet")]
    )
    assert isinstance(done.exception, InputError)
    assert "odd.csv row 1: logprob is 'none', which is no number" in str(done.exception)
