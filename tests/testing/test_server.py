"""The server for tests is itself held to what it says."""

from __future__ import annotations

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.post import post

from synthkd.testing import FakeServer, two_words


def test_a_plain_prompt_gets_n_choices(server: FakeServer) -> None:
    _, _, body = post(server.url, {"prompt": "bread", "n": 3, "seed": 4})
    assert [choice["text"] for choice in body["choices"]] == [
        two_words("bread", i, 4) for i in range(3)
    ]


def test_a_chat_gets_messages(server: FakeServer) -> None:
    chat = {"messages": [{"role": "user", "content": "bread"}]}
    _, _, body = post(server.url, chat, "/chat/completions")
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": two_words("bread", 0, 0),
    }


def test_models_are_listed(server: FakeServer) -> None:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    connection.request("GET", parts.path + "/models")
    assert json.load(connection.getresponse())["data"][0]["id"] == "fake"
    connection.close()


def test_answers_depend_on_prompt_seed_and_index_alone() -> None:
    def texts() -> list[str]:
        with FakeServer() as server:
            post(server.url, {"prompt": "other", "n": 2})
            return [
                c["text"]
                for c in post(server.url, {"prompt": "bread", "n": 9, "seed": 1})[2]["choices"]
            ]

    assert texts() == texts()
    assert len(set(texts())) > 1


def test_another_answer_can_be_plugged_in() -> None:
    with FakeServer(answer=lambda prompt, index, seed: f"{prompt}/{index}/{seed}") as server:
        _, _, body = post(server.url, {"prompt": "bread", "n": 2, "seed": 3})
    assert [choice["text"] for choice in body["choices"]] == ["bread/0/3", "bread/1/3"]


def test_log_probabilities_come_where_they_are_asked_for(server: FakeServer) -> None:
    choice = post(server.url, {"prompt": "bread", "logprobs": 1})[2]["choices"][0]
    assert len(choice["logprobs"]["token_logprobs"]) == len(choice["text"].split())
    assert post(server.url, {"prompt": "bread"})[2]["choices"][0]["logprobs"] is None


def test_requests_are_counted_by_what_they_ask(server: FakeServer) -> None:
    for seed in (1, 1, 2):
        post(server.url, {"prompt": "bread", "n": 2, "seed": seed})
    assert server.sent == {("bread", 1, 2): 2, ("bread", 2, 2): 1}
    assert server.requests == 3


@pytest.mark.slow
def test_each_request_is_in_the_log_before_it_is_answered(tmp_path: Path) -> None:
    log = tmp_path / "sent.log"
    with FakeServer(log=log, script=["hang"]) as server:
        with pytest.raises(TimeoutError):
            post(server.url, {"prompt": "bread", "n": 2, "seed": 1}, timeout=0.2)
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [(line["prompt"], line["seed"], line["n"]) for line in lines] == [("bread", 1, 2)]


def test_the_latency_is_kept() -> None:
    with FakeServer(latency=0.1) as server:
        start = time.perf_counter()
        post(server.url, {"prompt": "bread"})
    assert time.perf_counter() - start >= 0.1


def test_a_wrong_key_is_refused() -> None:
    with FakeServer(key="right") as server:
        assert post(server.url, {"prompt": "bread"})[0] == 401
        assert "right" not in repr(server)


def test_it_listens_on_loopback_only(server: FakeServer) -> None:
    assert urlsplit(server.url).hostname == "127.0.0.1"


def test_a_port_that_is_taken_is_an_error(server: FakeServer) -> None:
    with pytest.raises(OSError, match=str(server.port)), FakeServer(port=server.port):
        pass


def test_times_hold_when_each_came_and_its_tokens(server: FakeServer) -> None:
    before = time.monotonic()
    usages = [post(server.url, {"prompt": "bread and butter", "n": n})[2]["usage"] for n in (1, 3)]
    assert (
        [tokens for _, tokens in server.times]
        == [usage["total_tokens"] for usage in usages]
        == [5, 9]
    )
    moments = [moment for moment, _ in server.times]
    assert before <= moments[0] <= moments[1] <= time.monotonic()


