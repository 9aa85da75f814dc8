"""The form in which one provider's API takes requests and gives answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from synthkd.requests import Request

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
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

    @abstractmethod
    def encode(self, request: Request, support: ParameterSupport) -> tuple[str, bytes]:
        """Return path and body, the body as JSON."""

    def choices(self, body: Any, samples: int) -> Any:
        """Return the body of an answer in the form of OpenAI's chats; any other body unchanged.

        Args:
            body: The parsed body, of any form.
            samples: How many samples were asked for.
        """
        return body

    def adapt(self, request: Request, parameter: str, support: ParameterSupport) -> bool:
        """Return True if the API may take a request in another form, after a refusal.

        Args:
            request: The request that was refused.
            parameter: The parameter that was refused, if the refusal names one.
            support: Knows the form; changed.
        """
        return False


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
