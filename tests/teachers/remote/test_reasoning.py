"""Tests that thoughts, in any form, are no part of a text, its log-probability or its tokens."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from support.ask_teacher import request
from support.vllm_engine import Engine, client

from synthkd.requests import Answer, Completion, Failure
from synthkd.teachers.remote.responses import parse_answers


def read(message: Any, **choice: Any) -> Answer:
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": message} | choice]}
    body["usage"] = {"prompt_tokens": 5, "completion_tokens": 7}  # type: ignore[assignment]
    (answer,) = parse_answers(request(), body, None, None)
    return answer


def text(message: Any, **choice: Any) -> tuple[str, str | None]:
    answer = read(message, **choice)
    assert isinstance(answer, Completion)
    return answer.text, answer.reasoning


PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "A use."}]},
    {"type": "text", "text": "to row"},
]


@pytest.mark.parametrize(
    "message",
    [
        {"content": "to row", "reasoning_content": "A use."},
        {"content": "to row", "reasoning": "A use."},
        {"content": "to row", "thinking": "A use."},
        {"content": "to row", "reasoning_details": [{"type": "reasoning.text", "text": "A use."}]},
        {
            "content": "to row",
            "thinking_blocks": [{"type": "thinking", "thinking": "A use.", "signature": "x"}],
        },
        {"content": PARTS},
        {"content": [{"type": "reasoning", "text": "A use."}, {"type": "text", "text": "to row"}]},
        {"content": [{"text": "A use.", "thought": True}, {"text": "to row"}]},
        {
            "content": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "A use."}]},
                "to row",
            ]
        },
    ],
)
def test_thoughts_that_stand_apart_are_kept_apart(message: Any) -> None:
    assert text(message) == ("to row", "A use.")


@pytest.mark.parametrize("content", [None, "", PARTS[:1]])
def test_thoughts_without_an_answer_are_an_empty_text(content: Any) -> None:
    assert text({"content": content, "reasoning_content": "A use."}) == ("", "A use.")


def test_a_part_of_an_unknown_type_is_no_text_and_is_named() -> None:
    answer = read({"content": [{"type": "image_caption", "text": "a boat"}]})
    assert isinstance(answer, Failure)
    assert "image_caption" in answer.detail


def test_odd_values_in_the_place_of_thoughts_are_none() -> None:
    for odd in (7, True, {}, [], [[[[[["deep"]]]]]], {"text": 3}):
        assert text({"content": "to row", "reasoning_content": odd}) == ("to row", None)


def scored(*tokens: tuple[str, float]) -> dict[str, Any]:
    return {
        "content": [
            {"token": token, "logprob": value, "top_logprobs": [{"token": token, "logprob": value}]}
            for token, value in tokens
        ]
    }


THOUGHTS = [("<think>", -1.0), ("No", -2.0), ("</think>", -1.0), ("\n\n", -1.0)]
ANSWER = [("Yes", -0.5), (".", -0.25), ("<|im_end|>", -1.0)]


@pytest.mark.parametrize(
    "message",
    [{"content": "<think>No</think>\n\nYes."}, {"content": "Yes.", "reasoning_content": "No"}],
)
def test_a_log_probability_is_that_of_the_answer_alone(message: Any) -> None:
    answer = read(message, logprobs=scored(*THOUGHTS, *ANSWER))
    assert isinstance(answer, Completion)
    assert (answer.logprob, answer.completion_tokens, answer.reasoning_tokens) == (-0.75, 7, 5)
    assert json.loads(answer.first_tokens or "") == [["Yes", -0.5]]


def test_where_the_answer_is_not_found_among_the_tokens_its_log_probability_is_unknown() -> None:
    answer = read(
        {"content": "Yes.", "reasoning_content": "No"}, logprobs=scored(*THOUGHTS, ("Y", -0.5))
    )
    assert isinstance(answer, Completion)
    assert (answer.logprob, answer.first_tokens) == (None, None)


def test_first_tokens_count_only_if_the_drawn_one_begins_the_text() -> None:
    # A server that takes thoughts out of the text without a word may leave their tokens in.
    answer = read({"content": "Yes."}, logprobs=scored(("No", -0.1), ("Yes", -0.5)))
    assert isinstance(answer, Completion)
    assert answer.first_tokens is None


class Thinking(Engine):
    async def generate(self, prompt: dict[str, Any], params: Any, name: str) -> Any:
        said = ["No", "</think>", "\n\n", "Yes"]
        async for found in super().generate(prompt, params, name):
            for output in found.outputs:
                output.text, output.token_ids = "".join(said), list(range(4))
                output.logprobs = [
                    {place: SimpleNamespace(logprob=-1.0 - place, decoded_token=token)}
                    for place, token in enumerate(said)
                ]
            yield found


def test_vllm_in_this_process_scores_the_answer_alone() -> None:
    asked = request(
        messages=({"role": "user", "content": "x"},),
        max_tokens=8,
        logprobs=True,
        extra_body={"top_logprobs": 5},
    )
    (answer,) = asyncio.run(client(Thinking()).send(asked))
    assert isinstance(answer, Completion)
    assert (answer.logprob, answer.completion_tokens, answer.reasoning_tokens) == (-4.0, 4, 3)
    assert json.loads(answer.first_tokens or "") == [["Yes", -4.0]]


def test_thoughts_that_the_template_opens_are_opened_in_the_text_too() -> None:
    # Else those that are cut would look like an answer.
    asked = request(messages=({"role": "prompt", "content": "Why? <think>"},), max_tokens=8)
    (answer,) = asyncio.run(client(Thinking()).send(asked))
    assert isinstance(answer, Completion)
    assert answer.text == "<think>\nNo</think>\n\nYes"
