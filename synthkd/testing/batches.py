"""Batches of the test server with planted ends, and the Batch API of OpenAI.

`FakeBatches` has what all providers' batches do; other protocols describe its batches in their own
words (`Dialect.handle_batches`).
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, dict[str, Any] | bytes]
#: Answers a row: takes its path and body, returns a status and a body.
Complete = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]

#: Custom id, path and body of a row.
Row = tuple[str, str, dict[str, Any]]
#: Custom id, status and body of an answer; status 0 if the batch ended before the row.
Outcome = tuple[str, int, dict[str, Any]]
#: Ends of a batch. `full`: failed, because the provider has no room.
ENDS = ("completed", "expired", "cancelled", "failed", "full")
_ERRORS = {
    "failed": {
        "code": "invalid_json_line",
        "line": 1,
        "message": "planted: this line is not parseable",
    },
    "full": {
        "code": "token_limit_exceeded",
        "line": None,
        "message": "planted: enqueued token limit reached",
    },
}
_LOST = {"error": {"message": "planted: made, and the answer lost"}}


@dataclass
class FakeBatches:
    """Files and batches; a batch makes progress each time its state is asked for.

    Attributes:
        takes: Looks after which a batch has ended.
        ends: How batches end.
        script: Ends of the first batches, in turn.
        answered: Share of the rows that an expired or cancelled batch has answered; a failed one
            has answered none.
        errors: Share of rows that are refused with ``row_error``.
        shuffled: Results are in another order than the rows.
        limit: Requests of a file at most.
        lost: So many batches are made although the answer is a 500.
        marks: Metadata is kept.
        submitted: Custom id and body of each row, counted.
        bodies: The bodies alone, counted.
        looks: How often states were asked for.
        rows: Rows of each batch, by its name.
        end: How each batch ends.
        looks_left: Looks after which each open batch ends.
        outcomes: Outcomes of the rows of each batch that has ended.
    """

    takes: int = 1
    ends: str = "completed"
    script: Iterable[str] = ()
    answered: float = 0.5
    errors: float = 0.0
    row_error: tuple[int, dict[str, Any]] = (500, {"error": {"message": "planted row error"}})
    shuffled: bool = True
    limit: int = 50_000
    lost: int = 0
    marks: bool = True
    submitted: Counter[tuple[str, str]] = field(default_factory=Counter)
    bodies: Counter[str] = field(default_factory=Counter)
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    looks: int = 0
    rows: dict[str, list[Row]] = field(default_factory=dict, repr=False)
    end: dict[str, str] = field(default_factory=dict, repr=False)
    looks_left: dict[str, int] = field(default_factory=dict, repr=False)
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._script = iter(self.script)
        self._rng = random.Random(0)  # noqa: S311
        self._made = 0

    def handle(
        self, method: str, path: str, headers: dict[str, str], body: bytes, complete: Complete
    ) -> Reply | None:
        """Return the reply to a request; None if its path is not of files or batches."""
        parts = urlsplit(path)
        words = parts.path.strip("/").removeprefix("v1/").split("/")
        what, rest = words[0], words[1:]
        if what == "files":
            return self._file(method, rest, headers, body)
        if what != "batches":
            return None
        if method == "POST":
            return self._cancel(rest[0]) if rest else self._create(body)
        return self._look(rest[0], complete) if rest else self._list(parse_qs(parts.query))

    # What the batches of all providers do

    def submit(self, rows: list[Row]) -> str:
        """Take in the rows of a batch (custom id, path, body); return its name."""
        for custom_id, _, body in rows:
            sent = json.dumps(body, sort_keys=True)
            self.submitted[custom_id, sent] += 1
            self.bodies[sent] += 1
        name = self._name("batch")
        self.rows[name] = rows
        self.looks_left[name], self.end[name] = self.takes, next(self._script, self.ends)
        return name

    def loses_answer(self) -> bool:
        """Return True if the answer to the creation of a batch is to be lost."""
        self.lost -= 1
        return self.lost >= 0

    def advance(self, name: str, complete: Complete) -> bool:
        """Count a look at a batch; return True if the batch ends by it."""
        self.looks += 1
        if name not in self.looks_left:
            return False
        self.looks_left[name] -= 1
        if self.looks_left[name] > 0:
            return False
        del self.looks_left[name]
        rows, end = list(self.rows[name]), self.end[name]
        if self.shuffled:
            self._rng.shuffle(rows)
        done = len(rows) if end == "completed" else int(len(rows) * self.answered)
        done = 0 if end in _ERRORS else done
        self.outcomes[name] = [
            (row[0], *self._outcome(row, complete)) if place < done else (row[0], 0, {})
            for place, row in enumerate(rows)
        ]
        return True

    def has_ended(self, name: str) -> bool:
        """Return True if a batch has ended."""
        return name in self.outcomes

    def cancel(self, name: str) -> bool:
        """Cancel a batch; return False if it has ended."""
        if name not in self.looks_left:
            return False
        self.looks_left[name], self.end[name] = 1, "cancelled"
        return True

    def _outcome(self, row: Row, complete: Complete) -> tuple[int, dict[str, Any]]:
        _, path, body = row
        return self.row_error if self._rng.random() < self.errors else complete(path, body)

    # Files

    def _file(self, method: str, rest: list[str], headers: dict[str, str], body: bytes) -> Reply:
        if method == "POST":
            return 200, self._store(_uploaded(headers, body))
        if rest[0] not in self.files:
            return _missing(rest[0])
        if method == "DELETE":
            del self.files[rest[0]]
            return 200, {"id": rest[0], "object": "file", "deleted": True}
        return 200, self.files[rest[0]]

    def _store(self, content: bytes) -> dict[str, Any]:
        name = self._name("file")
        self.files[name] = content
        return {
            "id": name, "object": "file", "bytes": len(content), "created_at": 0,
            "filename": "batch.jsonl",
            "purpose": "batch", "status": "processed",
        }  # fmt: skip

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made}"

    # Batches

    def _create(self, body: bytes) -> Reply:
        asked = json.loads(body)
        file = asked["input_file_id"]
        if file not in self.files:
            return _missing(file)
        rows = self._rows(file)
        if len(rows) > self.limit:
            return 400, {"error": {"message": f"more than {self.limit} requests in a file"}}
        if any(row["url"] != asked["endpoint"] or row["method"] != "POST" for row in rows):
            return 400, {"error": {"message": "the rows are not of the batch's endpoint"}}
        name = self.submit([(row["custom_id"], row["url"], row["body"]) for row in rows])
        self.batches[name] = {
            "id": name, "object": "batch", "endpoint": asked["endpoint"], "input_file_id": file,
            "completion_window": asked["completion_window"], "created_at": 2**31,
            "status": "in_progress",
            "metadata": asked.get("metadata") if self.marks else None, "output_file_id": None,
            "error_file_id": None, "errors": None, "request_counts": _counts(len(rows), 0, 0),
        }  # fmt: skip
        return (500, _LOST) if self.loses_answer() else (200, self.batches[name])

    def _rows(self, file: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[file].splitlines()]

    def _list(self, query: dict[str, list[str]]) -> Reply:
        """Return a page of batches, newest first."""
        names = list(reversed(self.batches))
        start = names.index(query["after"][0]) + 1 if "after" in query else 0
        end = start + int(query.get("limit", ["20"])[0])
        data = [self.batches[name] for name in names[start:end]]
        return 200, {"object": "list", "data": data, "has_more": end < len(names)}

    def _look(self, name: str, complete: Complete) -> Reply:
        if name not in self.batches:
            return _missing(name)
        if self.advance(name, complete):
            self._describe_end(self.batches[name])
        return 200, self.batches[name]

    def _cancel(self, name: str) -> Reply:
        if name not in self.batches:
            return _missing(name)
        if not self.cancel(name):
            return 409, {"error": {"message": f"{name} has ended"}}
        self.batches[name]["status"] = "cancelling"
        return 200, self.batches[name]

    def _describe_end(self, batch: dict[str, Any]) -> None:
        end, total = self.end[batch["id"]], len(self.rows[batch["id"]])
        batch["status"] = "failed" if end == "full" else end
        if end in _ERRORS:
            batch["errors"] = {"object": "list", "data": [_ERRORS[end]]}
            return
        lines = [_line(outcome, end) for outcome in self.outcomes[batch["id"]]]
        good = [line for line in lines if (line["response"] or {}).get("status_code") == 200]
        bad = [line for line in lines if (line["response"] or {}).get("status_code") != 200]
        batch["output_file_id"] = self._lines(good)
        batch["error_file_id"] = self._lines(bad)
        batch["request_counts"] = _counts(total, len(good), len(bad))

    def _lines(self, rows: list[dict[str, Any]]) -> str | None:
        if not rows:
            return None
        name: str = self._store(b"".join(json.dumps(row).encode() + b"\n" for row in rows))["id"]
        return name


def _line(outcome: Outcome, end: str) -> dict[str, Any]:
    """Return the line of a row in a result file."""
    custom_id, status, body = outcome
    line: dict[str, Any] = {"id": "fake", "custom_id": custom_id, "response": None, "error": None}
    if status:
        line["response"] = {"status_code": status, "request_id": "fake", "body": body}
    else:
        message = f"planted: the batch {end} before this row"
        line["error"] = {"code": f"batch_{end}", "message": message}
    return line


def _counts(total: int, completed: int, failed: int) -> dict[str, int]:
    return {"total": total, "completed": completed, "failed": failed}


def _missing(name: str) -> Reply:
    return 404, {"error": {"message": f"no {name} here"}}


def _uploaded(headers: dict[str, str], body: bytes) -> bytes:
    """Return the content of the part `file` of a multipart body."""
    boundary = re.search(r'boundary="?([^";]+)', headers.get("content-type", ""))
    for part in body.split(b"--" + boundary[1].encode()) if boundary else []:
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    return b""
