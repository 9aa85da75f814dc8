"""The rule `order` in a run: cycles over the whole corpus are found, told, and none is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synthkd import Recipe, run
from synthkd.errors import RecipeError

#: cat > dog > mouse > cat, the last with one vote of two; and two claims beside it.
SAID = {
    ("cat", "dog"): ["heavier", "heavier"],
    ("dog", "mouse"): ["heavier", "bigger"],
    ("mouse", "cat"): ["heavier", "slower"],
    ("dog", "cat"): ["slower", "slower"],
    ("mouse", "dog"): ["lighter", "lighter"],
}


def recipe(folder: Path, said: dict[tuple[str, str], list[str]] = SAID, **parts: Any) -> Recipe:
    inputs, rows = [], []
    for i, ((left, right), words) in enumerate(said.items()):
        inputs.append({"key": f"i{i}", "left": left, "right": right})
        rows += [
            {"input_id": f"i{i}", "sample_index": n, "text": f" {word}."}
            for n, word in enumerate(words)
        ]
    for name, content in (("inputs", inputs), ("rows", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    n = max(map(len, said.values()))
    raw = {
        "name": "test",
        "inputs": {"path": "inputs.jsonl", "id": "key"},
        "kind": {"name": "comparative"},
        "teacher": {"backend": "recorded", "path": "rows.jsonl", "sampling": {"n": n}},
        "votes": {"keep": "winner"},
        "corpus": {"path": "corpus"},
    }
    return Recipe.from_dict(raw | parts, folder=folder)


def test_the_weakest_claim_of_a_cycle_is_rejected_with_the_cycle_as_its_reason(
    tmp_path: Path,
) -> None:
    result = run(recipe(tmp_path), quiet=True)
    rejected = [row for row in result.corpus.rejected.to_pylist() if row["rejected_by"] == "order"]
    assert [row["reason"] for row in rejected] == [
        "mouse > cat on mass (strength 1) closes a cycle of 3 with cat > dog (2), dog > mouse (3)"
    ]
    assert result.counts["order"] == {
        "claims": 6, "axes": 3, "on_cycles": 3, "tangles": 1, "largest": 3, "closing": 1,
        "against": 0,
    }  # fmt: skip
    assert "3 of 6 claims on cycles, in 1 knot; 1 rejected" in str(result)


def test_every_candidate_still_has_one_fate(tmp_path: Path) -> None:
    counts = run(recipe(tmp_path), quiet=True).counts
    assert counts["candidates"] == counts["accepted"] + sum(counts["rejected"].values())
    assert counts["rejected"]["order"] == 1


def test_contradictions_that_no_vote_decided_are_put_in_order_too(tmp_path: Path) -> None:
    said = {("cat", "dog"): ["heavier", "heavier"], ("dog", "cat"): ["heavier", "faster"]}
    counts = run(recipe(tmp_path, said, votes=None), quiet=True).counts
    assert counts["rejected"]["order"] == 1


def test_a_contradiction_of_both_orders_of_a_pair_is_decided_by_votes(tmp_path: Path) -> None:
    said = {("cat", "dog"): ["heavier", "heavier"], ("dog", "cat"): ["heavier", "faster"]}
    result = run(recipe(tmp_path, said), quiet=True)
    (row,) = [row for row in result.corpus.rejected.to_pylist() if row["rejected_by"] == "votes"]
    assert row["reason"] == 'outvoted: 1 of 3 for "dog", 2 for "cat"'


@pytest.mark.slow
def test_without_the_rule_cycles_stay(tmp_path: Path) -> None:
    result = run(recipe(tmp_path, rules=[{"name": "comparative_form"}]), quiet=True)
    assert result.counts["order"] is None
    assert result.counts["accepted"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_many_claims_in_several_files_come_out_without_a_cycle(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthkd.stages.filter.PARTITION_ROWS", 50)
    said = {
        (f"thing {i}", f"thing {j}"): ["heavier" if (i * j) % 7 else "lighter", "bigger"]
        for i in range(18)
        for j in range(i)
    }
    result = run(recipe(tmp_path, said), quiet=True, workers=workers)
    rows = result.corpus.table(provenance=True).to_pylist()
    assert len(list((tmp_path / "runs/test/filtered").glob("part-*"))) > 1
    nx = pytest.importorskip("networkx")
    graph = nx.DiGraph()
    for row in rows:
        pair = (
            (row["left"], row["right"])
            if row["direction"] == "more"
            else (row["right"], row["left"])
        )
        graph.add_edge(*((row["attribute"], name) for name in pair))
    assert nx.is_directed_acyclic_graph(graph)
    assert result.counts["rejected"]["order"] > 3
    assert len(rows) == result.counts["accepted"]


def test_a_kind_that_says_of_nothing_that_it_is_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "heads.jsonl").write_text('{"key": "i0", "head": "cat", "relation": "IsA"}\n')
    wrong = recipe(
        tmp_path,
        inputs={"path": "heads.jsonl", "id": "key"},
        kind={"name": "triple", "relations": "everyday"},
        rules=[{"name": "order"}],
    )
    with pytest.raises(RecipeError, match="rule 'order': rows of the kind 'triple'"):
        run(wrong, quiet=True)
