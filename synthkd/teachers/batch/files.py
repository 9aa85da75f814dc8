"""What a provider of a Batch API is given and gives back: files, batches, rows.

Drafts    requests as JSONL in temporary files, cut within the limits
Provider  files and batches over the `openai` package, with errors in our own words
outcome   one row of a result, as answers and what is left to ask for
"""

from __future__ import annotations

import errno
import logging
import re
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

from synthkd.errors import DiskFullError, RequestError, StorageError, TeacherError, UnreachableError
from synthkd.fastjson import dumps, loads
from synthkd.journal.batches import Batch, BatchRow
from synthkd.requests import Answer, Request
from synthkd.teachers.batch.status import State, id_of, state_of
from synthkd.teachers.dispatch import TransientError, failures
from synthkd.teachers.openai.client import client_of
from synthkd.teachers.openai.error_responses import refusal, refused_within
from synthkd.teachers.openai.parameter_support import Learned
from synthkd.teachers.openai.request_body import CHAT, PLAIN, body_of, in_a_row, is_chat
from synthkd.teachers.openai.responses import answers_of, body_error, unmistakable, without_secrets
from synthkd.teachers.openai.transport import ANSWERS

if TYPE_CHECKING:
    import openai

    from synthkd.recipe import PricePart, TeacherPart
    from synthkd.teachers.openai.endpoint import Address

#: Under this name a batch bears our token in its metadata.
MARK = "synthkd"
#: What may be the name of a row's failure.
_CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)
#: Seconds by which a provider's clock may differ from ours.
_CLOCKS = 86_400.0
#: Loggers that would show the whole address, with what its query holds.
_LOGGERS = ("httpx", "httpx2", "openai._base_client")
#: Batches of a list that are looked at: it goes back in time, and may have no end.
_LISTED = 20_000
#: Bytes of a result: of any, for each sample, and for each of its tokens (with log-probabilities, for each of the
#: likeliest too).
_ANY, _SAMPLE, _TOKEN, _TOP = 64_000_000, 16_384, 64, 256
#: What a full disk says; some file systems know of quotas.
_FULL = (errno.ENOSPC, errno.EDQUOT)


# What is sent


@dataclass
class Draft:
    """A batch that is not submitted yet. ``origins`` names, row by row, the batch that gave no answer to it."""

    url: str
    rows: list[BatchRow] = field(default_factory=list)
    origins: list[str | None] = field(default_factory=list)
    # In a file: a batch may be as large as memory.
    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    size: int = 0

    def add(self, row: BatchRow, line: bytes, origin: str | None) -> None:
        with disk_in_words("the requests of a batch"):
            self.file.write(line)
        self.size += len(line)
        self.rows.append(row)
        self.origins.append(origin)


class Drafts:
    """Cuts requests into batches within the limits of a recipe."""

    def __init__(self, part: TeacherPart, learned: Learned | None = None) -> None:
        self._part, self._learned = part, learned or Learned()
        self._bytes = int(part.batch.megabytes * 1e6)
        self.filling: Draft | None = None
        self.ready: deque[Draft] = deque()

    def __bool__(self) -> bool:
        return bool(self.ready or self.filling)

    def add(self, request: Request, attempt: int = 1, origin: str | None = None) -> bool:
        """Take a request in. False: alone it is larger than a file may be."""
        chat = is_chat(request, self._part)
        row, url = BatchRow.of(request, attempt), "/v1" + (CHAT if chat else PLAIN)
        body = body_of(request, self._part, chat, self._learned)
        line = dumps({"custom_id": row.custom_id, "method": "POST", "url": url, "body": body}) + b"\n"
        if len(line) > self._bytes:
            return False
        draft = self.filling
        if draft and (draft.url != url or draft.size + len(line) > self._bytes):
            self.cut()
        if self.filling is None:
            self.filling = Draft(url)
        self.filling.add(row, line, origin)
        if len(self.filling.rows) >= self._part.batch.requests:
            self.cut()
        return True

    def cut(self) -> None:
        """What has come so far is a batch."""
        if self.filling:
            self.ready.append(self.filling)
            self.filling = None

    def close(self) -> None:
        self.cut()
        for draft in self.ready:
            close(draft.file)
        self.ready.clear()


