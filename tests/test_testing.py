"""The server for tests is itself held to what it says."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from synthkd.testing import FAULTS, FakeServer, words


def post(url: str, body: dict[str, Any], path: str = "/completions", timeout: float = 5.0) -> Any:
    """Status, headers and parsed body (or the text, where it is no JSON)."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("POST", parts.path + path, json.dumps(body))
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    try:
        return response.status, response.headers, json.loads(text)
    except json.JSONDecodeError:
        return response.status, response.headers, text


def test_a_plain_prompt_gets_n_choices(server: FakeServer) -> None:
    _, _, body = post(server.url, {"prompt": "bread", "n": 3, "seed": 4})
    assert [choice["text"] for choice in body["choices"]] == [words("bread", i, 4) for i in range(3)]


def test_a_chat_gets_messages(server: FakeServer) -> None:
    chat = {"messages": [{"role": "user", "content": "bread"}]}
    _, _, body = post(server.url, chat, "/chat/completions")
    assert body["choices"][0]["message"] == {"role": "assistant", "content": words("bread", 0, 0)}


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
            return [c["text"] for c in post(server.url, {"prompt": "bread", "n": 9, "seed": 1})[2]["choices"]]

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


@pytest.mark.parametrize(
    ("fault", "status"),
    [("429", 429), ("429-seconds", 429), ("500", 500), ("401", 401), ("404", 404), ("400-context", 400)],
)
def test_a_fault_has_its_status(fault: str, status: int) -> None:
    with FakeServer(script=[fault]) as server:
        assert post(server.url, {"prompt": "bread"})[0] == status


def test_retry_after_comes_in_both_forms_or_not_at_all() -> None:
    with FakeServer(script=["429", "429-seconds", "429-date"]) as server:
        none, seconds, date = [post(server.url, {"prompt": "bread"})[1]["retry-after"] for _ in range(3)]
    assert none is None
    assert float(seconds) == 1
    assert parsedate_to_datetime(date)


def test_a_context_that_is_too_long_has_its_code() -> None:
    with FakeServer(script=["400-context"]) as server:
        assert post(server.url, {"prompt": "bread"})[2]["error"]["code"] == "context_length_exceeded"


def test_a_reset_breaks_the_connection() -> None:
    with FakeServer(script=["reset"]) as server, pytest.raises(ConnectionError):
        post(server.url, {"prompt": "bread"})


def test_a_hang_never_answers() -> None:
    with FakeServer(script=["hang"]) as server, pytest.raises(TimeoutError):
        post(server.url, {"prompt": "bread"}, timeout=0.2)


def test_a_cut_body_is_shorter_than_it_says() -> None:
    with FakeServer(script=["cut"]) as server, pytest.raises(http.client.IncompleteRead):
        post(server.url, {"prompt": "bread"})


def test_a_body_may_be_no_json_or_hold_fewer_choices_or_none() -> None:
    with FakeServer(script=["not-json", "one-choice", "no-choices", "content-filter"]) as server:
        found = [post(server.url, {"prompt": "bread", "n": 3})[2] for _ in range(4)]
    assert isinstance(found[0], str)
    assert [len(body["choices"]) for body in found[1:]] == [1, 0, 3]
    assert {choice["finish_reason"] for choice in found[3]["choices"]} == {"content_filter"}


def test_a_script_may_be_any_iterable_and_ends_in_health() -> None:
    with FakeServer(script=(fault for fault in ("500", "", "404"))) as server:
        assert [post(server.url, {"prompt": "bread"})[0] for _ in range(4)] == [500, 200, 404, 200]


def test_rates_are_shares_of_all_requests() -> None:
    with FakeServer(rates={"500": 0.3}) as server:
        failed = sum(post(server.url, {"prompt": str(i)})[0] == 500 for i in range(200))
    assert 40 <= failed <= 80


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="hang"):
        FakeServer(script=["hnag"])
    assert "hang" in FAULTS


def test_a_wrong_key_is_refused() -> None:
    with FakeServer(key="right") as server:
        assert post(server.url, {"prompt": "bread"})[0] == 401
        assert "right" not in repr(server)


def test_it_listens_on_loopback_only(server: FakeServer) -> None:
    assert urlsplit(server.url).hostname == "127.0.0.1"


def test_a_port_that_is_taken_is_an_error(server: FakeServer) -> None:
    with pytest.raises(OSError, match=str(server.port)), FakeServer(port=server.port):
        pass


def test_it_ends_although_a_request_hangs() -> None:
    start = time.perf_counter()
    with FakeServer(script=["hang"]) as server, pytest.raises(TimeoutError):
        post(server.url, {"prompt": "bread"}, timeout=0.1)
    assert time.perf_counter() - start < 3


def test_as_a_process_it_prints_its_address_and_outlives_its_clients(tmp_path: Path) -> None:
    log = tmp_path / "sent.log"
    command = [sys.executable, "-m", "synthkd.testing", "--port", "0", "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            client = (
                "import os, sys, urllib.request as u\n"
                f"u.urlopen(u.Request({url!r} + '/completions', b'{{\"prompt\": \"bread\"}}')).read()\n"
                f"os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
            )
            assert subprocess.run([sys.executable, "-c", client], check=False).returncode == -signal.SIGKILL
            assert post(url, {"prompt": "water"})[0] == 200
        finally:
            process.terminate()
    assert [json.loads(line)["prompt"] for line in log.read_text("utf-8").splitlines()] == ["bread", "water"]
