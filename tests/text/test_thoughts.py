"""A reasoning model's thoughts never reach a kind."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.kinds.answer_schema import answer_model
from synthkd.kinds.base import Malformed
from synthkd.kinds.event import EventKind
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.structured_answers import read_structured_answer
from synthkd.text.thoughts import NAMES, SplitReply, answer_tokens, opened_by, split_thoughts

HARMONY = (
    "<|channel|>analysis<|message|>We need a"
    " use.<|end|><|start|>assistant<|channel|>final<|message|>to row<|return|>"
)


@pytest.mark.parametrize(
    "reply",
    [
        "<think>\nA use of it.\n</think>\n\nto row",
        "A use of it.\n</think>\n\nto row",
        "</think>to row",
        "<think></think>to row",
        "<think/>to row",
        "<THINK>loud</THINK> to row",
        "< think >blanks</ think >\nto row",
        '<think duration="3 s">long</think>to row',
        "<thinking>hm</thinking>\nto row",
        "<reasoning>hm</reasoning>to row",
        "<reason>hm</reason>to row",
        "<thought>hm</thought>to row",
        "<seed:think>hm<seed:cot_budget_reflect>2 left</seed:cot_budget_reflect></seed:think>"
        "to row",
        "[THINK]hm[/THINK]to row",
        "◁think▷hm◁/think▷to row",
        "<think>one</think><think>two</think>to row",
        "<think>one <think>two</think> three</think>to row",
        "<think>\n<think>\ntwice</think>to row",
        "<think>a draft: to swim</think>\nto swim<think>no, wait</think>\nto row",
        "Here we go.\n<think>hm</think>\nto row",
        "<think>hm</think><answer>to row</answer>",
        "<think>hm</think>\n<answer>\nto row",
        "<think>I must end with `</think>` and say it.</think>to row",
        "<think>they ask about the <think> tag</think>to row",
        "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>to row<|END_RESPONSE|>",
        "<think>hm</think><answer>to row</answer>\n<note>x</note>",
        "<think>a `b` c</think>`to row`",
        "<think>hm</think>\n<|begin_of_box|>to row<|end_of_box|>",
        "<unused94>thought\nhm<unused95>to row",
        "<|begin_of_thought|>hm<|end_of_thought|><|begin_of_solution|>to row<|end_of_solution|>",
        "<|channel>thought\nhm<channel|>to row",
        HARMONY,
        "analysisWe need a use of it.assistantfinalto row",
        '<details type="reasoning" done="true"><summary>Thought for 2 s</summary>hm</details>'
        "\nto row",
        "Here is my thought process: hm.\nHere is my response: to row",
        "&lt;think&gt;hm&lt;/think&gt;to row",
    ],
)  # fmt: skip
def test_the_answer_is_the_text_behind_the_thoughts(reply: str) -> None:
    found = split_thoughts(reply)
    assert (found.text.strip(" `"), found.unclosed) == ("to row", False)
    # Once taken off, there is nothing left to take off.
    assert split_thoughts(found.text) == SplitReply(found.text)


@pytest.mark.parametrize(
    "reply",
    [
        "<think>\nA pen, well",
        "  <thinking>A pen",
        "[THINK]A pen",
        "to row <think> no, wait",
        "<think>one</think>to row<think>two",
        "◁think▷A pen",
        "<|channel|>analysis<|message|>We need",
        "analysisWe need a use of it",
        "<|START_THINKING|>A pen",
        "Here is my thought process: A pen",
    ],
)
def test_thoughts_without_an_end_leave_no_answer(reply: str) -> None:
    assert split_thoughts(reply) == SplitReply("", reply, unclosed=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "to row",
        "thinking hard",
        "I think, therefore I am",
        "a < b and b > c",
        "[thoughtful] a gift",
        "The model writes `<think>` first.",
        'It puts "<think>" before what it means.',
        "The <think> tag marks reasoning, and the </think> tag ends it.",
        "Reasoning stands in `<think>…</think>` here.",
        "analysis of data",
        "Analysis: good",
        "<answer>to row</answer>",
        "<p>to row</p>",
        "assistantfinal",
        "<thinker>",
        "to row\n<details><summary>why</summary>oars</details>",
        "a <details> element, then its </details>",
    ],
)
def test_an_answer_that_mentions_tags_or_thinking_is_unchanged(text: str) -> None:
    assert split_thoughts(text) == SplitReply(text)


def test_thoughts_split_off_by_the_server_are_kept() -> None:
    assert split_thoughts("to row", "A use of it.") == SplitReply("to row", "A use of it.")


@pytest.mark.slow
@given(
    st.sampled_from(NAMES),
    st.sampled_from([str, str.upper, str.title]),
    st.text(
        st.characters(blacklist_characters="<>[]◁▷`'\"“‘„«「&", blacklist_categories=["Cs"]),
        max_size=40,
    ),
    st.booleans(),
)
@settings(max_examples=60)
def test_whatever_the_thoughts_say_the_answer_is_the_same(
    name: str, case: object, thoughts: str, opened: bool
) -> None:
    tag = case(name)  # type: ignore[operator]
    reply = (f"<{tag}>" if opened else "") + thoughts + f"</{tag}>\nto row"
    assert split_thoughts(reply).text == "to row"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ('<details type="reasoning">hm <details>in it</details> hm</details>to row', "to row"),
        (
            '<details type="reasoning">hm</details>to row <details>and more</details>',
            "to row <details>and more</details>",
        ),
        (
            '<details type="reasoning">a</details><details type="reasoning">b</details>to row',
            "to row",
        ),
    ],
)
def test_only_a_block_of_thoughts_counts_as_thoughts(reply: str, answer: str) -> None:
    assert split_thoughts(reply).text == answer


@pytest.mark.parametrize("start", ["<", "[", "◁", "<think", "<think>hm</think>to row", "&lt;/"])
def test_endless_blanks_take_linear_time(start: str) -> None:
    begin = time.perf_counter()
    assert not split_thoughts(start + " \n" * 3000 + "x").unclosed
    assert time.perf_counter() - begin < 1


def test_endless_marks_take_linear_time() -> None:
    begin = time.perf_counter()
    assert split_thoughts("hm" + "assistantfinal" * 20_000 + "to row").text.endswith("to row")
    assert split_thoughts("analysisWe " + "assistantfinal" * 20_000 + "to row").text == "to row"
    assert time.perf_counter() - begin < 1


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_any_text_can_be_split(text: str) -> None:
    found = split_thoughts(text)
    assert split_thoughts(found.text).text.strip() == found.text.strip()


@pytest.mark.parametrize(
    "kind", [EventKind(), LabelledTextKind(), RationaleKind()], ids=lambda k: k.name
)
def test_no_kind_gets_thoughts(kind: object) -> None:
    row = {
        "head": "oar",
        "relation": "UsedFor",
        "label": "praise",
        "question": "How many are 3 and 4?",
    }
    plain, thought = (
        "3 + 4 = 7. The answer is 7.",
        "<think>The answer is 8.</think>\n3 + 4 = 7. The answer is 7.",
    )
    assert kind.parse(thought, row) == kind.parse(plain, row)  # type: ignore[attr-defined]
    found = kind.parse("<think>The answer is 8.", row)  # type: ignore[attr-defined]
    assert isinstance(found, Malformed)
    assert found.reason == "only_thoughts"
    found = kind.parse("<think>The answer is 8.</think>\n", row)  # type: ignore[attr-defined]
    assert isinstance(found, Malformed)
    assert found.reason == "only_thoughts"


@pytest.mark.parametrize(
    "reply",
    [
        '<think>{"tail": "to swim"} is wrong</think>{"tail": "to row"}',
        '{"tail": "to swim"}, no.</think>\n```json\n{"tail": "to row"}\n```',
        '{"tail": "<think>to swim? no</think>to row"}',
    ],
)
def test_a_structured_answer_may_follow_thoughts(reply: str) -> None:
    found = read_structured_answer(reply, answer_model(["tail"], several=False))
    assert not isinstance(found, Malformed)
    assert found.value == {"tail": "to row"}


@pytest.mark.parametrize(
    "reply", ['<think>{"tail": "to swim"}', '{"tail": "<think>to swim"}', "<think>a</think>"]
)
def test_a_structured_answer_of_thoughts_alone_is_malformed(reply: str) -> None:
    found = read_structured_answer(reply, answer_model(["tail"], several=False))
    assert isinstance(found, Malformed)
    assert found.reason == "only_thoughts"


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>"),
        ("…[/INST][THINK]", "[THINK]"),
        ("<|im_start|>assistant\n", ""),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
    ],
)
def test_a_prompt_that_opens_the_thoughts_is_recognised(prompt: str, tag: str) -> None:
    assert opened_by(prompt) == tag


@pytest.mark.parametrize(
    ("tokens", "answer", "place"),
    [
        (["to", " row"], "to row", (0, 2)),
        (["<think>", "to row", "</think>", "\n\n", "to", " row", "<|im_end|>"], "to row", (4, 6)),
        (["No", ", wait", "Yes", "</s>"], "Yes", (2, 3)),
        (["Yes\n", "\n"], "Yes", (0, 1)),
        (["</think>Yes"], "Yes", None),
        (["Yes", " and", " more"], "Yes", None),
        (["\ufffd", "\ufffd"], "é", None),
        (["a"], "", None),
    ],
)
def test_the_tokens_of_an_answer_are_found_among_those_of_the_reply(
    tokens: list[str], answer: str, place: tuple[int, int] | None
) -> None:
    assert answer_tokens(tokens, answer) == place


@pytest.mark.parametrize(
    "tag",
    [
        "chain-of-thought",
        "ChainOfThought",
        "thought process",
        "Thinking_Process",
        "|think|",
        "analysis",
        "longcat_think",
    ],
)
def test_names_of_thoughts_are_read_however_they_are_joined(tag: str) -> None:
    closing = f"<|/{tag[1:]}>" if tag.startswith("|") else f"</{tag}>"
    assert split_thoughts(f"<{tag}>first{closing} bark") == SplitReply(
        "bark", f"<{tag}>first{closing}"
    )


@pytest.mark.parametrize(
    "end",
    [
        "</s>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<end_of_turn>",
        "<|im_end|>\n<|im_start|>user\nNext: oak",
    ],
)
@pytest.mark.parametrize("before", ["", "<think>hm</think>"])
def test_a_token_that_ends_a_reply_is_not_part_of_the_answer(before: str, end: str) -> None:
    assert split_thoughts(f"{before}bark{end}").text == "bark"


def test_struck_out_text_stays() -> None:
    assert split_thoughts("<s>oak</s> bark").text == "<s>oak</s> bark"
