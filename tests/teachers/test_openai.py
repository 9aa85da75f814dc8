"""The OpenAI backend against a real server on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

pytest.importorskip("openai")

from synthkd.errors import AuthenticationError, RecipeError, UnreachableError
from synthkd.recipe import Recipe, TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.base import Teacher
from synthkd.teachers.dispatch import Policy
from synthkd.teachers.openai import OpenAITeacher
from synthkd.testing import FakeServer, words

KEY = "sk-do-not-show-3f9a"
CHAT = ({"role": "system", "content": "Be short."}, {"role": "user", "content": "What is bread for?"})
PLAIN = ({"role": "prompt", "content": "bread is used for"},)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own key and proxy have no part in these tests."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def teacher(url: str | None, attempts: int = 3, **part: Any) -> OpenAITeacher:
    made = TeacherPart.model_validate({"backend": "openai", "model": "fake", "base_url": url} | part)
    return OpenAITeacher(made, Policy(made.concurrency, attempts, base=0.001, longest=0.01))


def request(
    messages: tuple[dict[str, str], ...] = CHAT, indexes: tuple[int, ...] = (0,), **sampling: Any
) -> Request:
    return Request("test", messages, Sampling(n=len(indexes), **sampling), indexes, "input")


async def _each(requests: tuple[Request, ...]) -> AsyncIterator[Request]:
    for one in requests:
        yield one


def ask(who: OpenAITeacher, *requests: Request) -> list[Answer]:
    async def collect() -> list[Answer]:
        try:
            async with aclosing(who.stream(_each(requests))) as groups:
                found = [answer async for group in groups for answer in group]
        finally:
            await who.close()
        return sorted(found, key=lambda answer: answer.sample_index)

    return asyncio.run(asyncio.wait_for(collect(), 15))


def completed(answers: list[Answer]) -> list[Completion]:
    assert all(isinstance(answer, Completion) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Completion)]


def failure(answers: list[Answer]) -> Failure:
    (only,) = answers
    assert isinstance(only, Failure)
    return only


@contextmanager
def closed_port() -> Iterator[str]:
    """An address that refuses: the port is held, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


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
    assert answer.text == words(PLAIN[0]["content"], 0, 0)


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
    """Servers give choice i the seed plus i, so one request over a gap would buy sample 1 again as 5."""
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
    assert [(a.request_id, a.sample_index) for a in answers] == [(asked.request_id, i) for i in (4, 5, 6)]
    assert [a.text for a in answers] == [words(prompt, place, 4) for place in range(3)]


@pytest.mark.parametrize("chat", [True, False])
def test_log_probabilities_are_summed_over_the_tokens(server: FakeServer, chat: bool) -> None:
    (answer,) = completed(ask(teacher(server.url, chat=chat), request(PLAIN, logprobs=True)))
    tokens = answer.text.split()
    assert server.bodies[0]["logprobs"] is (True if chat else server.bodies[0]["logprobs"])
    assert chat or server.bodies[0]["logprobs"] == 1
    assert answer.logprob == pytest.approx(sum(-0.1 * (len(token) + 1) for token in tokens))
    assert answer.completion_tokens == len(tokens)


def test_without_log_probabilities_the_counted_tokens_are_shared_out() -> None:
    with FakeServer(answer=lambda prompt, index, seed: "one two three four" if index else "one") as server:
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
    """A failure has no price, and the prompt was paid for all the same."""
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


def test_choices_in_hand_are_kept_when_asking_for_the_rest_fails_in_passing() -> None:
    with FakeServer(script=["one-choice", "500", "one-choice", "one-choice"]) as server:
        answers = completed(ask(teacher(server.url), request(indexes=(0, 1, 2))))
    assert [answer.sample_index for answer in answers] == [0, 1, 2]
    assert [body["seed"] for body in server.bodies] == [0, 1, 1, 2]


def test_choices_in_hand_are_kept_when_the_rest_is_refused_for_good() -> None:
    with FakeServer(script=["one-choice", "404"]) as server:
        answers = ask(teacher(server.url), request(indexes=(0, 1, 2)))
    assert [type(answer) for answer in answers] == [Completion, Failure, Failure]


# What goes wrong


@pytest.mark.parametrize("fault", ["429", "500", "reset", "cut", "not-json", "no-choices"])
def test_a_fault_in_passing_is_tried_again(fault: str) -> None:
    with FakeServer(script=[fault, fault]) as server:
        completed(ask(teacher(server.url), request()))
    assert server.requests == 3


def test_a_request_that_hung_is_tried_again() -> None:
    with FakeServer(script=["hang"]) as server:
        completed(ask(teacher(server.url, timeout=0.2), request()))
    assert server.requests == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("429", "http_429"), ("500", "http_500"), ("reset", "connection"), ("not-json", "bad_response"),
     ("no-choices", "bad_response"), ("cut", "connection")],
)  # fmt: skip
def test_a_fault_that_stays_is_a_failure_to_try_again_later(fault: str, reason: str) -> None:
    with FakeServer(rates={fault: 1.0}) as server:
        found = failure(ask(teacher(server.url, attempts=2), request()))
    assert (found.reason, found.attempts, found.permanent) == (reason, 2, False)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("404", "http_404"), ("400-context", "context_too_long"), ("content-filter", "content_filter")],
)
def test_a_refusal_for_good_is_not_tried_again(fault: str, reason: str) -> None:
    with FakeServer(rates={fault: 1.0}) as server:
        found = failure(ask(teacher(server.url), request()))
    assert (found.reason, found.permanent, server.requests) == (reason, True, 1)


