"""Tests of the backend `gemini` against `generateContent` of the test server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.ask_teacher import CHAT, KEY, ask, completed, failure, request, teacher_of

from synthkd.errors import AuthenticationError, RecipeError
from synthkd.recipe import PricePart, TeacherPart
from synthkd.requests import Completion
from synthkd.secrets import Url
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.gemini import GeminiTeacher
from synthkd.teachers.gemini.format import model_path
from synthkd.teachers.gemini.teacher import GEMINI_API
from synthkd.teachers.remote.endpoint import resolve_endpoint
from synthkd.teachers.remote.error_responses import status_error
from synthkd.testing import FakeServer, FinishedAnswer, ScoredAnswer
from synthkd.testing.gemini import GeminiDialect


def api(**more: Any) -> FakeServer:
    return FakeServer(protocol="gemini", **more)


def part(**more: Any) -> TeacherPart:
    return TeacherPart.model_validate({"backend": "gemini", "model": "fake"} | more)


def test_a_chat_is_asked_as_the_reference_says() -> None:
    turns = (
        *CHAT,
        {"role": "assistant", "content": "Eating."},
        {"role": "user", "content": "And?"},
    )
    with api() as server:
        asked = request(turns, temperature=0.5, top_k=7, top_p=0.9, max_tokens=9, stop=("\n",))
        (found,) = completed(ask(teacher_of(server), asked))
    assert server.bodies == [
        {
            "generationConfig": {
                "maxOutputTokens": 9, "temperature": 0.5, "topP": 0.9, "topK": 7, "seed": 0,
                "stopSequences": ["\n"],
            },
            "systemInstruction": {"parts": [{"text": "Be short."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "What is bread for?"}]},
                {"role": "model", "parts": [{"text": "Eating."}]},
                {"role": "user", "parts": [{"text": "And?"}]},
            ],
        }
    ]  # fmt: skip
    assert (found.finish_reason, found.model, found.seed) == ("stop", "fake", 0)
    assert (found.prompt_tokens, found.completion_tokens) == (8, 2)


def test_several_samples_are_candidates_of_one_request() -> None:
    with api() as server:
        found = completed(ask(teacher_of(server), request(indexes=(0, 1, 2))))
    assert server.requests == 1
    assert len({answer.text for answer in found}) == 3
    assert [answer.prompt_tokens for answer in found] == [6, 6, 6]
    assert [answer.counts_prompt for answer in found] == [True, False, False]


def test_a_model_that_gives_one_candidate_is_asked_one_by_one_from_then_on() -> None:
    with FakeServer(protocol=GeminiDialect(single=True)) as server:
        who = GeminiTeacher(part(base_url=server.url))
        found = ask(who, request(indexes=(0, 1, 2)))
    assert [type(answer) for answer in found] == [Completion] * 3
    assert server.requests == 3, "the refusal is not counted: no answer was made"


def test_a_prompt_that_is_blocked_fails_for_all_its_samples_at_once() -> None:
    with api(rates={"400-filter": 1.0}) as server:
        found = ask(teacher_of(server), request(indexes=(0, 1)))
    assert [(one.reason, one.permanent) for one in found] == [("content_filter", True)] * 2
    assert server.requests == 1


def test_a_schema_is_sent_as_json_schema() -> None:
    schema = {"type": "object", "properties": {"tail": {"type": "string", "maxLength": 9}}}
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with api() as server:
        (found,) = completed(ask(teacher_of(server), request(response_format=shape)))
    config = server.bodies[0]["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["properties"] == {"tail": {"type": "string"}}
    assert set(json.loads(found.text)) == {"tail"}


def test_log_probabilities_and_first_tokens_are_read() -> None:
    answer = ScoredAnswer("yes indeed", {"yes": -0.1, "no": -2.5})
    with api(answer=lambda *_: answer) as server:
        asked = request(logprobs=True, extra_body={"top_logprobs": 2})
        (found,) = completed(ask(teacher_of(server), asked))
    config = server.bodies[0]["generationConfig"]
    assert (config["responseLogprobs"], config["logprobs"]) == (True, 2)
    assert found.logprob == pytest.approx(-0.1 - 0.1 * 7)
    assert json.loads(str(found.first_tokens)) == [["yes", -0.1], ["no", -2.5]]


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
        ("gemini-3-flash", "low", {"thinkingLevel": "low"}),
    ],
)
def test_an_effort_is_a_budget_or_a_level(model: str, effort: str, config: Any) -> None:
    with api() as server:
        completed(ask(teacher_of(server, model=model), request(reasoning_effort=effort)))
    assert server.bodies[0]["generationConfig"]["thinkingConfig"] == config


def test_thoughts_stand_beside_the_text() -> None:
    answer = FinishedAnswer("an answer", reasoning="a thought")
    with api(answer=lambda *_: answer) as server:
        (found,) = completed(ask(teacher_of(server), request()))
    assert (found.text, found.reasoning) == ("an answer", "a thought")


def test_tokens_of_thoughts_are_paid_beside_those_of_the_text() -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 2, "thoughtsTokenCount": 30}
    body = {
        "candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": usage,
    }
    made = GeminiTeacher(part()).wire_format().choices(body, request())
    assert made["usage"]["completion_tokens"] == 32
    assert made["usage"]["completion_tokens_details"] == {"reasoning_tokens": 30}


def test_what_the_provider_caches_by_itself_is_counted_at_its_price() -> None:
    with api() as server:
        price = {"input": 10.0, "output": 0.0, "cached": 1.0}
        who = teacher_of(server, price=price, concurrency=1)
        turns = [(CHAT[0], {"role": "user", "content": text}) for text in ("one", "two")]
        first, second = completed(ask(who, *map(request, turns)))
    assert (first.cached_tokens, second.cached_tokens) == (0, 2)
    assert first.price == pytest.approx(30 / 1e6)
    assert second.price == pytest.approx((2 + 10) / 1e6)


def test_a_cache_that_the_user_has_made_is_named_in_the_request() -> None:
    with api() as server:
        asked = request(extra_body={"cachedContent": "cachedContents/x"})
        completed(ask(teacher_of(server), asked))
    assert server.bodies[0]["cachedContent"] == "cachedContents/x"


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"regex": "a+"}, "no such parameter"),
        ({"extra_body": {"contents": []}}, "template"),
        ({"extra_body": {"generationConfig": {"maxOutputTokens": 9}}}, "budget"),
        ({"extra_body": {"generationConfig": {"candidateCount": 9}}}, "budget"),
        ({"extra_body": {"generationConfig": 3}}, "mapping"),
        ({"extra_body": {"generation_config": {}}}, "written so"),
    ],
)
def test_what_the_api_does_not_have_is_refused_before_anything_is_sent(
    sampling: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        GeminiTeacher(part(sampling=sampling))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-flash", "/models/gemini-2.5-flash"),
        ("models/x", "/models/x"),
        ("tunedModels/mine", "/tunedModels/mine"),
        ("a b?c#d", "/models/a%20b%3Fc%23d"),
    ],
)
def test_a_model_stands_in_the_path(model: str, path: str) -> None:
    assert model_path(model) == path


def test_the_table_has_the_price_of_a_model_at_the_providers_address() -> None:
    found = GeminiTeacher(part(model="models/gemini-2.5-flash")).price
    assert found == PricePart(input=0.3, output=2.5)
    assert GeminiTeacher(part(model="gemini-2.5-pro")).price is None, "by the prompt's size"


def test_the_key_of_the_environment_goes_into_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with api(key=KEY) as server:
        completed(ask(teacher_of(server), request()))
    assert server.headers[0]["x-goog-api-key"] == KEY


def test_a_wrong_key_ends_the_run_naming_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "another")
    with api(key=KEY) as server, pytest.raises(AuthenticationError, match="GEMINI_API_KEY"):
        ask(teacher_of(server), request())


def test_a_wait_in_the_details_of_an_error_is_read() -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38.5s"}
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [retry]}}
    endpoint = resolve_endpoint(Url("http://h/v1beta"), part(), GEMINI_API)
    found = status_error(endpoint, 429, {}, json.dumps(body).encode())
    assert isinstance(found, TransientError)
    assert found.retry_after == 38.5


def test_a_filtered_candidate_is_a_failure() -> None:
    with api(rates={"content-filter": 1.0}) as server:
        found = failure(ask(teacher_of(server), request()))
    assert (found.reason, found.detail) == (
        "content_filter",
        "the server withheld the text (SAFETY)",
    )
