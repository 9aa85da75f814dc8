"""Tests of which client an endpoint gets, and of the change to aiohttp in the middle of a run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.ask_teacher import ask, completed, numbered, teacher
from support.hostile_server import Hostile, Peer, good, rendered
from support.http_server import Answering, Proxy

from synthkd.recipe import TeacherPart
from synthkd.secrets import Url
from synthkd.teachers.remote.endpoint import resolve_endpoint
from synthkd.teachers.remote.http import open_client
from synthkd.teachers.remote.http.aiohttp_client import AiohttpClient

LOCAL = "http://127.0.0.1:8000/v1"


def is_plain(url: str, **part: Any) -> bool:
    """Return True if an address gets the plain client."""
    made = TeacherPart.model_validate(
        {"backend": "openai", "model": "fake", "base_url": url} | part
    )

    async def go() -> bool:
        client = open_client(resolve_endpoint(Url(url, trusted=True), made), made)
        try:
            return not isinstance(client, AiohttpClient)
        finally:
            await client.close()

    return asyncio.run(go())


@pytest.mark.parametrize(
    "url",
    [LOCAL, "http://localhost/v1", "http://LOCALHOST:8000", "http://[::1]:8000/v1",
     "http://server.example:1/a/b%20c/v1?x=a%2Fb", "http://me:pass@127.0.0.1/v1"],
)  # fmt: skip
def test_plain_http_gets_the_plain_client(url: str) -> None:
    assert is_plain(url)


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:8000/v1", "https://server.example/v1", "http://bäcker.example/v1",
     "http://under_score/v1", "http://[fe80::1%25eth0]/v1", "http://127.0.0.1/brötchen/v1"],
)  # fmt: skip
def test_tls_and_odd_addresses_get_aiohttp(url: str) -> None:
    assert not is_plain(url)


def test_a_proxy_of_the_recipe_gets_aiohttp() -> None:
    assert not is_plain(LOCAL, proxy="http://127.0.0.1:3128")


def test_a_proxy_of_the_environment_gets_aiohttp_unless_the_host_is_excepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    assert not is_plain(LOCAL)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert is_plain(LOCAL)


@pytest.mark.parametrize(
    "headers",
    [{"X-Name": "Bäcker"}, {"Connection": "close"}, {"transfer-encoding": "chunked"},
     {"HOST": "elsewhere"}, {"Content-Length": "3"}, {"Expect": "100-continue"},
     {"Upgrade": "h2c"}],
)  # fmt: skip
def test_headers_that_change_the_framing_or_are_not_ascii_get_aiohttp(
    headers: dict[str, str],
) -> None:
    assert not is_plain(LOCAL, headers=headers)
    assert is_plain(LOCAL, headers={"X-Team": "a b", "User-Agent": "own"})


def test_without_httptools_every_address_gets_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)
    for name in ("plain_client", "plain_connection"):
        monkeypatch.delitem(sys.modules, f"synthkd.teachers.remote.http.{name}", raising=False)
    assert not is_plain(LOCAL)
    with Answering() as server:
        completed(ask(teacher(server.url), *numbered(3)))
    assert all("aiohttp" in seen.headers["user-agent"] for seen in server.seen)


def test_both_clients_send_the_same_request_but_for_their_names() -> None:
    part = {"headers": {"x-team": "a b", "accept": "text/plain", "Accept-Encoding": "identity"}}

    def sent(proxied: bool) -> tuple[str, dict[str, str], bytes]:
        with Answering() as server, Proxy() as proxy:
            more = {"proxy": proxy.url} if proxied else {}
            completed(ask(teacher(server.url, **part, **more), *numbered(1)))
        (seen,) = server.seen
        # Those between two neighbours only.
        hop = ("user-agent", "host", "connection", "proxy-connection")
        headers = {name: value for name, value in seen.headers.items() if name not in hop}
        return seen.path, headers, seen.body

    assert sent(proxied=False) == sent(proxied=True)


# Answers that the plain client does not know, and aiohttp does


def lenient(form: Callable[[bytes, bytes], bytes]) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        head, _, body = rendered(good(str(peer.asked["messages"][-1]["content"]))).partition(
            b"\r\n\r\n"
        )
        peer.send(form(head, body))

    return answer


def in_padded_chunks(head: bytes, body: bytes) -> bytes:
    """Return an answer whose chunk sizes are padded with spaces, as old servers write them."""
    kept = b"\r\n".join(line for line in head.split(b"\r\n") if b"length" not in line)
    return kept + b"\r\nTransfer-Encoding: chunked\r\n\r\n%-6x\r\n%b\r\n0     \r\n\r\n" % (
        len(body),
        body,
    )


LENIENT = {
    "bare-lf": lambda head, body: head.replace(b"\r\n", b"\n") + b"\n\n" + body,
    "padded-chunk-sizes": in_padded_chunks,
    "control-character": lambda head, body: head + b"\r\nX-Name: a\x01b\r\n\r\n" + body,
    "folded-header": lambda head, body: head + b"\r\nX-Name: a\r\n b\r\n\r\n" + body,
}


@pytest.mark.parametrize("name", LENIENT)
def test_a_server_that_only_aiohttp_understands_answers_all_rows(name: str) -> None:
    with Hostile(lenient(LENIENT[name])) as server:
        asked = numbered(30)
        answers = completed(ask(teacher(server.url, concurrency=4), *asked))
    by_id = {answer.request_id: answer.text for answer in answers}
    assert [by_id[one.request_id] for one in asked] == [str(number) for number in range(30)]
    agents = [headers["user-agent"] for _, headers in server.seen]
    # At most the requests that were in flight at first.
    assert 1 <= agents.count("synthkd") <= 4
    assert len(agents) <= 34


def test_a_server_that_turns_lenient_in_the_middle_answers_all_rows() -> None:
    def answer(peer: Peer) -> None:
        if peer.number <= 10:
            peer.reply(good(str(peer.asked["messages"][-1]["content"])))
        else:
            lenient(LENIENT["bare-lf"])(peer)

    with Hostile(answer) as server:
        answers = completed(ask(teacher(server.url, concurrency=4), *numbered(30)))
    assert len(answers) == 30
    assert "aiohttp" in server.seen[-1][1]["user-agent"]


def test_an_answer_that_no_client_knows_fails_with_its_cause() -> None:
    with Hostile(lambda peer: peer.send(b"SSH-2.0-OpenSSH\r\n")) as server:
        who = teacher(server.url, attempts=3)
        (answer,) = ask(who, *numbered(1))
    assert getattr(answer, "reason", None) == "connection"
    assert getattr(answer, "tokens", 0) is None
