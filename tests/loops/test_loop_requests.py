"""Tests of the rows that a loop requests: classes, supply, allocation and first rounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import write_csv
from support.loops import loop_recipe

from benchmarks.kills.loop_texts import WORDS, rows_of, write
from synthkd import distill
from synthkd.testing import FakeServer


@pytest.mark.slow
def test_many_texts_of_a_class_are_asked_for_in_prompts_that_differ(tmp_path: Path) -> None:
    kind = {"name": "labelled_text", "several": True, "options": {"taxonomy": list(WORDS)}}
    with FakeServer(answer=write) as server:
        loop = {"start": None, "rounds": 1, "first": 30, "rows": 3, "texts": 5}
        result = distill(loop_recipe(tmp_path, server.url, kind=kind, loop=loop), quiet=True)
    assert len({prompt for prompt, _, _ in server.sent if "Report on" not in prompt}) == 6
    assert result.rounds[0].record["added"] == 30


@pytest.mark.slow
def test_uniform_allocation_asks_for_equally_many_of_each_class(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        result = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 1, "allocate": "uniform"}), quiet=True
        )
        assert result.rounds[1].record["facts"]["requested"] == dict.fromkeys(WORDS, 4)


def without_refunds(prompt: str, index: int, seed: int) -> str:
    """Write as a teacher that has nothing to say of one class."""
    return "[]" if 'all of the class "refund"' in prompt else write(prompt, index, seed)


@pytest.mark.slow
def test_rows_of_a_class_that_brings_none_go_to_the_others_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer(answer=without_refunds) as server:
        loop = {"rounds": 6, "patience": 9, "allocate": "uniform"}
        result = distill(loop_recipe(tmp_path, server.url, loop=loop))
    asked = [one.record["facts"]["requested"] for one in result.rounds[1:]]
    assert [one.get("refund", 0) for one in asked] == [4, 4, 0, 0, 0, 1]
    assert [sum(one.values()) for one in asked] == [12] * 6
    ended = [one.record["facts"]["allocation"].get("ended") for one in result.rounds]
    assert ended == [None] * 3 + [["refund"]] * 3 + [None]
    said = [line for line in capsys.readouterr().err.splitlines() if "no more rows come" in line]
    assert [line.split(":")[0] for line in said] == ["round 3"]
    assert "of 'refund'" in said[0]
    report = (result.recipe.work_dir / "report.md").read_text()
    assert "| refund | no more rows of it came | 3, 4, 5 |" in report


@pytest.mark.slow
def test_a_class_that_fell_behind_is_made_up_for_until_its_supply_ends(tmp_path: Path) -> None:
    with FakeServer(answer=without_refunds) as server:
        result = distill(
            loop_recipe(tmp_path, server.url, loop={"rounds": 3, "patience": 9}), quiet=True
        )
    asked = [one.record["facts"]["requested"] for one in result.rounds[1:]]
    assert [one.get("refund", 0) for one in asked] == [4, 6, 0]
    assert [sum(one.values()) for one in asked] == [12] * 3


@pytest.mark.slow
def test_a_loop_in_which_nothing_comes_any_more_asks_for_little_and_ends_by_patience(
    tmp_path: Path,
) -> None:
    sent: list[str] = []

    def dries(prompt: str, index: int, seed: int) -> str:
        sent.append(prompt)
        return write(prompt, index, seed) if len(sent) <= 9 else "[]"

    with FakeServer(answer=dries) as server:
        loop = {"rounds": 9, "patience": 9, "allocate": "uniform"}
        result = distill(loop_recipe(tmp_path, server.url, loop=loop), quiet=True)
    assert [one.record["wanted"] for one in result.rounds[1:]] == [12] * 5 + [3] * 4
    assert result.ended == "all 9 rounds are done"


@pytest.mark.slow
def test_a_loop_under_other_options_of_allocation_keeps_to_its_cap(tmp_path: Path) -> None:
    write_csv(tmp_path / "start.csv", rows_of(2, 1))
    write_csv(
        tmp_path / "validation.csv",
        rows_of(60, 2, own=1) + rows_of(300, 4, own=6, labels=("account",)),
    )
    write_csv(tmp_path / "test.csv", rows_of(8, 3))
    with FakeServer(answer=write) as server:
        loop = {"rounds": 2, "allocate": "own", "allocation": {"most": 1.5}}
        result = distill(loop_recipe(tmp_path, server.url, loop=loop), quiet=True)
    for one in result.rounds[1:]:
        assert max(one.record["facts"]["requested"].values()) <= 6
        assert sum(one.record["facts"]["requested"].values()) == 12


@pytest.mark.slow
def test_a_prompt_asks_for_no_more_texts_than_it_may(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        loop = {"rounds": 1, "allocate": "uniform", "rows": 15, "texts": 2}
        result = distill(loop_recipe(tmp_path, server.url, loop=loop), quiet=True)
        texts = [row["texts"] for row in result.rounds[1].inputs]
        assert sorted(texts) == [1, 1, 1, 2, 2, 2, 2, 2, 2]


@pytest.mark.slow
def test_without_real_rows_the_teacher_writes_the_first_ones(tmp_path: Path) -> None:
    with FakeServer(answer=write) as server:
        taxonomy = {"name": "labelled_text", "several": True, "options": {"taxonomy": list(WORDS)}}
        recipe = loop_recipe(tmp_path, server.url, kind=taxonomy, loop={"start": None, "rounds": 1})
        result = distill(recipe, quiet=True)
        assert result.rounds[0].record["facts"]["requested"] == dict.fromkeys(WORDS, 4)
        assert result.rounds[0].record["added"] == 12


@pytest.mark.slow
def test_classes_that_have_too_few_rows_are_asked_for_before_a_student_is_trained(
    tmp_path: Path,
) -> None:
    write_csv(tmp_path / "start.csv", rows_of(3, 1, labels=("refund", "delivery")))
    write_csv(tmp_path / "validation.csv", rows_of(6, 2))
    write_csv(tmp_path / "test.csv", rows_of(8, 3))
    with FakeServer(answer=write) as server:
        recipe = loop_recipe(tmp_path, server.url, loop={"rounds": 1, "minimum": 3})
        assert distill(recipe, quiet=True).rounds[0].record["facts"]["requested"] == {"account": 6}


@pytest.mark.slow
def test_equal_prompts_of_later_rounds_are_answered_anew(tmp_path: Path) -> None:
    (tmp_path / "bare.j2").write_text(
        'Write {{ texts }} new texts, all of the class "{{ label }}".'
    )
    with FakeServer(answer=write) as server:
        loop = {"rounds": 2, "allocate": "uniform"}
        result = distill(
            loop_recipe(tmp_path, server.url, prompt={"template": "bare.j2"}, loop=loop), quiet=True
        )
    assert len({prompt for prompt, _, _ in server.sent}) == 3
    assert server.requests == 6
    assert result.rounds[2].record["added"] > 0
