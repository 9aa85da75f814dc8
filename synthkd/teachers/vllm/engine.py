"""vLLM in this process: one engine request for each request, batched by the engine itself."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, fields
from difflib import get_close_matches
from itertools import count
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError, RequestError, TeacherError, require_extra
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Completion, Failure, Message, Request, Sampling
from synthkd.teachers.constrained_decoding import asked_form
from synthkd.teachers.dispatch import Policy, TransientError, dispatch
from synthkd.teachers.openai.request_body import in_a_row, is_chat
from synthkd.teachers.openai.responses import cost_of
from synthkd.teachers.vllm.server import QUIET, Guard
from synthkd.teachers.vllm.teacher import engine_args
from synthkd.text.thoughts import answer_tokens, opened_by, special_marks, split_thoughts

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.base import Account

#: Parameters whose names are vLLM's too.
_SAME_NAME = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
#: Seconds between looks at which processes the engine has started.
_LOOK = 0.2


@dataclass(frozen=True)
class Vllm:
    """The names of vLLM that are used here, in one place: they move between its versions."""

    EngineArgs: Any
    Engine: Any
    SamplingParams: Any
    StructuredOutputs: Any
    final_only: Any
    dead: type[Exception]
    failed: type[Exception]

    @classmethod
    def load(cls) -> Vllm:
        require_extra("the vllm backend", "vllm", "vllm")
        # vLLM reads these when it is imported; its engine is a process that inherits them.
        os.environ.update(QUIET)
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs  # type: ignore[import-not-found, unused-ignore]
            from vllm.sampling_params import (  # type: ignore[import-not-found, unused-ignore]
                RequestOutputKind,
                SamplingParams,
                StructuredOutputsParams,
            )
            from vllm.v1.engine.async_llm import AsyncLLM  # type: ignore[import-not-found, unused-ignore]
            from vllm.v1.engine.exceptions import (  # type: ignore[import-not-found, unused-ignore]
                EngineDeadError,
                EngineGenerateError,
            )
        except ImportError as error:
            raise TeacherError(
                f"vllm is installed but cannot be imported ({error}); install a vllm that fits this machine, or set"
                " teacher.vllm.serve and teacher.vllm.python to run it in an environment of its own"
            ) from None
        return cls(
            AsyncEngineArgs,
            AsyncLLM,
            SamplingParams,
            StructuredOutputsParams,
            RequestOutputKind.FINAL_ONLY,
            EngineDeadError,
            EngineGenerateError,
        )


_DEFAULTS = {
    # The run shows its own progress, and standard output is the program's.
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    # A fork would take along the journal's connection and the locks of other threads.
    "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn",
}


class InProcess:
    """The engine, loaded by the first request."""

    def __init__(self, part: TeacherPart, model: Path | str, policy: Policy) -> None:
        self.part, self.model, self.policy = part, model, policy
        self._engine: Any = None
        self._guard: Guard | None = None
        self._asker: Asker | None = None

    async def stream(
        self, requests: AsyncIterator[Request], account: Account | None
    ) -> AsyncGenerator[list[Answer], None]:
        if self._asker is None:
            self._asker = await self._load()
        async with aclosing(dispatch(requests, self._asker.ask, self.policy, account)) as groups:
            async for answers in groups:
                yield answers

    async def _load(self) -> Asker:
        vllm = await asyncio.to_thread(Vllm.load)
        args = _checked(engine_args(self.part, self.model), vllm)
        self._guard = Guard()
        before = set(multiprocessing.active_children())
        building = asyncio.create_task(asyncio.to_thread(_build, vllm, args))
        while not building.done():
            await asyncio.wait({building}, timeout=_LOOK)
            # The engine outlives a process that is killed, so the guard must know it from its first moments on.
            self._guard.watch(*(p.pid for p in set(multiprocessing.active_children()) - before if p.pid))
        try:
            self._engine = building.result()
        except Exception as error:
            raise TeacherError(
                f"vLLM cannot load {self.part.model}: {_first_line(error)}; the lines above say more. Mend"
                " teacher.model or teacher.vllm.args; in a script of your own, call synthkd under"
                " `if __name__ == '__main__':`"
            ) from error
        tokenizer = self._engine.get_tokenizer()
        if asyncio.iscoroutine(tokenizer):
            tokenizer = await tokenizer
        return Asker(vllm, self._engine, tokenizer, self.part)

    async def close(self) -> None:
        engine, self._engine, self._asker = self._engine, None, None
        if engine is not None:
            engine.shutdown()
        if self._guard is not None:
            self._guard.close()
            self._guard = None


class Asker:
    """Asks a running engine."""

    def __init__(self, vllm: Vllm, engine: Any, tokenizer: Any, part: TeacherPart) -> None:
        self.vllm, self.engine, self.tokenizer, self.part = vllm, engine, tokenizer, part
        self.longest = int(engine.model_config.max_model_len)
        self.defaults = dict(engine.model_config.get_diff_sampling_param())
        # A local model costs nothing where the recipe names no price.
        self.price = part.price or PricePart()
        self._numbers = count()
        self.marks = special_marks(map(str, getattr(tokenizer, "all_special_tokens", ())))

    async def ask(self, request: Request) -> list[Answer]:
        """All samples of a request. Over a gap in their indexes it takes several engine requests, as seeds count on."""
        ids, opened = self._encode(request)
        room = self.longest - request.sampling.max_tokens
        if len(ids) > room:
            detail = f"{len(ids)} tokens and {request.sampling.max_tokens} to write, the model holds {self.longest}"
            raise RequestError("context_too_long", detail)
        parts = await asyncio.gather(*(self._ask(one, ids, opened) for one in _pieces(request)))
        return [answer for answers in parts for answer in answers]

    async def _ask(self, request: Request, ids: list[int], opened: str) -> list[Answer]:
        start = time.perf_counter()
        name = f"{request.request_id}-{next(self._numbers)}"
        found = None
        try:
            prompt = {"type": "token", "prompt_token_ids": ids}
            async for output in self.engine.generate(prompt, self._params(request), name):
                found = output
        except self.vllm.dead:
            raise TeacherError(
                f"the vLLM engine of {self.part.model} has died; the lines above say why (often memory: lower"
                " teacher.concurrency, or teacher.vllm.args.gpu_memory_utilization). What came is kept"
            ) from None
        except self.vllm.failed as error:
            raise TransientError("engine", _first_line(error.__cause__ or error)) from None
        except TeacherError:
            raise
        except Exception as error:
            # What generate() raises besides these is its refusal of this request's parameters.
            raise RequestError("refused", _first_line(error)) from error
        return self._answers(request, found, time.perf_counter() - start, opened)

    def _encode(self, request: Request) -> tuple[list[int], str]:
        """Token ids of a request's prompt, and the tag by which it opens the model's thoughts."""
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
            # Without a template no request can be put; a template that refuses these messages says so itself.
            raise TeacherError(
                f"{self.part.model} takes no such chat ({_first_line(error)}); use a plain prompt template, or"
                " teacher.chat: false"
            ) from None
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"]), opened_by(text)

    def _params(self, request: Request) -> Any:
        """vLLM's sampling parameters. Only what is given is set."""
        sampling = request.sampling
        values = self.defaults | {
            name: value for name in _SAME_NAME if (value := getattr(sampling, name)) is not None
        }
        values |= {"n": len(request.sample_indexes), "max_tokens": sampling.max_tokens}
        values |= {"stop": list(sampling.stop), "output_kind": self.vllm.final_only}
        values["seed"] = _seed(request)
        if self.marks:
            # Else the thoughts would stand in the text without their tags.
            values["skip_special_tokens"] = False
        if sampling.logprobs:
            # The token that was drawn, and as many of the likeliest as a judge asks for.
            values["logprobs"] = int(sampling.extra_body.get("top_logprobs", 0))
        if shape := _shape(sampling):
            values["structured_outputs"] = self.vllm.StructuredOutputs(**shape)
        return self.vllm.SamplingParams(**values, **self._extra(sampling))

    def _extra(self, sampling: Sampling) -> dict[str, Any]:
        """`extra_body`, as far as it is about sampling."""
        apart = ("chat_template_kwargs", "top_logprobs")
        extra = {name: v for name, v in sampling.extra_body.items() if name not in apart}
        known = self.vllm.SamplingParams.__struct_fields__
        for name in extra:
            if name not in known:
                raise TeacherError(
                    f"teacher.sampling.extra_body.{name}: vLLM's SamplingParams has no such field; in-process, only"
                    " these and chat_template_kwargs can be passed on (teacher.vllm.serve passes on all)"
                )
        return extra

    def _answers(self, request: Request, found: Any, seconds: float, opened: str = "") -> list[Answer]:
        read = len(found.prompt_token_ids)
        answers: list[Answer] = []
        for output in sorted(found.outputs, key=lambda output: output.index):
            index = request.sample_indexes[output.index]
            if output.finish_reason in (None, "abort", "error"):
                detail = f"the engine ended it ({output.finish_reason})"
                answers.append(Failure(request.request_id, index, "aborted", detail, permanent=False))
                continue
            # The prompt is read once for all samples: the first bears it.
            bears = not answers
            written, cached = len(output.token_ids), found.num_cached_tokens
            # Without the tag of the template, thoughts that were cut would look like an answer.
            text = f"{opened}\n{output.text}" if opened else output.text
            first, logprob, apart = _own(output, text)
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
                    price=cost_of(self.price, read if bears else 0, written, cached if bears else 0),
                    model=self.part.model,
                    seed=_seed(request),
                    reasoning_tokens=apart,
                    cached_tokens=cached,
                    first_tokens=_first_tokens(output, first)
                    if "top_logprobs" in request.sampling.extra_body
                    else None,
                    bears_prompt=bears,
                )
            )
        return answers


