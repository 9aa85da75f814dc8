"""vLLM in this process: one engine request per request; the engine batches them."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from itertools import count
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import RequestError, TeacherError
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Completion, Failure, Message, Request, Sampling
from synthkd.teachers.dispatch import DispatchPolicy, TransientError, dispatch
from synthkd.teachers.openai.request_body import is_chat
from synthkd.teachers.remote.usage import token_cost
from synthkd.teachers.remote.wire_format import split_at_gaps
from synthkd.teachers.vllm.api import VllmApi, checked_args, sample_seed, sampling_params
from synthkd.teachers.vllm.arguments import engine_args
from synthkd.teachers.vllm.process_guard import ProcessGuard
from synthkd.text.thoughts import answer_tokens, opened_by, special_marks, split_thoughts

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.base import Account

#: Seconds between checks which processes the engine has started.
_POLL = 0.2


class InProcessEngine:
    """The engine in this process, loaded by the first request."""

    def __init__(self, part: TeacherPart, model: Path | str, policy: DispatchPolicy) -> None:
        self.part, self.model, self.policy = part, model, policy
        self._engine: Any = None
        self._guard: ProcessGuard | None = None
        self._client: EngineClient | None = None

    async def stream(
        self, requests: AsyncIterator[Request], account: Account | None
    ) -> AsyncGenerator[list[Answer], None]:
        if self._client is None:
            self._client = await self._load()
        async with aclosing(dispatch(requests, self._client.send, self.policy, account)) as groups:
            async for answers in groups:
                yield answers

    async def _load(self) -> EngineClient:
        vllm = await asyncio.to_thread(VllmApi.load)
        args = checked_args(engine_args(self.part, self.model), vllm)
        self._guard = ProcessGuard()
        before = set(multiprocessing.active_children())
        building = asyncio.create_task(asyncio.to_thread(_build, vllm, args))
        while not building.done():
            await asyncio.wait({building}, timeout=_POLL)
            # The engine outlives a killed process, so the guard watches it from the start.
            self._guard.watch(
                *(p.pid for p in set(multiprocessing.active_children()) - before if p.pid)
            )
        try:
            self._engine = building.result()
        except Exception as error:
            raise TeacherError(
                f"vLLM cannot load {self.part.model}: {_first_line(error)}; see the lines above."
                " Correct teacher.model or teacher.options.args; in a script of your own, call"
                " synthkd under `if __name__ == '__main__':`"
            ) from error
        tokenizer = self._engine.get_tokenizer()
        if asyncio.iscoroutine(tokenizer):
            tokenizer = await tokenizer
        return EngineClient(vllm, self._engine, tokenizer, self.part)

    async def close(self) -> None:
        engine, self._engine, self._client = self._engine, None, None
        if engine is not None:
            engine.shutdown()
        if self._guard is not None:
            self._guard.close()
            self._guard = None


class EngineClient:
    """Sends requests to a running engine."""

    def __init__(self, vllm: VllmApi, engine: Any, tokenizer: Any, part: TeacherPart) -> None:
        self.vllm, self.engine, self.tokenizer, self.part = vllm, engine, tokenizer, part
        self.context_length = int(engine.model_config.max_model_len)
        self.defaults = dict(engine.model_config.get_diff_sampling_param())
        # A local model costs nothing unless the recipe names a price.
        self.price = part.price or PricePart()
        self._numbers = count()
        self.marks = special_marks(map(str, getattr(tokenizer, "all_special_tokens", ())))

    async def send(self, request: Request) -> list[Answer]:
        """Draw all samples of a request.

        A gap in the sample indexes splits it into several engine requests: vLLM seeds sample i with
        the seed plus i.
        """
        ids, opened = self._encode(request)
        written = request.sampling.max_tokens
        if len(ids) > self.context_length - written:
            detail = (
                f"the prompt has {len(ids)} tokens and {written} may be written; the model"
                f" holds {self.context_length}"
            )
            raise RequestError("context_too_long", detail)
        parts = await asyncio.gather(
            *(self._generate(one, ids, opened) for one in split_at_gaps(request))
        )
        return [answer for answers in parts for answer in answers]

    async def _generate(self, request: Request, ids: list[int], opened: str) -> list[Answer]:
        start = time.perf_counter()
        name = f"{request.request_id}-{next(self._numbers)}"
        result = None
        try:
            prompt = {"type": "token", "prompt_token_ids": ids}
            # Otherwise the text holds the thoughts without their tags.
            params = sampling_params(self.vllm, request, self.defaults, keeps_tags=bool(self.marks))
            async for output in self.engine.generate(prompt, params, name):
                result = output
        except self.vllm.dead:
            raise TeacherError(
                f"the vLLM engine of {self.part.model} has died; the lines above say why (often"
                " memory: lower teacher.concurrency, or"
                " teacher.options.args.gpu_memory_utilization). The answers so far are kept"
            ) from None
        except self.vllm.failed as error:
            raise TransientError("engine", _first_line(error.__cause__ or error)) from None
        except TeacherError:
            raise
        except Exception as error:
            # Any other error of generate() is a refusal of this request's parameters.
            raise RequestError("refused", _first_line(error)) from error
        return self._answers(request, result, time.perf_counter() - start, opened)

    def _encode(self, request: Request) -> tuple[list[int], str]:
        """Return the token ids of a prompt, and the tag that opens the model's thoughts."""
        if not is_chat(request, self.part):
            return list(self.tokenizer(request.prompt)["input_ids"]), opened_by(request.prompt)
        messages = [{**m, "role": "user"} if m["role"] == "prompt" else m for m in request.messages]
        return self._chat(messages, request.sampling)

    def _chat(self, messages: list[Message], sampling: Sampling) -> tuple[list[int], str]:
        options = dict(sampling.extra_body.get("chat_template_kwargs") or {})
        if sampling.reasoning_effort:
            options.setdefault("reasoning_effort", sampling.reasoning_effort)
        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **options
            )
        except ValueError as error:
            # Without a template, every request fails; a template that refuses says so itself.
            raise TeacherError(
                f"{self.part.model}: its chat template does not take these messages"
                f" ({_first_line(error)}); use a plain prompt template, or teacher.chat: false"
            ) from None
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"]), opened_by(text)

    def _answers(
        self, request: Request, result: Any, seconds: float, opened: str = ""
    ) -> list[Answer]:
        read = len(result.prompt_token_ids)
        answers: list[Answer] = []
        for output in sorted(result.outputs, key=lambda output: output.index):
            index = request.sample_indexes[output.index]
            if output.finish_reason in (None, "abort", "error"):
                detail = f"the engine ended the sample ({output.finish_reason})"
                answers.append(
                    Failure(request.request_id, index, "aborted", detail, permanent=False)
                )
                continue
            # The prompt is read once for all samples: its tokens count for the first.
            first = not answers
            written, cached = len(output.token_ids), result.num_cached_tokens
            # The template may open the thoughts: untagged, truncated ones look like answers.
            text = f"{opened}\n{output.text}" if opened else output.text
            start, logprob, thought = _answer_span(output, text)
            answers.append(
                Completion(
                    request.request_id,
                    index,
                    text,
                    str(output.finish_reason),
                    prompt_tokens=read,
                    completion_tokens=written,
                    logprob=logprob if request.sampling.logprobs else None,
                    latency=seconds,
                    price=token_cost(
                        self.price, read if first else 0, written, cached if first else 0
                    ),
                    model=self.part.model,
                    seed=sample_seed(request),
                    reasoning_tokens=thought,
                    cached_tokens=cached,
                    first_tokens=_first_tokens(output, start)
                    if "top_logprobs" in request.sampling.extra_body
                    else None,
                    counts_prompt=first,
                )
            )
        return answers


