"""The form in which one provider's API takes requests and gives answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from synthkd.errors import RecipeError
from synthkd.fastjson import dumps
from synthkd.requests import Answer, Completion, Message, Request
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.remote.message_content import Mask
from synthkd.teachers.remote.responses import ErrorMeaning, parse_answers

if TYPE_CHECKING:
    from synthkd.recipe import PricePart, TeacherPart
    from synthkd.teachers.remote.parameter_support import ParameterSupport


class WireFormat(ABC):
    """Encodes requests, and translates the bodies of answers to those of OpenAI's chats.

    `responses` reads the translated bodies, so that every provider's values are checked alike.

    Attributes:
        part: The recipe's teacher part.
    """

    #: Whether `sampling.seed` reaches the server.
    sends_seed: ClassVar[bool] = True
    #: Whether the API never gives more than one choice for a request.
    single_choice: ClassVar[bool] = False

    def __init__(self, part: TeacherPart) -> None:
        self.part = part

    @abstractmethod
    def body(self, request: Request, support: ParameterSupport) -> tuple[str, dict[str, Any]]:
        """Return the path, such as ``/messages``, and the body that asks for a request."""

    def encode(self, request: Request, support: ParameterSupport) -> tuple[str, bytes]:
        """Return path and body, the body as JSON."""
        path, body = self.body(request, support)
        return path, dumps(body)

    def choices(self, body: Any, request: Request) -> Any:
        """Return the body of an answer in the form of OpenAI's chats; any other body unchanged.

        Args:
            body: The parsed body, of any form.
            request: The request with the samples that were asked for.
        """
        return body

    def answers(
        self,
        request: Request,
        body: Any,
        seconds: float | None,
        price: PricePart | None,
        mask: Mask = str,
        error_meaning: ErrorMeaning | None = None,
    ) -> list[Answer]:
        """Convert the body of an answer to answers (`responses.parse_answers`)."""
        translated = self.choices(body, request)
        try:
            answers = parse_answers(request, translated, seconds, price, mask, error_meaning)
        except TransientError as error:
            error.answers = self._without_seed(error.answers)
            raise
        return self._without_seed(answers)

    def _without_seed(self, answers: list[Answer]) -> list[Answer]:
        """Return answers without a seed that was not sent."""
        if self.sends_seed:
            return answers
        return [
            replace(answer, seed=None) if isinstance(answer, Completion) else answer
            for answer in answers
        ]

    def adapt(
        self, request: Request, parameter: str, support: ParameterSupport, earlier: bool = False
    ) -> bool:
        """Return True if the API may take a request in another form, after a refusal.

        Args:
            request: The request that was refused.
            parameter: The parameter that was refused, if the refusal names one.
            support: Knows the form; changed.
            earlier: The request may have had an earlier form than is known now, as a row of a
                batch.
        """
        return False


def refuse_parameters(part: TeacherPart, names: Sequence[str], api: str) -> None:
    """Refuse sampling parameters that an API does not have; none is left out silently.

    Raises:
        RecipeError: A recipe sets one.
    """
    for name in names:
        if getattr(part.sampling, name) not in (None, False):
            raise RecipeError(
                f"teacher.sampling.{name}: {api} has no such parameter; leave it out, or take"
                " another backend"
            )


def refuse_fields(body: Mapping[str, Any], names: Sequence[str], place: str, remedy: str) -> None:
    """Refuse further fields of a request that would pass a budget's bound or change the prompt.

    Raises:
        RecipeError: The fields hold one.
    """
    for name in names:
        if name in body:
            raise RecipeError(f"teacher.sampling.extra_body{place}.{name}: {remedy}")


def split_system(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """Return the system messages as one text, and the turns; a plain prompt is a user's turn."""
    system = [message["content"] for message in messages if message["role"] == "system"]
    turns = [
        {"role": "user" if message["role"] == "prompt" else message["role"],
         "content": message["content"]}
        for message in messages if message["role"] != "system"
    ]  # fmt: skip
    return "\n\n".join(system), turns


def json_schema(request: Request) -> dict[str, Any] | None:
    """Return the JSON schema that a request's `response_format` asks for; None without one."""
    shape = request.sampling.response_format or {}
    schema = shape.get("json_schema")
    found = schema.get("schema") if type(schema) is dict else None
    return found if type(found) is dict else None


def merged(body: dict[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with the recipe's further fields; objects are merged field by field."""
    made = dict(body)
    for name, value in further.items():
        own = made.get(name)
        both = isinstance(own, dict) and isinstance(value, Mapping)
        made[name] = merged(own, value) if both and own is not None else value
    return made


def token_count(value: Any) -> int | None:
    """Return a count of tokens; 0 if it is missing, None if it is none."""
    if value is None:
        return 0
    return value if type(value) is int and 0 <= value < 2**53 else None


def leading_run(indexes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sample indexes before the first gap.

    Servers seed choice i with the seed plus i; over a gap, one request would buy cached samples
    again.
    """
    return tuple(index for place, index in enumerate(indexes) if index == indexes[0] + place)


def split_at_gaps(request: Request) -> Iterator[Request]:
    """Split a request with a seed so that the sample indexes of each part have no gap."""
    left = request.sample_indexes
    while left:
        part = left if request.sampling.seed is None else leading_run(left)
        yield request.with_samples(part)
        left = tuple(index for index in left if index not in part)
