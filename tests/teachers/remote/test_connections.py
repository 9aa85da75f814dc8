"""Tests that answers match requests: servers that send too much, too early, or while idle."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
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
from support.hostile_server import Hostile, Peer, good, rendered
from support.http_server import Authority, made

from synthkd.recipe import TeacherPart
from synthkd.secrets import Url
from synthkd.teachers.remote.endpoint import resolve_endpoint
from synthkd.teachers.remote.http import reuse
from synthkd.teachers.remote.transport import Transport


def own(peer: Peer) -> dict[str, Any]:
    """Return an answer that repeats what was asked."""
    return good(text=str(peer.asked["messages"][-1]["content"]))


def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use connections again at once, as they are once a server has been quiet for a while."""
    monkeypatch.setattr(reuse.Probation, "is_passed", True)
    monkeypatch.setattr(reuse.Probation, "keep_idle", lambda self, connection: True)


def twice(pause: float, extra: bytes = rendered(good("SOMEONE ELSE"))) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        peer.reply(own(peer))
        time.sleep(pause)
        peer.send(extra)

    return answer


def texts(server: Hostile, count: int = 12, **part: Any) -> list[str]:
    asked = numbered(count)
    answers = completed(ask(teacher(server.url, concurrency=2, **part), *asked))
    by_id = {answer.request_id: answer.text for answer in answers}
    return [by_id[one.request_id] for one in asked]


@pytest.mark.parametrize("pause", [0.0, 0.005, 0.03, 0.1])
def test_a_server_that_answers_twice_gives_each_request_its_own_answer(pause: float) -> None:
    with Hostile(twice(pause)) as server:
        assert texts(server) == [str(number) for number in range(12)]


def test_two_answers_in_one_piece_give_the_first_to_the_one_that_asked() -> None:
    def answer(peer: Peer) -> None:
        peer.send(rendered(own(peer)) + rendered(good("SOMEONE ELSE")))

    with Hostile(answer) as server:
        assert texts(server) == [str(number) for number in range(12)]


@pytest.mark.parametrize(
    "extra",
    [rendered(good("SOMEONE ELSE"))[:40], b"\r\n", b"HTTP/1.1 408 Request"
        b" Time-out\r\n\r\n", b"\x00" * 100_000,
     rendered({"error": "late"}, 500)],
)  # fmt: skip
def test_a_connection_on_which_anything_came_while_it_was_idle_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, extra: bytes
) -> None:
    trusted(monkeypatch)
    with Hostile(twice(0.01, extra)) as server:
        assert asyncio.run(one_after_the_other(server.url, 3, pause=0.05)) == ["0", "1", "2"]
    assert server.connections == 3


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("extra", [b"\r\n", b"\r\n\r\n"])
def test_a_connection_on_which_an_answer_was_followed_by_empty_lines_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, extra: bytes, chunked: bool
) -> None:
    trusted(monkeypatch)

    def answer(peer: Peer) -> None:
        data = json.dumps(own(peer)).encode() + b"\r\n"
        head, body = b"content-length: %d" % len(data), data
        if chunked:
            head, body = b"transfer-encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
        peer.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head, body) + extra * (peer.number < 3))

    with Hostile(answer) as server:
        assert asyncio.run(one_after_the_other(server.url, 4)) == ["0", "1", "2", "3"]
    # The third answer ends with its own line break.
    assert server.connections == 3


def test_what_came_and_was_not_read_yet_is_seen_before_a_connection_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The event loop is busy elsewhere while the second answer comes: only the socket holds it.
    trusted(monkeypatch)
    with Hostile(twice(0.02)) as server:
        found = asyncio.run(one_after_the_other(server.url, 3, pause=0.05, busy=True))
    assert found == ["0", "1", "2"]
    assert server.connections == 3


async def one_after_the_other(
    url: str, count: int, pause: float = 0.0, busy: bool = False
) -> list[str]:
    part = TeacherPart.model_validate({"backend": "openai", "model": "fake", "base_url": url})
    found = []
    transport = Transport(resolve_endpoint(Url(url), part), part)
    for number in range(count):
        body = b'{"messages": [{"role": "user", "content": "%d"}]}' % number
        answer = await transport.post("/chat/completions", body)
        found.append(answer["choices"][0]["message"]["content"])
        time.sleep(pause) if busy else await asyncio.sleep(pause)
    await transport.close()
    return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not shutil.which("openssl"):
        pytest.skip("needs the program openssl")
    return made(tmp_path_factory.mktemp("authority"))


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_quiet_connection_is_used_again(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, secure: bool, loop: str
) -> None:
    monkeypatch.setattr(reuse, "_QUIET_TIME", 0.02)
    context = authority.serving() if secure else None
    part = {"ca_file": authority.file} if secure else {}
    factory = (
        pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    )
    with (
        Hostile(lambda peer: peer.reply(own(peer)), tls=context) as server,
        asyncio.Runner(loop_factory=factory) as runner,
    ):
        url = server.url
        which = TeacherPart.model_validate(
            {"backend": "openai", "model": "fake", "base_url": url} | part
        )

        async def go() -> None:
            transport = Transport(resolve_endpoint(Url(url), which), which)
            for _ in range(6):
                await transport.post("/chat/completions", b'{"messages": [{"content": "x"}]}')
                await asyncio.sleep(0.03)
            await transport.close()

        runner.run(go())
    assert server.connections == 1


def test_a_server_that_answers_too_much_gets_a_connection_for_each_request_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusted(monkeypatch)

    def answer(peer: Peer) -> None:
        peer.reply(own(peer))
        if peer.number == 1:
            time.sleep(0.005)
            peer.reply(good("SOMEONE ELSE"))

    with Hostile(answer) as server:
        asyncio.run(one_after_the_other(server.url, 4, pause=0.03))
    assert server.connections == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Sending a large body")
def test_an_answer_before_the_request_was_written_does_not_count() -> None:
    def greet(peer: Peer) -> None:
        peer.reply(good("SOMEONE ELSE"))
        time.sleep(0.3)

    long = request(({"role": "user", "content": "x" * 20_000_000},))
    with Hostile(lambda peer: None, greet=greet) as server:
        found = failure(ask(teacher(server.url, attempts=1), long))
    assert (found.reason, found.permanent) == ("connection", False)


@pytest.mark.slow
def test_a_server_that_sends_without_end_on_an_idle_connection_is_cut_off() -> None:
    sent = []

    def answer(peer: Peer) -> None:
        peer.reply(own(peer))
        for _ in range(2000):
            peer.send(rendered(good("x" * 50_000)))
            sent.append(1)

    with Hostile(answer) as server:
        asyncio.run(one_after_the_other(server.url, 2, pause=0.2))
    # What the sockets hold, and not a hundred megabytes for each.
    assert len(sent) < 600
