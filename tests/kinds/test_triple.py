"""Triples: parsing, sentences, normal forms, names of people."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.errors import KindError
from synthkd.kinds.answer_text import clean_line
from synthkd.kinds.base import Malformed
from synthkd.kinds.relations import NAMES, QUERY, load_relations, put_names, take_names
from synthkd.kinds.triple import TripleKind
from synthkd.text.normal_forms import normal_phrase

KIND = TripleKind()
ROW = {"head": "knife", "relation": "UsedFor"}
EVENT = {"head": "PersonX pays PersonY a compliment", "relation": "xWant"}


def tails(text: str, row: dict[str, str] = ROW, kind: TripleKind = KIND) -> list[str]:
    found = kind.parse(text, row)
    assert isinstance(found, list)
    return [candidate["tail"] for candidate in found]


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        (" cutting bread\n", "cutting bread"),
        ("- cutting bread.", "cutting bread"),
        ("1. cutting bread", "cutting bread"),
        ('"cutting bread"', "cutting bread"),
        ("knife is used for cutting bread", "cutting bread"),
        ("Knife is used for cutting bread.", "cutting bread"),
        ("\n\n cutting bread\n2. other", "cutting bread"),
        ("cutting\x00 bread\x1b", "cutting  bread"),
        ("3.5 litres", "3.5 litres"),
    ],
)
def test_a_tail_is_found_in_every_usual_answer(text: str, tail: str) -> None:
    assert tails(text) == [tail]


@pytest.mark.parametrize("text", ["", "  \n \t", "...", "- \n- ", "\x00"])
def test_a_completion_without_text_is_malformed(text: str) -> None:
    assert isinstance(KIND.parse(text, ROW), Malformed)


def test_every_line_is_a_candidate_with_several() -> None:
    assert tails("- cutting\n- carving\n", kind=TripleKind(several=True)) == ["cutting", "carving"]


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    found = KIND.parse(text, ROW)
    assert isinstance(found, Malformed) or all(
        set(c) == {"head", "relation", "tail"} for c in found
    )


WORDS = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8), min_size=1, max_size=4
).map(" ".join)


@pytest.mark.slow
@given(WORDS, WORDS, st.sampled_from(sorted(load_relations("everyday"))))
def test_parsing_a_verbalized_triple_gives_the_triple(head: str, tail: str, relation: str) -> None:
    triple = {"head": head, "relation": relation, "tail": tail}
    said = KIND.verbalize(triple)
    assert KIND.parse(said, triple) == [triple]


@given(st.text(max_size=60))
def test_normalizing_is_idempotent(text: str) -> None:
    once = normal_phrase(text)
    assert normal_phrase(once) == once


@pytest.mark.parametrize(
    "other", ["The Cutting  bread", "cutting bread.", "a cutting bread", "ｃutting bread"]
)
def test_equal_knowledge_has_an_equal_id(other: str) -> None:
    one = {**ROW, "tail": "cutting bread"}
    assert KIND.identity(one) == KIND.identity({**ROW, "tail": other})


def test_different_relations_have_different_ids() -> None:
    one = {"head": "a", "relation": "HasA", "tail": "b"}
    assert KIND.identity(one) != KIND.identity({**one, "relation": "PartOf"})


def test_people_have_names_in_the_prompt_and_none_in_the_tail() -> None:
    context = KIND.context(EVENT, [], random.Random(0))
    assert context["head"] == "Alex pays Chris a compliment"
    assert tails(" to see Chris smile", EVENT) == ["to see PersonY smile"]


def test_examples_never_have_the_names_of_the_question() -> None:
    assert not set(QUERY) & set(NAMES)
    assert len(set(NAMES)) == 30


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(["PersonX", "PersonY", "helps", "a", "dog"]), max_size=6).map(" ".join)
)
def test_replacing_names_can_be_undone(text: str) -> None:
    assert take_names(put_names(text)) == text


def test_an_unknown_relation_is_named_with_the_nearest() -> None:
    assert "did you mean 'UsedFor'" in str(KIND.check({"head": "a", "relation": "UsdFor"}))


def test_a_row_without_a_relation_expands_to_all_relations() -> None:
    kind = TripleKind(load_relations(["IsA", "HasA"]))
    assert [row["relation"] for row in kind.expand({"head": "dog"})] == ["IsA", "HasA"]


def test_an_unknown_set_of_relations_is_refused() -> None:
    with pytest.raises(KindError, match="everyday"):
        load_relations("everday")


@given(st.text(max_size=80))
def test_a_cleaned_line_is_bare_and_has_no_control_character(line: str) -> None:
    cleaned = clean_line(line)
    assert cleaned == cleaned.strip()
    # A character that this Python's Unicode does not know yet may be one.
    assert not {unicodedata.category(ch) for ch in cleaned} & {"Cc", "Cs", "Co", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("answer", "tails"),
    [
        ("['bark', 'leaves']", ["bark", "leaves"]),
        ("{'tail': 'bark'}", ["bark"]),
        ("[{'tail': 'bark'}, {'tail': \"a squirrel's nest\"}]", ["bark", "a squirrel's nest"]),
        ("```python\n['bark']\n```", ["bark"]),
    ],
)
def test_lists_as_python_writes_them_are_lists(answer: str, tails: list[str]) -> None:
    kind = TripleKind(several=True)
    found = kind.parse(answer, {"head": "oak", "relation": next(iter(kind.relations))})
    assert isinstance(found, list)
    assert [row["tail"] for row in found] == tails


def test_a_truncated_list_of_python_is_malformed() -> None:
    kind = TripleKind()
    found = kind.parse("['bark', 'lea", {"head": "oak", "relation": next(iter(kind.relations))})
    assert isinstance(found, Malformed)
