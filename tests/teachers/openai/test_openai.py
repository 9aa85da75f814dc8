"""The OpenAI backend against a real server on loopback: what is sent, and what comes back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from support.ask_teacher import (
    CHAT,
    PLAIN,
    ask,
    completed,
    failure,
    request,
    teacher,
)

from synthkd.recipe import Recipe
from synthkd.requests import Completion, Failure
from synthkd.teachers.base import Teacher
from synthkd.teachers.dispatch.rate_limits import RateLimits
from synthkd.teachers.openai import OpenAITeacher
from synthkd.testing import FakeServer, two_words

# What is sent


def test_it_is_a_teacher(server: FakeServer) -> None:
    assert isinstance(teacher(server.url), Teacher)


def test_a_recipe_makes_one(server: FakeServer) -> None:
    recipe = Recipe.from_dict(
        {
            "name": "test",
            "inputs": {"path": "inputs.csv"},
            "teacher": {"backend": "openai", "model": "fake", "base_url": server.url},
            "corpus": {"path": "corpus"},
        }
    )
    assert OpenAITeacher.from_recipe(recipe).part.model == "fake"


def test_a_chat_is_sent_as_its_messages(server: FakeServer) -> None:
    ask(teacher(server.url), request())
    assert server.bodies[0]["messages"] == list(CHAT)


def test_a_plain_prompt_is_sent_to_a_chat_as_the_user(server: FakeServer) -> None:
    ask(teacher(server.url, chat=True), request(PLAIN))
    assert server.bodies[0]["messages"] == [{"role": "user", "content": PLAIN[0]["content"]}]


def test_without_chat_the_prompt_goes_to_plain_completions(server: FakeServer) -> None:
    (answer,) = completed(ask(teacher(server.url, chat=False), request(PLAIN)))
    assert server.bodies[0]["prompt"] == PLAIN[0]["content"]
    assert answer.text == two_words(PLAIN[0]["content"], 0, 0)


@pytest.mark.parametrize(("chat", "field"), [(None, "prompt"), (True, "messages")])
def test_a_plain_prompt_goes_to_plain_completions_unless_chat_is_asked_for(
    server: FakeServer, chat: bool | None, field: str
) -> None:
    ask(teacher(server.url, chat=chat), request(PLAIN))
    assert field in server.bodies[0]


def test_only_parameters_that_are_given_are_sent(server: FakeServer) -> None:
    ask(teacher(server.url), request(temperature=None, seed=None))
    assert set(server.bodies[0]) == {"model", "messages", "n", "max_tokens"}


def test_every_parameter_that_is_given_is_sent(server: FakeServer) -> None:
    sampling: dict[str, Any] = {
        "temperature": 0.0, "top_p": 0.9, "top_k": 40, "max_tokens": 7, "stop": ("\n",), "seed": 5,
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "extra_body": {"min_p": 0.05},
    }  # fmt: skip
    ask(teacher(server.url), request(**sampling))
    wanted = {**sampling, "stop": ["\n"], "n": 1, "min_p": 0.05}
    del wanted["extra_body"]
    assert {name: server.bodies[0].get(name) for name in wanted} == wanted


def test_samples_bought_later_are_sent_with_another_seed(server: FakeServer) -> None:
    first = completed(ask(teacher(server.url), request(indexes=(0, 1, 2), seed=7)))
    later = completed(ask(teacher(server.url), request(indexes=(3, 4), seed=7)))
    assert [body["seed"] for body in server.bodies] == [7, 10]
    assert [answer.seed for answer in first + later] == [7, 7, 7, 10, 10]
    assert {answer.text for answer in first} != {answer.text for answer in later}


def test_a_gap_in_the_samples_is_not_bridged_by_one_seed(server: FakeServer) -> None:
    # Servers give choice i the seed plus i: one request over a gap would buy sample 1 again.
    answers = completed(ask(teacher(server.url), request(indexes=(0, 5, 6), seed=7)))
    assert [(body["seed"], body["n"]) for body in server.bodies] == [(7, 1), (12, 2)]
    assert [answer.sample_index for answer in answers] == [0, 5, 6]


def test_without_a_seed_a_gap_costs_no_further_request(server: FakeServer) -> None:
    ask(teacher(server.url), request(indexes=(0, 5, 6), seed=None))
    assert [body["n"] for body in server.bodies] == [3]


# What comes back


def test_every_sample_of_every_request_is_answered_once(server: FakeServer) -> None:
    asked = [request(({"role": "user", "content": str(i)},), (0, 1, 2)) for i in range(20)]
    answers = completed(ask(teacher(server.url), *asked))
    assert {a.key for a in answers} == {f"{one.request_id}-{i}" for one in asked for i in (0, 1, 2)}
    assert (len(answers), server.requests) == (60, 20)


def test_answers_bear_the_sample_indexes_that_were_asked_for(server: FakeServer) -> None:
    asked = request(indexes=(4, 5, 6))
    answers = completed(ask(teacher(server.url), asked))
    prompt = "\n".join(message["content"] for message in CHAT)
    assert [(a.request_id, a.sample_index) for a in answers] == [
        (asked.request_id, i) for i in (4, 5, 6)
    ]
    assert [a.text for a in answers] == [two_words(prompt, place, 4) for place in range(3)]


@pytest.mark.parametrize("chat", [True, False])
def test_log_probabilities_are_summed_over_the_tokens(server: FakeServer, chat: bool) -> None:
    (answer,) = completed(ask(teacher(server.url, chat=chat), request(PLAIN, logprobs=True)))
    tokens = answer.text.split()
    assert server.bodies[0]["logprobs"] is (True if chat else server.bodies[0]["logprobs"])
    assert chat or server.bodies[0]["logprobs"] == 1
    assert answer.logprob == pytest.approx(sum(-0.1 * (len(token) + 1) for token in tokens))
    assert answer.completion_tokens == len(tokens)


def test_without_log_probabilities_the_counted_tokens_are_shared_out() -> None:
    with FakeServer(
        answer=lambda prompt, index, seed: "one two three four" if index else "one"
    ) as server:
        answers = completed(ask(teacher(server.url), request(indexes=(0, 1, 2))))
    assert [answer.completion_tokens for answer in answers] == [3, 3, 3]
    assert {answer.logprob for answer in answers} == {None}


def test_the_remainder_of_shared_tokens_goes_to_the_first() -> None:
    with FakeServer(answer=lambda prompt, index, seed: "a b c" if index == 0 else "a") as server:
        answers = completed(ask(teacher(server.url), request(indexes=(0, 1, 2))))
    assert [answer.completion_tokens for answer in answers] == [3, 1, 1]


def test_the_prices_of_all_choices_add_up_to_what_the_request_cost(server: FakeServer) -> None:
    price = {"input": 2.0, "output": 10.0}
    answers = completed(ask(teacher(server.url, price=price), request(indexes=(0, 1, 2))))
    read, written = answers[0].prompt_tokens, sum(a.completion_tokens or 0 for a in answers)
    assert read == 6
    assert sum(a.price or 0 for a in answers) == pytest.approx((read * 2.0 + written * 10.0) / 1e6)


def test_a_withheld_first_choice_leaves_the_price_of_the_prompt_to_the_next() -> None:
    # A failure has no price, and the prompt was paid for all the same.
    with FakeServer(script=["first-withheld"]) as server:
        answers = ask(teacher(server.url, price={"input": 1e6}), request(indexes=(0, 1)))
    assert [type(answer) for answer in answers] == [Failure, Completion]
    assert isinstance(answers[1], Completion)
    assert answers[1].price == 6


def test_without_prices_the_price_is_unknown(server: FakeServer) -> None:
    assert completed(ask(teacher(server.url), request()))[0].price is None


def test_the_latency_is_measured() -> None:
    with FakeServer(latency=0.05) as server:
        (answer,) = completed(ask(teacher(server.url), request()))
    assert 0.05 <= (answer.latency or 0) < 5


def test_an_empty_text_is_a_completion() -> None:
    with FakeServer(answer=lambda prompt, index, seed: "") as server:
        (answer,) = completed(ask(teacher(server.url), request()))
    assert (answer.text, answer.finish_reason) == ("", "stop")


def test_what_the_server_withheld_is_a_failure() -> None:
    with FakeServer(script=["content-filter"]) as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.permanent) == ("content_filter", True)


def test_a_server_that_gives_fewer_choices_is_asked_for_the_rest() -> None:
    with FakeServer(script=["one-choice"] * 5) as server:
        answers = completed(ask(teacher(server.url), request(indexes=(0, 1, 2))))
    assert [answer.sample_index for answer in answers] == [0, 1, 2]
    assert [(body["seed"], body["n"]) for body in server.bodies] == [(0, 3), (1, 2), (2, 1)]


@pytest.mark.slow
def test_each_request_for_the_rest_counts_under_a_limit_a_minute() -> None:
    with FakeServer(script=["one-choice"] * 5) as server:
        who = teacher(server.url)
        who.policy = replace(who.policy, rates=RateLimits(requests=99))
        completed(ask(who, request(indexes=(0, 1, 2))))
    times = [at for at, _ in server.times]
    assert all(later - before > 0.5 for before, later in pairwise(times))


def test_choices_in_hand_are_kept_when_asking_for_the_rest_fails_in_passing() -> None:
    with FakeServer(script=["one-choice", "500", "one-choice", "one-choice"]) as server:
        answers = completed(ask(teacher(server.url), request(indexes=(0, 1, 2))))
    assert [answer.sample_index for answer in answers] == [0, 1, 2]
    assert [body["seed"] for body in server.bodies] == [0, 1, 1, 2]


def test_choices_in_hand_are_kept_when_the_rest_is_refused_for_good() -> None:
    with FakeServer(script=["one-choice", "404"]) as server:
        answers = ask(teacher(server.url), request(indexes=(0, 1, 2)))
    assert [type(answer) for answer in answers] == [Completion, Failure, Failure]
