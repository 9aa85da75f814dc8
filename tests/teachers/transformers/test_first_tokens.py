"""Tests of the most likely first tokens, from which a judge's verdict is read, by backend."""

from __future__ import annotations

import asyncio
import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
from support.transformers_teacher import ask
from support.vllm import completed, request
from support.vllm_engine import Engine, client

from synthkd.requests import Completion, Request, Sampling
from synthkd.teachers.remote.responses import parse_answers

LIKELIEST = {"top_logprobs": 5}


def of_body(logprobs: Any, text: str = "Yes") -> Any:
    """Return the first tokens that are kept of a choice with these log-probabilities."""
    asked = Request("who", ({"role": "user", "content": "x"},), Sampling(), (0,), "i")
    choice = {
        "index": 0,
        "message": {"content": text},
        "finish_reason": "stop",
        "logprobs": logprobs,
    }
    (answer,) = parse_answers(asked, {"choices": [choice]}, None, None)
    assert isinstance(answer, Completion)
    return None if answer.first_tokens is None else json.loads(answer.first_tokens)


def place(token: str, logprob: float | None, **likeliest: float) -> dict[str, Any]:
    tops = [{"token": t, "logprob": v, "bytes": None} for t, v in likeliest.items()]
    return {"token": token, "logprob": logprob, "top_logprobs": tops}


def test_a_chat_has_them_in_its_content_from_the_likeliest_down() -> None:
    assert of_body({"content": [place("Yes", -0.5, No=-2.0, Yes=-0.5)]}) == [
        ["Yes", -0.5],
        ["No", -2.0],
    ]


def test_a_drawn_token_that_is_not_among_the_likeliest_is_added() -> None:
    assert of_body({"content": [place("Well", -9.0, Yes=-0.1)]}, "Well") == [
        ["Yes", -0.1],
        ["Well", -9.0],
    ]


def test_blank_tokens_are_passed_over() -> None:
    found = of_body({"content": [place("\n", -0.1, Yes=-3), place("No", -0.2, No=-0.2)]}, "No")
    assert found == [["No", -0.2]]


def test_a_plain_completion_has_them_as_a_mapping() -> None:
    found = of_body(
        {
            "tokens": [" No"],
            "token_logprobs": [-0.4],
            "top_logprobs": [{" No": -0.4, " Yes": -1.2}],
        },
        "No",
    )
    assert found == [[" No", -0.4], [" Yes", -1.2]]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": []},
        {"content": [place("Yes", -0.1)]},
        {"tokens": ["Yes"], "token_logprobs": [-0.1]},
        {"tokens": ["Yes"], "token_logprobs": [-0.1], "top_logprobs": None},
        {"tokens": ["Yes"], "token_logprobs": [None], "top_logprobs": [None]},
    ],
)
def test_a_server_that_gives_none_leaves_the_place_empty(logprobs: Any) -> None:
    assert of_body(logprobs) is None


def test_a_token_without_a_number_is_left_out() -> None:
    assert of_body({"content": [place("Yes", None, No=-1.0)]}) == [["No", -1.0]]


@pytest.mark.slow
def test_a_local_checkpoint_gives_the_likeliest_of_its_own_distribution() -> None:
    asked: dict[str, Any] = {"temperature": 0.0, "logprobs": True, "extra_body": LIKELIEST}
    for answer in ask(["dog can"], n=1, **asked).values():
        assert isinstance(answer, Completion)
        found = json.loads(answer.first_tokens or "")
        assert len(found) == 5
        assert answer.text.strip().startswith(found[0][0].strip())
        assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
        assert 0.2 < sum(math.exp(value) for _, value in found) <= 1
    for answer in ask(["dog can"], n=1, temperature=0.0, logprobs=True).values():
        assert isinstance(answer, Completion)
        assert answer.first_tokens is None


class Judging(Engine):
    async def generate(self, prompt: dict[str, Any], params: Any, name: str) -> Any:
        async for found in super().generate(prompt, params, name):
            for output in found.outputs:
                output.logprobs = [
                    {1: SimpleNamespace(logprob=-0.1, decoded_token=" "),
                    3: SimpleNamespace(logprob=-3, decoded_token="No")},
                    {3: SimpleNamespace(logprob=-2.0, decoded_token="No"),
                    2: SimpleNamespace(logprob=-0.2, decoded_token="Yes")},
                ]  # fmt: skip
            yield found


def test_vllm_in_this_process_is_asked_for_them_and_gives_the_first_that_is_not_blank() -> None:
    made = Judging()
    (answer,) = completed(
        asyncio.run(client(made).send(request(logprobs=True, extra_body=LIKELIEST)))
    )
    assert made.asked[0][1].logprobs == 5
    assert json.loads(answer.first_tokens or "") == [["Yes", -0.2], ["No", -2.0]]
