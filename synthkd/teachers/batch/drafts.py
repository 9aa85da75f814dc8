"""Drafts of batches: requests as JSON lines in temporary files, within the limits of a recipe."""

from __future__ import annotations

import tempfile
from collections import deque
from dataclasses import dataclass, field
from typing import IO

from synthkd.journal.batches import BatchRow
from synthkd.requests import Request
from synthkd.teachers.batch.provider import BatchProvider
from synthkd.teachers.batch.temporary_files import close_quietly, full_disk_errors


@dataclass
class BatchDraft:
    """A batch that is not submitted yet.

    Attributes:
        url: The endpoint of its rows.
        rows: The rows.
        origins: For each row the token of the batch that gave no answer to it; None for a new
            request.
        file: The rows as JSON lines; in a file, since a batch may be as large as memory.
        size: Bytes of the file.
    """

    url: str
    rows: list[BatchRow] = field(default_factory=list)
    origins: list[str | None] = field(default_factory=list)
    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    size: int = 0

    def add(self, row: BatchRow, line: bytes, origin: str | None) -> None:
        with full_disk_errors("the requests of a batch"):
            self.file.write(line)
        self.size += len(line)
        self.rows.append(row)
        self.origins.append(origin)


class BatchDrafts:
    """Divides requests into batches within the limits of a recipe.

    Attributes:
        filling: The draft that takes further requests.
        ready: Drafts to submit.
    """

    def __init__(self, provider: BatchProvider) -> None:
        self._provider, options = provider, provider.options
        self._max_bytes, self._max_rows = int(options.megabytes * 1e6), options.requests
        self.filling: BatchDraft | None = None
        self.ready: deque[BatchDraft] = deque()

    def __bool__(self) -> bool:
        return bool(self.ready or self.filling)

    def add(self, request: Request, attempt: int = 1, origin: str | None = None) -> bool:
        """Add a request as a row; return False if it alone exceeds the size of a file."""
        row = BatchRow.of(request, attempt)
        url, line = self._provider.encode_row(row.custom_id, request)
        if len(line) > self._max_bytes:
            return False
        draft = self.filling
        if draft and (draft.url != url or draft.size + len(line) > self._max_bytes):
            self.finish_draft()
        if self.filling is None:
            self.filling = BatchDraft(url)
        self.filling.add(row, line, origin)
        if len(self.filling.rows) >= self._max_rows:
            self.finish_draft()
        return True

    def finish_draft(self) -> None:
        """Make the draft that is being filled ready to submit."""
        if self.filling:
            self.ready.append(self.filling)
            self.filling = None

    def close(self) -> None:
        self.finish_draft()
        for draft in self.ready:
            close_quietly(draft.file)
        self.ready.clear()
