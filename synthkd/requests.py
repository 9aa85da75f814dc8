"""Requests, completions and failures, and the key under which an answer is found again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from synthkd.keys import content_hash

#: Bumped when the way a key is made changes; old journals then keep their rows but match nothing.
KEY_VERSION = 1

#: Each field that belongs to a request: is it part of the key, and why. A test holds it complete.
KEY_FIELDS: dict[str, tuple[bool, str]] = {
    "identity": (True, "another model, revision or endpoint answers differently"),
    "messages": (True, "it is what the teacher reads"),
    "temperature": (True, "changes the distribution that is sampled"),
    "top_p": (True, "changes the distribution that is sampled"),
    "top_k": (True, "changes the distribution that is sampled"),
    "max_tokens": (True, "cuts the answer"),
    "stop": (True, "cuts the answer"),
    "seed": (True, "chooses the sample"),
    "presence_penalty": (True, "changes the distribution that is sampled"),
    "frequency_penalty": (True, "changes the distribution that is sampled"),
    "extra_body": (True, "is sent as it stands, so anything in it may change the answer"),
    "sample_index": (True, "tells the samples of one request apart"),
    "n": (False, "how many are bought now; asking for 20 after 10 buys ten more"),
    "logprobs": (False, "asks for more about the same answer; it does not change the text"),
    "input_id": (False, "where the answer goes, not what was asked; equal prompts share an answer"),
    "template": (False, "the rendered text counts, not the name of the file it came from"),
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters. ``None`` leaves a parameter out of what is sent."""

    n: int = 1
    temperature: float | None = 1.0
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    seed: int | None = 0
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool = False
    extra_body: dict[str, Any] = field(default_factory=dict)

    def keyed(self) -> dict[str, Any]:
        """The parameters that are part of a request's key."""
        values = {name: getattr(self, name) for name in self.__slots__ if KEY_FIELDS[name][0]}
        values["stop"] = list(self.stop)
        return values


Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One rendered prompt with its sampling parameters, and which samples of it are wanted now.

    ``messages`` is a chat (role and content); a plain prompt is one message of role ``"prompt"``.
    """

    identity: str
    messages: tuple[Message, ...]
    sampling: Sampling
    sample_indexes: tuple[int, ...]
    input_id: str

    @property
    def request_id(self) -> str:
        """Content hash of everything in the key but the sample index."""
        return request_id(self.identity, self.messages, self.sampling)

    @property
    def prompt(self) -> str:
        """What is read by a teacher without a chat form."""
        return "\n\n".join(message["content"] for message in self.messages)


def request_id(identity: str, messages: tuple[Message, ...], sampling: Sampling) -> str:
    """Content hash (hex) of who is asked, what is asked and how it is sampled."""
    return content_hash(
        {
            "version": KEY_VERSION,
            "identity": identity,
            "messages": list(messages),
            **sampling.keyed(),
        }
    )


def completion_key(request: str, sample_index: int) -> str:
    """The key of one sample of a request: ``<request id>-<sample index>``."""
    return f"{request}-{sample_index}"


@dataclass(frozen=True, slots=True)
class Completion:
    """One text that came back. ``logprob`` is the sum over its tokens, in nats."""

    request_id: str
    sample_index: int
    text: str
    finish_reason: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    logprob: float | None = None
    latency: float | None = None
    price: float | None = None
    model: str | None = None
    seed: int | None = None

    @property
    def key(self) -> str:
        return completion_key(self.request_id, self.sample_index)


@dataclass(frozen=True, slots=True)
class Failure:
    """One sample that will not come: a fate with a reason, never an exception."""

    request_id: str
    sample_index: int
    reason: str
    detail: str
    attempts: int = 1
    permanent: bool = True

    @property
    def key(self) -> str:
        return completion_key(self.request_id, self.sample_index)


Answer = Completion | Failure
