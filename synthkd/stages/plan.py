"""What a recipe comes to: its kind, prompt, teacher, rules, and the requests of its inputs."""

from __future__ import annotations

import heapq
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from synthkd import plugins
from synthkd.errors import CriticError, InputError, KindError, PromptError, RecipeError, folded, nearest
from synthkd.filters.base import Filter
from synthkd.filters.refusal import Refusal
from synthkd.finish_reasons import Finish, meaning_of, why_not_whole
from synthkd.keys import bytes_hash, canonical, fraction
from synthkd.kinds.base import Kind
from synthkd.kinds.structured_answers import answer_model, response_format
from synthkd.prompts.templates import Prompt, lint, load_prompt
from synthkd.recipe import Recipe
from synthkd.requests import Request, Sampling
from synthkd.resources import resource
from synthkd.rows.cells import Unread, is_empty, text_cell
from synthkd.rows.read import read_rows
from synthkd.teachers.base import Teacher
from synthkd.teachers.schema_support import lint_schema

#: Arguments of a kind's constructor that a recipe has elsewhere.
_TAKEN = ("relations", "seed", "resolve")


@dataclass(frozen=True)
class Asked:
    """One input and the request that it comes to (``sample_indexes`` are all that the recipe wants)."""

    input_id: str
    row: dict[str, Any]
    request: Request


#: Rows that are rendered before the first request is sent, so that a mistake in one costs nothing.
LOOKED_AT = 2048
#: How Python writes a list or an object that begins with a text, and bytes.
_WRITTEN = re.compile(r"\s*(?:\[(['\"]).*\1\]|\{(['\"]).*\}|b(['\"]).*\3)\s*", re.DOTALL)


@dataclass
class InputCounts:
    """Distinct inputs, and rows that repeat one of them."""

    distinct: int = 0
    repeated: int = 0