def _own(output: Any, text: str) -> tuple[int | None, float | None, int | None]:
    """The first token of an answer, the answer's log-probability, and how many tokens stand beside it: its thoughts."""
    answer = split_thoughts(text)
    if not answer.thoughts:
        return 0, output.cumulative_logprob, None
    drawn = [place[token] for token, place in zip(output.token_ids, output.logprobs or (), strict=False)]
    own = answer_tokens([str(one.decoded_token) for one in drawn], answer.text)
    if own is None:
        return None, None, None
    first, end = own
    return first, sum(one.logprob for one in drawn[first:end]), len(output.token_ids) - (end - first)


def _first_tokens(output: Any, first: int | None) -> str | None:
    """The likeliest tokens at the answer's first place that is not blank, as the journal holds them."""
    if first is None:
        return None
    for drawn, place in list(zip(output.token_ids, output.logprobs or (), strict=False))[first:]:
        if str(place[drawn].decoded_token).strip():
            likeliest = sorted(place.values(), key=lambda token: -token.logprob)
            return json.dumps([[str(token.decoded_token), token.logprob] for token in likeliest])
    return None


def _pieces(request: Request) -> Iterator[Request]:
    """The request, cut where its sample indexes leave a gap: vLLM seeds sample i with the seed plus i."""
    left = request.sample_indexes
    while left:
        piece = left if request.sampling.seed is None else in_a_row(left)
        yield request.only(piece)
        left = tuple(index for index in left if index not in piece)


