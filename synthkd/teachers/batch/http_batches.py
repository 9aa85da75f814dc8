"""Batches over plain requests of HTTP and JSON, for APIs without a package here."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Any

import httpx2

from synthkd.errors import RequestError, TeacherError
from synthkd.fastjson import dumps, loads
from synthkd.teachers.batch.options import BatchOptions
from synthkd.teachers.batch.provider import BatchProvider, NotFoundError
from synthkd.teachers.batch.temporary_files import close_quietly, full_disk_errors
from synthkd.teachers.dispatch import DispatchPolicy, TransientError
from synthkd.teachers.remote.package_client import UNBOUNDED, UnreadableBodyError, package_client
from synthkd.teachers.remote.wire_format import WireFormat

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.teachers.remote.endpoint import Endpoint

#: Seconds before the first repetition of a look, and the longest; doubling.
_DELAY = (0.5, 30.0)
#: Bytes of a piece of an upload.
_PIECE = 1 << 20


class HttpBatches(BatchProvider):
    """Batches at one endpoint, whose rows go with the request that creates a batch."""

    def __init__(
        self, part: TeacherPart, endpoint: Endpoint, options: BatchOptions, wire_format: WireFormat
    ) -> None:
        super().__init__(part, endpoint, options, wire_format)
        self._client = package_client(part)
        self._policy = DispatchPolicy(
            1, part.max_attempts, base_delay=_DELAY[0], max_delay=_DELAY[1]
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str, what: str) -> Any:
        """Return the parsed body at a path; tried again on errors that may pass."""
        attempt = 1
        while True:
            try:
                async with self._response("GET", path, what) as response:
                    return await self._parsed(response, what)
            except TransientError as error:
                if attempt >= self._policy.max_attempts:
                    raise
                await asyncio.sleep(self._policy.delay(attempt, error.retry_after))
                attempt += 1

    async def post(self, path: str, what: str, data: bytes = b"{}") -> Any:
        """Send a body once and return the parsed body of the answer."""
        async with self._response("POST", path, what, content=data) as response:
            return await self._parsed(response, what)

    async def post_rows(
        self, path: str, begin: bytes, rows: IO[bytes], size: int, end: bytes
    ) -> Any:
        """Send the lines of a file once, as the elements of a list.

        Args:
            path: The path.
            begin: The body up to the first element.
            rows: The lines.
            size: Their bytes, line breaks included.
            end: The body behind the last element.
        """
        rows.seek(0)

        async def pieces() -> AsyncIterator[bytes]:
            yield begin
            # The last line break goes, and each other becomes a comma: JSON has none in texts.
            left = size - 1
            while left > 0:
                piece = rows.read(min(_PIECE, left))
                left -= len(piece)
                yield piece.replace(b"\n", b",")
            yield end

        length = {"Content-Length": str(len(begin) + size - 1 + len(end))}
        async with self._response(
            "POST", path, "a batch", content=pieces(), headers=length
        ) as response:
            return await self._parsed(response, "a batch")

    async def fetch(self, path: str, what: str, max_bytes: int) -> IO[bytes]:
        """Download a body to a temporary file."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        size = 0
        try:
            with full_disk_errors("the results of a batch"):
                async with self._response("GET", path, what, unbounded=True) as response:
                    async for data in response.aiter_bytes():
                        size += len(data)
                        if size > max_bytes:
                            raise self.size_error(what, max_bytes)
                        file.write(data)
                # A full disk is noticed here, and not when the file is read.
                file.flush()
        except BaseException:
            close_quietly(file)
            raise
        return file

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        what: str,
        content: Any = None,
        headers: dict[str, str] | None = None,
        unbounded: bool = False,
    ) -> AsyncIterator[httpx2.Response]:
        """Open the response to a request; convert errors, without the request and its key."""
        where = self.endpoint.public
        try:
            async with self._client.stream(
                method, self.endpoint.url(path), content=content, timeout=self.part.timeout,
                headers={**self.endpoint.headers, **(headers or {})},
                extensions={UNBOUNDED: unbounded},
            ) as response:  # fmt: skip
                if response.status_code != 200:
                    raise self._refusal(what, response, await response.aread())
                yield response
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            if "CERTIFICATE" in str(error):
                raise TeacherError(
                    f"{where}: its TLS certificate is not trusted; name the authority's file in"
                    " teacher.ca_file"
                ) from None
            detail = f"nothing answers at {where}; is the server up, and teacher.base_url right?"
            raise TransientError("unreachable", detail) from None
        except httpx2.TimeoutException:
            detail = f"{where}: no answer in {self.part.timeout:g} s"
            raise TransientError("timeout", detail, billed=None) from None
        except UnreadableBodyError as error:
            raise TransientError("bad_response", f"{what}: {error}", billed=None) from None
        except httpx2.HTTPError as error:
            detail = f"{what}: the connection broke ({type(error).__name__})"
            raise TransientError("connection", detail, billed=None) from None

    async def _parsed(self, response: httpx2.Response, what: str) -> Any:
        try:
            return loads(await response.aread())
        except ValueError:
            raise TransientError("bad_response", f"{what}: the body is no JSON") from None

    def _refusal(self, what: str, response: httpx2.Response, body: bytes) -> TeacherError:
        exception = self.status_error(response.status_code, body, response.headers)
        if not isinstance(exception, RequestError):
            return exception
        detail = (
            f"{self.endpoint.public}: {what} was refused ({exception.reason}: {exception.detail})"
        )
        if response.status_code == 404:
            return NotFoundError(f"{detail}; does this server have a Batch API?")
        return TeacherError(detail)


def error_row(custom_id: str, status: int, error: dict[str, Any]) -> dict[str, Any]:
    """Return a row that was refused with a status, in the form of OpenAI's files."""
    return {
        "custom_id": custom_id,
        "response": {"status_code": status, "body": {"error": error}},
    }  # fmt: skip


def answered_row(custom_id: str, body: Any) -> dict[str, Any]:
    """Return a row with its answer, in the form of OpenAI's files."""
    return {"custom_id": custom_id, "response": {"status_code": 200, "body": body}}


def encoded(line: dict[str, Any]) -> bytes:
    """Return a row as one line."""
    return dumps(line) + b"\n"
