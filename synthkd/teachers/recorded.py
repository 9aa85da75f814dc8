"""The backend `recorded`: completions from a file; also the test double of every teacher.

The file has the columns ``input_id``, ``sample_index`` (0 if missing), ``text`` and, if known,
``logprob`` and ``model``. It is indexed once in a temporary SQLite file, so that memory does not
grow with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import InputError, RecipeError, nearest
from synthkd.finish_reasons import RECORDED
from synthkd.keys import file_hash
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.rows import read_rows, text_cell
from synthkd.storage import TemporaryFolder
from synthkd.teachers.base import Teacher

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart


#: Answers of a group, approximately.
GROUP_SIZE = 512


async def answer_in_groups(
    requests: AsyncIterator[Request], answer: Callable[[Request], Iterable[Answer]]
) -> AsyncIterator[list[Answer]]:
    """Answer each request by a function, and yield the answers in groups."""
    group: list[Answer] = []
    async for request in requests:
        group.extend(answer(request))
        if len(group) >= GROUP_SIZE:
            yield group
            group = []
    if group:
        yield group


FIELDS = ("input_id", "sample_index", "text", "logprob", "model")


class RecordedTeacher(Teacher):
    """Answers a sample with the row of the same ``input_id`` and ``sample_index``."""

    name = "recorded"
    needs_template = False
    has_own_logprobs = True
    draws_anew = False

    def __init__(self, part: TeacherPart, folder: Path = Path()) -> None:
        if not part.path:
            raise RecipeError("teacher.path: the recorded backend needs the file of recorded rows")
        unknown = [field for field in part.columns if field not in FIELDS]
        if unknown:
            raise RecipeError(
                f"teacher.columns: unknown field {unknown[0]!r}{nearest(unknown[0], list(FIELDS))}"
            )
        self.part = part
        self.path = (folder / part.path).expanduser().resolve()
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file of recorded rows")
        self._index: sqlite3.Connection | None = None
        self._temporary: TemporaryFolder | None = None
        self._identity = part.identity

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> RecordedTeacher:
        path = recipe.teacher.path
        resolved = (
            recipe.teacher.model_copy(update={"path": str(recipe.resolve(path))})
            if path
            else recipe.teacher
        )
        return cls(resolved)

    @property
    def identity(self) -> str:
        """The hash of the file's content."""
        if self._identity is None:
            self._identity = f"recorded:{file_hash(self.path)}"
        return self._identity

    def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        return answer_in_groups(requests, self._answer)

    def _answer(self, request: Request) -> Iterator[Answer]:
        index = self._open()
        for sample in request.sample_indexes:
            row = index.execute(
                "SELECT text, logprob, model FROM rows WHERE input_id=? AND sample_index=?",
                (request.input_id, sample),
            ).fetchone()
            if row is None:
                detail = (
                    f"{self.path.name} has no row for input {request.input_id}, sample {sample}"
                )
                yield Failure(request.request_id, sample, "not_recorded", detail)
            else:
                text, logprob, model = row
                yield Completion(
                    request.request_id,
                    sample,
                    text,
                    RECORDED,
                    logprob=logprob,
                    model=model,
                    price=0.0,
                )

    def _open(self) -> sqlite3.Connection:
        if self._index is None:
            self._temporary = TemporaryFolder()
            self._index = sqlite3.connect(
                Path(self._temporary.name) / "rows.sqlite", check_same_thread=False
            )
            self._index.execute("PRAGMA synchronous=OFF")
            self._index.execute(
                "CREATE TABLE rows (input_id TEXT, sample_index INTEGER, text TEXT, logprob REAL,"
                " model TEXT, PRIMARY KEY (input_id, sample_index)) WITHOUT ROWID"
            )
            self._fill(self._index)
        return self._index

    def _fill(self, index: sqlite3.Connection) -> None:
        names = {field: self.part.columns.get(field, field) for field in FIELDS}
        count = 0
        for rows in read_rows(self.path):
            for field in ("input_id", "text"):
                if names[field] not in rows[0]:
                    raise InputError(
                        f"{self.path}: no column"
                        f" {names[field]!r}{nearest(names[field], list(rows[0]))}"
                    )
            try:
                index.executemany(
                    "INSERT INTO rows VALUES (?,?,?,?,?)",
                    [
                        _values(row, names, f"{self.path} row {n}")
                        for n, row in enumerate(rows, count + 1)
                    ],
                )
            except sqlite3.IntegrityError:
                raise InputError(
                    f"{self.path}: two rows have the same {names['input_id']} and sample_index"
                    f" (in rows {count + 1} to {count + len(rows)}); number the samples of an input"
                ) from None
            count += len(rows)
        index.commit()

    async def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None


def _values(row: dict[str, Any], names: dict[str, str], place: str) -> tuple[Any, ...]:
    texts = {field: text_cell(row.get(name), place, name) for field, name in names.items()}
    if not texts["input_id"]:
        raise InputError(
            f"{place}: {names['input_id']!r} is empty; it names the input that the text answers"
        )
    return (
        texts["input_id"],
        _number(texts["sample_index"] or "0", int, place, names["sample_index"]),
        texts["text"] or "",
        None if not texts["logprob"] else _number(texts["logprob"], float, place, names["logprob"]),
        texts["model"],
    )


def _number(text: str, kind: type[int] | type[float], place: str, name: str) -> float:
    try:
        return kind(text)
    except (ValueError, OverflowError):
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{place}: {name!r} is {text[:60]!r}, where {what} is needed") from None
