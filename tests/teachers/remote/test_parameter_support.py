"""Tests that the forms a server refuses are learnt once, and remembered for the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.ask_teacher import (
    ask,
    completed,
    failure,
    numbered,
    request,
    teacher,
)
from support.hostile_server import Hostile, Peer, good

from synthkd.errors import TeacherError
from synthkd.requests import Completion, Failure
from synthkd.teachers.remote.parameter_support import refused_parameter, remedy_for


def refusing(
    message: str, when: Callable[[dict[str, Any]], bool], bodies: list[dict[str, Any]], **more: Any
) -> Hostile:
    """Refuse with a 400 what ``when`` says, and answer all else."""

    def answer(peer: Peer) -> None:
        bodies.append(peer.asked)
        if when(peer.asked):
            peer.reply({"error": {"message": message, **more}}, 400)
        else:
            peer.reply(good())

    return Hostile(answer)


OLD = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
    " 'max_completion_tokens' instead."
)
NEW = "Unrecognized request argument supplied: max_completion_tokens"


@pytest.mark.parametrize(
    ("message", "refused", "sampling"),
    [(OLD, "max_tokens", {}), (NEW, "max_completion_tokens", {"reasoning_effort": "low"})],
)
def test_the_name_of_the_limit_is_learnt_from_one_refusal(
    message: str, refused: str, sampling: Any
) -> None:
    bodies: list[dict[str, Any]] = []
    asked = [
        request(({"role": "user", "content": str(i)},), max_tokens=12, **sampling) for i in range(3)
    ]
    with refusing(message, lambda body: refused in body, bodies) as server:
        assert len(completed(ask(teacher(server.url, concurrency=1), *asked))) == 3
    assert [refused in body for body in bodies] == [True, False, False, False]
    other = {"max_tokens", "max_completion_tokens"} - {refused}
    assert all(body[name] == 12 for body in bodies[1:] for name in other)


def test_a_server_that_takes_neither_name_says_so() -> None:
    bodies: list[dict[str, Any]] = []
    with (
        refusing(
            "'max_tokens' and 'max_completion_tokens' are not supported", lambda _: True, bodies
        ) as server,
        pytest.raises(TeacherError, match=r"teacher\.token_limit"),
    ):
        ask(teacher(server.url), request())
    assert len(bodies) == 2


def test_the_name_of_the_limit_can_be_set() -> None:
    bodies: list[dict[str, Any]] = []
    with refusing(OLD, lambda body: "max_tokens" in body, bodies) as server:
        completed(ask(teacher(server.url, token_limit="max_completion_tokens"), request()))
    assert len(bodies) == 1


def test_a_limit_out_of_range_is_no_matter_of_its_name() -> None:
    bodies: list[dict[str, Any]] = []
    message = "max_tokens is too large: 9000. This model supports at most 4096 completion tokens."
    with refusing(message, lambda _: True, bodies, param="max_tokens") as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.detail, len(bodies)) == ("http_400", message, 1)


@pytest.mark.parametrize(
    "message",
    [
        "Only one completion choice is allowed",
        "'n' : number must be at most 1",
        "Multiple candidates is not enabled for this model",
        "Extra inputs are not permitted: n",
        "bad request",
    ],
)
def test_a_server_that_refuses_several_choices_is_asked_for_each(message: str) -> None:
    bodies: list[dict[str, Any]] = []
    with refusing(message, lambda body: "n" in body, bodies) as server:
        asked = [request(({"role": "user", "content": str(i)},), (0, 1, 2)) for i in range(2)]
        found = completed(ask(teacher(server.url, concurrency=1), *asked))
    assert sorted((answer.request_id, answer.sample_index) for answer in found) == sorted(
        (one.request_id, index) for one in asked for index in (0, 1, 2)
    )
    # Learnt once; each sample has a seed of its own.
    assert ["n" in body for body in bodies].count(True) == 1
    assert sorted(body["seed"] for body in bodies if "n" not in body) == [0, 0, 1, 1, 2, 2]


def test_a_request_that_fares_no_better_alone_fails_with_the_servers_first_words() -> None:
    bodies: list[dict[str, Any]] = []
    with refusing("the prompt is odd", lambda _: True, bodies) as server:
        found = ask(teacher(server.url), request(indexes=(0, 1)))
    assert [(answer.reason, answer.detail) for answer in found if isinstance(answer, Failure)] == [
        ("http_400", "the prompt is odd")
    ] * 2
    assert len(bodies) == 2


@pytest.mark.parametrize(
    ("message", "param", "told"),
    [
        ("Unsupported value: 'temperature' does not support 0.7. Only the default (1) value is"
            " supported.",
         "temperature", "teacher.sampling.temperature: set it to 1"),
        ("invalid temperature: only 1 is allowed for this model", "",
        "teacher.sampling.temperature: set it to 1"),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this"
            " model.", "messages[0].role",
         "leave `system:` out of the template's head"),
        ("System role not supported", "", "leave `system:` out of the template's head"),
        ("Developer instruction is not enabled for models/gemma", "", "leave `system:` out of the"
            " template's head"),
        ("Conversation roles must alternate user/assistant", "", "leave `system:` out of the"
            " template's head"),
        ("This response_format type is unavailable now", "", "teacher.structured"),
        ("logprobs are not supported", "", "teacher.sampling.logprobs: set it to false"),
        ("top_p not supported with this model", "", "teacher.sampling.top_p: leave it out"),
    ],
)  # fmt: skip
def test_a_server_that_refuses_a_setting_ends_the_run_at_once_with_what_to_set(
    message: str, param: str, told: str
) -> None:
    bodies: list[dict[str, Any]] = []
    with (
        refusing(message, lambda _: True, bodies, param=param) as server,
        pytest.raises(TeacherError) as caught,
    ):
        ask(teacher(server.url, concurrency=1), *numbered(30))
    assert told in str(caught.value)
    assert message[:30] in str(caught.value)
    assert len(bodies) == 1


def test_once_a_server_has_answered_what_it_refuses_is_the_matter_of_one_request() -> None:
    bodies: list[dict[str, Any]] = []
    message = "Unsupported value: 'temperature' is not supported here"
    with refusing(
        message, lambda body: body["messages"][0]["content"] == "1", bodies, param="temperature"
    ) as server:
        found = ask(teacher(server.url, concurrency=1), *numbered(3))
    assert len(found) == 3
    (failed,) = [answer for answer in found if isinstance(answer, Failure)]
    assert "teacher.sampling.temperature" in failed.detail


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        ("`temperature` may only be set to 1 when thinking is enabled", "temperature"),
        ("Extra inputs are not permitted: n", "n"),
        ("Unrecognized argument supplied: n", "n"),
        ("Unknown parameter 'n'.", "n"),
    ],
)
def test_the_parameter_that_a_refusal_names_is_known(message: str, parameter: str) -> None:
    assert refused_parameter(message, "") == parameter


@pytest.mark.parametrize(
    "message", ["", "no", "the text holds n words", "rate limited", "temperature in Paris"]
)
def test_words_that_name_no_parameter_teach_nothing(message: str) -> None:
    assert refused_parameter(message, "") == ""
    assert remedy_for(refused_parameter(message, "")) == ""


# Errors beside answers, and statuses


def test_an_error_beside_choices_is_no_completion() -> None:
    body = good("half an ans") | {"error": {"code": 400, "message": "upstream closed the stream"}}
    with Hostile(lambda peer: peer.reply(body)) as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.detail) == ("http_400", "upstream closed the stream")


@pytest.mark.parametrize(
    "nothing", [None, {}, "", 0, False, {"code": 0, "message": ""}, {"code": "success"}]
)
def test_a_field_error_that_says_nothing_is_none(nothing: Any) -> None:
    with Hostile(lambda peer: peer.reply(good() | {"error": nothing})) as server:
        assert completed(ask(teacher(server.url), request()))[0].text == "bread"


def test_an_error_within_a_choice_keeps_the_code_and_words_of_the_provider() -> None:
    choice = {
        "index": 0, "finish_reason": "error", "message": {"content": "half"},
        "error": {"code": "overloaded_x", "message": "Provider returned error",
        "metadata": {"raw": "GPU fell off"}},
    }  # fmt: skip
    with Hostile(lambda peer: peer.reply(good(choices=[choice]))) as server:
        found = failure(ask(teacher(server.url, attempts=1), request()))
    assert "overloaded_x" in found.detail
    assert "GPU fell off" in found.detail


def test_a_choice_that_is_refused_for_good_fails_alone() -> None:
    asked: list[int] = []

    def answer(peer: Peer) -> None:
        asked.append(peer.asked["n"])
        whole = [good(str(index))["choices"][0] | {"index": index} for index in range(3)]
        whole[1] |= {
            "finish_reason": "error",
            "error": {"code": "content_filter", "message": "filtered midway"},
        }
        peer.reply({"choices": whole})

    with Hostile(answer) as server:
        found = ask(teacher(server.url), request(indexes=(0, 1, 2)))
    texts = {
        a.sample_index: a.text if isinstance(a, Completion) else (a.reason, a.permanent, a.tokens)
        for a in found
    }
    assert texts == {0: "0", 1: ("content_filter", True, None), 2: "2"}
    assert asked == [3]


@pytest.mark.parametrize(
    "reason", ["error", "abort", "network_error", "insufficient_system_resource"]
)
def test_a_choice_that_was_broken_off_is_asked_again_and_the_others_are_kept(reason: str) -> None:
    asked: list[list[int]] = []

    def answer(peer: Peer) -> None:
        first = peer.asked["seed"]
        asked.append(list(range(first, first + peer.asked["n"])))
        whole = [
            good(str(index))["choices"][0] | {"index": place}
            for place, index in enumerate(asked[-1])
        ]
        if len(asked) == 1:
            whole[1]["finish_reason"] = reason
        peer.reply({"choices": whole})

    with Hostile(answer) as server:
        found = completed(ask(teacher(server.url), request(indexes=(0, 1, 2))))
    assert [answer.text for answer in found] == ["0", "1", "2"]
    assert asked == [[0, 1, 2], [1]]


@pytest.mark.parametrize(("reason", "name"), [("SAFETY", "content_filter"), ("refusal", "refusal")])
def test_a_text_that_was_withheld_is_a_failure_in_the_providers_word(
    reason: str, name: str
) -> None:
    choice = good()["choices"][0] | {"finish_reason": reason}
    with Hostile(lambda peer: peer.reply(good(choices=[choice]))) as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.permanent) == (name, True)
    assert reason in found.detail


@pytest.mark.parametrize(
    "reason", ["stopped_by_admin", "tool_calls", {"type": "length", "length": 4}]
)
def test_a_reason_that_is_not_known_to_mean_whole_is_kept_as_it_is(reason: Any) -> None:
    choice = good()["choices"][0] | {"finish_reason": reason}
    with Hostile(lambda peer: peer.reply(good(choices=[choice]))) as server:
        (answer,) = ask(teacher(server.url), request())
    assert isinstance(answer, Completion)
    assert answer.finish_reason == (reason if isinstance(reason, str) else "length")


@pytest.mark.parametrize("status", [201, 203])
def test_an_answer_may_come_with_another_status_of_success(status: int) -> None:
    with Hostile(lambda peer: peer.reply(good(), status)) as server:
        assert completed(ask(teacher(server.url), request()))[0].text == "bread"


def test_a_redirect_says_what_to_set() -> None:
    to = "/api/v1/chat/completions?key=sk-1234567890abcdef"
    with Hostile(lambda peer: peer.reply(b"", 308, location=to)) as server:
        found = failure(ask(teacher(server.url), request()))
        root = server.url.removesuffix("/v1")
    assert f"set teacher.base_url to {root}/api/v1 if you trust it" in found.detail
    assert "sk-1234" not in found.detail
