"""Tests of faults and retries of each backend over HTTP, against a real server on loopback."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import aclosing
from typing import Any

import pytest
from support.ask_teacher import (
    ask,
    closed_port,
    completed,
    each,
    failure,
    request,
    teacher,
    teacher_of,
)

from synthkd.errors import UnreachableError
from synthkd.testing import PROTOCOLS, FakeServer


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> str:
    """Return the protocol of the server, which is the name of a backend too."""
    return str(request.param)


@pytest.mark.parametrize("fault", ["429", "500", "reset", "cut", "not-json", "no-choices"])
def test_a_fault_in_passing_is_tried_again(protocol: str, fault: str) -> None:
    with FakeServer(protocol=protocol, script=[fault, fault]) as server:
        completed(ask(teacher_of(server), request()))
    assert server.requests == 3


@pytest.mark.slow
def test_a_request_that_hung_is_tried_again(protocol: str) -> None:
    with FakeServer(protocol=protocol, script=["hang"]) as server:
        completed(ask(teacher_of(server, timeout=0.2), request()))
    assert server.requests == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("429", "http_429"), ("500", "http_500"), ("reset", "connection"), ("not-json",
    "bad_response"),
     ("no-choices", "bad_response"), ("cut", "connection")],
)  # fmt: skip
def test_a_fault_that_stays_is_a_failure_to_try_again_later(
    protocol: str, fault: str, reason: str
) -> None:
    with FakeServer(protocol=protocol, rates={fault: 1.0}) as server:
        found = failure(ask(teacher_of(server, attempts=2), request()))
    assert (found.reason, found.attempts, found.permanent) == (reason, 2, False)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "http_404"),
        ("400-context", "context_too_long"),
        ("content-filter", "content_filter"),
    ],
)
def test_a_refusal_for_good_is_not_tried_again(protocol: str, fault: str, reason: str) -> None:
    with FakeServer(protocol=protocol, rates={fault: 1.0}) as server:
        found = failure(ask(teacher_of(server), request()))
    if (protocol, fault) == ("anthropic", "content-filter"):
        # The Messages API has one word for a filter and the model's own refusal.
        reason = "refusal"
    assert (found.reason, found.permanent, server.requests) == (reason, True, 1)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["429-seconds", "429-date"])
def test_the_wait_that_the_server_asks_for_is_kept(protocol: str, fault: str) -> None:
    with FakeServer(protocol=protocol, script=[fault]) as server:
        start = time.monotonic()
        completed(ask(teacher_of(server), request()))
        waited = time.monotonic() - start
    # A date has whole seconds: up to one of them may have passed already.
    assert (1.0 if fault == "429-seconds" else 0.0) <= waited < 4


@pytest.mark.slow
def test_a_server_that_hangs_is_a_timeout(protocol: str) -> None:
    with FakeServer(protocol=protocol, rates={"hang": 1.0}) as server:
        found = failure(ask(teacher_of(server, attempts=2, timeout=0.1), request()))
    assert (found.reason, found.permanent, server.requests) == ("timeout", False, 2)


@pytest.mark.slow
def test_requests_are_answered_side_by_side_within_the_bound(protocol: str) -> None:
    asked = [request(({"role": "user", "content": str(i)},)) for i in range(30)]
    with FakeServer(protocol=protocol, latency=0.02) as server:
        answers = completed(ask(teacher_of(server, concurrency=5), *asked))
    assert len(answers) == 30
    assert server.most_in_flight == 5


def test_a_closed_port_is_named_with_the_remedy() -> None:
    with (
        closed_port() as url,
        pytest.raises(UnreachableError, match=r"teacher\.base_url") as caught,
    ):
        ask(teacher(url), request())
    assert url in str(caught.value)


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid"):
        ask(teacher("http://no-such-host.invalid/v1"), request())


@pytest.mark.slow
def test_an_address_that_swallows_connections_is_unreachable() -> None:
    # A full queue of connections drops new ones, as a firewall does.
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
        async with aclosing(who.stream(each(asked))) as groups:
            await anext(groups)
        left = {task for task in asyncio.all_tasks() if task not in before}
        await who.close()
        return left

    with FakeServer(script=["", *["hang"] * 19]) as server:
        assert asyncio.run(asyncio.wait_for(leave(server.url), 5)) == set()
