"""Any server that speaks the OpenAI protocol: chat and plain completions."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from synthkd.errors import AuthenticationError, RecipeError, RequestError
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.teachers.dispatch import Policy, TransientError, dispatch, failures, retry_after

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from synthkd.recipe import Recipe, TeacherPart

_DEFAULT_URL = "https://api.openai.com/v1"
#: How often a server that gives fewer choices than asked is asked for the rest.
_TOP_UPS = 8


class OpenAITeacher:
    """Any server of the OpenAI protocol, over HTTP. The key comes from the environment and reaches no log, error or repr."""

    name = "openai"

    def __init__(self, part: TeacherPart, policy: Policy | None = None) -> None:
        if not part.model:
            raise RecipeError("teacher.model: name the model that the server serves")
        self.part = part
        self.policy = policy or Policy(part.concurrency, part.max_attempts)
        self.base_url = part.base_url or os.environ.get("OPENAI_BASE_URL") or _DEFAULT_URL
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            # The address is not shown: without a scheme, a password in it cannot be told from a path.
            raise RecipeError("teacher.base_url (or OPENAI_BASE_URL): begin it with http:// or https://")
        self._client: AsyncOpenAI | None = None

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> OpenAITeacher:
        return cls(recipe.teacher)

    def __repr__(self) -> str:
        return f"OpenAITeacher({self.part.model!r}, {_public(self.base_url)!r})"

    @property
    def identity(self) -> str:
        """Address and model; never a key, nor a password in the address."""
        return self.part.identity or f"openai:{_public(self.base_url)}:{self.part.model}"

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        self._client = self._connect()
        async with aclosing(dispatch(requests, self._ask_all, self.policy)) as groups:
            async for answers in groups:
                yield answers

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _connect(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        key = self._key()
        if key and not (key.isascii() and key.isprintable()):
            # The HTTP library would repeat the whole header in its error.
            raise AuthenticationError(
                f"the key in {self.part.api_key_env} holds characters that no header can carry; check that variable"
            )
        if not key:
            if self.base_url == _DEFAULT_URL:
                raise AuthenticationError(
                    f"no key: set the environment variable {self.part.api_key_env}, or teacher.base_url for a server"
                    " that needs none"
                )
            key = "none"
        return AsyncOpenAI(api_key=key, base_url=self.base_url, max_retries=0, timeout=self.part.timeout)

    def _key(self) -> str:
        """The key, without the white space that a file or a shell left around it."""
        return os.environ.get(self.part.api_key_env, "").strip()

    async def _ask_all(self, request: Request) -> list[Answer]:
        """All samples of a request; a server that ignores ``n`` is asked again for the rest."""
        answers: list[Answer] = []
        left = request.sample_indexes
        for _ in range(max(_TOP_UPS, len(left))):
            part = left if request.sampling.seed is None else _in_a_row(left)
            try:
                found = await self._ask(replace(request, sample_indexes=part))
            except TransientError as error:
                error.answers = answers
                raise
            except RequestError as error:
                # What came is paid for and kept; only the rest is refused.
                rest = replace(request, sample_indexes=left)
                return answers + failures(rest, error.reason, error.detail, 1, True)
            answers += found
            left = left[len(found) :]
            if not left:
                return answers
        detail = f"the server gave {len(answers)} of {len(request.sample_indexes)} choices"
        return answers + [Failure(request.request_id, index, "too_few_choices", detail) for index in left]

    async def _ask(self, request: Request) -> list[Answer]:
        import openai

        start = time.perf_counter()
        try:
            body = await self._send(request)
        except openai.APIStatusError as error:
            raise self._status(error) from None
        except openai.APIConnectionError as error:
            raise self._connection(error) from None
        except (openai.APIError, ValueError) as error:
            raise TransientError("bad_response", self._mask(str(error))) from None
        return self._answers(request, body, time.perf_counter() - start)

    async def _send(self, request: Request) -> Any:
        # Options are built as a dict, which the overloads of the package cannot match.
        client: Any = self._client
        sampling = request.sampling
        options = {
            name: value
            for name in (
                "temperature",
                "top_p",
                "presence_penalty",
                "frequency_penalty",
                "max_tokens",
            )
            if (value := getattr(sampling, name)) is not None
        }
        if sampling.stop:
            options["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            # Samples bought later begin at another index, so a seeded server does not sell the same again.
            options["seed"] = sampling.seed + request.sample_indexes[0]
        extra = {**({"top_k": sampling.top_k} if sampling.top_k else {}), **sampling.extra_body}
        if extra:
            options["extra_body"] = extra
        common: dict[str, Any] = {
            "model": self.part.model,
            "n": len(request.sample_indexes),
            **options,
        }
        if self.part.chat is False or (self.part.chat is None and _is_plain(request)):
            logprobs = {"logprobs": 1} if sampling.logprobs else {}
            return await client.completions.create(prompt=request.prompt, **common, **logprobs)
        messages: Any = [
            {**m, "role": "user" if m["role"] == "prompt" else m["role"]} for m in request.messages
        ]
        logprobs = {"logprobs": True} if sampling.logprobs else {}
        return await client.chat.completions.create(messages=messages, **common, **logprobs)

    def _answers(self, request: Request, body: Any, seconds: float) -> list[Answer]:
        choices = getattr(body, "choices", None)
        if not choices:
            raise TransientError("bad_response", "the body has no choices")
        pairs = list(zip(request.sample_indexes, choices, strict=False))
        scored = [_logprobs(choice) for _, choice in pairs]
        usage = getattr(body, "usage", None)
        shares = _shares(usage, [count for _, count in scored])
        read = getattr(usage, "prompt_tokens", None)
        answers: list[Answer] = []
        # The prompt is read once for all choices: the first that has a price bears it.
        unpaid = read
        for (index, choice), (logprob, _), written in zip(pairs, scored, shares, strict=True):
            reason = str(choice.finish_reason or "unknown")
            if reason == "content_filter":
                answers.append(Failure(request.request_id, index, reason, "the server withheld the text"))
                continue
            answers.append(
                Completion(
                    request.request_id,
                    index,
                    _text(choice),
                    reason,
                    prompt_tokens=read,
                    completion_tokens=written,
                    logprob=logprob,
                    latency=seconds,
                    price=self._price(unpaid, written),
                    model=getattr(body, "model", None),
                    seed=None
                    if request.sampling.seed is None
                    else request.sampling.seed + request.sample_indexes[0],
                )
            )
            unpaid = None if read is None else 0
        return answers

    def _price(self, read: int | None, written: int | None) -> float | None:
        """Dollars; unknown where a price or a count is."""
        price = self.part.price
        if price is None or read is None or written is None:
            return None
        return (read * price.input + written * price.output) / 1e6

    def _status(self, error: Any) -> Exception:
        """A status code as what it means for the request or the run."""
        status, detail = error.status_code, self._mask(_detail(error))
        if status == 401:
            return AuthenticationError(
                f"{_public(self.base_url)} refuses the key in {self.part.api_key_env} (401); check that variable"
            )
        if status in (408, 409, 429) or status >= 500:
            return TransientError(
                f"http_{status}", detail, retry_after(error.response.headers.get("retry-after"))
            )
        code = str(getattr(error, "code", "") or "")
        if "context_length" in code or "context length" in detail:
            return RequestError("context_too_long", detail)
        if "content_filter" in code:
            return RequestError("content_filter", detail)
        return RequestError(f"http_{status}", detail)

    def _connection(self, error: Exception) -> TransientError:
        """A connection that never was (`unreachable`), is slow, or broke."""
        causes = [error]
        while causes[-1].__cause__ is not None and len(causes) < 8:
            causes.append(causes[-1].__cause__)  # type: ignore[arg-type]
        names = " ".join(type(cause).__name__ + str(cause) for cause in causes)
        if any(sign in names for sign in ("ConnectError", "ConnectTimeout", "refused", "Name or service")):
            url = _public(self.base_url)
            return TransientError(
                "unreachable", f"nothing answers at {url}; is the server up, and teacher.base_url right?"
            )
        if "Timeout" in type(error).__name__:
            return TransientError("timeout", f"no answer in {self.part.timeout:g} s")
        return TransientError("connection", self._mask(f"the connection broke: {causes[-1]}"))

    def _mask(self, text: str) -> str:
        """A server's message without the key, should it repeat it."""
        key = self._key()
        return text.replace(key, "***") if key else text


