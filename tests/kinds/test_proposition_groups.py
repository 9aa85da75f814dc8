"""Answers about a chunk, whole and broken, and their alignment with its sentences."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.kinds.base import Malformed
from synthkd.kinds.proposition.kind import PropositionKind

KIND = PropositionKind()
TEXT = (
    "The ferry Solveig, built in 1961, links two islands. Its captain is Ann Holm. A lighthouse"
    " stands on the eastern cape."
)
(ROW,) = KIND.expand({"document_id": "d", "text": TEXT})
FERRY = ["The ferry Solveig was built in 1961.", "The ferry Solveig links two islands."]
CAPTAIN = ["Ann Holm is the captain of the Solveig."]
LIGHT = ["A lighthouse stands on the eastern cape."]
GROUPS = [FERRY, CAPTAIN, LIGHT]


def group(said: list[str], opening: str = "<s>", closing: str = "</s>", dash: str = "- ") -> str:
    return "\n".join([opening, *(f"{dash}{one}" for one in said), closing])


def written(groups: list[list[str]] = GROUPS, **form: str) -> str:
    return "\n".join(group(said, **form) for said in groups)


def rows(text: str, row: Any = ROW) -> list[dict[str, Any]]:
    found = KIND.parse(text, row)
    assert not isinstance(found, Malformed)
    return found


def said(text: str) -> list[list[str]]:
    """Return propositions by sentence, then those of no sentence, if any."""
    found: list[list[str]] = [[], [], [], []]
    for row in rows(text):
        if row["proposition"]:
            found[3 if row["sentence_index"] is None else row["sentence_index"]].append(
                row["proposition"]
            )
    return found if found[3] else found[:3]


def fates(text: str) -> list[tuple[int | None, str]]:
    return [(row.get("sentence_index"), row["flaw"]) for row in rows(text) if row["flaw"]]


@pytest.mark.parametrize(
    "text",
    [
        written(),
        "\n" + written() + "\n",
        written(opening="<S>", closing="</S>"),
        written(opening="< s >", closing="< /s >"),
        written(opening="[s]", closing="[/s]"),
        written(opening="<sentence>", closing="</sentence>"),
        written(closing="<\\s>"),
        written(dash="– "),
        written(dash="—"),
        written(dash="* "),
        written(dash="• "),
        written(dash="-"),
        written(dash="1. "),
        written(dash="  -  "),
        written(dash="- - "),
        written(dash=""),
        "Here are the propositions:\n" + written(),
        "Propositions:\n"
        + written()
        + "\n\nSentences:\n<s> Other. </s>\nPropositions:\n<s>\n- Other.\n</s>",
        "```\n" + written() + "\n```",
        "\n".join(f"<s> - {' - '.join(one)} </s>" for one in GROUPS),
        "\n".join(group(one, opening=f"<s{i}>") for i, one in enumerate(GROUPS, 1)),
        "\n".join(group(one, opening=f'<s id="{i}">') for i, one in enumerate(GROUPS, 1)),
        written().replace("\n", "\r\n"),
        "Sentences:\n"
        + "\n".join(f"<s> {s} </s>" for s in ROW["sentences"])
        + "\nPropositions:\n"
        + written(),
        "\n".join(f"<s> {s} </s>" for s in ROW["sentences"]) + "\n" + written(),
        json.dumps(
            {"sentences": [{"sentence": i, "propositions": one} for i, one in enumerate(GROUPS, 1)]}
        ),
        json.dumps({str(i): one for i, one in enumerate(GROUPS, 1)}),
        json.dumps(GROUPS),
        "```json\n"
        + json.dumps({"propositions": [one for each in GROUPS for one in each]})
        + "\n```",
        json.dumps(
            [
                {"sentence": i, "proposition": one}
                for i, each in enumerate(GROUPS, 1)
                for one in each
            ]
        ),
        "\n".join(f"- {one}" for each in GROUPS for one in each),
        "\n".join(one for each in GROUPS for one in each),
    ],
)
def test_every_usual_form_gives_the_same_propositions(text: str) -> None:
    assert said(text) == GROUPS
    assert not [flaw for _, flaw in fates(text)]


def test_groups_in_another_order_are_aligned_by_their_words() -> None:
    assert said(written([LIGHT, CAPTAIN, FERRY])) == GROUPS
    assert {row["aligned_by"] for row in rows(written([LIGHT, CAPTAIN, FERRY]))} == {"overlap"}


def test_numbers_of_groups_take_precedence_over_their_order() -> None:
    text = "\n".join(
        group(one, opening=f"<s{i}>") for i, one in [(3, LIGHT), (1, FERRY), (2, CAPTAIN)]
    )
    assert said(text) == GROUPS
    assert {row["aligned_by"] for row in rows(text)} == {"number"}


@pytest.mark.parametrize(
    ("text", "expected", "fate"),
    [
        # no closing tag, in the middle and at the end
        ("<s>\n- {0}\n- {1}\n<s>\n- {2}\n</s>\n<s>\n- {3}\n</s>", GROUPS, [(0, "not_closed")] * 2),
        ("<s>\n- {0}\n- {1}\n</s>\n<s>\n- {2}\n</s>\n<s>\n- {3}\n", GROUPS, [(2, "not_closed")]),
        # no opening tag
        ("- {0}\n- {1}\n</s>\n<s>\n- {2}\n</s>\n<s>\n- {3}\n</s>", GROUPS, [(0, "not_opened")] * 2),
        # a group too few, in the middle
        ("<s>\n- {0}\n- {1}\n</s>\n<s>\n- {3}\n</s>", [FERRY, [], LIGHT], [(1, "no_group")]),
        # an empty group
        ("<s>\n- {0}\n- {1}\n</s>\n<s>\n</s>\n<s>\n- {3}\n</s>", [FERRY, [], LIGHT], [(1,
        "empty_group")]),
        ("<s>\n- {0}\n- {1}\n</s>\n<s/>\n<s>\n- {3}\n</s>", [FERRY, [], LIGHT], [(1,
        "empty_group")]),
        # cut by max_tokens, within a proposition
        ("<s>\n- {0}\n- {1}\n</s>\n<s>\n- Ann Ho", [FERRY, ["Ann Ho"], []], [(1, "cut"), (2,
        "no_group")]),
        # a group too many
        (
            "<s>\n- {0}\n- {1}\n</s>\n<s>\n- {2}\n</s>\n<s>\n- {3}\n</s>\n<s>\n- Mars has"
            " moons.\n</s>",
            [*GROUPS, ["Mars has moons."]],
            [(None, "no_sentence")],
        ),
        # one sentence in two groups
        ("<s>\n- {0}\n</s>\n<s>\n- {1}\n</s>\n<s>\n- {2}\n</s>\n<s>\n- {3}\n</s>", GROUPS, []),
        # listed beside the groups
        ("<s>\n- {0}\n- {1}\n</s>\n<s>\n- {2}\n</s>\n<s>\n</s>\n- {3}", GROUPS, [(2, "empty_group"),
        (2, "outside_groups")]),
    ],
)  # fmt: skip
def test_a_broken_answer_keeps_its_whole_propositions_and_names_its_flaws(
    text: str, expected: list[list[str]], fate: list[tuple[int | None, str]]
) -> None:
    text = text.format(*(one for each in GROUPS for one in each))
    assert said(text) == expected
    assert fates(text) == fate


def test_a_nested_group_counts_as_not_closed() -> None:
    text = f"<s>\n- {FERRY[0]}\n<s>\n- {CAPTAIN[0]}\n</s>\n</s>\n<s>\n- {LIGHT[0]}\n</s>"
    assert said(text) == [FERRY[:1], CAPTAIN, LIGHT]


@pytest.mark.parametrize(
    ("text", "flaw"), [("", "no_text"), (" \n", "no_text"), ("<s>\n</s>", "no_group")]
)
def test_every_sentence_without_a_proposition_has_a_row_with_a_flaw(text: str, flaw: str) -> None:
    found = rows(text)
    assert {row["sentence_index"] for row in found} == {0, 1, 2}
    assert all(row["proposition"] == "" and row["sentence"] for row in found)
    assert flaw in {row["flaw"] for row in found}


def test_a_refusal_belongs_to_no_sentence() -> None:
    found = rows("I'm sorry, but as an assistant I cannot help with that request.")
    assert {row["flaw"] for row in found} == {"no_sentence", "no_group"}


def test_a_continuation_line_belongs_to_the_proposition_before_it() -> None:
    assert (
        said(
            f"<s>\n- The ferry Solveig was\n  built in 1961.\n- {FERRY[1]}\n</s>\n"
            + written(GROUPS[1:])
        )
        == GROUPS
    )


@pytest.mark.slow
def test_an_endless_answer_is_read_in_part_and_flagged() -> None:
    found = rows(written([FERRY]) * 5000)
    assert [row["flaw"] for row in found if row["flaw"] == "too_many"] == ["too_many"]
    assert len(found) < 2000


def test_a_structured_answer_is_aligned_by_words() -> None:
    answer = {"answers": [{"proposition": one} for each in GROUPS for one in each]}
    found = KIND.read(answer, ROW)
    assert not isinstance(found, Malformed)
    assert [row["sentence_index"] for row in found] == [0, 0, 1, 2]


@pytest.mark.slow
@settings(max_examples=200)
@given(
    groups=st.lists(
        st.lists(
            st.from_regex(r"[A-Z][a-z]{2,8}( [a-z0-9]{1,8}){0,5}\.", fullmatch=True), max_size=4
        ),
        min_size=3,
        max_size=3,
    )
)
def test_no_proposition_of_a_whole_answer_is_lost(groups: list[list[str]]) -> None:
    found = [one for row in rows(written(groups)) for one in row["proposition"].split("\n") if one]
    assert sorted(found) == sorted(one for each in groups for one in each)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    bits=st.lists(
        st.sampled_from(["<s>", "</s>", "<s>\n", "</s>\n", "- ", "\n", FERRY[0], CAPTAIN[0],
        LIGHT[0], "<s2>", "{", "[", '"', "```"]),
        max_size=30,
    )
)  # fmt: skip
def test_every_sentence_has_a_row_and_a_place_whatever_the_answer(bits: list[str]) -> None:
    found = rows("".join(bits))
    assert {row["sentence_index"] for row in found if row.get("sentence_index") is not None} == {
        0,
        1,
        2,
    }
    for row in found:
        assert row["proposition"] or row["flaw"]
        if row.get("start") is not None:
            assert TEXT[row["start"] : row["end"]] == row["sentence"]
