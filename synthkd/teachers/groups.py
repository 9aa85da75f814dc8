"""Answers that are at hand, in small groups: for backends that read rows instead of asking anyone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from synthkd.requests import Answer, Request

#: Answers in one group, about.
GROUP = 512


async def in_groups(
    requests: AsyncIterator[Request], answer: Callable[[Request], Iterable[Answer]]
) -> AsyncIterator[list[Answer]]:
    """``answer`` each request, and yield the answers some at a time."""
    group: list[Answer] = []
    async for request in requests:
        group.extend(answer(request))
        if len(group) >= GROUP:
            yield group
            group = []
    if group:
        yield group
