"""What a backend is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from synthkd.requests import (
    Answer,
    Completion,
    Failure,
    Message,
    Request,
    Sampling,
    completion_key,
    request_id,
)

__all__ = [
    "Answer",
    "Completion",
    "Failure",
    "Message",
    "Request",
    "Sampling",
    "Teacher",
    "completion_key",
    "request_id",
]


@runtime_checkable
class Teacher(Protocol):
    """A backend. It answers each (request, sample index) once, in any order, keyed.

    A backend never retries what is permanent, raises `TeacherError` only when nothing can go on
    (no key, no server), and holds at most a bounded number of requests at a time.
    """

    name: str

    @property
    def identity(self) -> str:
        """Who answers: enters every key. Never holds a secret."""
        ...

    def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        """Read requests as there is room, and yield answers in small groups as they come."""
        ...

    async def close(self) -> None:
        """Give back connections and memory."""
        ...