def _is_plain(request: Request) -> bool:
    return all(message["role"] == "prompt" for message in request.messages)


def _public(url: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))


def _in_a_row(indexes: tuple[int, ...]) -> tuple[int, ...]:
    """The first indexes without a gap. Servers seed choice i with the seed plus i; over a gap, one request would
    buy again what is in hand."""
    return tuple(index for place, index in enumerate(indexes) if index == indexes[0] + place)


def _detail(error: Any) -> str:
    body = error.body
    if isinstance(body, dict):
        return str(body.get("message") or body.get("error") or body)
    return str(error.message)


def _text(choice: Any) -> str:
    message = getattr(choice, "message", None)
    text = message.content if message is not None else getattr(choice, "text", None)
    return text or ""


def _logprobs(choice: Any) -> tuple[float | None, int | None]:
    """Sum of token log-probabilities in nats, and how many tokens; None where the server gives none."""
    found = getattr(choice, "logprobs", None)
    content = getattr(found, "content", None)
    values = [item.logprob for item in content] if content else getattr(found, "token_logprobs", None)
    if not values:
        return None, None
    known = [value for value in values if value is not None]
    return (float(sum(known)) if known else None), len(values)


def _shares(usage: Any, counts: list[int | None]) -> list[int | None]:
    """Completion tokens of each choice: counted, or an equal share of what the server counted in all."""
    if all(count is not None for count in counts):
        return counts
    total = getattr(usage, "completion_tokens", None)
    if total is None or not counts:
        return [None] * len(counts)
    each, rest = divmod(total, len(counts))
    return [each + (rest if place == 0 else 0) for place in range(len(counts))]
