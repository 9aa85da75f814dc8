"""Drive the dispatcher in tests: requests, senders that fail, and what was yielded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.dispatch import DispatchPolicy, Send, TransientError, dispatch

QUICK = DispatchPolicy(concurrency=4, max_attempts=3, base_delay=0.001, max_delay=0.01)


def request(number: int, n: int = 1) -> Request:
    messages = ({"role": "user", "content": f"prompt {number}"},)
    return Request("test", messages, Sampling(n=n), tuple(range(n)), f"input-{number}")


async def several(count: int, n: int = 1) -> AsyncIterator[Request]:
    for number in range(count):
        yield request(number, n)


def completions(asked: Request) -> list[Answer]:
    return [
        Completion(asked.request_id, index, asked.prompt, "stop") for index in asked.sample_indexes
    ]


async def echo(asked: Request) -> list[Answer]:
    return completions(asked)


def gather(
    requests: AsyncIterator[Request], send: Send, policy: DispatchPolicy = QUICK
) -> list[Answer]:
    async def collect() -> list[Answer]:
        return [answer async for group in dispatch(requests, send, policy) for answer in group]

    return asyncio.run(asyncio.wait_for(collect(), 10))


def until_error(
    requests: AsyncIterator[Request],
    send: Send,
    policy: DispatchPolicy = QUICK,
    reading: float = 0.0,
) -> tuple[list[Answer], Exception]:
    """Return the yielded items, and the error that ended them."""

    async def collect() -> tuple[list[Answer], Exception]:
        found: list[Answer] = []
        try:
            async for group in dispatch(requests, send, policy):
                found += group
                await asyncio.sleep(reading)
        except Exception as error:  # noqa: BLE001 (the caller looks at what it is)
            return found, error
        raise AssertionError("nothing was raised")

    return asyncio.run(asyncio.wait_for(collect(), 10))


def failing(times: int, error: Callable[[], Exception]) -> Send:
    """Answer each request after it has failed so many times."""
    tries: Counter[str] = Counter()

    async def send(asked: Request) -> list[Answer]:
        tries[asked.request_id] += 1
        if tries[asked.request_id] <= times:
            raise error()
        return completions(asked)

    return send


def busy() -> TransientError:
    return TransientError("http_500", "busy")


def gone() -> TransientError:
    return TransientError(
        "unreachable", "nothing answers at http://127.0.0.1:9/v1; is the server up?"
    )


def only_failures(answers: list[Answer]) -> list[Failure]:
    assert all(isinstance(answer, Failure) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Failure)]
