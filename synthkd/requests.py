"""Requests, completions and failures, and the key under which a completion is found again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from json.encoder import encode_basestring
from typing import Any

from synthkd.fastjson import dumps
from synthkd.keys import canonical

#: Raised when the computation of keys changes; older journals then keep their rows, but no request
#: matches them.
KEY_VERSION = 1

#: Field of a request -> whether it is part of the key, and why. A test checks that no field is
#: missing.
KEY_FIELDS: dict[str, tuple[bool, str]] = {
    "identity": (True, "another model, revision or endpoint answers differently"),
    "messages": (True, "are what the teacher reads"),
    "temperature": (True, "changes the distribution that is sampled"),
    "top_p": (True, "changes the distribution that is sampled"),
    "top_k": (True, "changes the distribution that is sampled"),
    "max_tokens": (True, "truncates the answer"),
    "stop": (True, "truncates the answer"),
    "seed": (True, "chooses the sample"),
    "presence_penalty": (True, "changes the distribution that is sampled"),
    "frequency_penalty": (True, "changes the distribution that is sampled"),
    "response_format": (True, "constrains the answer"),
    "regex": (True, "constrains the answer"),
    "grammar": (True, "constrains the answer"),
    "reasoning_effort": (True, "changes how long the model thinks before it answers"),
    "extra_body": (True, "is sent unchanged, so any of its fields may change the answer"),
    "sample_index": (True, "distinguishes the samples of one request"),
    "n": (False, "is the number of samples now; asking for 20 after 10 buys ten more"),
    "logprobs": (False, "asks for more about the same answer and does not change the text"),
    "input_id": (False, "is where the answer goes; equal prompts share an answer"),
    "template": (False, "is the name of a file; the rendered text counts"),
}


#: Parameters that are newer than the first version of the key: left out of it if not given, so that
#: older completions are still found.
_LATER = ("response_format", "reasoning_effort", "regex", "grammar")


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters of a request; a parameter that is None is not sent."""

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

    def key_parameters(self) -> dict[str, Any]:
        """Return the parameters that are part of a request's key."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if KEY_FIELDS[f.name][0]}
        values["stop"] = list(self.stop)
        return {
            name: value for name, value in values.items() if name not in _LATER or value is not None
        }

    @cached_property
    def json(self) -> str:
        """The parameters of the key as JSON, in the journal's form."""
        return json.dumps(self.key_parameters(), sort_keys=True)

    @cached_property
    def key_parts(self) -> tuple[bytes, bytes, bytes]:
        """Canonical JSON of a request's key around the values of `identity` and `messages`.

        The parts before, between and after the two values are computed once: all requests of a run
        share them.
        """
        values: dict[str, Any] = {**self.key_parameters(), "version": KEY_VERSION}

        def part(low: str, high: str) -> bytes:
            names = sorted(name for name in values if low < name < high)
            return b",".join(canonical(name) + b":" + canonical(values[name]) for name in names)

        return (
            b"{" + part("", "identity") + b',"identity":',
            b"," + part("identity", "messages") + b',"messages":',
            b"," + part("messages", "~") + b"}",
        )


#: A message of a chat: `role` and `content`.
Message = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One rendered prompt with its sampling parameters and the samples to draw now.

    Attributes:
        identity: Who answers (`Teacher.identity`).
        messages: A chat (role and content); a plain prompt is one message of role ``"prompt"``.
        sampling: Sampling parameters.
        sample_indexes: Numbers of the samples, ascending.
        input_id: The input that the prompt is about; not part of the key.
    """

    identity: str
    messages: tuple[Message, ...]
    sampling: Sampling
    sample_indexes: tuple[int, ...]
    input_id: str

    @cached_property
    def request_id(self) -> str:
        """Content hash of the key without the sample index."""
        return request_id(self.identity, self.messages, self.sampling)

    @cached_property
    def messages_json(self) -> str:
        """The messages as JSON, in the journal's form."""
        return dumps(self.messages).decode("utf-8", "surrogatepass")

    def with_samples(self, sample_indexes: tuple[int, ...]) -> Request:
        """Return the same request for other samples."""
        if sample_indexes == self.sample_indexes:
            return self
        other = replace(self, sample_indexes=sample_indexes)
        # The id does not depend on the samples: computed once.
        other.__dict__["request_id"] = self.request_id
        return other

    @property
    def prompt(self) -> str:
        """The contents of the messages as one text, for teachers without a chat form."""
        return "\n\n".join(message["content"] for message in self.messages)


