"""A teacher made of rows: it answers a request for labelled text with held-out real rows of the class.

So a loop's policy is measured on real data without a language model, and a loop can be tried before one is paid for. The
request is the template `labelled_text/pool`: a JSON object. What it tells (texts that the student has, those it got wrong, the
report) decides which rows come next; `had` names what must not come again, by `keys.text_hash`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import InputError, RecipeError, nearest
from synthkd.keys import content_hash, file_hash, fraction, seed_from, text_hash
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.rows import read_rows, text_cell
from synthkd.teachers.pool.request import Asked, BadRequest, dealt, read_request
from synthkd.teachers.recorded import in_groups

if TYPE_CHECKING:
    from synthkd.recipe import Recipe, TeacherPart
    from synthkd.teachers.pool.selection import Nearness

FIELDS = ("text", "label")
#: Part of the identity: raised when the same request would get other rows.
VERSION = 1
#: Classes that `noise_from: near` draws from, and rows of a class among which typical ones are looked for.
_NEAREST, _MOST = 3, 2000


@dataclass(frozen=True)
class Rows:
    """The rows of a pool: texts, their hashes, and the places of each class."""

    texts: tuple[str, ...]
    hashes: tuple[str, ...]
    classes: Mapping[str, tuple[int, ...]]


class PoolTeacher:
    """Labelled rows of a file, handed out class by class; no row twice."""

    name = "pool"

    def __init__(self, part: TeacherPart, folder: Path = Path()) -> None:
        if not part.path:
            raise RecipeError("teacher.path: the pool backend needs the file of labelled rows")
        for field in part.columns:
            if field not in FIELDS:
                raise RecipeError(f"teacher.columns: unknown field {field!r}{nearest(field, list(FIELDS))}")
        self.part, self.options = part, part.pool
        self.path = (folder / part.path).expanduser().resolve()
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file of labelled rows")
        self._columns = tuple(part.columns.get(field, field) for field in FIELDS)
        self._hash = ""

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> PoolTeacher:
        part = recipe.teacher
        return cls(part.model_copy(update={"path": str(recipe.resolve(part.path))}) if part.path else part)

    @property
    def identity(self) -> str:
        """The content of the file and the options, so that other rows are other answers."""
        if self.part.identity is not None:
            return self.part.identity
        options = content_hash([VERSION, *self._columns, self.options.model_dump()], 8)
        return f"pool:{self._content}:{options}"

    @property
    def _content(self) -> str:
        self._hash = self._hash or file_hash(self.path)
        return self._hash

    def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        return in_groups(requests, self._answer)

    async def close(self) -> None:
        return

    def _answer(self, request: Request) -> Iterator[Answer]:
        """Samples of one request share no row: the second goes on where the first ended."""
        try:
            asked = read_request(request.prompt)
            samples = max(request.sample_indexes) + 1
            # An earlier request of the round may have asked for one text more.
            before = asked.draw * (asked.texts + 1) * samples
            most, draw = asked.texts * samples, request.request_id
            found = self.choose(asked, most, draw, before) or self.choose(asked, most, draw)
        except BadRequest as error:
            for sample in request.sample_indexes:
                yield Failure(request.request_id, sample, error.reason, error.detail)
            return
        for sample in request.sample_indexes:
            rows = found[sample * asked.texts : (sample + 1) * asked.texts]
            said = json.dumps([{"text": text, "label": label} for text, label in rows], ensure_ascii=False)
            yield Completion(request.request_id, sample, said, "stop", model=self.name, price=0.0)

    def choose(self, asked: Asked, most: int, draw: str = "", before: int = 0) -> list[tuple[str, str]]:
        """Up to ``most`` (text, label): fewer where a class has no more. ``draw`` decides what is drawn; ``before``: so many
        rows go to other requests of the round."""
        rows = self.rows
        labels = [asked.label] if asked.label else list(asked.labels or rows.classes)
        for label in labels:
            if label not in rows.classes:
                raise BadRequest(
                    "unknown_class",
                    f"{self.path.name} has no class {label!r}{nearest(label, [*rows.classes])}",
                )
        free = {label: self._free(rows.classes[label], asked) for label in labels}
        sizes = [len(free[label]) for label in labels]
        need = asked.need(labels) or sizes
        past, given = (dealt(need, rows, sizes) for rows in (before, before + most))
        picked = [
            [(place, label) for place in self._order(label, free[label], asked, end, draw)[start:]]
            for label, start, end in zip(labels, past, given, strict=True)
        ]
        order = _in_turn(picked)
        return [
            (rows.texts[self._noisy(place, label, asked, f"{draw}:{number}")], label)
            for number, (place, label) in enumerate(order)
        ]

    def _free(self, places: Sequence[int], asked: Asked) -> list[int]:
        """Rows that were not had, each text once."""
        first = {self.rows.hashes[place]: place for place in reversed(places)}
        return sorted(place for text, place in first.items() if text not in asked.had)

    def _order(self, label: str, free: list[int], asked: Asked, most: int, draw: str) -> list[int]:
        """The rows of a class that come first."""
        options = self.options
        free = sorted(free, key=lambda place: fraction(f"{options.seed}:{draw}:{self.rows.hashes[place]}"))
        hard = [text for text, _ in asked.hard]
        if options.choose == "drawn" or not free or not most or (options.choose == "nearest" and not hard):
            return free[:most]
        from synthkd.teachers.pool import selection as pool_near

        among = free[:_MOST]
        if options.choose == "nearest":
            chosen = pool_near.nearest(self._near.to(among, hard), most)
        else:
            chosen = pool_near.typical(
                self._near.among(among, self.rows.classes[label]), self._near.to(among, self._seen(label, asked)),
                self._near.to(among, hard), options.weight, most,
            )  # fmt: skip
        found = [among[place] for place in chosen]
        return [*found, *(place for place in free[_MOST:])][:most]

    def _seen(self, label: str, asked: Asked) -> list[str]:
        """Texts of a class that the student has: those that the request shows, and those that came from here."""
        rows = self.rows
        came = [rows.texts[place] for place in rows.classes[label] if rows.hashes[place] in asked.had]
        return list(dict.fromkeys([*(text for text, of in asked.seen if of == label), *came]))

    def _noisy(self, place: int, label: str, asked: Asked, draw: str) -> int:
        """The row, or with the chance `noise` one of another class in its place."""
        options = self.options
        if not options.noise or fraction(f"{options.seed}:noise:{draw}") >= options.noise:
            return place
        others = self._like(label) if options.noise_from == "near" else [
            each for each in self.rows.classes if each != label
        ]  # fmt: skip
        if not others:
            return place
        other = others[seed_from("class", options.seed, draw) % len(others)]
        free = self._free(self.rows.classes[other], asked)
        return free[seed_from("row", options.seed, draw) % len(free)] if free else place

    def _like(self, label: str) -> list[str]:
        """The classes whose mean is nearest to that of this class."""
        names = list(self.rows.classes)
        own = self._near.centres(tuple(self.rows.classes.values()))[names.index(label)]
        order = sorted(range(len(names)), key=lambda place: (-own[place], place))
        return [names[place] for place in order if names[place] != label][:_NEAREST]

    @property
    def rows(self) -> Rows:
        return _read(self.path, self._content, *self._columns)

    @property
    def _near(self) -> Nearness:
        from synthkd.teachers.pool.selection import nearness

        return nearness(self.rows.texts, self.options.encoder)


def _in_turn(lists: Sequence[Sequence[Any]]) -> list[Any]:
    """The first of each list, the second of each, and so on."""
    longest = max(map(len, lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]


@lru_cache(maxsize=4)
def _read(path: Path, content: str, text: str, label: str) -> Rows:
    """Rows of a file, read once for a process: each round of a loop makes its teacher anew."""
    texts: list[str] = []
    classes: dict[str, list[int]] = {}
    for rows in read_rows(path):
        for column in (text, label):
            if column not in rows[0]:
                raise InputError(
                    f"{path}: no column {column!r}{nearest(column, list(rows[0]))} (teacher.columns)"
                )
        for row in rows:
            place = f"{path} row {len(texts) + 1}"
            said, of = ((text_cell(row[name], place, name) or "").strip() for name in (text, label))
            if not said or not of:
                raise InputError(f"{place}: an empty {label if said else text}")
            classes.setdefault(of, []).append(len(texts))
            texts.append(" ".join(said.split()))
    if not texts:
        raise InputError(f"{path}: no rows to hand out")
    places = {of: tuple(classes[of]) for of in sorted(classes)}
    return Rows(tuple(texts), tuple(map(text_hash, texts)), places)
