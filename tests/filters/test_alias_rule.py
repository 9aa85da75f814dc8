"""The rule `alias`: canonical names, repeats, and the report of joins."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synthkd import Recipe, run
from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.alias import AliasRule
from synthkd.kinds.base import Kind
from synthkd.kinds.event import EventKind
from synthkd.kinds.fact import FactKind

KIND = FactKind()
LONG = "natural language processing"


def fact(head: str, tail: str, document: str = "d", **values: Any) -> dict[str, Any]:
    row = {"document_id": document, "head": head, "relation": "uses", "tail": tail, "source": ""}
    return {**row, "id": f"{document}{head}{tail}", "recurrence": 1, **values}


def decide(
    rule: AliasRule, rows: list[dict[str, Any]], kind: Kind = KIND, step: int = 2
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return reasons and new names by the id of the row."""
    names = rule.columns(kind)
    schema = pa.schema([candidate_schema(kind).field(name) for name in names])
    for begin in range(0, len(rows), step):
        part = [{name: row[name] for name in names} for row in rows[begin : begin + step]]
        rule.take(pa.RecordBatch.from_pylist(part, schema=schema), kind)
    reasons = {rows[number]["id"]: why for number, why in rule.settle(kind)}
    return reasons, {rows[number]["id"]: dict(names) for number, names in rule.changes().items()}


def test_rows_that_say_the_same_under_canonical_names_are_one() -> None:
    rows = [fact("NLP", "corpora"), fact(LONG, "corpora"), fact(LONG, "grammars")]
    reasons, changes = decide(AliasRule(), rows)
    assert reasons == {"dNLPcorpora": f"'NLP' is '{LONG}': says the same as another row"}
    assert changes == {"dNLPcorpora": {"head_name": LONG}}


def test_names_of_two_documents_are_not_joined_unless_asked() -> None:
    rows = [fact("NLP", "corpora", "a"), fact(LONG, "grammars", "b")]
    assert decide(AliasRule(), rows) == ({}, {})
    _, changes = decide(AliasRule(within="corpus"), rows)
    assert changes == {"aNLPcorpora": {"head_name": LONG}}


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [fact(a, b, d) for a in ("NLP", LONG) for b in ("parser", "parsers") for d in "xyz"]
    first = decide(AliasRule(), rows)
    random.Random(0).shuffle(rows)
    assert decide(AliasRule(), rows, step=5) == first


def test_every_join_is_in_the_findings() -> None:
    rule = AliasRule()
    decide(rule, [fact("NLP", "parsers"), fact(LONG, "parser"), fact(LONG, "grammars")])
    findings = rule.findings()
    assert findings["by"] == {"forms": 1, "initials": 1}
    assert ("d", LONG, "NLP", "initials") in findings["table"]
    assert findings["sentence"] == (
        "2 names were joined to others (1 by forms, 1 by initials);"
        " 1 rows that then said the same as another were rejected"
    )


def test_a_kind_without_such_columns_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"alias.*no column 'head'"):
        AliasRule().check_kind(EventKind())


def test_a_run_writes_canonical_names_and_tells_the_joins(tmp_path: Path) -> None:
    text = f"{LONG.capitalize()} (NLP) uses corpora. NLP needs grammars."
    answer = f"{LONG} | uses | corpora\nNLP | uses | corpora\n{LONG} | needs | grammars"
    (tmp_path / "texts.jsonl").write_text(json.dumps({"document_id": "d", "text": text}) + "\n")
    recipe = {
        "name": "facts",
        "inputs": {"path": "texts.jsonl"},
        "kind": {"name": "fact"},
        "teacher": {"backend": "recorded", "path": "answers.jsonl"},
        "rules": [{"name": "in_text"}, {"name": "alias"}],
        "corpus": {"path": "corpus"},
    }
    from synthkd.stages.plan import plan_run

    (tmp_path / "answers.jsonl").write_text(json.dumps({"input_id": "x", "text": ""}) + "\n")
    made = Recipe.from_dict(recipe, tmp_path)
    input_id = next(iter(plan_run(made).batches()))[0].input_id
    (tmp_path / "answers.jsonl").write_text(
        json.dumps({"input_id": input_id, "text": answer}) + "\n"
    )
    result = run(Recipe.from_dict(recipe, tmp_path))
    corpus = result.corpus
    assert {row["head_name"] for row in corpus.table(provenance=True).to_pylist()} == {LONG}
    assert corpus.manifest["counts"]["findings"]["alias"]["joins"] == 1
    assert "1 names were joined" in (tmp_path / "corpus" / "README.md").read_text()
    assert corpus.rejected.column("rejected_by").to_pylist() == ["alias"]
