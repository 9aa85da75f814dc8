"""Tests of leases of rates: all shards together keep the limits of one minute."""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect_left

import pytest

from synthkd.cluster.rate_leases import LIFE, LeasedLimiter, LeasedRates, RateLender, Returned
from synthkd.requests import Request, Sampling
from synthkd.teachers.dispatch.rate_limits import RateLimits


def most_in_a_minute(sent: list[tuple[float, float]]) -> float:
    sent = sorted(sent)
    times, sums = [at for at, _ in sent], [0.0]
    for _, amount in sent:
        sums.append(sums[-1] + amount)
    return max(sums[bisect_left(times, at + 60.0)] - sums[i] for i, at in enumerate(times))


@pytest.mark.parametrize("limit", [30, 600, 60_000])
@pytest.mark.parametrize("seed", range(5))
def test_leases_used_at_any_time_of_their_life_keep_the_limit(limit: int, seed: int) -> None:
    rng = random.Random(seed)
    lender = RateLender(limit, None)
    now, sent, returned = 0.0, [], []
    while now < 300:
        lease = lender.lend(now, 0.0, returned)
        returned = []
        if lease.wait > 0:
            now += lease.wait * rng.uniform(1.0, 1.2)
            continue
        used = rng.choice([lease.requests, lease.requests, rng.randint(0, int(lease.requests))])
        sent += [(now + rng.uniform(0, LIFE), 1.0) for _ in range(int(used))]
        # What was not used comes back, unless the node is lost.
        if rng.random() < 0.9:
            returned = [Returned(lease.requests - used, 0.0, lease.requests_end, 0.0)]
        now += rng.uniform(0, 0.05)
    assert most_in_a_minute(sent) <= limit
    assert most_in_a_minute(sent) >= 0.5 * limit


def test_a_limit_is_used_nearly_whole_by_shards_that_want_all() -> None:
    lender, now, sent = RateLender(6_000, None), 0.0, []
    while now < 200:
        lease = lender.lend(now, 0.0, [])
        now += lease.wait
        sent += [(now, 1.0)] * int(lease.requests)
    assert 0.9 * 6_000 <= most_in_a_minute(sent) <= 6_000


def test_tokens_are_lent_for_the_next_request_and_corrected_by_what_it_used() -> None:
    lender = RateLender(None, 6_000)
    assert lender.lend(0.0, 500.0, []).tokens == 500
    assert lender.lend(0.0, 10.0, []).wait > 0
    used_more = [Returned(0.0, -400.0, 0.0, 0.0)]
    # 400 tokens are those of four seconds, of which one is tolerated ahead.
    wait = lender.lend(20.0, 10.0, used_more).wait
    assert wait == pytest.approx(3.0, abs=0.1)
    assert lender.lend(20.0 + wait, 10.0, []).tokens == 25


def request(number: int) -> Request:
    message = {"role": "user", "content": f"hello {number}"}
    return Request("who", (message,), Sampling(max_tokens=8), (0,), "i")


def test_a_limiter_waits_for_leases_and_gives_back_what_expires() -> None:
    lender, returned_all, lock = RateLender(60_000, None), [], threading.Lock()

    def ask(tokens: float, returned: list[Returned]) -> object:
        with lock:
            returned_all.extend(returned)
            return lender.lend(time.monotonic(), tokens, returned)

    limiter = LeasedRates(60_000, None, ask).limiter()  # type: ignore[arg-type]
    assert isinstance(limiter, LeasedLimiter)
    assert limiter.delay(time.monotonic(), request(0)) > 0
    while limiter.delay(time.monotonic(), request(0)):
        time.sleep(0.01)
    limiter.take(request(0), time.monotonic())
    time.sleep(LIFE + 0.1)
    while limiter.delay(time.monotonic(), request(0)):
        time.sleep(0.01)
    # A quarter of a second's worth was lent, of which one was used.
    assert [one.requests for one in returned_all] == [249]


def test_an_error_of_the_lender_ends_the_waiting() -> None:
    def ask(tokens: float, returned: list[Returned]) -> object:
        raise ConnectionError("gone")

    limiter = LeasedRates(60, None, ask).limiter()  # type: ignore[arg-type]
    assert limiter is not None
    limiter.delay(time.monotonic(), request(0))
    time.sleep(0.2)
    with pytest.raises(ConnectionError):
        limiter.delay(time.monotonic(), request(0))


def test_without_limits_nothing_is_lent() -> None:
    assert LeasedRates().limiter() is None
    assert isinstance(LeasedRates(), RateLimits)
