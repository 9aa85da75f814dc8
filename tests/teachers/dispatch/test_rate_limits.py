"""Requests and tokens a minute, on a clock of the tests' own."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate, pairwise, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.requests import Completion, Request, Sampling
from synthkd.teachers.dispatch.rate_limits import (
    NO_TOKENS,
    EvenPace,
    RateLimiter,
    RateLimits,
    RunningQuantile,
    SlidingWindow,
    TokenEstimator,
)

MINUTE = 60.0
#: When a request was sent, and what it counts.
Sends = list[tuple[float, float]]


def request(length: int = 100, n: int = 1, max_tokens: int = 50) -> Request:
    """Return a request whose messages have so many characters as JSON."""
    empty = Request("test", ({"role": "user", "content": ""},), Sampling(), (0,), "input")
    content = "x" * max(0, length - len(empty.messages_json))
    sampling = Sampling(n=n, max_tokens=max_tokens)
    return Request(
        "test", ({"role": "user", "content": content},), sampling, tuple(range(n)), "input"
    )


def completions(asked: Request, read: int | None, written: int | None) -> list[Completion]:
    return [
        Completion(
            asked.request_id, index, "text", "stop", prompt_tokens=read, completion_tokens=written
        )
        for index in asked.sample_indexes
    ]


def limiter(requests: float | None = None, tokens: float | None = None) -> RateLimiter:
    limits = RateLimits(requests, tokens).limiter()
    assert limits is not None
    return limits


def sent(
    limits: RateLimiter,
    asked: Iterable[tuple[float, Request]],
    until: float = float("inf"),
    start: float = 1000.0,
) -> Sends:
    """Send requests that arrive some seconds apart, each as soon as the limiter allows."""
    arrived = now = start
    sends: Sends = []
    for gap, one in asked:
        arrived += gap
        now = max(now, arrived)
        while (wait := limits.delay(now, one)) > 0:
            now += max(wait, 1e-6)
        if now >= start + until:
            break
        sends.append((now, limits.take(one, now).tokens))
    return sends


def most_in_a_minute(sends: Sends) -> float:
    """Return the largest sum over any window of 60 seconds, both ends included."""
    times = [at for at, _ in sends]
    sums = [0.0, *accumulate(amount for _, amount in sends)]
    return max(
        sums[bisect_right(times, at + MINUTE)] - sums[place] for place, at in enumerate(times)
    )


def as_requests(sends: Sends) -> Sends:
    return [(at, 1.0) for at, _ in sends]


# Requests a minute

#: Seconds between arrivals: bursts, and pauses long enough to save up an allowance, if that were
#: possible.
gaps = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 0.05), st.floats(0, 5), st.floats(0, 200)),
    min_size=1,
    max_size=300,
)


@pytest.mark.slow
@given(limit=st.integers(1, 5000), pattern=gaps, burst=st.integers(1, 20))
def test_no_minute_holds_more_requests_than_allowed(
    limit: int, pattern: list[float], burst: int
) -> None:
    one = request()
    arrivals = [(gap if place == 0 else 0.0, one) for gap in pattern for place in range(burst)]
    assert most_in_a_minute(as_requests(sent(limiter(limit), arrivals))) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 3, 20, 99, 100, 101, 1000, 20_000])
def test_nearly_all_requests_that_are_allowed_are_sent_when_there_are_enough(limit: int) -> None:
    minutes = 10
    sends = sent(limiter(limit), repeat((0.0, request())), until=minutes * MINUTE)
    assert 0.9 * limit * minutes <= len(sends) <= limit * minutes
    assert most_in_a_minute(as_requests(sends)) <= limit


def test_few_requests_a_minute_are_sent_at_even_distances() -> None:
    times = [at for at, _ in sent(limiter(30), repeat((0.0, request()), 10))]
    assert all(2.0 <= later - at <= 2.2 for at, later in pairwise(times))


def test_a_pause_saves_up_a_second_or_two_and_no_more() -> None:
    arrivals = [(1000.0 if place == 500 else 0.0, request()) for place in range(1000)]
    sends = sent(limiter(6000), arrivals)
    after = [at for at, _ in sends[500:]]
    assert sum(at <= after[0] + 0.001 for at in after) <= 6000 / 60 * 2


def test_no_limits_need_no_limiter() -> None:
    assert RateLimits().limiter() is None


def test_the_tighter_of_two_limits_holds() -> None:
    one = request(length=200, max_tokens=100)
    by_requests = sent(limiter(requests=60, tokens=1_000_000), repeat((0.0, one)), until=300)
    by_tokens = sent(limiter(requests=10_000, tokens=12_000), repeat((0.0, one)), until=300)
    assert 270 <= len(by_requests) <= 300
    assert 270 <= len(by_tokens) <= 300


# Tokens a minute

sizes = st.one_of(st.integers(60, 200), st.integers(60, 3000))


@pytest.mark.slow
@given(
    limit=st.integers(5000, 200_000),
    pattern=st.lists(
        st.tuples(st.sampled_from([0.0, 0.0, 0.1, 3.0, 90.0]), sizes), min_size=1, max_size=120
    ),
)
def test_no_minute_holds_more_tokens_than_allowed(
    limit: int, pattern: list[tuple[float, int]]
) -> None:
    arrivals = [(gap, request(size, max_tokens=size)) for gap, size in pattern for _ in range(3)]
    assert most_in_a_minute(sent(limiter(tokens=limit), arrivals)) <= limit


def test_a_large_request_after_many_small_ones_waits_for_its_own_allowance() -> None:
    # The minute before it is full already: sent at once, it would be that much over the limit.
    limit = 10_000
    small = [(0.0, request(100, max_tokens=50)) for _ in range(95)]
    large = [(0.0, request(4000, max_tokens=2000))]
    assert most_in_a_minute(sent(limiter(tokens=limit), [*small, *large, *small])) <= limit


def test_a_request_above_the_limit_goes_in_the_end_and_alone() -> None:
    one, large = request(100, max_tokens=50), request(4000, max_tokens=3000)
    sends = sent(limiter(tokens=1000), [(0.0, one), (0.0, large), (0.0, one)])
    (before, _), (at, _), (after, _) = sends
    assert at - before <= 2 * MINUTE
    assert after - at > MINUTE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "size"), [(20_000, 100), (200_000, 100), (200_000, 1000), (2_000_000, 4000)]
)
def test_nearly_all_tokens_that_are_allowed_are_used_when_there_is_enough_to_ask(
    limit: int, size: int
) -> None:
    minutes = 10
    sends = sent(
        limiter(tokens=limit), repeat((0.0, request(size, max_tokens=size))), until=minutes * MINUTE
    )
    assert sum(amount for _, amount in sends) >= 0.9 * limit * minutes
    assert most_in_a_minute(sends) <= limit


def answered(limit: int, latency: float, written: Callable[[], int], until: float) -> Sends:
    """Send unlimited requests that may write 400 tokens each and write fewer.

    Returns what each came to in truth.
    """
    limits, one = limiter(tokens=limit), request(100, max_tokens=400)
    now, flying, sends = 1000.0, [], []
    while now < 1000.0 + until:
        while flying and flying[0][0] <= now:
            _, taken, tokens = flying.pop(0)
            limits.settle(one, taken, completions(one, 25, tokens))
        wait = limits.delay(now, one)
        if wait > 0:
            now = min([now + max(wait, 1e-6), *(at for at, *_ in flying[:1])])
            continue
        tokens = written()
        flying.append((now + latency, limits.take(one, now), tokens))
        sends.append((now, 25.0 + tokens))
    return sends


@pytest.mark.slow
@pytest.mark.parametrize(("latency", "share"), [(0.2, 0.9), (3.0, 0.9), (30.0, 0.8)])
def test_short_answers_give_back_what_was_taken_for_longer_ones(
    latency: float, share: float
) -> None:
    # A request in flight counts as long as one in twenty answers is.
    limit, minutes = 60_000, 10
    drawn = random.Random(0)
    sends = answered(limit, latency, lambda: drawn.randint(10, 60), minutes * MINUTE)
    # Until the first answers are there, nobody knows how short they are.
    known = [amount for at, amount in sends if at >= 1000.0 + 2 * MINUTE]
    assert sum(known) >= share * limit * (minutes - 2)
    assert most_in_a_minute(sends) <= limit


def test_what_is_longer_than_was_thought_is_paid_for_afterwards() -> None:
    limits, one = limiter(tokens=6000), request(100, max_tokens=50)
    taken = limits.take(one, 0.0)
    before = limits.delay(0.0, one)
    limits.settle(one, taken, completions(one, 25, 3000))
    assert limits.delay(0.0, one) >= before + 20


def test_what_is_shorter_than_was_thought_is_given_back() -> None:
    limits, one = limiter(tokens=6000), request(100, max_tokens=2000)
    taken = limits.take(one, 0.0)
    before = limits.delay(0.0, one)
    limits.settle(one, taken, completions(one, 25, 10))
    assert limits.delay(0.0, one) < before - 10


def test_what_is_given_back_is_never_more_than_was_taken() -> None:
    # In time it would be: a larger request in between makes each token cost more of it.
    limits, one, large = (
        limiter(tokens=6000),
        request(100, max_tokens=500),
        request(4000, max_tokens=900),
    )
    alone = limiter(tokens=6000)
    for each in (limits, alone):
        each.take(one, 0.0)
    first = limits.take(one, 0.0)
    for each in (limits, alone):
        each.take(large, 0.0)
    limits.settle(one, first, completions(one, 0, 0))
    assert limits.delay(0.0, one) == pytest.approx(alone.delay(0.0, one))


def test_an_answer_without_counts_settles_nothing() -> None:
    limits, one = limiter(tokens=6000), request(100, max_tokens=2000)
    taken = limits.take(one, 0.0)
    before = limits.delay(0.0, one)
    limits.settle(one, taken, completions(one, 25, None))
    limits.settle(one, taken, completions(one, None, 10))
    limits.settle(one, taken, [])
    assert limits.delay(0.0, one) == before


def test_without_a_limit_of_tokens_none_are_taken() -> None:
    limits = limiter(requests=60)
    assert limits.take(request(), 0.0) == NO_TOKENS
    limits.settle(request(), NO_TOKENS, completions(request(), 25, 3000))
    assert limits.delay(0.0, request()) < 1.1


# What a request will come to


def test_before_anything_came_a_request_is_taken_for_all_that_it_may_write() -> None:
    assert TokenEstimator().estimate(request(100, n=3, max_tokens=40)) == 100 * 0.5 + 3 * 40


def test_after_some_answers_the_guess_is_what_its_like_came_to() -> None:
    estimator, one = TokenEstimator(), request(100, n=2, max_tokens=400)
    estimator.estimate(one)
    for _ in range(30):
        assert estimator.update(one, completions(one, 25, 12)) == 25 + 2 * 12
    assert estimator.estimate(request(200, n=3, max_tokens=400)) == pytest.approx(50 + 3 * 12)


def test_the_quantile_is_the_given_one_until_there_are_enough_values() -> None:
    quantile = RunningQuantile(7.0)
    for _ in range(19):
        quantile.add(1.0)
    assert quantile.value == 7.0
    quantile.add(1.0)
    assert quantile.value == 1.0


@pytest.mark.slow
@given(st.lists(st.floats(0, 1e6), min_size=20, max_size=400))
def test_the_quantile_is_that_of_the_last_values(values: list[float]) -> None:
    quantile = RunningQuantile(0.0, size=100)
    for value in values:
        quantile.add(value)
    last = sorted(values[-100:])
    assert quantile.value in last
    below = sum(value < quantile.value for value in last)
    not_above = sum(value <= quantile.value for value in last)
    assert below <= 0.95 * len(last) <= not_above + 1


def test_values_of_long_ago_are_forgotten() -> None:
    quantile = RunningQuantile(0.0, size=50)
    for value in [1000.0] * 50 + [1.0] * 50:
        quantile.add(value)
    assert quantile.value == 1.0


def test_a_pace_that_was_taken_ahead_waits_until_it_is_earned() -> None:
    pace = EvenPace(60.0)
    pace.take(1, 10.0)
    assert pace.delay(10.0) == pytest.approx(1.01)
    assert pace.delay(10.0 + 2.0) == 0.0


def test_a_window_waits_until_enough_of_it_is_forgotten() -> None:
    window = SlidingWindow(10.0)
    window.take(6, 0.0)
    window.take(4, 30.0)
    assert window.delay(30.0, 0.5) == pytest.approx(60 - 30, abs=1)
    assert window.delay(30.0, 7) == pytest.approx(60, abs=1)
    assert window.delay(61.0, 6) == 0.0


def test_what_a_window_has_forgotten_is_not_corrected() -> None:
    window = SlidingWindow(10.0)
    end = window.take(6, 0.0)
    assert window.delay(100.0, 10) == 0.0
    window.correct(-6, end)
    window.take(10, 100.0)
    assert window.delay(100.0, 1) > 0


def test_a_process_that_starts_again_keeps_the_limit_with_what_the_one_before_sent() -> None:
    one = request()
    first = as_requests(sent(limiter(600), repeat((0.0, one)), until=95))
    second = as_requests(sent(limiter(600), repeat((0.0, one)), until=95, start=1095.0))
    assert most_in_a_minute(first + second) <= 600
