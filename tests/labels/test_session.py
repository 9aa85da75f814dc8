"""Labelling: keys, undo, resume, several annotators, weights at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.label_candidates import label, make_pool, pool_rows

from synthkd.labels.sheet import Sheet, read_sheet


def verdicts(folder: Path) -> list[str]:
    return [row["verdict"] for row in read_sheet(folder / "labels.csv")]


def test_each_key_gives_its_verdict(tmp_path: Path) -> None:
    label(tmp_path, make_pool(tmp_path), "aruq")
    assert verdicts(tmp_path) == ["accept", "reject", "unsure"]


def test_a_row_is_shown_in_words_with_its_source(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, pool_rows(source="From a page."))
    _, shown = label(tmp_path, pool, "aq")
    first = pool.rows[pool.positions[read_sheet(tmp_path / "labels.csv")[0]["id"]]]
    text = "\n".join(shown)
    assert "source: From a page." in text
    assert f"{first['head']} " in text
    assert read_sheet(tmp_path / "labels.csv")[0]["source"] == "From a page."


def test_no_verdict_of_another_and_no_score_is_shown(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    label(tmp_path, pool, "rq", "bob")
    _, shown = label(tmp_path, pool, "q", "ann")
    assert "reject" not in "\n".join(shown)
    assert not any("0." in line for line in shown)


def test_what_could_steer_the_terminal_is_not_shown(tmp_path: Path) -> None:
    _, shown = label(tmp_path, make_pool(tmp_path, pool_rows(source="\x1b[2Jclean \x07bell")), "q")
    assert not any(ord(c) < 32 and c != "\n" for line in shown for c in line)


def test_undo_brings_the_row_back(tmp_path: Path) -> None:
    label(tmp_path, make_pool(tmp_path), "arzaq")
    rows = read_sheet(tmp_path / "labels.csv")
    assert [row["verdict"] for row in rows] == ["accept", "accept"]
    assert len({row["id"] for row in rows}) == 2


def test_undo_with_nothing_to_take_back_says_so(tmp_path: Path) -> None:
    _, shown = label(tmp_path, make_pool(tmp_path), "zaq")
    assert any("nothing of yours" in line for line in shown)
    assert verdicts(tmp_path) == ["accept"]


def test_a_why_goes_with_the_next_verdict_only(tmp_path: Path) -> None:
    label(tmp_path, make_pool(tmp_path), "wtoo vague, I think\nraq")
    rows = read_sheet(tmp_path / "labels.csv")
    assert [row["why"] for row in rows] == ["too vague, I think", ""]


def test_a_skipped_row_comes_back_next_time(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    label(tmp_path, pool, "saaq")
    later, _ = label(tmp_path, pool, "aq")
    rows = read_sheet(tmp_path / "labels.csv")
    assert pool.positions[rows[-1]["id"]] == later.design.order[0]
    assert len({row["id"] for row in rows}) == 3


def test_sessions_in_pieces_label_what_one_session_does(tmp_path: Path) -> None:
    pieces, whole = tmp_path / "pieces", tmp_path / "whole"
    pieces.mkdir()
    whole.mkdir()
    pool = make_pool(tmp_path)
    for keys in ("arq", "a", "urrq"):
        label(pieces, pool, keys)
    label(whole, pool, "araurr")
    columns = ("id", "verdict", "chosen", "weight", "probability")
    rows = [
        [[row[c] for c in columns] for row in read_sheet(at / "labels.csv")]
        for at in (pieces, whole)
    ]
    assert rows[0] == rows[1]


def test_the_session_ends_at_the_count(tmp_path: Path) -> None:
    label(tmp_path, make_pool(tmp_path), "aaaaaa", count=4)
    assert len(verdicts(tmp_path)) == 4


def test_ctrl_c_keeps_all_and_fills_in_weights(tmp_path: Path) -> None:
    class Interrupted:
        def __init__(self) -> None:
            self.keys = iter("ar")

        def key(self) -> str:
            for key in self.keys:
                return key
            raise KeyboardInterrupt

        def line(self, ask: Callable[[], None]) -> str:
            ask()
            return ""

    label(tmp_path, make_pool(tmp_path), Interrupted())
    assert all(float(row["weight"]) >= 1 for row in read_sheet(tmp_path / "labels.csv"))
    assert verdicts(tmp_path) == ["accept", "reject"]


def test_the_time_is_utc_and_the_score_is_kept(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    label(tmp_path, pool, "aq")
    (row,) = read_sheet(tmp_path / "labels.csv")
    assert row["time"].endswith("Z")
    assert float(row["score"]) == float(pool.rows[pool.positions[row["id"]]]["score"])


def test_a_second_annotator_gets_the_same_rows_first_and_agreement_is_shown(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    label(tmp_path, pool, "aar", "bob")
    _, shown = label(tmp_path, pool, "arraq", "ann")
    rows = read_sheet(tmp_path / "labels.csv")
    assert [row["id"] for row in rows[:3]] == [row["id"] for row in rows[3:6]]
    assert any("agrees with bob 2/3" in line for line in shown)
    assert {row["id"]: row["weight"] for row in rows[:3]} == {
        row["id"]: row["weight"] for row in rows[3:6]
    }


def test_fresh_passes_over_what_anyone_labelled(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    label(tmp_path, pool, "aaa", "bob")
    label(tmp_path, pool, "aaa", "ann", fresh=True)
    assert len({row["id"] for row in read_sheet(tmp_path / "labels.csv")}) == 6


def test_weights_of_a_whole_session_are_those_of_the_design(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    session, _ = label(tmp_path, pool, "a" * 20)
    taken = session.design.sample(20)
    rows = read_sheet(tmp_path / "labels.csv")
    assert [row["id"] for row in rows] == [pool.ids[i] for i in taken.rows]
    np.testing.assert_allclose([float(row["weight"]) for row in rows], taken.weights, rtol=1e-6)
    assert [row["chosen"] for row in rows] == taken.strategies


@pytest.mark.slow
def test_new_scores_begin_a_round_and_the_weights_stand_for_all_rows(tmp_path: Path) -> None:
    rows = pool_rows(300)
    pool = make_pool(tmp_path, rows)
    label(tmp_path, pool, "a" * 40)
    other = tmp_path / "other"
    other.mkdir()
    again = make_pool(other, [row | {"score": round(1 - float(row["score"]), 4)} for row in rows])
    label(tmp_path, again, "a" * 40)
    found = read_sheet(tmp_path / "labels.csv")
    assert len({row["design"] for row in found}) == 2
    assert len({row["id"] for row in found}) == 80
    assert sum(float(row["weight"]) for row in found) == pytest.approx(300, rel=0.25)
    order = session_order(pool)
    uniform = [row["id"] for row in found if row["chosen"] == "uniform"]
    assert set(uniform) == set(order[: len(uniform)])


def session_order(pool: object) -> list[str]:
    """Return ids in the order of the uniform list."""
    from synthkd.labels.sampling_design import SamplingDesign

    ids = pool.ids  # type: ignore[attr-defined]
    return [ids[i] for i in SamplingDesign.of(ids).uniform]


@pytest.mark.slow
def test_the_mean_over_many_pools_of_the_weighted_count_is_the_number_of_rows(
    tmp_path: Path,
) -> None:
    pool = make_pool(tmp_path, pool_rows(120))
    totals = []
    for seed in range(20):
        at = tmp_path / str(seed)
        at.mkdir()
        label(at, pool, "a" * 20, seed=seed)
        totals.append(sum(float(row["weight"]) for row in read_sheet(at / "labels.csv")))
    error = np.std(totals) / np.sqrt(20)
    assert abs(np.mean(totals) - 120) < 4 * error


def test_a_killed_session_leaves_weights_blank_and_the_next_one_fills_them_in(
    tmp_path: Path,
) -> None:
    pool = make_pool(tmp_path)
    label(tmp_path, pool, "aaaa")
    path = tmp_path / "labels.csv"
    rows = read_sheet(path)
    with Sheet(path, pool.sheet_columns) as sheet:
        for record in sheet.records:
            record["weight"] = record["probability"] = ""
        sheet.rewrite()
    label(tmp_path, pool, "q")
    assert read_sheet(path) == rows
