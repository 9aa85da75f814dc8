"""The backend `pool`: labelled rows of a file in place of a language model.

A loop's policy can be measured on real data, and a loop can be tried before a teacher is paid for.
The request is the JSON object of the pool's template; what it says of the student (its rows, its
errors, the report) decides which rows are returned. `had` names the hashes (`keys.text_hash`) of
texts that must not be returned again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from synthkd.errors import InputError, RecipeError, nearest
from synthkd.keys import content_hash, file_hash, fraction, seed_from, text_hash
from synthkd.options import BaseOptions, checked_options
from synthkd.recipe import TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request
from synthkd.rows import read_rows, text_cell
from synthkd.teachers.base import Teacher
from synthkd.teachers.pool.request import (
    PoolRequest,
    PoolRequestError,
    allocate_rows,
    parse_pool_request,
)
from synthkd.teachers.recorded import answer_in_groups

if TYPE_CHECKING:
    from synthkd.recipe import Recipe
    from synthkd.teachers.pool.selection import TextSimilarity


class PoolOptions(BaseOptions):
    """Options of a pool: how labelled rows are handed out."""

    choose: Literal["typical", "nearest", "drawn"] = Field(
        "typical",
        description="Which rows of a class come first: those that stand for the rows which the"
        " student lacks (`typical`), those nearest to the hard negatives of the request"
        " (`nearest`), or any (`drawn`).",
    )
    weight: float = Field(
        1.0,
        ge=0,
        description="For `typical`: how much more a row near a hard negative counts, as exp(weight"
        " x cosine).",
    )
    noise: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the texts that belong to another class than the one asked for.",
    )
    noise_from: Literal["any", "near"] = Field(
        "any",
        description="Where they come from: any other class, or one of the three most like it.",
    )
    encoder: str | None = Field(
        None,
        description="Frozen encoder (folder or hub name) that says how near texts are. Default:"
        " TF-IDF.",
    )
    seed: int = Field(0, description="Seed of all draws.")


def pool_options(part: TeacherPart) -> PoolOptions:
    """Return the options of a recipe's teacher.

    Raises:
        RecipeError: An option is unknown, or does not fit.
    """
    options: PoolOptions = checked_options(PoolOptions, part.options, "teacher.options")
    return options


FIELDS = ("text", "label")
#: Part of the identity: raised if the same request returns other rows.
VERSION = 1
#: Classes that `noise_from: near` draws from, and rows of a class that the selection looks at.
_NEAREST_CLASSES, _MAX_ROWS = 3, 2000


@dataclass(frozen=True)
class PoolRows:
    """The rows of a pool: texts, their hashes, and the rows of each class."""

    texts: tuple[str, ...]
    hashes: tuple[str, ...]
    classes: Mapping[str, tuple[int, ...]]


class PoolTeacher(Teacher):
    """Labelled rows of a file, each returned once."""

    name = "pool"
    draws_anew = False
    Options = PoolOptions
    options: PoolOptions

    def __init__(self, part: TeacherPart, folder: Path = Path()) -> None:
        if not part.path:
            raise RecipeError("teacher.path: the pool backend needs the file of labelled rows")
        for field in part.columns:
            if field not in FIELDS:
                raise RecipeError(
                    f"teacher.columns: unknown field {field!r}{nearest(field, list(FIELDS))}"
                )
        self.part, self.options = part, pool_options(part)
        self.path = (folder / part.path).expanduser().resolve()
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file of labelled rows")
        self._columns = tuple(part.columns.get(field, field) for field in FIELDS)
        self._hash = ""

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> PoolTeacher:
        part = recipe.teacher
        return cls(
            part.model_copy(update={"path": str(recipe.resolve(part.path))}) if part.path else part
        )

    @classmethod
    def hub_models(cls, part: TeacherPart) -> list[str]:
        encoder = pool_options(part).encoder
        return [encoder] if encoder else []

    @property
    def identity(self) -> str:
        """Hashes of the file's content and of the options."""
        if self.part.identity is not None:
            return self.part.identity
        options = content_hash([VERSION, *self._columns, self.options.model_dump()], 8)
        return f"pool:{self._content}:{options}"

    @property
    def _content(self) -> str:
        self._hash = self._hash or file_hash(self.path)
        return self._hash

    def stream(self, requests: AsyncIterator[Request]) -> AsyncIterator[list[Answer]]:
        return answer_in_groups(requests, self._answer)

    def _answer(self, request: Request) -> Iterator[Answer]:
        """Answer a request; its samples share no row, since each begins after the one before."""
        try:
            wanted = parse_pool_request(request.prompt)
            samples = max(request.sample_indexes) + 1
            # An earlier request of the round may have wanted for one text more.
            before = wanted.draw * (wanted.texts + 1) * samples
            count, draw = wanted.texts * samples, request.request_id
            chosen = self.choose(wanted, count, draw, before) or self.choose(wanted, count, draw)
        except PoolRequestError as error:
            for sample in request.sample_indexes:
                yield Failure(request.request_id, sample, error.reason, error.detail)
            return
        for sample in request.sample_indexes:
            rows = chosen[sample * wanted.texts : (sample + 1) * wanted.texts]
            answer = json.dumps(
                [{"text": text, "label": label} for text, label in rows], ensure_ascii=False
            )
            yield Completion(request.request_id, sample, answer, "stop", model=self.name, price=0.0)

    def choose(
        self, wanted: PoolRequest, count: int, draw: str = "", before: int = 0
    ) -> list[tuple[str, str]]:
        """Choose rows.

        Args:
            wanted: The request.
            count: Rows at most; there are fewer if the classes have no more.
            draw: Seed of the random choices.
            before: Rows that go to other requests of the round.

        Returns:
            (text, label) of each row, the classes in turn.
        """
        rows = self.rows
        labels = [wanted.label] if wanted.label else list(wanted.labels or rows.classes)
        for label in labels:
            if label not in rows.classes:
                raise PoolRequestError(
                    "unknown_class",
                    f"{self.path.name} has no class {label!r}{nearest(label, [*rows.classes])}",
                )
        free = {label: self._free(rows.classes[label], wanted) for label in labels}
        sizes = [len(free[label]) for label in labels]
        need = wanted.need(labels) or sizes
        starts, ends = (allocate_rows(need, rows, sizes) for rows in (before, before + count))
        picked = [
            [(place, label) for place in self._order(label, free[label], wanted, end, draw)[start:]]
            for label, start, end in zip(labels, starts, ends, strict=True)
        ]
        order = _in_turn(picked)
        return [
            (rows.texts[self._noisy(place, label, wanted, f"{draw}:{number}")], label)
            for number, (place, label) in enumerate(order)
        ]

    def _free(self, places: Sequence[int], wanted: PoolRequest) -> list[int]:
        """Return the rows whose text is not excluded, each text once."""
        first = {self.rows.hashes[place]: place for place in reversed(places)}
        return sorted(place for text, place in first.items() if text not in wanted.excluded)

    def _order(
        self, label: str, free: list[int], wanted: PoolRequest, count: int, draw: str
    ) -> list[int]:
        """Return the first rows of a class, in the order that the options ask for."""
        options = self.options
        free = sorted(
            free, key=lambda place: fraction(f"{options.seed}:{draw}:{self.rows.hashes[place]}")
        )
        hard = [text for text, _ in wanted.hard]
        if (
            options.choose == "drawn"
            or not free
            or not count
            or (options.choose == "nearest" and not hard)
        ):
            return free[:count]
        from synthkd.teachers.pool.selection import select_nearest, select_typical

        among = free[:_MAX_ROWS]
        if options.choose == "nearest":
            chosen = select_nearest(self._similarity.to(among, hard), count)
        else:
            chosen = select_typical(
                self._similarity.among(among, self.rows.classes[label]), self._similarity.to(among,
                self._seen(label, wanted)),
                self._similarity.to(among, hard), options.weight, count,
            )  # fmt: skip
        selected = [among[place] for place in chosen]
        return [*selected, *free[_MAX_ROWS:]][:count]

    def _seen(self, label: str, wanted: PoolRequest) -> list[str]:
        """Return the texts of a class that the student has: from the request and from this pool."""
        rows = self.rows
        own = [
            rows.texts[place]
            for place in rows.classes[label]
            if rows.hashes[place] in wanted.excluded
        ]
        return list(dict.fromkeys([*(text for text, of in wanted.seen if of == label), *own]))

    def _noisy(self, place: int, label: str, wanted: PoolRequest, draw: str) -> int:
        """Return a row, or with probability `noise` a row of another class."""
        options = self.options
        if not options.noise or fraction(f"{options.seed}:noise:{draw}") >= options.noise:
            return place
        others = self._nearest_classes(label) if options.noise_from == "near" else [
            each for each in self.rows.classes if each != label
        ]  # fmt: skip
        if not others:
            return place
        other = others[seed_from("class", options.seed, draw) % len(others)]
        free = self._free(self.rows.classes[other], wanted)
        return free[seed_from("row", options.seed, draw) % len(free)] if free else place

    def _nearest_classes(self, label: str) -> list[str]:
        """Return the classes with the most similar mean vectors."""
        names = list(self.rows.classes)
        own = self._similarity.centres(tuple(self.rows.classes.values()))[names.index(label)]
        order = sorted(range(len(names)), key=lambda place: (-own[place], place))
        return [names[place] for place in order if names[place] != label][:_NEAREST_CLASSES]

    @property
    def rows(self) -> PoolRows:
        return _read(self.path, self._content, *self._columns)

    @property
    def _similarity(self) -> TextSimilarity:
        from synthkd.teachers.pool.selection import text_similarity

        return text_similarity(self.rows.texts, self.options.encoder)


def _in_turn(lists: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the first of each list, the second of each, and so on."""
    longest = max(map(len, lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]


@lru_cache(maxsize=4)
def _read(path: Path, content: str, text: str, label: str) -> PoolRows:
    """Read the rows of a file; cached, since each round of a loop makes a new teacher."""
    texts: list[str] = []
    classes: dict[str, list[int]] = {}
    for rows in read_rows(path):
        for column in (text, label):
            if column not in rows[0]:
                raise InputError(
                    f"{path}: no column {column!r}{nearest(column, list(rows[0]))}"
                    " (teacher.columns)"
                )
        for row in rows:
            place = f"{path} row {len(texts) + 1}"
            cell, of = ((text_cell(row[name], place, name) or "").strip() for name in (text, label))
            if not cell or not of:
                raise InputError(f"{place}: an empty {label if cell else text}")
            classes.setdefault(of, []).append(len(texts))
            texts.append(" ".join(cell.split()))
    if not texts:
        raise InputError(f"{path}: no rows in this file")
    places = {of: tuple(classes[of]) for of in sorted(classes)}
    return PoolRows(tuple(texts), tuple(map(text_hash, texts)), places)
