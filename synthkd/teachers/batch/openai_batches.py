"""Files and batches at one endpoint, over the `openai` package."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Any, cast

import httpx2
import openai

from synthkd.errors import RequestError, StorageError, TeacherError
from synthkd.fastjson import dumps
from synthkd.journal.batches import Batch, BatchRow
from synthkd.requests import Request
from synthkd.teachers.batch.options import OpenAIBatchOptions
from synthkd.teachers.batch.provider import (
    CLOCK_DIFFERENCE,
    MAX_LISTED,
    METADATA_KEY,
    BatchProvider,
    NotFoundError,
)
from synthkd.teachers.batch.status import ProviderBatch, object_id, parse_batch
from synthkd.teachers.batch.temporary_files import close_quietly, full_disk_errors
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.openai.client import openai_client
from synthkd.teachers.remote.wire_format import WireFormat

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint

#: Loggers that would show the whole address, with the secrets of its query.
_LOGGERS = ("httpx", "httpx2", "openai._base_client")


class OpenAIBatches(BatchProvider):
    """Files and batches of the OpenAI Batch API.

    Attributes:
        options: Sizes and times, and the completion window.
    """

    options: OpenAIBatchOptions

    def __init__(
        self,
        part: TeacherPart,
        endpoint: Endpoint,
        options: OpenAIBatchOptions,
        wire_format: WireFormat,
    ) -> None:
        super().__init__(part, endpoint, options, wire_format)
        self._client = openai_client(part, endpoint)
        self._filter = _MaskFilter(endpoint)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._filter)

    async def close(self) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)
        await self._client.close()

    def encode_row(self, custom_id: str, request: Request) -> tuple[str, bytes]:
        path, body = self.wire_format.body(request, self.support)
        url = f"/v1{path}"
        line = {"custom_id": custom_id, "method": "POST", "url": url, "body": body}
        return url, dumps(line) + b"\n"

    async def upload(self, token: str, file: IO[bytes]) -> str:
        """Upload the rows and return the file's id.

        Retried on errors: an unused file costs nothing.
        """
        named = (f"{METADATA_KEY}-{token}.jsonl", file)
        with full_disk_errors("the requests of a batch"):
            file.flush()
        async with self._errors("the upload of a batch's file"):
            return object_id(await self._client.files.create(file=named, purpose="batch"))

    async def create(self, url: str, rows: IO[bytes], size: int, batch: Batch) -> str:
        once = self._client.with_options(max_retries=0)
        async with self._errors("a batch"):
            made = await once.batches.create(
                input_file_id=str(batch.file_id),
                endpoint=cast(Any, url),
                completion_window=cast(Any, self.options.window),
                metadata={METADATA_KEY: batch.token, "run": batch.run[:512]},
            )
            return object_id(made)

    async def find(
        self, batch: Batch, rows: Sequence[BatchRow], known: Collection[str]
    ) -> str | None:
        """Return the id of the batch with our token in its metadata, or made of our file."""
        count = 0
        async with self._errors("the list of batches"):
            async for one in self._client.batches.list(limit=100):
                count += 1
                metadata = one.metadata if type(one.metadata) is dict else {}
                if metadata.get(METADATA_KEY) == batch.token or (
                    batch.file_id and one.input_file_id == batch.file_id
                ):
                    return object_id(one)
                if one.created_at < batch.created - CLOCK_DIFFERENCE or count >= MAX_LISTED:
                    break
        return None

    async def look_up(self, batch: Batch) -> ProviderBatch | None:
        """Return a batch as the provider describes it; None if the account has no such id."""
        try:
            async with self._errors(f"the state of batch {batch.batch_id}"):
                return parse_batch(await self._client.batches.retrieve(str(batch.batch_id)))
        except NotFoundError:
            return None

    async def download(self, file_id: str, max_bytes: int) -> IO[bytes]:
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
                        raise self.size_error(file_id, max_bytes)
                    file.write(data)
            # A full disk is noticed here, and not when the file is read.
            file.flush()

    async def cancel(self, batch: Batch) -> ProviderBatch:
        async with self._errors(f"the end of batch {batch.batch_id}"):
            return parse_batch(await self._client.batches.cancel(str(batch.batch_id)))

    async def delete_file(self, file_id: str) -> None:
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
            return NotFoundError(f"{detail}; does this server have a Batch API?")
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


class _MaskFilter(logging.Filter):
    """Takes secrets out of the log records of other packages."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._endpoint.mask(record.getMessage()), ()
        return True
