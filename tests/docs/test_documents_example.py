"""The example from documents to facts, against a server that answers as a good model would."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.files import ROOT

from synthkd import Recipe, run
from synthkd.testing import FakeServer

pytestmark = pytest.mark.slow

DOCUMENTS = {
    "a": "The ferry Solveig was built in 1961. It links Rysa to the mainland.",
    "b": "The mill of Orme stands by the river. It grinds wheat.",
    "c": "Nothing is said here about anybody.",
}


def answer(prompt: str, index: int, seed: int) -> str:
    """Rewrite, name entities, or state facts; of document c a text that says something else."""
    if "Rewrite the passage" in prompt:
        text = prompt.rpartition("Passage:\n")[2].strip()
        rewritten = text.replace("It links", "Solveig links").replace("It grinds", "Orme grinds")
        return json.dumps({"plain": "Quite another story." if "Nothing" in text else rewritten})
    if "Name every entity" in prompt:
        names = [name for name in ("Solveig", "1961", "Rysa", "Orme", "wheat") if name in prompt]
        return json.dumps({"answers": [{"entity": name, "type": "thing"} for name in names]})
    facts = [
        ("Solveig", "built in", "1961", "Solveig was built in 1961."),
        ("Solveig", "links", "Rysa", "Solveig links Rysa to the mainland."),
        ("Orme", "grinds", "wheat", "Orme grinds wheat."),
        # An invention: the text does not name Lisbon.
        ("Solveig", "sails to", "Lisbon", "Solveig sails to Lisbon."),
    ]
    names = ("head", "relation", "tail", "proposition")
    stated = [fact for fact in facts if fact[0] in prompt]
    return json.dumps({"answers": [dict(zip(names, fact, strict=True)) for fact in stated]})


def test_facts_come_with_their_places_and_inventions_are_out(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples/documents-to-triples.yaml", tmp_path / "examples")
    lines = [json.dumps({"document_id": name, "text": text}) for name, text in DOCUMENTS.items()]
    (tmp_path / "documents.jsonl").write_text("\n".join(lines))
    with FakeServer(answer=answer) as server:
        recipe = Recipe.load(
            tmp_path / "examples/documents-to-triples.yaml",
            [f"teacher.base_url={server.url}", "inputs.path=../documents.jsonl"],
        )
        result = run(recipe, quiet=True)
    assert result.steps["rewrite"].counts["rejected"]["rouge"] == 1
    rows = result.corpus.table(provenance=True).to_pylist()
    assert {(row["head"], row["relation"], row["tail"]) for row in rows} == {
        ("Solveig", "built in", "1961"),
        ("Solveig", "links", "Rysa"),
        ("Orme", "grinds", "wheat"),
    }
    for row in rows:
        assert row["source"][row["head_start"] : row["head_end"]] == row["head"]
        assert row["votes"] == 3
    assert result.counts["rejected"]["in_text"] == 3
