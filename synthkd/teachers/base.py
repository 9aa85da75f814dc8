"""The contract of a backend: what every teacher does, and each capability with its default."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from synthkd import plugins
from synthkd.plugins import Plugin
from synthkd.recipe import PricePart
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.returned_values import short_form, wrong_value

if TYPE_CHECKING:
    from synthkd.journal.store import Journal
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.secrets import Url
    from synthkd.teachers.dispatch.rate_limits import RateLimits

#: The most alternatives of a token that the OpenAI protocol gives in a chat.
MAX_TOP_LOGPROBS = 20


class Account(Protocol):
    """Record which attempts may be billed; the writer of a run's journal implements it."""

    def sent(self, requests: Sequence[Request]) -> None:
        """Mark requests as on the wire. Called before the first byte of any is sent."""

    def unbilled(self, request: Request) -> None:
        """Unmark a request: the attempt was refused without a bill, or never left this machine."""

    async def unknown(self, request: Request) -> bool:
        """Charge an attempt of unknown cost before the retry.

        Returns:
            False if the budget is used up.
        """
        ...


Stream = Callable[["Teacher", AsyncIterator[Request]], AsyncIterator[list[Answer]]]


def _checked_stream(stream: Stream) -> Stream:
    """Check that a backend answers each sample that it read once, and nothing else."""

    @wraps(stream)
    async def checked(
        self: Teacher, requests: AsyncIterator[Request]
    ) -> AsyncIterator[list[Answer]]:
        unanswered: set[tuple[str, int]] = set()

        async def noted() -> AsyncIterator[Request]:
            async for request in requests:
                unanswered.update((request.request_id, index) for index in request.sample_indexes)
                yield request

        answers_ahead: Any = stream(self, noted())
        if not isinstance(answers_ahead, AsyncIterator):
            raise wrong_value(self, stream, "is no async generator: `yield` lists of answers")
        try:
            async for answers in answers_ahead:
                if problem := _answers_problem(answers, unanswered):
                    raise wrong_value(self, stream, problem)
                yield answers
        finally:
            if inspect.isasyncgen(answers_ahead):
                await answers_ahead.aclose()
        # A backend that can stop may leave what was in flight.
        if unanswered and type(self).stop is Teacher.stop:
            request_id, index = min(unanswered)
            raise wrong_value(
                self,
                stream,
                f"ended with {len(unanswered):,} samples unanswered, such as sample {index} of"
                f" request {request_id}; yield a Completion or a Failure for each of"
                " `request.sample_indexes`",
            )

    return checked


def _answers_problem(answers: Any, unanswered: set[tuple[str, int]]) -> str:
    if not isinstance(answers, list):
        return f"yielded {short_form(answers)}; yield a list of Completion or Failure"
    for answer in answers:
        if not isinstance(answer, Completion | Failure):
            return f"yielded {short_form(answer)}; a Completion or Failure is needed"
        text: object = getattr(answer, "text", "")
        if not isinstance(text, str):
            return f"yielded a Completion of {short_form(text)}; a text is needed"
        if (key := (answer.request_id, answer.sample_index)) not in unanswered:
            return (
                f"answered sample {answer.sample_index} of request {answer.request_id!r:.40}, which"
                " is unknown or has its answer; take both from the request"
            )
        unanswered.remove(key)
    return ""