def _answer_span(output: Any, text: str) -> tuple[int | None, float | None, int | None]:
    """Find the answer behind a sample's thoughts.

    Returns:
        Index of its first token, its log-probability, and the number of tokens of the thoughts;
        None if unknown.
    """
    answer = split_thoughts(text)
    if not answer.thoughts:
        return 0, output.cumulative_logprob, None
    sampled = [
        position[token]
        for token, position in zip(output.token_ids, output.logprobs or (), strict=False)
    ]
    span = answer_tokens([str(token.decoded_token) for token in sampled], answer.text)
    if span is None:
        return None, None, None
    start, end = span
    return (
        start,
        sum(token.logprob for token in sampled[start:end]),
        len(output.token_ids) - (end - start),
    )


def _first_tokens(output: Any, start: int | None) -> str | None:
    """Return the alternatives of the answer's first non-blank token as JSON, most likely first."""
    if start is None:
        return None
    for sampled, position in list(zip(output.token_ids, output.logprobs or (), strict=False))[
        start:
    ]:
        if str(position[sampled].decoded_token).strip():
            alternatives = sorted(position.values(), key=lambda token: -token.logprob)
            return json.dumps([[str(token.decoded_token), token.logprob] for token in alternatives])
    return None


def _build(vllm: VllmApi, args: dict[str, Any]) -> Any:
    with _no_ctrl_c():
        return vllm.Engine.from_engine_args(vllm.EngineArgs(**args))


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for the processes that this thread starts.

    A terminal sends SIGINT to them too, and they would end at once, with the requests in flight
    that synthkd's own handler waits for. They install handlers of their own, so an ignored signal
    would not stay ignored; a blocked one does.
    """
    # Starting the resource tracker unblocks the signal, so it is started first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:500] if lines else type(error).__name__
