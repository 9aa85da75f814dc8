"""Files and batches at one endpoint, over the `openai` package."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Any, cast

import httpx2
import openai

from synthkd.errors import RequestError, StorageError, TeacherError, UnreachableError
from synthkd.fastjson import dumps
from synthkd.journal.batches import Batch
from synthkd.teachers.batch.drafts import close_quietly, full_disk_errors
from synthkd.teachers.batch.options import batch_options
from synthkd.teachers.batch.status import ProviderBatch, object_id, parse_batch
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.client import openai_client
from synthkd.teachers.remote.error_responses import error_of_body, status_error
from synthkd.teachers.remote.parameter_support import ParameterSupport

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint

#: The key of a batch's metadata that holds our token.
METADATA_KEY = "synthkd"
#: Seconds by which a provider's clock may differ from ours.
_CLOCK_DIFFERENCE = 86_400.0
#: Loggers that would show the whole address, with the secrets of its query.
_LOGGERS = ("httpx", "httpx2", "openai._base_client")
#: BatchStore of a list that are read: it goes back in time, and may have no end.
_MAX_LISTED = 20_000


class Provider:
    """The files and batches of one account.

    Methods raise `TransientError` if another attempt may succeed, otherwise `TeacherError`.

    Attributes:
        support: Which parameters the server takes, learned from refused rows.
    """

    def __init__(self, part: TeacherPart, endpoint: Endpoint) -> None:
        self.part, self.endpoint = part, endpoint
        self.support = ParameterSupport()
        self._client = openai_client(part, endpoint)
        self._filter = _MaskFilter(endpoint)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._filter)

    async def close(self) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)
        await self._client.close()

    def embedded_error(self, error: Any) -> TeacherError:
        """Return the exception for an error inside a row's body; its attempt may be billed."""
        body = {"error": error}
        exception = error_of_body(self.endpoint, body, dumps(body))
        exception.billed = None
        return exception

    def status_error(self, status: int, body: bytes, headers: Any = None) -> TeacherError:
        """Return the exception for a status that is not an answer's."""
        return status_error(self.endpoint, status, headers or {}, body)

    async def upload(self, name: str, file: IO[bytes]) -> str:
        """Upload a file and return its id. Retried on errors: an unused file costs nothing."""
        with full_disk_errors("the requests of a batch"):
            file.flush()
        async with self._errors("the upload of a batch's file"):
            return object_id(await self._client.files.create(file=(name, file), purpose="batch"))

    async def create(self, url: str, file_id: str, metadata: dict[str, str]) -> str:
        """Create a batch and return its id.

        Never retried: an attempt without an answer may have made a batch.
        """
        once = self._client.with_options(max_retries=0)
        async with self._errors("a batch"):
            batch = await once.batches.create(
                input_file_id=file_id,
                endpoint=cast(Any, url),
                completion_window=cast(Any, batch_options(self.part).window),
                metadata=metadata,
            )
            return object_id(batch)

    async def find(self, token: str, file_id: str | None, since: float) -> str | None:
        """Return the id of the batch with a token, or made of its file; None if there is none.

        Args:
            token: Our token, in the batch's metadata.
            file_id: The file that was uploaded for the batch.
            since: Time before which the batch was not created.
        """
        count = 0
        async with self._errors("the list of batches"):
            async for batch in self._client.batches.list(limit=100):
                count += 1
                metadata = batch.metadata if type(batch.metadata) is dict else {}
                if metadata.get(METADATA_KEY) == token or (
                    file_id and batch.input_file_id == file_id
                ):
                    return object_id(batch)
                if batch.created_at < since - _CLOCK_DIFFERENCE or count >= _MAX_LISTED:
                    break
        return None

    async def look_up(self, batch: Batch) -> ProviderBatch | None:
        """Return a batch as the provider describes it; None if the account has no such id."""
        try:
            async with self._errors(f"the state of batch {batch.batch_id}"):
                return parse_batch(await self._client.batches.retrieve(str(batch.batch_id)))
        except _NotFoundError:
            return None

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

    async def download(self, file_id: str, max_bytes: int) -> IO[bytes]:
        """Download a file to a temporary file.

        Raises:
            DiskFullError: The disk of temporary files is full.
            TeacherError: The file is larger than ``max_bytes``.
        """
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        try:
            async with self._errors(f"the file {file_id}"):
                await self._copy(file_id, file, max_bytes)
        except BaseException:
            close_quietly(file)
            raise
        return file

    async def _copy(self, file_id: str, file: IO[bytes], max_bytes: int) -> None:
        size = 0
        with full_disk_errors("the results of a batch"):
            async with self._client.files.with_streaming_response.content(file_id) as response:
                async for data in response.iter_bytes():
                    size += len(data)
                    if size > max_bytes:
                        raise TeacherError(
                            f"{self.endpoint.public}: the file {file_id} is larger than"
                            f" {max_bytes / 1e6:,.0f} MB, more than this batch can come to; raise"
                            " teacher.options.result_megabytes if that is right"
                        )
                    file.write(data)
            # A full disk is noticed here, and not when the file is read.
            file.flush()

    async def cancel(self, batch: Batch) -> ProviderBatch:
        """Cancel a batch. Rows that are done are billed, and can be read."""
        async with self._errors(f"the end of batch {batch.batch_id}"):
            return parse_batch(await self._client.batches.cancel(str(batch.batch_id)))

    async def delete_file(self, file_id: str) -> None:
        """Delete an uploaded file."""
        async with self._errors(f"the file {file_id}"):
            await self._client.files.delete(file_id)

    @asynccontextmanager
    async def _errors(self, what: str) -> AsyncIterator[None]:
        """Convert errors of the `openai` package, without the request and its key."""
        try:
            yield
        except (TeacherError, StorageError):
            raise
        except openai.APIStatusError as error:
            raise self._refusal(what, error) from None
        except openai.APIConnectionError as error:
            raise self._connection_error(error) from None
        except openai.OpenAIError as error:
            raise TransientError(
                "bad_response", self.endpoint.mask(f"{what}: {error}")[:500]
            ) from None
        except httpx2.HTTPError as error:
            # The package does not convert these while it reads a body.
            kind = type(error).__name__
            raise TransientError(
                "connection", f"{what}: the connection broke ({kind})", billed=None
            ) from None
        except Exception as error:  # noqa: BLE001 (the package checks no types: an odd answer may raise any error)
            kind = type(error).__name__
            raise TransientError(
                "bad_response", f"{what}: an answer of an unknown form ({kind})"
            ) from None

    def _refusal(self, what: str, error: openai.APIStatusError) -> TeacherError:
        try:
            body = error.response.content
        except Exception:  # noqa: BLE001 (a streamed body that was not read; the class depends on the package)
            body = str(error.message).encode()
        exception = self.status_error(error.status_code, body, error.response.headers)
        if not isinstance(exception, RequestError):
            return exception
        detail = (
            f"{self.endpoint.public}: {what} was refused ({exception.reason}: {exception.detail})"
        )
        if error.status_code == 404:
            return _NotFoundError(f"{detail}; does this server have a Batch API?")
        return TeacherError(detail)

    def _connection_error(self, error: openai.APIConnectionError) -> TeacherError:
        cause, where = error.__cause__, self.endpoint.public
        if "CERTIFICATE" in str(cause):
            return TeacherError(
                f"{where}: its TLS certificate is not trusted; name the authority's file in"
                " teacher.ca_file"
            )
        kind = type(cause).__name__
        if kind.startswith(("Connect", "Proxy")):
            detail = f"nothing answers at {where}; is the server up, and teacher.base_url right?"
            return TransientError("unreachable", detail)
        if kind.endswith("Timeout"):
            return TransientError(
                "timeout", f"{where}: no answer in {self.part.timeout:g} s", billed=None
            )
        return TransientError("connection", f"{where}: the connection broke ({kind})", billed=None)


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


class _NotFoundError(TeacherError):
    """The provider answered 404."""


class _MaskFilter(logging.Filter):
    """Takes secrets out of the log records of other packages."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._endpoint.mask(record.getMessage()), ()
        return True