@pytest.mark.parametrize("fault", ["429-seconds", "429-date"])
def test_the_wait_that_the_server_asks_for_is_kept(fault: str) -> None:
    import time

    with FakeServer(script=[fault]) as server:
        start = time.monotonic()
        completed(ask(teacher(server.url), request()))
        waited = time.monotonic() - start
    # A date has whole seconds: up to one of them may have passed already.
    assert (1.0 if fault == "429-seconds" else 0.0) <= waited < 4


def test_a_server_that_hangs_is_a_timeout() -> None:
    with FakeServer(rates={"hang": 1.0}) as server:
        found = failure(ask(teacher(server.url, attempts=2, timeout=0.1), request()))
    assert (found.reason, found.permanent, server.requests) == ("timeout", False, 2)


def test_requests_are_answered_side_by_side_within_the_bound() -> None:
    asked = [request(({"role": "user", "content": str(i)},)) for i in range(30)]
    with FakeServer(latency=0.02) as server:
        answers = completed(ask(teacher(server.url, concurrency=5), *asked))
    assert len(answers) == 30
    assert server.most_in_flight == 5


def test_a_closed_port_is_named_with_the_remedy() -> None:
    with closed_port() as url, pytest.raises(UnreachableError, match=r"teacher\.base_url") as caught:
        ask(teacher(url), request())
    assert url in str(caught.value)


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid"):
        ask(teacher("http://no-such-host.invalid/v1"), request())


def test_an_address_that_swallows_connections_is_unreachable() -> None:
    """A full queue of connections drops new ones, as a firewall does."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        try:
            with pytest.raises(UnreachableError, match="127"):
                ask(teacher(url, attempts=2, timeout=0.2), request())
        finally:
            for one in waiting:
                one.close()


def test_leaving_the_stream_early_cancels_what_is_in_flight() -> None:
    asked = tuple(request(({"role": "user", "content": str(i)},)) for i in range(20))

    async def leave(url: str) -> set[asyncio.Task[Any]]:
        who, before = teacher(url, concurrency=2), asyncio.all_tasks()
        async with aclosing(who.stream(_each(asked))) as groups:
            await anext(groups)
        left = {task for task in asyncio.all_tasks() if task not in before}
        await who.close()
        return left

    with FakeServer(script=["", *["hang"] * 19]) as server:
        assert asyncio.run(asyncio.wait_for(leave(server.url), 5)) == set()


# Keys and addresses


def test_a_model_must_be_named() -> None:
    with pytest.raises(RecipeError, match="model"):
        OpenAITeacher(TeacherPart.model_validate({"backend": "openai"}))


def test_an_address_without_a_scheme_is_refused_at_once() -> None:
    with pytest.raises(RecipeError, match="http://"):
        teacher("localhost:8000/v1")


def test_a_missing_key_is_named_by_its_variable_before_anything_is_sent() -> None:
    with pytest.raises(AuthenticationError, match="MY_KEY"):
        ask(teacher(None, api_key_env="MY_KEY"))


def test_a_server_of_ones_own_needs_no_key(server: FakeServer) -> None:
    assert completed(ask(teacher(server.url), request()))


def test_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer(key=KEY) as server:
        assert completed(ask(teacher(server.url), request()))


def test_a_wrong_key_ends_the_run_naming_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with FakeServer(key="another") as server, pytest.raises(AuthenticationError, match="MY_KEY") as caught:
        ask(teacher(server.url, api_key_env="MY_KEY"), request())
    assert KEY not in str(caught.value)


def shown(error: BaseException | None) -> str:
    """An error and all that it was raised from."""
    return "" if error is None else f"{error!r} {error} {shown(error.__cause__)}"


@pytest.mark.parametrize("fault", ["401", "404", "500", "not-json", "no-choices", "reset", "cut"])
def test_the_key_is_in_no_error_even_where_the_server_repeats_it(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer(rates={fault: 1.0}, echo_key=True) as server:
        who = teacher(server.url, attempts=1)
        try:
            text = repr(ask(who, request()))
        except AuthenticationError as error:
            text = shown(error)
    assert KEY not in text + repr(who) + who.identity


@pytest.mark.parametrize("ending", ["\n", "\r\n", " "])
def test_white_space_around_a_key_is_left_out(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """`export KEY=$(cat file)` keeps such ends in some shells."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY + ending)
    with FakeServer(key=KEY) as server:
        assert completed(ask(teacher(server.url), request()))


@pytest.mark.parametrize("inside", ["\n", "\t", "…"])
def test_a_key_that_no_header_can_hold_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer, inside: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}{inside}x")
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY") as caught:
        ask(teacher(server.url), request())
    assert KEY not in shown(caught.value)


def test_user_and_password_of_the_address_are_never_shown() -> None:
    with closed_port() as url:
        who = teacher(url.replace("http://", "http://me:secret@"), attempts=1)
        with pytest.raises(UnreachableError) as caught:
            ask(who, request())
    for text in (repr(who), who.identity, shown(caught.value)):
        assert "secret" not in text
        assert "me:" not in text


def test_a_key_in_the_query_of_the_address_is_never_shown() -> None:
    who = teacher("http://host/v1?key=sk-1")
    assert "sk-1" not in who.identity + repr(who)


def test_the_identity_is_the_address_and_the_model() -> None:
    assert teacher("http://127.0.0.1:8000/v1/").identity == "openai:http://127.0.0.1:8000/v1:fake"
    assert teacher(None).identity == "openai:https://api.openai.com/v1:fake"


def test_the_recipe_may_name_the_identity() -> None:
    assert teacher("http://127.0.0.1:8000/v1", identity="mine").identity == "mine"
