"""Batches of the Gemini API.

Source: the provider's reference of `models.batchGenerateContent` and of `batches`. The requests go
with the batch, our token is its display name, and the results come with its description.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import IO, Any

from synthkd.fastjson import dumps, loads
from synthkd.journal.batches import Batch, BatchRow
from synthkd.requests import Request
from synthkd.teachers.batch.http_batches import HttpBatches, answered_row, encoded, error_row
from synthkd.teachers.batch.provider import MAX_LISTED, METADATA_KEY, NotFoundError
from synthkd.teachers.batch.status import BatchIssue, ProviderBatch, checked_count, checked_id
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.gemini.format import model_path

#: States of a batch, without `BATCH_STATE_` or `JOB_STATE_` -> statuses.
_STATES = {
    "PENDING": "pending", "QUEUED": "pending", "RUNNING": "in_progress", "SUCCEEDED": "completed",
    "PARTIALLY_SUCCEEDED": "completed", "FAILED": "failed", "CANCELLED": "cancelled",
    "EXPIRED": "expired", "CANCELLING": "cancelling",
}  # fmt: skip
#: Codes of gRPC -> statuses of HTTP.
_STATUSES = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501,
    13: 500, 14: 503, 16: 401,
}  # fmt: skip
_END = b"]}}}}"


class GeminiBatches(HttpBatches):
    """The batches of one project."""

    def encode_row(self, custom_id: str, request: Request) -> tuple[str, bytes]:
        _, body = self.wire_format.body(request, self.support)
        return "", encoded({"request": body, "metadata": {"key": custom_id}})

    async def create(self, url: str, rows: IO[bytes], size: int, batch: Batch) -> str:
        path = f"{model_path(self.part.model)}:batchGenerateContent"
        name = dumps(_display_name(batch))
        begin = b'{"batch":{"displayName":%b,"inputConfig":{"requests":{"requests":[' % name
        return _batch(await self.post_rows(path, begin, rows, size, _END)).id

    async def find(
        self, batch: Batch, rows: Sequence[BatchRow], known: Collection[str]
    ) -> str | None:
        """Return the batch whose display name has our token."""
        page_token, count = "", 0
        while True:
            page = await self.get(f"/batches?pageSize=100{page_token}", "the list of batches")
            page = page if type(page) is dict else {}
            listed = page.get("operations")
            for one in listed if type(listed) is list else ():
                count += 1
                metadata = one.get("metadata") if type(one) is dict else None
                if type(metadata) is dict and metadata.get("displayName") == _display_name(batch):
                    return _batch(one).id
            further = page.get("nextPageToken")
            if type(further) is not str or not further or count >= MAX_LISTED:
                return None
            page_token = f"&pageToken={checked_id(further)}"

    async def look_up(self, batch: Batch) -> ProviderBatch | None:
        try:
            return _batch(await self._description(str(batch.batch_id)))
        except NotFoundError:
            return None

    async def _description(self, name: str) -> Any:
        """Return what the provider says of a batch, its results included."""
        with await self.fetch(f"/{name}", f"the state of {name}", self._most) as file:
            file.seek(0)
            try:
                return loads(file.read())
            except ValueError:
                raise TransientError("bad_response", f"{name}: the body is no JSON") from None

    @property
    def _most(self) -> int:
        """Bytes that the description of a batch may have, with its results."""
        megabytes = self.options.result_megabytes
        return int((512.0 if megabytes is None else megabytes) * 1e6)

    async def download(self, file_id: str, max_bytes: int) -> IO[bytes]:
        return await self.fetch(f"/{file_id}", f"the result {file_id}", max_bytes)

    async def cancel(self, batch: Batch) -> ProviderBatch:
        await self.post(f"/{batch.batch_id}:cancel", f"the end of batch {batch.batch_id}")
        return await self.state(batch)

    def read_rows(self, file: IO[bytes], max_bytes: int) -> Iterator[dict[str, Any]]:
        file.seek(0)
        try:
            body = loads(file.read())
        except ValueError:
            return
        for row in _inlined(body):
            metadata = row.get("metadata")
            key = metadata.get("key") if type(metadata) is dict else None
            if type(key) is str:
                yield _row(key, row)


def _display_name(batch: Batch) -> str:
    return f"{METADATA_KEY}-{batch.token}"


def _inlined(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the responses of a batch, from its result or from its description."""
    metadata = body.get("metadata") if type(body) is dict else None
    for output in (
        body.get("response") if type(body) is dict else None,
        metadata.get("output") if type(metadata) is dict else None,
    ):
        responses = output.get("inlinedResponses") if type(output) is dict else None
        responses = responses.get("inlinedResponses") if type(responses) is dict else responses
        if type(responses) is list and responses:
            yield from (row for row in responses if type(row) is dict)
            return


def _row(key: str, row: dict[str, Any]) -> dict[str, Any]:
    error = row.get("error")
    if type(error) is not dict:
        return answered_row(key, row.get("response"))
    code = error.get("code")
    if code == 1:
        return {"custom_id": key, "error": {"code": "batch_cancelled", **_message(error)}}
    number = code if type(code) is int and 400 <= code < 600 else _STATUSES.get(_whole(code), 500)
    return error_row(key, number, {**error, "code": number})


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


def _message(error: dict[str, Any]) -> dict[str, str]:
    return {"message": str(error.get("message") or "the batch was cancelled before this row")}


def _batch(body: Any) -> ProviderBatch:
    """Return a batch as the provider describes it.

    Raises:
        TransientError: Its name or state is not valid.
    """
    try:
        metadata = body.get("metadata")
        metadata = metadata if type(metadata) is dict else {}
        name = checked_id(body.get("name"))
        word = checked_id(metadata.get("state", "BATCH_STATE_PENDING")).rpartition("STATE_")[2]
    except (ValueError, AttributeError):
        raise TransientError("bad_response", "a batch of an unknown form") from None
    status = _STATES.get(word, word.lower())
    error = body.get("error")
    issues: tuple[BatchIssue, ...] = ()
    if type(error) is dict:
        code, message = str(error.get("status") or error.get("code")), str(error.get("message"))
        issues = (BatchIssue(code, message, 0),)
    stats = metadata.get("batchStats")
    stats = stats if type(stats) is dict else {}
    number = {key: _count(value) for key, value in stats.items()}
    files = (name,) if status in ("completed", "cancelled", "expired") else ()
    return ProviderBatch(
        name, status, files, issues, number.get("successfulRequestCount", 0),
        number.get("failedRequestCount", 0), number.get("requestCount", 0),
    )  # fmt: skip


def _count(value: Any) -> int:
    """Return a count, which this API writes as a text."""
    return checked_count(int(value) if type(value) is str and value.isdecimal() else value)