class Plan:
    """A recipe with its parts found and checked. Nothing is sent and no model is loaded by making one."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.kind = self._find_kind()
        self.teacher = self._find_teacher()
        self.prompt = self._find_prompt()
        self.rules = self._find_rules()
        if recipe.votes is not None:
            from synthkd.stages.votes import check_votes

            # What was written elsewhere may bear log-probabilities that this recipe does not ask for.
            logprobs = recipe.teacher.sampling.logprobs or recipe.teacher.backend == "recorded"
            check_votes(recipe.votes, self.kind, recipe.critic is not None, logprobs)
        #: Ids of the only inputs that are asked about; None for all.
        self.only: set[str] | None = None
        #: Leaves of each request in a batch the samples that are wanted now; None for all.
        self.narrow: Callable[[list[Asked]], list[Asked]] | None = None
        #: Inputs of which no few-shot example was found, by their value of ``by``.
        self.bare: Counter[str] = Counter()
        self._known_names: set[tuple[str, ...]] = set()
        #: What `look_ahead` has rendered and `asked` has not given out yet, by row and id.
        self._rendered: dict[tuple[int, str], Asked] = {}
        self._lint()
        if recipe.critic is not None and recipe.critic.options and recipe.critic.path is None:
            named = recipe.critic.name
            plugins.check_options(
                plugins.find("critics", named, recipe.folder),
                recipe.critic.options,
                f"critic {named!r}",
                CriticError,
            )
        if recipe.critic is not None and recipe.critic.path is not None:
            from synthkd.stages.critic import check_options

            check_options(recipe)

    def _find_kind(self) -> Kind:
        part = self.recipe.kind
        made = plugins.find("kinds", part.name, self.recipe.folder)
        plugins.check_options(made, part.options, f"kind {part.name!r}", RecipeError, _TAKEN)
        try:
            kind: Kind = (
                made.from_recipe(self.recipe) if hasattr(made, "from_recipe") else made(**part.options)
            )
        except (TypeError, ValueError) as error:
            said = str(error).replace("__init__() ", "")
            # A class without a constructor of its own does not say which option it was given.
            if part.options and not any(name in said for name in part.options):
                said += f" (options given: {', '.join(part.options)})"
            raise RecipeError(f"kind {part.name!r}: {said}") from None
        return kind

    def _find_teacher(self) -> Teacher:
        teacher: Teacher = plugins.find(
            "backends", self.recipe.teacher.backend, self.recipe.folder
        ).from_recipe(self.recipe)
        return teacher

    def _find_rules(self) -> list[Filter]:
        chosen = self.recipe.rules
        pairs = (
            [(r.name, r.options) for r in chosen]
            if chosen is not None
            else [(name, {}) for name in self.kind.default_rules]
        )
        rules: list[Filter] = []
        for name, options in pairs:
            rules.append(plugins.make("rules", name, options, self.recipe.folder))
            self._check_column(name, rules[-1].column)
            rules[-1].check_kind(self.kind)
        # A base model continues a text; what answers a chat may decline to.
        if (
            chosen is None
            and (self.prompt is None or self.prompt.head.chat)
            and not rules_named(rules, Refusal.name)
        ):
            rules.append(Refusal())
        return rules

    @cached_property
    def _takes_cut(self) -> bool:
        """Whether completions that a limit cut are left to the rules."""
        return self.recipe.rules is not None or self.kind.several or rules_named(self.rules, "unfinished")

    def not_whole(self, reason: str) -> str | None:
        """Why rows of a completion with this finish reason are rejected, whatever they say; None if they are not.

        One that a limit cut is the rule `unfinished`'s matter, or that of a kind whose answers hold several candidates.
        """
        meaning = meaning_of(reason)
        if meaning is Finish.WHOLE or reason in self.recipe.teacher.finish_reasons:
            return None
        if meaning is Finish.CUT:
            return None if self._takes_cut else why_not_whole(reason)
        return f"{why_not_whole(reason)}; if it does, name {reason!r} in teacher.finish_reasons"

    def _check_column(self, rule: str, column: Any) -> None:
        """Refuse a rule on a column that no row has, before anything is paid for."""
        if not isinstance(column, str) or column in self.kind.columns:
            return
        # Imported here: it brings pyarrow, which asking does without.
        from synthkd.corpora.schema import FILTER_FIELDS, candidate_schema

        # What filtering fills in is still empty when rules look.
        later = {field.name for field in FILTER_FIELDS}
        known = [name for name in candidate_schema(self.kind).names if name not in later]
        if column not in known:
            raise RecipeError(
                f"rule {rule!r}: no column {column!r} in rows of the kind {self.kind.name!r}{nearest(column, known)}"
            )

    def _find_prompt(self) -> Prompt | None:
        part = self.recipe.prompt
        if part.template is None:
            if self.recipe.teacher.backend != "recorded":
                raise PromptError(
                    "prompt.template is missing: name a template; only `recorded` goes without one"
                )
            return None
        prompt = load_prompt(part.template, self.recipe.folder)
        if prompt.head.kind and prompt.head.kind != self.kind.name:
            raise PromptError(
                f"template {part.template} is for the kind {prompt.head.kind!r}, the recipe's is {self.kind.name!r}"
            )
        shots = prompt.shots if part.shots is None else part.shots
        by, source, place = prompt.by, None, ""
        if part.examples:
            source, shots, place = (
                self.recipe.resolve(part.examples.path),
                part.examples.n,
                part.examples.path,
            )
            if "by" in part.examples.model_fields_set:
                by = part.examples.by
        elif prompt.head.examples:
            place = prompt.head.examples
            beside = prompt.folder / place
            source = beside if beside.is_file() else resource(f"prompts/{place}")
        examples = [row for rows in read_rows(source) for row in rows] if source and shots else []
        if source and shots and not examples:
            raise InputError(f"{place}: no few-shot rows in it")
        if shots and not part.examples and (shown := self.kind.shown()):
            examples, place = shown, "few-shot"
        examples = [self._shown_texts(row, f"{place} row {i}") for i, row in enumerate(examples, 1)]
        if by is not None and examples:
            self._check_by(by, examples, place)
        self.kind.check_shown(examples)
        return replace(prompt, examples=examples, shots=shots, by=by, variables=part.variables)

    def _shown_texts(self, row: dict[str, Any], place: str) -> dict[str, Any]:
        """A few-shot row whose content is text."""
        wanted = {*self.kind.columns, *self.kind.optional_columns}
        return {
            name: text_cell(value, place, name) if name in wanted else value for name, value in row.items()
        }

    def _check_by(self, by: str, examples: list[dict[str, Any]], place: str) -> None:
        """Refuse to draw few-shot examples by a column that some of them do not have."""
        for number, row in enumerate(examples, 1):
            if is_empty(row.get(by)):
                raise PromptError(
                    f"{place} row {number}: no {by!r}{'' if by in row else nearest(by, list(row))}, by which examples are drawn;"
                    " add the column, or set `prompt.examples.by: null` to draw from all"
                )

    def _lint(self) -> None:
        """Check the first input and the template's variables before anything else is done."""
        number, row = 0, None
        for number, raw in self._raw():
            # A row may stand for no input: a document without a sentence, say.
            if rows := self._checked(number, raw):
                row = rows[0]
                break
        if row is None:
            what = "no rows" if not number else f"{number:,} rows, and nothing in them to ask about"
            raise InputError(f"{self.recipe.inputs.path}: {what}")
        if self.prompt:
            context = self.kind.context(row, [], _rng())
            lint(self.prompt, list(context))
            by = self.prompt.by
            if by is not None and self.prompt.shots and self.prompt.examples and by not in row:
                raise PromptError(
                    f"few-shot examples are drawn by {by!r}, which no input has{nearest(by, list(map(str, row)))};"
                    " set `prompt.examples.by` to a column of both"
                )
        _ = self.sampling
        if self.recipe.votes is not None and self.recipe.votes.adaptive is not None:
            from synthkd.stages.adaptive import check_adaptive

            check_adaptive(self, row)

    @cached_property
    def sampling(self) -> Sampling:
        """The recipe's sampling, with the template's stop texts where the recipe gives none."""
        part = self.recipe.teacher.sampling
        stop = tuple(part.stop) or (tuple(self.prompt.head.stop) if self.prompt else ())
        shape: dict[str, Any] = {}
        if self.answer is not None:
            shape["response_format"] = response_format(self.answer)
        if self.recipe.teacher.constrained:
            shape["regex"] = self._answer_regex()
        return Sampling(**{**part.model_dump(), "stop": stop, **shape})

    def _answer_regex(self) -> str:
        teacher, regex = self.recipe.teacher, self.kind.answer_regex
        if regex is None:
            raise RecipeError(
                f"teacher.constrained: the kind {self.kind.name!r} has no regular expression; give teacher.sampling.regex"
            )
        if teacher.structured or teacher.sampling.regex or teacher.sampling.grammar:
            raise RecipeError(
                "teacher.constrained: leave out structured, sampling.regex and sampling.grammar"
            )
        return regex

    @cached_property
    def answer(self) -> type[BaseModel] | None:
        """The shape of a structured answer; None where answers are plain text."""
        if not self.recipe.teacher.structured:
            return None
        if self.recipe.teacher.sampling.response_format is not None:
            raise RecipeError(
                "teacher.structured and teacher.sampling.response_format say the same: leave one out"
            )
        return answer_model(self.kind.answer_columns, self.kind.several, self.kind.longest_answer)

    @cached_property
    def warnings(self) -> list[str]:
        """What a server may do other than asked, in words: schema features that some drop in silence."""
        asked = self.sampling.response_format or self.sampling.extra_body.get("response_format") or {}
        schema = (asked.get("json_schema") or {}).get("schema") if isinstance(asked, dict) else None
        return [] if schema is None else [f"schema {line}" for line in lint_schema(schema)]

    def without_examples(self) -> list[str]:
        """Inputs rendered so far for which no few-shot example was found, in words."""
        if not self.bare or self.prompt is None:
            return []
        (value, _), *others = self.bare.most_common()
        more = f" and {len(others):,} more" if others else ""
        return [
            f"{self.bare.total():,} inputs have no few-shot example: none is of {self.prompt.by} {value!r}{more}"
        ]

    def look_ahead(self, most: int = LOOKED_AT) -> None:
        """Check the inputs before anything is bought: render the first ones; where they have ids, compare all of those.

        Raises `UserError` for an input that cannot be asked about.
        """
        rendered = 0
        with Seen() as seen:
            for number, raw in self._raw():
                rows = self._checked(number, raw)
                for row in rows:
                    own_id = None if len(rows) > 1 else self._own_id(number, row)
                    if own_id is not None and seen.add(own_id, _content(row)) is None:
                        raise self._twice(number, own_id)
                    if rendered < most:
                        input_id = bytes_hash(_content(row)) if own_id is None else own_id
                        self._rendered[number, input_id] = self._ask(input_id, row, number)
                        rendered += 1
                if rendered >= most and self.recipe.inputs.id is None:
                    break

    def _refuse_written(self, number: int, row: dict[str, Any]) -> None:
        """Refuse a cell of CSV, which has texts only, that holds a list, an object or bytes as Python writes them."""
        for column in self.kind.input_columns:
            if found := _WRITTEN.fullmatch(str(row.get(column) or "")):
                what = {"[": "a list", "{": "an object"}.get(found[0].lstrip()[0], "bytes")
                raise InputError(
                    f"{self._file} row {number}: {column!r} is {what} as Python writes it ({found[0][:40]!r}); CSV holds texts"
                    " alone: write the text that is meant, or JSON lines"
                )

    def _twice(self, number: int, input_id: str) -> InputError:
        return InputError(
            f"{self._file} row {number}: the id {input_id!r} stands on another row with other content; ids must be distinct"
        )

    @property
    def _file(self) -> str:
        """The inputs' file as messages name it."""
        return self.recipe.inputs.path or "inputs"

    def _raw(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Numbered rows of the input file, renamed and limited."""
        drawn = self._drawn
        for number, row in self._numbered():
            if drawn is None or number in drawn:
                yield number, row

    @cached_property
    def _drawn(self) -> frozenset[int] | None:
        """Numbers of the rows that `inputs.limit` leaves: those with the lowest hashes; None if it leaves all.

        Of a sorted file the first rows would be a shifted sample. A hash does not depend on the order of the file, and a
        larger limit keeps the rows of a smaller one, so that their answers are found again. Equal rows count once.
        """
        limit = self.recipe.inputs.limit
        if limit is None:
            return None
        if self.recipe.inputs.count:
            return frozenset(range(1, limit + 1))
        lowest: list[tuple[float, int]] = []
        kept: set[float] = set()
        for number, row in self._numbered():
            own_id = self._own_id(number, row)
            draw = -fraction(f"limit|{bytes_hash(_content(row)) if own_id is None else own_id}")
            # Rows of one id stay beside each other: the check of distinct ids is to see them.
            if (own_id is None and draw in kept) or (len(lowest) == limit and draw < lowest[0][0]):
                continue
            kept.add(draw)
            heapq.heappush(lowest, (draw, number))
            if len(lowest) > limit:
                kept.discard(heapq.heappop(lowest)[0])
        return frozenset(number for _, number in lowest)

    def _numbered(self) -> Iterator[tuple[int, dict[str, Any]]]:
        part = self.recipe.inputs
        if part.count:
            rows: Iterator[dict[str, Any]] = ({"draw": i} for i in range(part.count))
        else:
            wanted = list(dict.fromkeys([*(part.columns or []), *([part.id] if part.id else [])])) or None
            wanted = wanted if part.columns else None
            rows = (row for rows in read_rows(self.recipe.resolve(str(part.path)), wanted) for row in rows)
        for number, row in enumerate(rows, 1):
            if part.id and part.id not in row:
                raise InputError(
                    f"{part.path} row {number}: no column {part.id!r} (named by inputs.id){nearest(part.id, list(map(str, row)))}"
                )
            if part.rename:
                if number == 1:
                    self._check_rename(row)
                row = {part.rename.get(name, name): value for name, value in row.items()}
            yield number, row

    def _check_rename(self, row: dict[str, Any]) -> None:
        """Refuse to rename a column that is not there, or to a name that another has."""
        part = self.recipe.inputs
        for name in part.rename:
            if name not in row:
                raise InputError(
                    f"{part.path}: no column {name!r} (named by inputs.rename){nearest(name, list(map(str, row)))}"
                )
        for name, count in Counter(part.rename.get(name, name) for name in row).items():
            if count > 1:
                raise InputError(
                    f"{part.path}: two columns would have the name {name!r} (inputs.rename); leave one out by inputs.columns"
                )

    def _checked(self, number: int, row: dict[str, Any]) -> list[dict[str, Any]]:
        rows = self._expanded(number, row)
        for expanded in rows:
            self._check(number, expanded)
        return rows

    def _expanded(self, number: int, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The inputs that a row stands for; it has the columns that the kind needs, as texts."""
        rows = self.kind.expand(self._as_texts(number, row))
        for column in self.kind.input_columns:
            if rows and column not in rows[0]:
                have = ", ".join(map(str, row))
                raise InputError(
                    f"{self._file}: no column {column!r}, which the kind {self.kind.name!r} needs"
                    f" (there are: {have}); `inputs.rename` gives a column another name"
                )
        return rows

    @cached_property
    def _text_columns(self) -> tuple[str, ...]:
        """Columns that the kind reads as text."""
        return (*self.kind.input_columns, *self.kind.optional_columns)

    def _as_texts(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        names = tuple(row)
        if names not in self._known_names:
            self._check_names(number, row)
            self._known_names.add(names)
        for column in self._text_columns:
            value = row.get(column)
            if type(value) is not str and value is not None:
                row[column] = text_cell(value, f"{self._file} row {number}", column)
        return row

    def _check_names(self, number: int, row: dict[str, Any]) -> None:
        """Refuse a column whose name is nearly one that the kind looks for: it would be passed over in silence."""
        used = self.prompt.used if self.prompt else frozenset[str]()
        for column in (*self._text_columns, *self.kind.loose_columns):
            if column in row:
                continue
            close = [name for name in map(str, row) if folded(name) == folded(column)]
            if not close and column in self.kind.input_columns:
                close = get_close_matches(
                    column, [name for name in map(str, row) if name not in used], 1, 0.8
                )
            if close:
                raise InputError(
                    f"{self._file} row {number}: no column {column!r}, but {close[0]!r}; rename it, or set"
                    f" `inputs.rename: {{{close[0]!r}: {column}}}`"
                )

    @cached_property
    def _is_csv(self) -> bool:
        return (self.recipe.inputs.path or "").lower().endswith((".csv", ".tsv"))

    def _check(self, number: int, row: dict[str, Any]) -> None:
        if number <= LOOKED_AT and self._is_csv:
            self._refuse_written(number, row)
        if problem := self.kind.check(row):
            raise KindError(f"{self._file} row {number}: {problem}")

    def rows(self) -> Iterator[dict[str, Any]]:
        """The inputs' rows, checked, repeated ones included. Nothing is rendered."""
        for number, raw in self._raw():
            yield from self._checked(number, raw)

    def count(self) -> int:
        """Inputs, repeated rows included. Nothing is rendered."""
        return sum(1 for _ in self.rows())

    def asked(
        self, counts: InputCounts | None = None, batch: int = 1024, shard: tuple[int, int] = (0, 1)
    ) -> Iterator[list[Asked]]:
        """Batches of distinct inputs with their requests, in the order of the file; of one shard, as the hash of
        an input's id has it (number, of how many)."""
        counts = counts if counts is not None else InputCounts()
        with Seen() as seen:
            group: list[Asked] = []
            for number, raw in self._raw():
                rows = self._expanded(number, raw)
                for row in rows:
                    # The inputs of other shards are passed over as fast as may be: all shards read all rows.
                    own_id = None if len(rows) > 1 else self._own_id(number, row)
                    if own_id is not None and not _falls(own_id, shard):
                        continue
                    self._check(number, row)
                    content = _content(row)
                    input_id = bytes_hash(content) if own_id is None else own_id
                    if self.only is not None and input_id not in self.only:
                        continue
                    if not _falls(input_id, shard):
                        continue
                    fresh = seen.add(input_id, content)
                    if fresh is None:
                        raise self._twice(number, input_id)
                    if not fresh:
                        counts.repeated += 1
                        continue
                    counts.distinct += 1
                    rendered = self._rendered.pop((number, input_id), None) if self._rendered else None
                    group.append(rendered or self._ask(input_id, row, number))
                    if len(group) == batch:
                        yield self._narrowed(group)
                        group = []
            if group:
                yield self._narrowed(group)

    def _narrowed(self, group: list[Asked]) -> list[Asked]:
        return group if self.narrow is None else self.narrow(group)

    def _own_id(self, number: int, row: dict[str, Any]) -> str | None:
        """The id that the inputs give a row; None where they give none."""
        column = self.recipe.inputs.id
        if column is None:
            return None
        value = row[self.recipe.inputs.rename.get(column, column)]
        if type(value) is str and value:
            return value
        place = f"{self._file} row {number}"
        text = text_cell(value, place, column)
        if not text:
            raise InputError(
                f"{place}: the id ({column!r}) is empty; give each row its own, or leave out inputs.id"
            )
        return text

    @cached_property
    def identity(self) -> str:
        """Who answers. A backend may have to read a file for it."""
        return self.teacher.identity

    @cached_property
    def _all_samples(self) -> tuple[int, ...]:
        return tuple(range(self.sampling.n))

    def _ask(self, input_id: str, row: dict[str, Any], number: int) -> Asked:
        if self.prompt:
            try:
                messages = self.prompt.render(row, self.kind, input_id, self.recipe.seed)
            except (PromptError, KindError) as error:
                raise type(error)(f"{self._file} row {number}: {error}") from None
            if self.prompt.by and self.prompt.shots and self.prompt.examples and not self.prompt.pool(row):
                self.bare[str(row.get(self.prompt.by))] += 1
        else:
            messages = ({"role": "prompt", "content": _content(row).decode()},)
        request = Request(self.identity, messages, self.sampling, self._all_samples, input_id)
        return Asked(input_id, row, request)


def rules_named(rules: list[Filter], name: str) -> bool:
    """Whether a rule is among these."""
    return any(rule.name == name for rule in rules)


class Seen:
    """Which ids have come, with a hash of their content: the first in memory, more in a temporary file."""

    #: Ids in memory at most, some 10 MB.
    few = 65_536

    def __enter__(self) -> Seen:
        self._first: dict[str, bytes] = {}
        # Without a name: the system removes the file however the process ends.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID")
        self._db.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, key: str, content: bytes) -> bool | None:
        """True: new. False: came before with this content. None: came before with another."""
        import hashlib

        digest = hashlib.blake2b(content, digest_size=8).digest()
        if len(self._first) < self.few:
            before = self._first.setdefault(key, digest)
            return True if before is digest else False if before == digest else None
        if (known := self._first.get(key)) is not None:
            return False if known == digest else None
        if self._db.execute("INSERT OR IGNORE INTO seen VALUES (?,?)", (key, digest)).rowcount:
            return True
        (before,) = self._db.execute("SELECT content FROM seen WHERE id=?", (key,)).fetchone()
        return False if before == digest else None


def _falls(input_id: str, shard: tuple[int, int]) -> bool:
    """Whether an input is of this shard (number, of how many)."""
    return shard[1] == 1 or int(fraction(input_id) * shard[1]) == shard[0]


def _content(row: dict[str, Any]) -> bytes:
    """Canonical JSON of a row."""
    try:
        return canonical(_plain(row))
    except (TypeError, ValueError):
        # Something inside of a list that JSON cannot hold.
        return canonical({name: _plain_part(value) for name, value in _plain(row).items()})


def _plain_part(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain_part(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _plain_part(part) for name, part in value.items()}
    return value if _is_json(value) else _in_words(value)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it: what a file may bring beyond that (dates, bytes) as a text that stands for it."""
    return {name: value if _is_json(value) else _in_words(value) for name, value in row.items()}


def _in_words(value: Any) -> str:
    return value.content if isinstance(value, Unread) else str(value)


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return value == value and value not in (float("inf"), float("-inf"))
    return value is None or isinstance(value, str | int | bool | list)


def _rng() -> Any:
    import random

    return random.Random(0)  # noqa: S311
