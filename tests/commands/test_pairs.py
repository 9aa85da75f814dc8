"""Pairs of things worth comparing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import write_csv
from typer.testing import CliRunner

from synthkd.cli.app import app
from synthkd.commands.pairs import make_pairs, read_things
from synthkd.errors import InputError
from synthkd.rows import read_rows

ROWS = [
    {"name": "cat", "category": "pet|animal"},
    {"name": "dog", "category": "pet|animal"},
    {"name": "elephant", "category": "animal"},
    {"name": "cats", "category": "pet"},
    {"name": "red car", "category": "vehicle"},
    {"name": "red truck", "category": "vehicle"},
    {"name": "bicycle", "category": "vehicle"},
    {"name": "moon", "category": ""},
]
THINGS = read_things(ROWS, None, None, True)
PARENTS = {thing.name: set(thing.categories) for thing in THINGS}


def test_names_that_are_one_thing_are_read_once() -> None:
    assert [thing.name for thing in THINGS].count("cat") == 1
    assert "cats" not in PARENTS


def test_pairs_by_category_are_sisters_and_all_of_them_come_where_enough_are_asked_for() -> None:
    found = make_pairs(THINGS, "category", 100)
    assert all(PARENTS[one] & PARENTS[other] for one, other in found)
    assert len(found) == 6


@pytest.mark.parametrize("by", ["category", "similar", "random"])
def test_no_pair_comes_twice_in_either_order_and_seeds_decide(by: str) -> None:
    if by == "similar":
        pytest.importorskip("sklearn")
    found = make_pairs(THINGS, by, 6, seed=1)
    assert len({frozenset(pair) for pair in found}) == len(found) == 6
    assert all(one != other for one, other in found)
    assert found == make_pairs(THINGS, by, 6, seed=1)
    assert any(found != make_pairs(THINGS, by, 6, seed=seed) for seed in range(2, 6))


def test_similar_things_have_something_in_common() -> None:
    pytest.importorskip("sklearn")
    things = read_things([{"name": row["name"]} for row in ROWS], None, None, False)
    found = {frozenset(pair) for pair in make_pairs(things, "similar", 100)}
    assert frozenset(("red car", "red truck")) in found
    assert not any("moon" in pair for pair in found)


def test_many_pairs_are_drawn_without_listing_all() -> None:
    things = read_things(
        [{"name": f"thing {i}", "category": "x"} for i in range(3000)], None, None, True
    )
    found = make_pairs(things, "category", 500)
    assert len({frozenset(pair) for pair in found}) == 500


def test_the_verb_writes_what_a_recipe_reads(tmp_path: Path) -> None:
    path, out = write_csv(tmp_path / "things.csv", ROWS), tmp_path / "pairs.csv"
    result = CliRunner().invoke(app, ["pairs", str(path), "-n", "100", "-o", str(out)])
    assert result.exit_code == 0
    assert "6 pairs of 7 things (no more exist; 100 were requested)" in result.output
    assert [list(row) for rows in read_rows(out) for row in rows] == [["left", "right"]] * 6


def test_a_missing_column_of_categories_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column of categories"):
        read_things([{"name": "a"}, {"name": "b"}], None, None, True)
    with pytest.raises(InputError, match="did you mean 'name'"):
        read_things(ROWS, "nme", None, True)


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "things.csv", ROWS)
    result = CliRunner().invoke(app, ["pairs", str(path), "-o", str(path)])
    assert result.exit_code != 0
