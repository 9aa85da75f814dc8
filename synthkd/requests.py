"""Requests, completions and failures, and the key under which an answer is found again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from json.encoder import encode_basestring
from typing import Any

from synthkd.fastjson import dumps
from synthkd.keys import canonical

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
    "response_format": (True, "constrains the answer"),
    "regex": (True, "constrains the answer"),
    "grammar": (True, "constrains the answer"),
    "reasoning_effort": (True, "changes how long the model thinks before it answers"),
    "extra_body": (True, "is sent as it stands, so anything in it may change the answer"),
    "sample_index": (True, "tells the samples of one request apart"),
    "n": (False, "how many are bought now; asking for 20 after 10 buys ten more"),
    "logprobs": (False, "asks for more about the same answer; it does not change the text"),
    "input_id": (False, "where the answer goes, not what was asked; equal prompts share an answer"),
    "template": (False, "the rendered text counts, not the name of the file it came from"),
}


#: Parameters that came after the first version of the key: left out of it where they are not given, so that
#: what was bought before them is still found.
_LATER = ("response_format", "reasoning_effort", "regex", "grammar")


@dataclass(frozen=True)
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
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    regex: str | None = None
    grammar: str | None = None
    extra_body: dict[str, Any] = field(default_factory=dict)

    def keyed(self) -> dict[str, Any]:
        """The parameters that are part of a request's key."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if KEY_FIELDS[f.name][0]}
        values["stop"] = list(self.stop)
        return {name: value for name, value in values.items() if name not in _LATER or value is not None}

    @cached_property
    def json(self) -> str:
        """`keyed` as the journal holds it."""
        return json.dumps(self.keyed(), sort_keys=True)

    @cached_property
    def frame(self) -> tuple[bytes, bytes, bytes]:
        """Canonical JSON of a request's key, without the values of `identity` and `messages`: what comes before,
        between and after them. One key is made for each request, and the rest of it is the same for a whole run."""
        values: dict[str, Any] = {**self.keyed(), "version": KEY_VERSION}

        def part(low: str, high: str) -> bytes:
            names = sorted(name for name in values if low < name < high)
            return b",".join(canonical(name) + b":" + canonical(values[name]) for name in names)

        return (
            b"{" + part("", "identity") + b',"identity":',
            b"," + part("identity", "messages") + b',"messages":',
            b"," + part("messages", "~") + b"}",
        )


Message = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One rendered prompt with its sampling parameters, and which samples of it are wanted now.

    ``messages`` is a chat (role and content); a plain prompt is one message of role ``"prompt"``.
    """

    identity: str
    messages: tuple[Message, ...]
    sampling: Sampling
    sample_indexes: tuple[int, ...]
    input_id: str

    @cached_property
    def request_id(self) -> str:
        """Content hash of everything in the key but the sample index."""
        return request_id(self.identity, self.messages, self.sampling)

    @cached_property
    def messages_json(self) -> str:
        """The messages as the journal holds them."""
        return dumps(self.messages).decode("utf-8", "surrogatepass")

    def only(self, sample_indexes: tuple[int, ...]) -> Request:
        """The same request for these samples."""
        if sample_indexes == self.sample_indexes:
            return self
        other = replace(self, sample_indexes=sample_indexes)
        # The id does not depend on the samples: made once.
        other.__dict__["request_id"] = self.request_id
        return other

    @property
    def prompt(self) -> str:
        """What is read by a teacher without a chat form."""
        return "\n\n".join(message["content"] for message in self.messages)


def request_id(identity: str, messages: tuple[Message, ...], sampling: Sampling) -> str:
    """Content hash (hex) of who is asked, what is asked and how it is sampled."""
    before, between, after = sampling.frame
    key = (before, _identity(identity), between, _messages(messages), after)
    return hashlib.blake2b(b"".join(key), digest_size=16).hexdigest()


@lru_cache(16)
def _identity(identity: str) -> bytes:
    return canonical(identity)


def _messages(messages: tuple[Message, ...]) -> bytes:
    """Canonical JSON of messages, in a third of the time: all have the same two fields."""
    if any(len(message) != 2 or "role" not in message for message in messages):
        return canonical(list(messages))
    parts = [
        f'{{"content":{encode_basestring(message["content"])},"role":{encode_basestring(message["role"])}}}'
        for message in messages
    ]
    return f"[{','.join(parts)}]".encode("utf-8", "surrogatepass")


def completion_key(request: str, sample_index: int) -> str:
    """The key of one sample of a request: ``<request id>-<sample index>``."""
    return f"{request}-{sample_index}"


@dataclass(frozen=True, slots=True)
class Completion:
    """One text that came back. ``logprob`` is the sum over the tokens of its answer, in nats."""

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
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    #: JSON list of [token, log-probability]: the likeliest tokens of the first place that is not blank, where the
    #: request asked for them (``top_logprobs`` in `extra_body`). A judge's verdict is read from them.
    first_tokens: str | None = None
    #: The model's thoughts, where the server gives them apart from the text. No kind and no judge reads them.
    reasoning: str | None = None
    #: The prompt is read once for all choices of an answer; the first of them bears it.
    bears_prompt: bool = True

    @property
    def tokens(self) -> int:
        """Tokens read and written that this completion bears, as far as they were counted."""
        return (self.prompt_tokens or 0) * self.bears_prompt + (self.completion_tokens or 0)

    @property
    def key(self) -> str:
        return completion_key(self.request_id, self.sample_index)


@dataclass(frozen=True, slots=True)
class Failure:
    """One sample that will not come: an outcome with a reason, never an exception."""

    request_id: str
    sample_index: int
    reason: str
    detail: str
    attempts: int = 1
    permanent: bool = True
    #: What was billed for it, though nothing of use came; None where nobody knows.
    tokens: int | None = 0
    price: float | None = None

    @property
    def key(self) -> str:
        return completion_key(self.request_id, self.sample_index)


Answer = Completion | Failure