def request_id(identity: str, messages: tuple[Message, ...], sampling: Sampling) -> str:
    """Return the content hash (hex) of identity, messages and sampling parameters."""
    before, between, after = sampling.key_parts
    key = (before, _identity(identity), between, _messages(messages), after)
    return hashlib.blake2b(b"".join(key), digest_size=16).hexdigest()


@lru_cache(16)
def _identity(identity: str) -> bytes:
    return canonical(identity)


def _messages(messages: tuple[Message, ...]) -> bytes:
    """Return `canonical` of messages, in a third of the time for the usual two fields."""
    if any(len(message) != 2 or "role" not in message for message in messages):
        return canonical(list(messages))
    parts = [
        f'{{"content":{encode_basestring(message["content"])},"role":{encode_basestring(message["role"])}}}'
        for message in messages
    ]
    return f"[{','.join(parts)}]".encode("utf-8", "surrogatepass")


def completion_key(request: str, sample_index: int) -> str:
    """Return the key of one sample of a request: ``<request id>-<sample index>``."""
    return f"{request}-{sample_index}"


@dataclass(frozen=True, slots=True)
class Completion:
    """One text of a teacher.

    Attributes:
        text: The text, with the thoughts that the server left in it.
        finish_reason: Why it ended, in the provider's words (`finish_reasons`).
        prompt_tokens: Tokens read, by the server's count; None if unknown, like all counts.
        completion_tokens: Tokens written, those of thoughts included.
        logprob: Sum of the log-probabilities of the answer's tokens, in nats.
        latency: Seconds from request to answer.
        price: Dollars.
        model: Name of the model that the server reports.
        seed: Seed that was sent.
        reasoning_tokens: Tokens of thoughts.
        cached_tokens: Tokens read that the provider had in its cache.
        first_tokens: JSON list of [token, log-probability]: alternatives of the answer's first
            token that is not blank, if the request asks for them (``top_logprobs`` in
            `extra_body`). Judges read verdicts from them.
        reasoning: Thoughts that the server gives apart from the text. No kind and no judge reads
            them.
        counts_prompt: The tokens of the prompt count for this completion: the first of its answer,
            since the prompt is read once for all.
    """

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
    first_tokens: str | None = None
    reasoning: str | None = None
    counts_prompt: bool = True

    @property
    def tokens(self) -> int:
        """Tokens read and written for this completion, as far as the server counted them."""
        return (self.prompt_tokens or 0) * self.counts_prompt + (self.completion_tokens or 0)

    @property
    def key(self) -> str:
        return completion_key(self.request_id, self.sample_index)


@dataclass(frozen=True, slots=True)
class Failure:
    """One sample without a completion, with the reason.

    Attributes:
        reason: A short name, such as ``context_too_long``.
        detail: The message.
        attempts: Attempts that were made.
        permanent: No further attempt can succeed.
        tokens: Tokens billed without a usable text; None if unknown.
        price: Dollars billed.
    """

    request_id: str
    sample_index: int
    reason: str
    detail: str
    attempts: int = 1
    permanent: bool = True
    tokens: int | None = 0
    price: float | None = None

    @property
    def key(self) -> str:
        return completion_key(self.request_id, self.sample_index)


#: The answer to one sample.
Answer = Completion | Failure
