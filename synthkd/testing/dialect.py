"""Protocols of the test server: how a request is read, and how an answer and an error look.

Answers are made in the form of OpenAI's chats (`texts`); a dialect translates requests into that
form, and answers out of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from synthkd.testing.batches import Complete, FakeBatches
from synthkd.testing.batches import Reply as BatchReply
from synthkd.testing.faults import Reply, fault_reply
from synthkd.testing.texts import prompt_text


class BatchCall(NamedTuple):
    """A request about batches."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class BadRequestError(Exception):
    """A request that the protocol does not allow; the message is what the server says."""


class Dialect(ABC):
    """One protocol of the test server."""

    #: Path of the address, such as ``/v1``.
    root: ClassVar[str] = "/v1"

    @abstractmethod
    def is_request(self, path: str) -> bool:
        """Return True for a path at which answers are asked for."""

    @abstractmethod
    def key(self, headers: Mapping[str, str]) -> str:
        """Return the key that a request brings; "" for none."""

    @abstractmethod
    def read(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        """Return whether a request is a chat, and its body in OpenAI's form.

        Raises:
            BadRequestError: The protocol does not allow the request.
        """

    @abstractmethod
    def answer(self, reply: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Return the body of an answer.

        Args:
            reply: The body in OpenAI's form.
            body: The request as it was sent.
        """

    @abstractmethod
    def error(self, status: int, message: str, code: str | None = None) -> dict[str, Any]:
        """Return the body of an error."""

    def wrong_key(self, sent: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for a wrong key, which the message repeats."""
        return 401, self.error(401, f"wrong key {sent}")

    @abstractmethod
    def models(self) -> dict[str, Any]:
        """Return the list of models."""

    @abstractmethod
    def handle_batches(
        self, batches: FakeBatches, call: BatchCall, complete: Complete
    ) -> BatchReply | None:
        """Return status and body for a request about batches; None for any other path.

        Args:
            batches: The batches.
            call: The request.
            complete: Answers a row.
        """

    def fault(self, name: str) -> Reply | None:
        """Return status, body and headers of a fault; None for a fault without its own status."""
        if (found := fault_reply(name)) is None:
            return None
        status, body, headers = found
        return status, self.error(status, **body["error"]), headers

    def row_error(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        """Return the error of a row, whose planted form is OpenAI's."""
        error = body.get("error", {})
        return self.error(status, str(error.get("message", "")), error.get("code"))


class OpenAIDialect(Dialect):
    """The OpenAI protocol: chat and plain completions."""

    def is_request(self, path: str) -> bool:
        return path.endswith("/completions")

    def key(self, headers: Mapping[str, str]) -> str:
        sent = headers.get("authorization", "") or headers.get("api-key", "")
        return sent.removeprefix("Bearer ")

    def read(
        self, path: str, headers: Mapping[str, str], body: dict[str, Any]
    ) -> tuple[bool, dict[str, Any]]:
        chat = path.endswith("/chat/completions")
        try:
            prompt_text(chat, body)
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequestError(f"not a request: {error!r}") from None
        return chat, body

    def answer(self, reply: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        return reply

    def error(self, status: int, message: str, code: str | None = None) -> dict[str, Any]:
        return {"error": {"message": message, **({"code": code} if code else {})}}

    def models(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": "fake", "object": "model"}]}

    def handle_batches(
        self, batches: FakeBatches, call: BatchCall, complete: Complete
    ) -> BatchReply | None:
        return batches.handle(call.method, call.path, call.headers, call.body, complete)