def test_headers_are_kept_by_their_small_names_and_not_shown(server: FakeServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    given = {"Authorization": "Bearer sk-planted", "X-Team": "one"}
    connection.request("POST", "/v1/completions", json.dumps({"prompt": "bread"}), given)
    connection.getresponse().read()
    connection.close()
    (headers,) = server.headers
    assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-planted", "one")
    assert "sk-planted" not in repr(server)


def test_without_keep_requests_are_counted_and_their_bodies_let_go() -> None:
    with FakeServer(keep=False) as server:
        post(server.url, {"prompt": "bread"})
    assert (server.bodies, server.headers) == ([], [])
    assert (server.requests, server.sent["bread", None, 1]) == (1, 1)


def test_a_chat_is_counted_by_the_text_of_all_its_messages(server: FakeServer) -> None:
    chat = {
        "messages": [
            {"role": "system", "content": "be short"},
            {"role": "user", "content": "bread"},
        ]
    }
    post(server.url, chat, "/chat/completions")
    assert server.sent == {("be short\nbread", None, 1): 1}


def test_content_may_be_a_list_of_parts(server: FakeServer) -> None:
    parts = [{"type": "text", "text": "bre"}, {"type": "text", "text": "ad"}]
    chat = {"messages": [{"role": "user", "content": parts}]}
    _, _, body = post(server.url, chat, "/chat/completions")
    assert body["choices"][0]["message"]["content"] == two_words("bread", 0, 0)
    assert server.sent["bread", None, 1] == 1


@pytest.mark.parametrize("body", ["not json", {"n": 2}, {"messages": []}, [1]])
def test_what_is_no_request_is_refused_and_not_counted(server: FakeServer, body: Any) -> None:
    status, _, found = post(server.url, body)
    assert status == 400
    assert "not a request" in found["error"]["message"]
    assert server.requests == 0


def test_many_requests_go_over_one_connection(server: FakeServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/v1/completions", json.dumps({"prompt": "bread"}))
        assert connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1


@pytest.mark.parametrize("fault", ["", "429", "drip"])
def test_a_connection_is_closed_after_the_answer_where_the_request_asks_for_it(fault: str) -> None:
    data = json.dumps({"prompt": "bread"}).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: fake\r\nConnection: Close\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    with (
        FakeServer(script=[fault]) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as wire,
    ):
        wire.sendall(head.encode() + data)
        found = b""
        while piece := wire.recv(1000):
            found += piece
    assert json.loads(found.partition(b"\r\n\r\n")[2])


def test_requests_sent_before_the_answer_are_answered_in_turn(server: FakeServer) -> None:
    data = [json.dumps({"prompt": prompt}).encode() for prompt in ("bread", "water")]
    sent = b"".join(
        f"POST /v1/completions HTTP/1.1\r\nHost: fake\r\nContent-Length: {len(d)}\r\n\r\n".encode()
        + d
        for d in data
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as wire:
        wire.sendall(sent)
        found = b""
        while found.count(b"total_tokens") < 2 and (piece := wire.recv(1000)):
            found += piece
    assert found.find(two_words("bread", 0, 0).encode()) < found.rfind(
        two_words("water", 0, 0).encode()
    )
    assert [prompt for prompt, _, _ in server.sent] == ["bread", "water"]


@pytest.mark.slow
def test_what_is_in_flight_is_counted() -> None:
    with FakeServer(script=["hang", ""]) as server:
        with pytest.raises(TimeoutError):
            post(server.url, {"prompt": "bread"}, timeout=0.2)
        post(server.url, {"prompt": "bread"})
        assert (server.in_flight, server.most_in_flight) == (1, 2)
