"""Decorations of answers, lists and truncated JSON."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.kinds.answer_text import as_line, clean_line
from synthkd.kinds.base import Malformed
from synthkd.kinds.comparative.kind import ComparativeKind
from synthkd.kinds.event import EventKind
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind
from synthkd.text.json_values import json_texts, json_value

#: Decorations: what stands before and behind an answer.
AROUND = [
    ("**", "**"), ("*", "*"), ("__", "__"), ("_", "_"), ("***", "***"), ("~~", "~~"),
    ("`", "`"), ("```", "```"), ("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("‘", "’"),
    ('"', '"'), ('"', '",'), ('"', '".'), ("● ", ""), ("•", ""), ("▪ ", ""), ("— ", ""),
    ("–", ""), ("- ", ""), ("* ", ""), ("+ ", ""), ("- [ ] ", ""), ("> ", ""), ("## ", ""),
    ("1. ", ""), ("12) ", ""), ("(3) ", ""), ("1\\. ", ""), ("**1.** ", ""), ("[2] ", ""),
    ("b) ", ""), ("(ii) ", ""), ("③ ", ""), ("2️⃣ ", ""), ("✅ ", ""), ("→ ", ""), ("👉 ", ""),
    ("Tail: ", ""), ("**Tail:** ", ""), ("**Answer**: ", ""), ("Answer 1: ", ""), ("A: ", ""),
    ("Output：", ""), ("- **", "**"), ("1. **", "**."), ("**", "** "), ("**", ""), ("", "**"),
    ("", "\\"), ("", ";"), ("", " …"), ("<tail>", "</tail>"), ("<b>", "</b>"),
    ("\\boxed{", "}"), ("\\text{", "}"), ("$", "$"), ("``", "''"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "behind"), AROUND)
@pytest.mark.parametrize("text", ["drinking tea", "चाय पीना"])
def test_a_decorated_answer_is_read_without_decorations(
    before: str, behind: str, text: str
) -> None:
    assert clean_line(f"{before}{text}{behind}") == text


#: Those that may stand in any order around each other.
NESTED = [
    "**{}**",
    "- {}",
    "1. {}",
    "Tail: {}",
    "“{}”",
    "● {}",
    "{}.",
    "<b>{}</b>",
    "1\\. {}",
    "> {}",
    "«{}»",
]


@given(st.lists(st.sampled_from(NESTED), max_size=4, unique=True))
def test_nested_decorations_are_removed(around: list[str]) -> None:
    text = "drinking tea"
    for one in around:
        text = one.format(text)
    assert clean_line(text) == "drinking tea"


@pytest.mark.parametrize(
    "text",
    [
        "-5 degrees", "–5 degrees", "+5", "3.5 mm", "10:30 train", "$5", "C++", "C#", ".NET", "A+",
        "A-", "#1 hit", "J. K. Rowling", "2+2",
        "2 * 3 * 4", "'tis the season", '"A" and "B"', "rock 'n' roll", "👍", "AC/DC", ":)", "a",
        "A", "E = mc^2", "f(x)", "10% off", "don't",
    ],
)  # fmt: skip
def test_signs_of_the_answer_itself_stay(text: str) -> None:
    assert clean_line(text) == text


@pytest.mark.parametrize("text", ["- tea", "1. tea", "Tail: tea", "“tea”", '"tea"', "● tea"])
def test_an_answer_that_looks_decorated_is_written_in_quotes(text: str) -> None:
    assert clean_line(as_line(text)) == text.strip()


KIND = TripleKind(load_relations("everyday"))
SEVERAL = TripleKind(load_relations("everyday"), several=True)
ROW = {"head": "cup", "relation": "UsedFor"}


def tails(text: str, kind: TripleKind = SEVERAL) -> Any:
    found = kind.parse(text, ROW)
    return found.reason if isinstance(found, Malformed) else [one["tail"] for one in found]


@pytest.mark.parametrize(
    "text",
    [
        "```\ndrinking tea\nholding pens\n```",
        "Here are the tails:\n- drinking tea\n- holding pens",
        "**Tails:**\n1. drinking tea\n2. holding pens",
        '["drinking tea", "holding pens"]', '```json\n["drinking tea", "holding'
            ' pens"]\n```', '{"tails": ["drinking tea", "holding pens"]}',
        'Sure:\n```json\n[{"tail": "drinking tea"}, {"tail": "holding pens"}]\n```\nHope it helps',
        '{"tail": "drinking tea"}\n{"tail": "holding pens"}',
        '["drinking tea", "holding pens", "stor', '[{"tail": "drinking tea"}, {"tail": "holding'
            ' pens"}, {"tail": "sto',
        '{"answers": ["drinking tea", "holding pens",', '["drinking tea", "holding'
            ' pens",]', "Tail:\ndrinking tea\n---\nholding pens",
    ],
)  # fmt: skip
def test_a_list_of_any_form_is_read_item_by_item(text: str) -> None:
    assert tails(text) == ["drinking tea", "holding pens"]


@pytest.mark.parametrize("text", ['{"tail": "drinking te', '["drin', "[]", "{}", '{"other": 3}'])
def test_json_without_a_whole_item_is_malformed(text: str) -> None:
    assert tails(text, KIND) == "not_json"


def test_a_stem_in_another_unicode_form_is_removed() -> None:
    assert KIND.parse(
        "cafe\u0301 is used for drinking tea", {"head": "café", "relation": "UsedFor"}
    ) == [{"head": "café", "relation": "UsedFor", "tail": "drinking tea"}]


@pytest.mark.parametrize(
    "text",
    [
        "**PersonX sleeps**",
        "Event: PersonX sleeps.",
        "1\\. PersonX sleeps",
        '{"event": "PersonX sleeps"}',
        "```\nPersonX sleeps\n```",
    ],
)
def test_a_decorated_event_is_read(text: str) -> None:
    assert EventKind().parse(text, {}) == [{"event": "PersonX sleeps"}]


@pytest.mark.parametrize(
    "text",
    [
        "**typically much heavier**",
        "- typically much heavier",
        "1\\. typically much heavier.",
        "“typically much heavier”",
        "```\ntypically much heavier\n```",
    ],
)
def test_a_decorated_comparison_is_read(text: str) -> None:
    found = ComparativeKind().parse(text, {"left": "elephant", "right": "cat"})
    assert not isinstance(found, Malformed)
    assert found[0]["comparative"] == "heavier"


@pytest.mark.parametrize(
    "text",
    [
        "**Where is my card?**",
        "“Where is my card?”",
        "● Where is my card?",
        "1\\. Where is my card?",
        "**Message 1:** Where is my card?",
        "```\nWhere is my card?\n```",
        "*Where is my card?*",
        "[card_late] Where is my card?",
    ],
)
def test_a_decorated_labelled_text_is_read_with_its_question_mark(text: str) -> None:
    found = LabelledTextKind().parse(text, {"label": "card_late"})
    assert not isinstance(found, Malformed)
    assert found[0]["text"] == "Where is my card?"


@pytest.mark.parametrize(
    "text",
    [
        '["Where is it?", "Is it lost?", "Ca',
        '```json\n["Where is it?", "Is it lost?", "Ca',
        '{"texts": ["Where is it?", "Is it lost?"',
    ],
)
def test_a_truncated_list_gives_its_whole_texts(text: str) -> None:
    found = LabelledTextKind(several=True).parse(text, {"label": "card_late"})
    assert not isinstance(found, Malformed)
    assert [one["text"] for one in found] == ["Where is it?", "Is it lost?"]


DOCUMENT = {"document_id": "d", "text": "An elephant is an animal that has a trunk."}


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "<s>\n- **An elephant has a trunk.**\n</s>", "1\\. An elephant has a"
            " trunk.", "**1.** An elephant has a trunk.", "Proposition 1: An elephant has a trunk.",
        "- An **elephant** has a trunk.", "“An elephant has a trunk.”", '["An elephant has a'
            ' trunk.", "An eleph', '```json\n["An elephant has a trunk."',
    ],
)  # fmt: skip
def test_a_decorated_proposition_is_read(text: str) -> None:
    pytest.importorskip("spacy")
    found = PropositionKind().parse(text, DOCUMENT)
    assert not isinstance(found, Malformed)
    assert [one["proposition"] for one in found if one["proposition"]] == [
        "An elephant has a trunk."
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@given(st.lists(st.text(max_size=8), min_size=1, max_size=5), st.data())
def test_a_list_truncated_anywhere_gives_whole_texts_only(
    texts: list[str], data: st.DataObject
) -> None:
    written = json.dumps(texts, ensure_ascii=data.draw(st.booleans()))
    cut = written[: data.draw(st.integers(1, len(written)))]
    found = json_value(cut)
    assert found is None or found == texts[: len(found)]


@pytest.mark.slow
@given(JSON, st.data())
def test_reading_cut_json_never_raises(value: Any, data: st.DataObject) -> None:
    written = json.dumps(value)
    assert json_texts(written[: data.draw(st.integers(0, len(written)))], ("text",)) is not ...


def test_endless_brackets_take_linear_time() -> None:
    begin = time.perf_counter()
    assert json_value('["oak", ' + "[" * 20_000)[0] == "oak"
    assert time.perf_counter() - begin < 1