def _seed(request: Request) -> int | None:
    seed = request.sampling.seed
    return None if seed is None else seed + request.sample_indexes[0]


def _shape(sampling: Sampling) -> dict[str, Any] | None:
    """What vLLM's StructuredOutputsParams is made from."""
    form, response_format = asked_form(sampling), sampling.response_format
    if form is not None and form[0] in ("regex", "grammar"):
        return {form[0]: form[1]}
    kind = (response_format or {}).get("type", "text")
    if response_format is None or kind == "text":
        return None
    if kind == "json_object":
        return {"json_object": True}
    if kind == "json_schema":
        return {"json": response_format["json_schema"]["schema"]}
    raise TeacherError(
        f"teacher.sampling.response_format: the type {kind!r} is unknown in-process; use json_schema or json_object"
    )


def _checked(args: dict[str, Any], vllm: Vllm) -> dict[str, Any]:
    """The arguments, with a clear error for one that the engine does not have."""
    known = {field.name for field in fields(vllm.EngineArgs)}
    for name in args:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise RecipeError(f"teacher.vllm.args.{name}: this vLLM's engine has no such argument{hint}")
    if "use_tqdm_on_load" in known:
        args = {"use_tqdm_on_load": False} | args
    return args


def _build(vllm: Vllm, args: dict[str, Any]) -> Any:
    with _no_ctrl_c():
        return vllm.Engine.from_engine_args(vllm.EngineArgs(**args))


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Processes that this thread starts never get Ctrl-C.

    A terminal sends it to them too, and they would end at once, with what is in flight; synthkd's own handler waits
    for that. They set a handler of their own, so ignoring it beforehand is not enough: blocked it stays.
    """
    # Starting the tracker unblocks the signal, so it is started before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:500] if lines else type(error).__name__
