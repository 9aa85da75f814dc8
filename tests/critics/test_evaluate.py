"""Critics judged, compared and calibrated again on rows that they were not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import command_line as program
from support.files import write_csv

from synthkd.critics.evaluate import compare_critics, evaluate_critic, recalibrate
from synthkd.critics.folder import load_critic, save_critic
from synthkd.critics.labels import LabelSheet, read_labels
from synthkd.critics.train import train_critic
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.errors import CriticError
from synthkd.kinds.triple import TripleKind

KIND = TripleKind()


def rows(first: int, count: int, noise: float = 0.1) -> list[dict[str, Any]]:
    """Return rows with a head each; tails with an even number are valid, but for some."""
    rng = np.random.default_rng(first)
    return [
        {
            "head": f"h{i}", "relation": "UsedFor", "tail": f"{'good' if i % 2 == 0 else 'bad'}"
                f" {i % 9}",
            "label": bool((i % 2 == 0) ^ (rng.random() < noise)),
        }
        for i in range(first, first + count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("critics")


@pytest.fixture(scope="module")
def trained(folder: Path) -> TrainedCritic:
    sheet = read_labels(write_csv(folder / "train.csv", rows(0, 600)), KIND)
    return train_critic(KIND, sheet, out=folder / "critic")


@pytest.fixture(scope="module")
def fresh(folder: Path) -> LabelSheet:
    """Return a sheet half of whose heads are the training sheet's."""
    return read_labels(write_csv(folder / "fresh.csv", rows(400, 400)), KIND, held_out=1.0)


@pytest.mark.slow
def test_groups_that_were_trained_on_are_left_out(
    trained: TrainedCritic, fresh: LabelSheet
) -> None:
    found = evaluate_critic(trained, fresh)
    seen = sum(int(group[1:]) < 600 and group not in held(trained) for group in fresh.groups)
    assert (found.left_out, len(found.curve.labels)) == (seen, 400 - seen)


def held(trained: TrainedCritic) -> set[str]:
    return set(trained.held_out.column("head").to_pylist())


@pytest.mark.slow
def test_a_sheet_of_trained_groups_alone_is_refused(
    trained: TrainedCritic, fresh: LabelSheet
) -> None:
    names = [group for group in (f"h{i}" for i in range(600)) if group not in held(trained)]
    again = LabelSheet(
        fresh.rows.slice(0, 50),
        fresh.labels[:50],
        fresh.held_out[:50],
        names[:50],
        source="fresh.csv",
    )
    with pytest.raises(CriticError, match=r"fresh.csv: of 50 labelled rows 0 are of groups"):
        evaluate_critic(trained, again)


def test_figures_tell_auc_with_its_interval_and_the_share_kept_at_each_target(
    trained: TrainedCritic, fresh: LabelSheet
) -> None:
    figures = evaluate_critic(trained, fresh).figures()
    assert figures["auc_low"] < figures["auc"] < figures["auc_high"]
    assert 0.8 < figures["auc"] < 1
    assert figures["kept_at_asked_0.8"] > 0.3
    assert figures["kept_at_asked_0.95"] is None


@pytest.mark.slow
def test_critics_are_compared_on_the_same_rows(
    trained: TrainedCritic, fresh: LabelSheet, folder: Path
) -> None:
    sheet = read_labels(write_csv(folder / "other.csv", rows(600, 100)), KIND)
    other = train_critic(KIND, sheet)
    one, two = compare_critics({"one": trained, "two": other}, fresh)
    assert (one.name, two.name) == ("one", "two")
    assert sorted(one.curve.labels) == sorted(two.curve.labels)
    assert one.left_out == two.left_out > evaluate_critic(trained, fresh).left_out


def test_another_calibration_changes_the_guarantee_and_not_the_scores(
    trained: TrainedCritic, fresh: LabelSheet, tmp_path: Path
) -> None:
    done = recalibrate(trained, fresh)
    save_critic(done, tmp_path / "critic")
    again = load_critic(tmp_path / "critic", KIND)
    assert again.held_out.num_rows == len(evaluate_critic(trained, fresh).curve.labels)
    assert again.facts()["calibrated_on"] == "fresh.csv"
    assert again.fingerprint != trained.fingerprint
    assert np.allclose(again.score(fresh.rows), trained.score(fresh.rows))


