"""The kind `fact`: answers in every form, places of the ends, and answers for students."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.kinds.base import Malformed
from synthkd.kinds.fact import FactKind
from synthkd.kinds.fact.answers import read_answer_triples
from synthkd.kinds.fact.kind import relation_key

KIND = FactKind()
TEXT = "The ferry Solveig, built in 1961, links Rysa to the mainland."
ROW = {"document_id": "d", "text": TEXT}
TRIPLES = [("Solveig", "built in", "1961"), ("Solveig", "links", "Rysa")]


def parsed(text: str, kind: FactKind = KIND) -> list[dict[str, Any]]:
    candidates = kind.parse(text, ROW)
    assert isinstance(candidates, list)
    return candidates


def contents(candidates: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(row["head"], row["relation"], row["tail"]) for row in candidates]


@pytest.mark.parametrize(
    "answer",
    [
        "Solveig | built in | 1961\nSolveig | links | Rysa",
        "Here are the triples:\n\n1. Solveig | built in | 1961\n2. Solveig | links | Rysa\n\nDone.",
        "| Head | Relation | Tail |\n|---|---|---|\n| Solveig | built in | 1961 |\n"
        "| Solveig | links | Rysa |",
        "(Solveig, built in, 1961)\n(Solveig, links, Rysa).",
        "Solveig\tbuilt in\t1961\nSolveig\tlinks\tRysa",
        "<Solveig; built in; 1961>\n<Solveig; links; Rysa>",
        '[["Solveig", "built in", "1961"], ["Solveig", "links", "Rysa"]]',
        '```json\n[["Solveig", "built in", 1961], ["Solveig", "links", "Rysa"], ["cut',
        '{"triples": [{"subject": "Solveig", "predicate": "built in", "object": "1961"},'
        ' {"source": "Solveig", "relation": "links", "target": {"name": "Rysa"}}]}',
        '["Solveig | built in | 1961", "Solveig | links | Rysa"]',
    ],
)
def test_triples_are_read_in_every_form(answer: str) -> None:
    assert contents(parsed(answer)) == TRIPLES


@pytest.mark.parametrize(
    "answer",
    [
        "Source | is in | France\nSubject | conducts | a study",
        "Subject | Predicate | Object\nSource | is in | France\nSubject | conducts | a study",
        '[["Source", "is in", "France"], ["Subject", "conducts", "a study"]]',
    ],
)
def test_a_triple_about_a_source_or_a_subject_is_no_head_of_a_table(answer: str) -> None:
    assert contents(parsed(answer)) == [
        ("Source", "is in", "France"),
        ("Subject", "conducts", "a study"),
    ]


def test_places_of_the_ends_are_kept() -> None:
    row = parsed("Solveig | links | rysa")[0]
    assert TEXT[row["head_start"] : row["head_end"]] == "Solveig"
    assert TEXT[row["tail_start"] : row["tail_end"]] == "Rysa"
    assert parsed("Solveig | links | Oslo")[0]["tail_start"] is None


def test_a_line_with_other_parts_is_malformed_beside_the_whole_ones() -> None:
    whole, broken = KIND.parse("Solveig | links | Rysa\nSolveig | Rysa", ROW)  # type: ignore[misc]
    assert contents([whole]) == TRIPLES[1:]
    assert broken == Malformed("no_triple", "2 parts, 3 or 4 are needed: 'Solveig | Rysa'")


def test_the_sentence_of_a_triple_keeps_its_full_stop() -> None:
    row = parsed("Solveig | links | Rysa | Solveig links Rysa to the mainland.")[0]
    assert row["proposition"] == "Solveig links Rysa to the mainland."


def test_prose_and_json_without_triples_are_malformed() -> None:
    for answer, reason in (("", "no_text"), ("None found.", "no_triple"), ('{"a": 1}', "not_json")):
        malformed = KIND.parse(answer, ROW)
        assert isinstance(malformed, Malformed)
        assert malformed.reason == reason


def test_an_unknown_relation_is_malformed_and_spellings_of_a_known_one_are_it() -> None:
    kind = FactKind(relations=["is part of"])
    row, unknown = kind.parse("Rysa | isPartOf | Orkney\nRysa | near | Orkney", ROW)  # type: ignore[misc]
    assert row["relation"] == "is part of"
    assert unknown == Malformed("unknown_relation", "'near' (known: is part of)")


def test_spellings_of_a_relation_are_equal() -> None:
    keys = {relation_key(name) for name in ("isPartOf", "is Part Of", "is_part_of", "is-part-of")}
    assert keys == {"is part of"}


def test_equal_facts_of_two_documents_are_two() -> None:
    one, other = (
        FactKind().parse("A | b | C", {"document_id": name, "text": "A b C"}) for name in "xy"
    )
    assert isinstance(one, list)
    assert isinstance(other, list)
    assert KIND.identity(one[0]) != KIND.identity(other[0])


def test_a_text_without_an_id_is_a_document_of_its_own() -> None:
    ids = {
        KIND.parse("A | b | C", {"text": text})[0]["document_id"]  # type: ignore[index]
        for text in ("A b C", "A b C", "A b C d")
    }
    assert len(ids) == 2


def test_facts_of_a_text_are_one_answer_in_the_order_of_their_places() -> None:
    candidates = parsed("Solveig | links | Rysa\nSolveig | built in | 1961")
    ((question, rows),) = KIND.group_by_input(candidates)
    assert question == {"text": TEXT, "document_id": "d"}
    assert KIND.completion(rows, question) == "\nSolveig | built in | 1961\nSolveig | links | Rysa"
    assert contents(KIND.parse(KIND.completion(rows, question), question)) == TRIPLES  # type: ignore[arg-type]


def test_a_structured_answer_may_have_propositions() -> None:
    kind = FactKind(propositions=True)
    assert kind.answer_columns == ("head", "relation", "tail", "proposition")
    item = {"head": "Solveig", "relation": "links", "tail": "Rysa", "proposition": "It links."}
    assert kind.read({"answers": [item]}, ROW)[0]["proposition"] == "It links."  # type: ignore[index]


WORDS = st.text("abc dé1", min_size=1, max_size=8).filter(lambda text: text.strip().isalnum())


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=6))
def test_written_facts_are_read_again(triples: list[tuple[str, str, str]]) -> None:
    stripped = [tuple(part.strip() for part in triple) for triple in triples]
    rows = [dict(zip(("head", "relation", "tail"), triple, strict=True)) for triple in stripped]
    read = read_answer_triples(KIND.completion(rows, ROW))
    assert read is not None
    assert [(one.head, one.relation, one.tail) for one in read] == stripped  # type: ignore[union-attr]
    written = json.dumps([list(triple) for triple in stripped])
    assert [
        (one.head, one.relation, one.tail) for one in read_answer_triples(written) or []
    ] == stripped
