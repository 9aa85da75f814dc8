"""`synthkd distill` on the command line, with a teacher made of rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.files import write_csv
from support.loops import loop_recipe
from typer.testing import CliRunner

from benchmarks.kills.loop_texts import rows_of
from synthkd.cli import app
from synthkd.corpora.read import load_corpus
from synthkd.errors import RecipeError, StorageError, WithdrawnError


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_csv(tmp_path / "pool.csv", rows_of(60, 7))
    parts = {
        "prompt": {"template": "labelled_text/pool"},
        "teacher": {"backend": "pool", "path": "pool.csv", "sampling": {"max_tokens": 1000}},
    }
    made = loop_recipe(tmp_path, loop={"rounds": 2}, **parts)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(made.model_dump(mode="json", exclude_none=True)))
    return path


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["distill", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_a_loop_prints_its_rounds_and_where_things_lie(recipe: Path) -> None:
    said = call(recipe)
    assert "round 2: asked 12, accepted" in said
    assert "ended: all 2 rounds are done" in said
    assert str(recipe.parent / "runs" / "loop" / "report.md") in said


@pytest.mark.slow
def test_quiet_prints_the_table_alone(recipe: Path) -> None:
    said = call(recipe, "-q", "--rounds", 1)
    assert said.splitlines()[0].split()[:4] == ["round", "asked", "accepted", "rows"]
    assert "asked 12" not in said


@pytest.mark.slow
def test_a_dry_run_shows_the_first_prompts_and_writes_nothing(recipe: Path) -> None:
    before = sorted(recipe.parent.rglob("*"))
    said = call(recipe, "--dry-run")
    assert "round 0: 6 rows; loss" in said
    assert "round 1 would ask for 12 rows" in said
    assert '"label": "' in said
    assert "nothing was sent" in said
    assert sorted(recipe.parent.rglob("*")) == before


@pytest.mark.slow
def test_options_of_the_loop_can_be_set(recipe: Path) -> None:
    assert "asked 9" in call(recipe, "--set", "loop.rows=9", "--rounds", 1)


@pytest.mark.slow
def test_a_budget_without_prices_of_the_teacher_is_fine_where_it_costs_nothing(
    recipe: Path,
) -> None:
    assert "all 1 rounds are done" in call(recipe, "--budget", 1, "--rounds", 1)


def test_an_unknown_option_of_the_loop_is_refused_with_the_nearest(recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"loop.pateince: unknown key .*patience"):
        call(recipe, "--set", "loop.pateince=3")


def shown(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["show", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_show_tells_of_a_loop_by_its_recipe_or_its_folder(recipe: Path) -> None:
    call(recipe, "-q")
    said = shown(recipe)
    assert "ended: all 2 rounds are done" in said
    assert [line.split()[0] for line in said.splitlines()[1:5]] == ["round", "0", "1", "2"]
    assert shown(recipe.parent / "runs" / "loop") == said


@pytest.mark.slow
def test_show_tells_of_a_loop_that_has_not_ended(recipe: Path) -> None:
    call(recipe, "-q")
    work = recipe.parent / "runs" / "loop"
    (work / "distill.json").unlink()
    assert "not finished: the same `synthkd distill` resumes it" in shown(work)


@pytest.mark.slow
def test_show_finds_a_row_of_a_loop_and_what_was_asked_for_it(recipe: Path) -> None:
    call(recipe, "-q")
    work = recipe.parent / "runs" / "loop"
    row = load_corpus(recipe.parent / "corpus").table(provenance=True).to_pylist()[0]
    said = shown(work, row["id"])
    assert row["text"] in said
    assert "sent to" in said
    assert "sent to" in shown(work / "rounds" / "001" / "run", row["id"])


@pytest.mark.slow
def test_show_refuses_a_record_of_a_round_that_was_altered(recipe: Path) -> None:
    call(recipe, "-q")
    record = recipe.parent / "runs" / "loop" / "rounds" / "001" / "round.json"
    record.write_text(record.read_text().replace('"added": ', '"added": 1'))
    result = CliRunner().invoke(app, ["show", str(recipe)])
    assert isinstance(result.exception, StorageError)
    assert "round.json: not the record of a round, or altered" in str(result.exception)


@pytest.mark.slow
def test_a_loop_of_which_a_round_lost_its_guarantee_ends_with_the_status_of_that(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    critic = {
        "asked_precision": 0.8, "confidence": 0.95, "reachable": True, "threshold": 0.5,
        "precision": 0.9,
        "held_out": {"held_out_rows": 100, "auc": 0.9}, "guarantee": "withdrawn",
        "shift": {"shifted": True, "tested": True, "sentence": "the rows are others"},
    }  # fmt: skip
    monkeypatch.setattr("synthkd.loops.outputs._critic", lambda records: critic)
    with pytest.raises(WithdrawnError, match="the rows are others"):
        call(recipe, "-q", "--rounds", 1)
