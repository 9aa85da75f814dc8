"""The contract of a provider of batches, whatever its API."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from synthkd.errors import TeacherError, UnreachableError
from synthkd.fastjson import dumps
from synthkd.journal.batches import Batch, BatchRow
from synthkd.requests import Request
from synthkd.teachers.batch.options import BatchOptions
from synthkd.teachers.batch.results import result_lines
from synthkd.teachers.batch.status import ProviderBatch
from synthkd.teachers.remote.error_responses import error_of_body, status_error
from synthkd.teachers.remote.parameter_support import ParameterSupport
from synthkd.teachers.remote.wire_format import WireFormat, split_at_gaps

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.dispatch import TransientError
    from synthkd.teachers.remote.endpoint import Endpoint

#: Our name of a batch begins with this; the key of its metadata where there is some.
METADATA_KEY = "synthkd"
#: Seconds by which a provider's clock may differ from ours.
CLOCK_DIFFERENCE = 86_400.0
#: Batches of a list that are read: it goes back in time, and may have no end.
MAX_LISTED = 20_000


class BatchProvider(ABC):
    """The batches of one account.

    Methods raise `TransientError` if another attempt may succeed, otherwise `TeacherError`.

    Attributes:
        part: The recipe's teacher part.
        endpoint: The address.
        options: Sizes and times.
        wire_format: The form of a row's request and answer.
        support: Which parameters the server takes, learned from refused rows.
    """

    def __init__(
        self, part: TeacherPart, endpoint: Endpoint, options: BatchOptions, wire_format: WireFormat
    ) -> None:
        self.part, self.endpoint = part, endpoint
        self.options, self.wire_format = options, wire_format
        self.support = ParameterSupport(single_choice=wire_format.single_choice)

    # Rows

    @abstractmethod
    def encode_row(self, custom_id: str, request: Request) -> tuple[str, bytes]:
        """Return the endpoint of a row and the row as one line of JSON, with its line break.

        The rows of a batch have one endpoint; "" if the API has only one.
        """

    def split(self, request: Request) -> Iterator[Request]:
        """Yield the requests that become rows: one per sample if the API gives one choice."""
        if self.support.single_choice:
            for index in request.sample_indexes:
                yield request.with_samples((index,))
        else:
            yield from split_at_gaps(request)

    def read_rows(self, file: IO[bytes], max_bytes: int) -> Iterator[dict[str, Any]]:
        """Yield the rows of a result, in the form of OpenAI's files.

        That is ``custom_id``, ``response`` (``status_code``, ``body``) or ``error``.

        Args:
            file: What `download` has returned.
            max_bytes: Size of a row at most.
        """
        return result_lines(file, max_bytes)

    # Batches

    async def upload(self, token: str, file: IO[bytes]) -> str:
        """Upload the rows and return the file's id; "" if rows go with the batch itself."""
        return ""

    @abstractmethod
    async def create(self, url: str, rows: IO[bytes], size: int, batch: Batch) -> str:
        """Create a batch and return its id.

        Never retried: an attempt without an answer may have made a batch.

        Args:
            url: The endpoint of the rows.
            rows: The rows, a line each.
            size: Bytes of the rows.
            batch: Our batch: token, run, and the id of its file.
        """

    @abstractmethod
    async def find(
        self, batch: Batch, rows: Sequence[BatchRow], known: Collection[str]
    ) -> str | None:
        """Return the id of a batch whose creation nobody has confirmed; None if there is none.

        Args:
            batch: Our batch: token, file, and the time before which it was not created.
            rows: Its rows.
            known: Ids of other batches of the journal.
        """

    @abstractmethod
    async def look_up(self, batch: Batch) -> ProviderBatch | None:
        """Return a batch as the provider describes it; None if the account has no such id."""

    async def state(self, batch: Batch) -> ProviderBatch:
        """Return a batch as the provider describes it.

        Raises:
            TeacherError: The provider does not know the batch.
        """
        if (state := await self.look_up(batch)) is not None:
            return state
        raise TeacherError(
            f"{self.endpoint.public}: the batch {batch.batch_id} of the run {batch.run} is not"
            " known (404); use the address and key that submitted it, or give it up with `synthkd"
            " batches cancel`"
        )

    @abstractmethod
    async def download(self, file_id: str, max_bytes: int) -> IO[bytes]:
        """Download one of the files of a batch (`ProviderBatch.files`) to a temporary file.

        Raises:
            DiskFullError: The disk of temporary files is full.
            TeacherError: The file is larger than ``max_bytes``.
        """

    @abstractmethod
    async def cancel(self, batch: Batch) -> ProviderBatch:
        """Cancel a batch. Rows that are done are billed, and can be read."""

    async def delete_file(self, file_id: str) -> None:
        """Delete an uploaded file."""
        return

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    # Errors

    def embedded_error(self, error: Any) -> TeacherError:
        """Return the exception for an error inside a row's body; its attempt may be billed."""
        body = {"error": error}
        exception = error_of_body(self.endpoint, body, dumps(body))
        exception.billed = None
        return exception

    def status_error(self, status: int, body: bytes, headers: Any = None) -> TeacherError:
        """Return the exception for a status that is not an answer's."""
        return status_error(self.endpoint, status, headers or {}, body)

    def size_error(self, file_id: str, max_bytes: int) -> TeacherError:
        """Return the exception for a result beyond its bound."""
        return TeacherError(
            f"{self.endpoint.public}: the file {file_id} is larger than"
            f" {max_bytes / 1e6:,.0f} MB, more than this batch can come to; raise"
            " teacher.options.result_megabytes if that is right"
        )


class NotFoundError(TeacherError):
    """The provider answered 404."""


def final_error(error: TransientError, open_batches: bool) -> TeacherError:
    """Return the error that ends a run after an error that did not pass."""
    advice = (
        "; open batches go on at the provider, and the same command picks them up"
        if open_batches
        else ""
    )
    detail = f"{error.detail}{advice}"
    return (
        UnreachableError(detail)
        if error.reason == "unreachable"
        else TeacherError(f"{error.reason}: {detail}")
    )
