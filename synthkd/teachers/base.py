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
    "Account",
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


class Account(Protocol):
    """Told by a backend which attempts may be billed: the writer of a run's journal."""

    def sent(self, request: Request) -> None:
        """Mark a request as on the wire. Called before its first byte is sent."""

    def unbilled(self, request: Request) -> None:
        """Take the mark back: the attempt was refused without a bill, or never left this machine."""

    async def unknown(self, request: Request) -> bool:
        """Charge an attempt of unknown cost before the next; False if there is no money for one."""
        ...


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