def parts_of(request: Request) -> Iterator[Request]:
    """A request as rows: with a seed, one row cannot bridge a gap in the samples."""
    left = request.sample_indexes
    while left:
        part = left if request.sampling.seed is None else in_a_row(left)
        yield request.only(part)
        left = tuple(index for index in left if index not in part)


@contextmanager
def disk_in_words(what: str) -> Iterator[None]:
    """A full disk, which temporary files fill like any other, as an error that says which."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"{tempfile.gettempdir()}: the disk is full, and {what} go there; free some space, or set TMPDIR to a folder"
            " elsewhere, and run again: what is with the provider is kept there"
        ) from None


def close(file: IO[bytes]) -> None:
    """Close a temporary file. On a full disk, what is in its buffer fails once more."""
    with suppress(OSError):
        file.close()


# What comes back


@dataclass
class Outcome:
    """What a row came to. ``left`` are samples without an answer, and why.

    ``unseen``: it may have been billed, though nothing of use came. ``few``: the server gave fewer choices than
    were asked for. ``fatal``: no other row will fare better.
    """

    answers: list[Answer] = field(default_factory=list)
    left: tuple[int, ...] = ()
    reason: str = ""
    detail: str = ""
    unseen: bool = False
    few: bool = False
    fatal: TeacherError | None = None


def outcome(
    provider: Provider, request: Request, line: dict[str, Any], attempt: int, price: PricePart | None
) -> Outcome:
    """A row of an output or error file, as the wire would have it."""
    response = line.get("response")
    if type(response) is not dict:
        return _unanswered(provider, request, line.get("error"))
    status = response.get("status_code")
    if type(status) is not int or status in ANSWERS:
        return _answered(provider, request, response.get("body"), price)
    try:
        body = dumps(response.get("body"))
    except (ValueError, RecursionError):
        body = b"(nested too deeply)"
    found = provider.refusal(status, body)
    if isinstance(found, RequestError):
        if provider.learned.another_limit(found.parameter, found.parameter):
            return Outcome([], request.sample_indexes, found.reason, found.detail)
        if len(request.sample_indexes) > 1 and found.parameter == "n":
            provider.learned.single = True
            return Outcome([], request.sample_indexes, found.reason, found.detail, few=True)
        return Outcome(failures(request, found.reason, found.detail, attempt, permanent=True))
    if isinstance(found, TransientError):
        unseen = found.billed is None
        return Outcome([], request.sample_indexes, found.reason, found.detail, unseen=unseen)
    return Outcome([], request.sample_indexes, f"http_{status}", str(found), fatal=found)


def _answered(provider: Provider, request: Request, body: Any, price: PricePart | None) -> Outcome:
    wanted = request.sample_indexes
    mask = provider.address.mask
    try:
        if (inside := body_error(body)) is not None:
            raise provider.refused(inside)
        answers = answers_of(request, body, None, price, mask, provider.refused)
    except TransientError as broken:
        answers = without_secrets(broken.answers, mask, unmistakable(mask.forms))
        have = {answer.sample_index for answer in answers}
        left = tuple(index for index in wanted if index not in have)
        return Outcome(answers, left, broken.reason, broken.detail, unseen=True)
    except RequestError as error:
        return Outcome(failures(request, error.reason, error.detail, 1, permanent=True, tokens=None))
    except TeacherError as error:
        return Outcome([], wanted, "refused", str(error), fatal=error)
    answers = without_secrets(answers, mask, unmistakable(mask.forms))
    have = {answer.sample_index for answer in answers}
    left = tuple(index for index in wanted if index not in have)
    detail = f"the server gave {len(answers)} of {len(wanted)} choices"
    return Outcome(answers, left, "too_few_choices", detail, few=True)


def _unanswered(provider: Provider, request: Request, error: Any) -> Outcome:
    error = error if type(error) is dict else {"message": str(error)}
    code = error.get("code")
    reason = code if type(code) is str and _CODE.fullmatch(code) else "batch_error"
    detail = provider.address.mask(str(error.get("message") or reason))[:500]
    return Outcome([], request.sample_indexes, reason, detail)


def result_bytes(part: TeacherPart, rows: Sequence[BatchRow]) -> int:
    """Bytes that the result of a batch may have at most."""
    if part.batch.result_megabytes is not None:
        return int(part.batch.result_megabytes * 1e6)
    sampling = part.sampling
    named = [value for value in sampling.extra_body.values() if type(value) is int and 0 < value <= 20]
    token = _TOKEN + (_TOP * (1 + max(named, default=0)) if sampling.logprobs else 0)
    return _ANY + sum(len(row.sample_indexes) for row in rows) * (_SAMPLE + sampling.max_tokens * token)


def lines_of(file: IO[bytes], most: int) -> Iterator[dict[str, Any]]:
    """The rows of a result. A line that is cut off, odd or longer than ``most`` bytes counts as not there."""
    file.seek(0)
    while line := file.readline(most):
        if not line.endswith(b"\n") and len(line) == most:
            while (rest := file.readline(most)) and not rest.endswith(b"\n"):
                pass
            continue
        try:
            found = loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


# Who is asked


class Provider:
    """Files and batches at one address. Raises `TransientError` for what may go better later, else `TeacherError`."""

    def __init__(self, part: TeacherPart, address: Address) -> None:
        self.part, self.address = part, address
        self.learned = Learned()
        self._client = client_of(part, address)
        self._mask = _Mask(address)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._mask)

    async def close(self) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._mask)
        await self._client.close()

    def refused(self, error: Any) -> TeacherError:
        """What an error means that stands in a row's body."""
        found = {"error": error}
        meaning = refused_within(self.address, self.part, found, dumps(found))
        meaning.billed = None
        return meaning

    def refusal(self, status: int, body: bytes, headers: Any = None) -> TeacherError:
        """What a status means for a request or the run."""
        return refusal(self.address, self.part, status, headers or {}, body)

    async def upload(self, name: str, file: IO[bytes]) -> str:
        """Returns the file's id. Tried again where it fails: a file that nobody uses costs nothing."""
        with disk_in_words("the requests of a batch"):
            file.flush()
        async with self._asking("the upload of a batch's file"):
            return id_of(await self._client.files.create(file=(name, file), purpose="batch"))

    async def create(self, url: str, file_id: str, metadata: dict[str, str]) -> str:
        """One try only, and the batch's id: a try without an answer may have made a batch."""
        once = self._client.with_options(max_retries=0)
        async with self._asking("a batch"):
            made = await once.batches.create(
                input_file_id=file_id,
                endpoint=cast(Any, url),
                completion_window=cast(Any, self.part.batch.window),
                metadata=metadata,
            )
            return id_of(made)

    async def find(self, token: str, file_id: str | None, since: float) -> str | None:
        """The id of the batch that bears a token, or is made of its file; None where there is none."""
        seen = 0
        async with self._asking("the list of batches"):
            async for batch in self._client.batches.list(limit=100):
                seen += 1
                metadata = batch.metadata if type(batch.metadata) is dict else {}
                if metadata.get(MARK) == token or (file_id and batch.input_file_id == file_id):
                    return id_of(batch)
                if batch.created_at < since - _CLOCKS or seen >= _LISTED:
                    break
        return None

    async def look_up(self, batch: Batch) -> State | None:
        """How a batch stands; None where this address and key know none of that id."""
        try:
            async with self._asking(f"the state of batch {batch.batch_id}"):
                return state_of(await self._client.batches.retrieve(str(batch.batch_id)))
        except _NotFoundError:
            return None

    async def state(self, batch: Batch) -> State:
        """How a batch stands that must be there."""
        if (found := await self.look_up(batch)) is not None:
            return found
        raise TeacherError(
            f"{self.address.public}: the batch {batch.batch_id} of the run {batch.run} is not known here (404); use"
            " the address and key that submitted it, or give it up with `synthkd batches cancel`"
        )

    async def download(self, file_id: str, most: int) -> IO[bytes]:
        """A file's content, in a temporary file: whole before any of it is read.

        Raises `DiskFullError`, and `TeacherError` for a file beyond ``most`` bytes.
        """
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        try:
            async with self._asking(f"the file {file_id}"):
                await self._copy(file_id, file, most)
        except BaseException:
            close(file)
            raise
        return file

    async def _copy(self, file_id: str, file: IO[bytes], most: int) -> None:
        seen = 0
        with disk_in_words("the results of a batch"):
            async with self._client.files.with_streaming_response.content(file_id) as response:
                async for data in response.iter_bytes():
                    seen += len(data)
                    if seen > most:
                        raise TeacherError(
                            f"{self.address.public}: the file {file_id} is larger than {most / 1e6:,.0f} MB, more than"
                            " this batch can come to; raise teacher.batch.result_megabytes if it is as it should be"
                        )
                    file.write(data)
            # What is in the buffer finds a full disk here, and not when it is read.
            file.flush()

    async def cancel(self, batch: Batch) -> State:
        """Ask that no more of a batch is done. What is done is paid for and can be read."""
        async with self._asking(f"the end of batch {batch.batch_id}"):
            return state_of(await self._client.batches.cancel(str(batch.batch_id)))

    async def delete_file(self, file_id: str) -> None:
        """Remove an uploaded file."""
        async with self._asking(f"the file {file_id}"):
            await self._client.files.delete(file_id)

    @asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        """Errors of the `openai` package in our own words, without the request, whose headers hold the key."""
        import httpx2
        import openai

        try:
            yield
        except (TeacherError, StorageError):
            raise
        except openai.APIStatusError as error:
            raise self._refused(what, error) from None
        except openai.APIConnectionError as error:
            raise self._unreached(error) from None
        except openai.OpenAIError as error:
            raise TransientError("bad_response", self.address.mask(f"{what}: {error}")[:500]) from None
        except httpx2.HTTPError as error:
            # While a body is read, the package does not put these into its own words.
            kind = type(error).__name__
            raise TransientError(
                "connection", f"{what}: the connection broke ({kind})", billed=None
            ) from None
        except Exception as error:  # noqa: BLE001 (the package checks no types: an odd answer ends in any error)
            kind = type(error).__name__
            raise TransientError("bad_response", f"{what}: an answer of another form ({kind})") from None

    def _refused(self, what: str, error: openai.APIStatusError) -> TeacherError:
        try:
            body = error.response.content
        except Exception:  # noqa: BLE001 (a streamed body that was not read; which class depends on the package)
            body = str(error.message).encode()
        found = self.refusal(error.status_code, body, error.response.headers)
        if not isinstance(found, RequestError):
            return found
        detail = f"{self.address.public}: {what} was refused ({found.reason}: {found.detail})"
        if error.status_code == 404:
            return _NotFoundError(f"{detail}; has this server a Batch API?")
        return TeacherError(detail)

    def _unreached(self, error: openai.APIConnectionError) -> TeacherError:
        cause, where = error.__cause__, self.address.public
        if "CERTIFICATE" in str(cause):
            return TeacherError(
                f"{where}: its TLS certificate is not trusted here; name the authority's file in teacher.ca_file"
            )
        kind = type(cause).__name__
        if kind.startswith(("Connect", "Proxy")):
            detail = f"nothing answers at {where}; is the server up, and teacher.base_url right?"
            return TransientError("unreachable", detail)
        if kind.endswith("Timeout"):
            return TransientError("timeout", f"{where}: no answer in {self.part.timeout:g} s", billed=None)
        return TransientError("connection", f"{where}: the connection broke ({kind})", billed=None)


def lasting(error: TransientError, open_batches: bool) -> TeacherError:
    """The error of a run in which a trouble did not pass."""
    goes_on = (
        "; open batches go on at the provider, and the same command picks them up" if open_batches else ""
    )
    detail = f"{error.detail}{goes_on}"
    return (
        UnreachableError(detail)
        if error.reason == "unreachable"
        else TeacherError(f"{error.reason}: {detail}")
    )


class _NotFoundError(TeacherError):
    """A 404 of the address."""


class _Mask(logging.Filter):
    """Takes secrets out of what other packages log."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._address.mask(record.getMessage()), ()
        return True