def synthkd(*words: str) -> str:
    done = program.synthkd("critic", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_verbs_print_figures_and_calibrate(
    trained: TrainedCritic, fresh: LabelSheet, folder: Path
) -> None:
    critic, sheet = str(folder / "critic"), str(folder / "fresh.csv")
    judged = synthkd("eval", critic, sheet)
    assert "auc_low" in judged
    assert "cannot be reached" in judged
    assert synthkd("compare", sheet, critic, critic).splitlines()[0].split() == [critic]
    out = str(folder / "calibrated")
    assert "calibration rows" in synthkd(
        "calibrate", critic, sheet, "--out", out, "--precision", "0.8"
    )
    assert load_critic(Path(out), KIND).facts()["calibrated_on"] == "fresh.csv"


@pytest.mark.slow
def test_a_wrong_option_of_a_critic_is_named(folder: Path, fresh: LabelSheet) -> None:
    done = program.synthkd(
        "critic", "train", folder / "fresh.csv", folder / "x", "--option", "size=3"
    )
    assert done.returncode != 0
    assert "critic 'linear'" in done.stderr
    assert "size" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_rows_of_a_critic_without_groups_are_known_again_however_the_sheet_is_grouped(
    tmp_path: Path,
) -> None:
    found = [row | {"head": f"h{i % 50}"} for i, row in enumerate(rows(0, 600))]
    path = write_csv(tmp_path / "train.csv", found)
    alone = train_critic(KIND, read_labels(path, KIND, group="none"))
    held = alone.held_out.num_rows
    for group in ("none", "head", "relation"):
        sheet = read_labels(path, KIND, held_out=1.0, group=group)
        assert len(evaluate_critic(alone, sheet).curve.labels) == held


@pytest.mark.slow
def test_a_critic_of_a_column_that_the_sheet_does_not_group_by_is_refused_with_the_option(
    tmp_path: Path,
) -> None:
    found = [row | {"source": f"s{i % 90}"} for i, row in enumerate(rows(0, 600))]
    path = write_csv(tmp_path / "train.csv", found)
    by_source = train_critic(KIND, read_labels(path, KIND, group="source"), out=tmp_path / "mine")
    with pytest.raises(CriticError, match=r"read the sheet with --group source"):
        evaluate_critic(by_source, read_labels(path, KIND, held_out=1.0))
    assert load_critic(tmp_path / "mine", KIND).curve.groups is not None


def test_rows_of_a_group_that_is_spelled_otherwise_are_left_out(
    trained: TrainedCritic, tmp_path: Path
) -> None:
    plain = read_labels(write_csv(tmp_path / "a.csv", rows(400, 400)), KIND, held_out=1.0)
    spelled = [row | {"head": f"The {row['head'].upper()}."} for row in rows(400, 400)]
    other = read_labels(write_csv(tmp_path / "b.csv", spelled), KIND, held_out=1.0)
    assert evaluate_critic(trained, other).left_out == evaluate_critic(trained, plain).left_out > 0


@pytest.mark.slow
def test_groups_none_counts_each_label_whole(tmp_path: Path) -> None:
    found = [
        row | {"head": f"h{i % 60} of {i}", "source": f"s{i % 30}"}
        for i, row in enumerate(rows(0, 600))
    ]
    path = write_csv(tmp_path / "l.csv", found)
    critic = train_critic(KIND, read_labels(path, KIND, held_out=0.5, group="source"))
    assert critic.threshold(0.5).effective is not None
    done = program.synthkd("critic", "train", path, tmp_path / "none", "--group", "none")
    assert done.returncode == 0
    assert "independent ones" not in done.stdout
    assert load_critic(tmp_path / "none", KIND).threshold(0.5).effective is None
