"""Each fault of the server for tests does what its name says."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from email.utils import parsedate_to_datetime

import pytest
from support.post import post

from synthkd.testing import FAULTS, FakeServer, two_words


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("429", 429),
        ("429-seconds", 429),
        ("500", 500),
        ("401", 401),
        ("404", 404),
        ("400-context", 400),
    ],
)
def test_a_fault_has_its_status(fault: str, status: int) -> None:
    with FakeServer(script=[fault]) as server:
        assert post(server.url, {"prompt": "bread"})[0] == status


def test_retry_after_comes_in_both_forms_or_not_at_all() -> None:
    with FakeServer(script=["429", "429-seconds", "429-date"]) as server:
        none, seconds, date = [
            post(server.url, {"prompt": "bread"})[1]["retry-after"] for _ in range(3)
        ]
    assert none is None
    assert float(seconds) == 1
    assert parsedate_to_datetime(date)


def test_a_context_that_is_too_long_has_its_code() -> None:
    with FakeServer(script=["400-context"]) as server:
        assert (
            post(server.url, {"prompt": "bread"})[2]["error"]["code"] == "context_length_exceeded"
        )


def test_a_reset_breaks_the_connection() -> None:
    with FakeServer(script=["reset"]) as server, pytest.raises(ConnectionError):
        post(server.url, {"prompt": "bread"})


@pytest.mark.slow
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


def test_it_ends_although_a_request_hangs() -> None:
    start = time.perf_counter()
    with FakeServer(script=["hang"]) as server, pytest.raises(TimeoutError):
        post(server.url, {"prompt": "bread"}, timeout=0.1)
    assert time.perf_counter() - start < 3


def test_a_quota_that_is_used_up_and_a_refused_prompt_have_their_codes() -> None:
    with FakeServer(script=["429-quota", "400-filter"]) as server:
        found = [post(server.url, {"prompt": "bread"}) for _ in range(2)]
    assert [(status, body["error"]["code"]) for status, _, body in found] == [
        (429, "insufficient_quota"), (400, "content_filter"),
    ]  # fmt: skip


def test_an_answer_that_drips_is_whole_in_the_end_and_its_connection_goes_on() -> None:
    with FakeServer(script=["drip"]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        texts = []
        start = time.perf_counter()
        for _ in range(2):
            connection.request("POST", "/v1/completions", json.dumps({"prompt": "bread"}))
            texts.append(json.load(connection.getresponse())["choices"][0]["text"])
        assert time.perf_counter() - start >= 0.08
        connection.close()
    assert texts == [two_words("bread", 0, 0)] * 2


def test_an_answer_off_the_schema_is_in_every_choice() -> None:
    with FakeServer(answer=lambda *_: '{"tail": "x"}', script=["off-schema"]) as server:
        off, on = [post(server.url, {"prompt": "bread", "n": 2})[2]["choices"] for _ in range(2)]
    assert [choice["text"] for choice in off] == ['{"unasked": ['] * 2
    assert [choice["text"] for choice in on] == ['{"tail": "x"}'] * 2


def test_a_duplicate_gives_each_choice_twice_under_its_index() -> None:
    with FakeServer(script=["duplicate"]) as server:
        choices = post(server.url, {"prompt": "bread", "n": 2})[2]["choices"]
    assert [choice["index"] for choice in choices] == [0, 0, 1, 1]
    assert {(c["index"], c["text"]) for c in choices} == {
        (i, two_words("bread", i, 0)) for i in range(2)
    }


def test_choices_out_of_order_keep_their_own_index() -> None:
    with FakeServer(script=["out-of-order"]) as server:
        choices = post(server.url, {"prompt": "bread", "n": 3})[2]["choices"]
    assert [(c["index"], c["text"]) for c in choices] == [
        (i, two_words("bread", i, 0)) for i in (2, 1, 0)
    ]


def test_the_first_choice_alone_may_be_withheld() -> None:
    with FakeServer(script=["first-withheld"]) as server:
        choices = post(server.url, {"prompt": "bread", "n": 3})[2]["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["content_filter", "stop", "stop"]


@pytest.mark.slow
def test_each_fault_has_its_own_share() -> None:
    with FakeServer(rates={"429": 0.2, "500": 0.2}) as server:
        found = Counter(post(server.url, {"prompt": str(i)})[0] for i in range(300))
    assert set(found) == {200, 429, 500}
    assert all(30 <= found[status] <= 90 for status in (429, 500))


def test_rates_come_again_in_the_same_order_and_after_the_script() -> None:
    def statuses() -> list[int]:
        with FakeServer(script=["404"], rates={"500": 0.5}) as server:
            return [post(server.url, {"prompt": str(i)})[0] for i in range(20)]

    first = statuses()
    assert first[0] == 404
    assert first[1:].count(404) == 0
    assert first == statuses()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_is_noted_whatever_becomes_of_it(fault: str) -> None:
    with FakeServer(script=[fault]) as server:
        try:
            post(
                server.url,
                {"prompt": "bread", "n": 2, "seed": 1},
                timeout=0.3 if fault == "hang" else 10,
            )
        except (OSError, http.client.HTTPException):
            assert fault in ("reset", "hang", "cut")
        assert server.sent == {("bread", 1, 2): 1}
        assert len(server.times) == server.requests == 1