class Teacher(Plugin, ABC):
    """A backend: answers each (request, sample index) once, in any order, by key.

    A backend never retries what is permanent, raises `TeacherError` only if no request can succeed
    (no key, no server), and has a bounded number of requests in flight.

    Class attributes and methods that are not abstract are capabilities. Their defaults describe a
    model on this machine that costs nothing.

    Example:
        class Parrot(Teacher):
            name = "parrot"

            @property
            def identity(self):
                return "parrot:1"

            async def stream(self, requests):
                async for request in requests:
                    yield [
                        Completion(request.request_id, index, request.prompt, "stop")
                        for index in request.sample_indexes
                    ]
    """

    #: The name in a recipe (`teacher.backend`).
    name: ClassVar[str]
    #: Whether requests go over the network, to the addresses in `base_urls`.
    is_remote: ClassVar[bool] = False
    #: Whether a recipe must name a prompt template.
    needs_template: ClassVar[bool] = True
    #: Whether anybody is asked; False if answers are made of the requests alone.
    asks: ClassVar[bool] = True
    #: Whether completions may have log-probabilities if a request asks for them.
    gives_logprobs: ClassVar[bool] = True
    #: Whether completions may have log-probabilities although the request does not ask for them.
    has_own_logprobs: ClassVar[bool] = False
    #: Whether a further sample of a request may say something new; False if answers are rows of a
    #: file, so that a target asks for no more samples of an input than `sampling.n`.
    draws_anew: ClassVar[bool] = True
    #: Whether requests become batches of a provider's Batch API, which outlive the run and which
    #: `synthkd batches` lists.
    keeps_batches: ClassVar[bool] = False

    #: Dollars per million tokens; None if unknown, so that no budget in dollars can be kept.
    price: PricePart | None = PricePart()
    #: Addresses that requests are sent to.
    base_urls: Sequence[Url] = ()
    #: Environment variable of the key that is sent; "" if none is.
    key_variable: str = ""
    #: Set before `stream` if the run has a budget; backends whose requests are billed report here.
    account: Account | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "stream" in vars(cls) and not cls.__module__.startswith("synthkd."):
            cls.stream = _checked_stream(cls.stream)  # type: ignore[method-assign, assignment]

    def __init__(self, part: TeacherPart, folder: Path = Path()) -> None:
        """Keep the recipe's teacher part and check the options.

        Args:
            part: The teacher of a recipe.
            folder: The recipe's folder, from which relative paths start.
        """
        super().__init__(**part.options)
        self.part, self.folder = part, folder

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Teacher:
        """Make the backend of a recipe. Nothing is sent and no model is loaded."""
        return cls(recipe.teacher, recipe.folder)

    @property
    @abstractmethod
    def identity(self) -> str:
        """Name of the model that answers, part of every request's key; holds no secret."""

    @abstractmethod
    def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        """Read requests as there is room, and yield answers in small groups as they come."""

    async def close(self) -> None:
        """Release connections and memory."""
        return

    def attach(self, journal: Journal, run: str) -> None:
        """Take the journal and the name of the run, for state that outlives the process.

        Called before `stream`.
        """
        return

    def stop(self) -> None:
        """End the stream soon; called from any thread or a signal's handler.

        The default lets requests in flight end: nothing more is sent, since the source of requests
        ends too.
        """
        return

    def pace(self, rates: RateLimits) -> None:
        """Keep these rate limits in place of the recipe's; several machines share those.

        Called before `stream`. The default does nothing, as for a model on this machine.
        """
        return

    def top_logprobs(self, chat: bool) -> dict[str, int]:
        """Return the `extra_body` that asks for the most likely first tokens of an answer."""
        return {"top_logprobs": MAX_TOP_LOGPROBS}

    @classmethod
    def served_identity(cls, model: str | None) -> str | None:
        """Return the identity of a model at a server, without the address; None if local.

        Published files of judges have this identity instead of `identity`.
        """
        return None

    @classmethod
    def of_function(cls, function: Callable[..., Any], name: str) -> type[Teacher]:
        """Refuse a plain function: a backend needs an identity."""
        raise TypeError("a class derived from synthkd.teachers.Teacher is needed, not a function")

    @classmethod
    def urls_of(cls, part: TeacherPart) -> tuple[list[Url], str, str]:
        """Return the addresses that requests would be sent to, and names of variables.

        Returns:
            The addresses; the environment variable that names the address, if no recipe does; that
            of the key that would be sent, "" if none.
        """
        return [], "", ""

    @classmethod
    def hub_models(cls, part: TeacherPart) -> list[str]:
        """Return the folders or hub names of the models that this backend would load."""
        return []

    @classmethod
    def programs(cls, part: TeacherPart) -> dict[str, str]:
        """Return the command lines that this backend would start, by field of the recipe."""
        return {}


def built_in_backend(name: str) -> type[Teacher]:
    """Return a backend that comes with synthkd; for any other name `Teacher`.

    No foreign code is loaded.
    """
    point = plugins.installed("backends").get(name)
    if point is None or not point.value.startswith("synthkd."):
        return Teacher
    backend: type[Teacher] = plugins.find("backends", name)
    return backend
