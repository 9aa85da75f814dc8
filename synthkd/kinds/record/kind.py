"""The kind `record`: rows of any shape, described by a recipe alone."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from synthkd.errors import KindError, RecipeError, nearest
from synthkd.keys import content_hash
from synthkd.kinds.answer_schema import list_model
from synthkd.kinds.base import Candidates, Kind, Malformed, Row
from synthkd.kinds.record.columns import (
    ARROW_TYPES,
    ColumnType,
    columns_of_schema,
    read_columns,
    record_model,
)
from synthkd.kinds.record.reading import (
    check_record,
    json_records,
    line_records,
    matched_records,
)
from synthkd.options import BaseOptions
from synthkd.rows import text_cell
from synthkd.safeyaml import read_yaml
from synthkd.text.json_values import begins_as_json
from synthkd.text.normal_forms import normal_text, stored

if TYPE_CHECKING:
    from synthkd.recipe import Recipe

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class RecordKind(Kind):
    """Rows of columns that the recipe describes.

    Args:
        resolve: Resolves paths of the recipe.
        options: Options of the kind.
    """

    name = "record"
    columns: tuple[str, ...] = ()  # type: ignore[misc]
    input_columns: tuple[str, ...] = ()  # type: ignore[misc]
    group_column: str = ""  # type: ignore[misc]
    class_column: str | None = None  # type: ignore[misc]
    default_rules = ("empty", "unfinished")
    longest_answer = 4000

    class Options(BaseOptions):
        columns: dict[str, Any] | None = Field(
            None,
            description="The columns by name: a type with bounds (`text`, `int 1..5`, `number?`),"
            " a list of choices, or a mapping with `type`, `choices`, `description`, …",
        )
        json_schema: dict[str, Any] | str | None = Field(
            None,
            description="Instead of `columns`: a JSON schema of an object with flat properties, or"
            " of an array of such; a mapping or a file.",
        )
        inputs: list[str] = Field(
            default_factory=list,
            description="Columns that the input rows give; the teacher fills the others.",
        )
        key: list[str] = Field(
            default_factory=list,
            description="Columns that say what a row is about: rows that are equal in these are"
            " duplicates, and votes for the same. Default: all.",
        )
        text: str = Field(
            "",
            description="A row in words, for critics, near-duplicates and `show`, with columns in"
            " braces: `{dish} takes {minutes} minutes`. Default: every column with its name.",
        )
        several: bool = Field(False, description="An answer has a list of records.")
        answers: Literal["json", "lines", "regex"] = Field(
            "json",
            description="How answers are read: JSON anywhere in the text, a record in each line, or"
            " where `pattern` matches. Answers that are JSON are read as JSON in any case.",
        )
        pattern: str | None = Field(
            None,
            description="Regular expression with a named group for each column that the teacher"
            " fills. `lines` without one divides a line at `|` or tabs.",
        )
        group: str | None = Field(
            None,
            description="Column whose values are never on both sides of a split. Default: the"
            " first of `inputs` that is a column, else the first column.",
        )
        classes: str | None = Field(
            None,
            description="Column of few values whose distribution is reported. Default: the first"
            " with choices.",
        )

    options: Options

    def __init__(self, *, resolve: Callable[[str], Path] = Path, **options: Any) -> None:
        super().__init__(**options)
        given = self.options
        self.fields, several = _fields(given, resolve)
        self.several = given.several or several
        self.columns = tuple(self.fields)
        self.types = {
            name: ARROW_TYPES[field.type]
            for name, field in self.fields.items()
            if field.type in ARROW_TYPES
        }
        self.nullable = frozenset(name for name, field in self.fields.items() if field.optional)
        self.input_columns = tuple(given.inputs)
        self.key = tuple(given.key) or self.columns
        self._check_names("key", given.key)
        shared = [name for name in self.columns if name in self.input_columns]
        self.group_column = given.group or (shared or self.columns)[0]
        self._check_names("group", [self.group_column])
        with_choices = [name for name, field in self.fields.items() if field.choices]
        self.class_column = given.classes or next(iter(with_choices), None)
        self._check_names("classes", [given.classes] if given.classes else [])
        self.rule_columns = tuple(
            name
            for name in self.answer_columns
            if self.fields[name].type == "text" and not self.fields[name].choices
        )
        self._check_text(given.text)
        if not self.answer_columns:
            raise ValueError("inputs: names every column, so that nothing is left for the teacher")
        self._answer_fields = {name: self.fields[name] for name in self.answer_columns}
        self._input_models = {
            name: record_model({name: self.fields[name]}, strict=False) for name in shared
        }
        self._model = record_model(self._answer_fields, strict=False)
        self._pattern = self._compiled(given.pattern)

    @classmethod
    def class_problem(cls) -> str:
        # The columns are those of the recipe.
        return ""

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> RecordKind:
        """Make the kind of a recipe."""
        return cls(resolve=recipe.resolve, **cls.options_of(recipe))

    def _check_names(self, option: str, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.columns:
                raise ValueError(f"{option}: no column {name!r}{nearest(name, list(self.columns))}")

    def _check_text(self, template: str) -> None:
        """Refuse a template with odd braces, and one that a column `text` would hide."""
        self._check_names("text", _PLACEHOLDER.findall(template))
        if "{" in (rest := _PLACEHOLDER.sub("", template)) or "}" in rest:
            raise ValueError(f"text: a brace without its other half in {template!r}")
        if "text" not in self.fields:
            return
        if "text" in self.types:
            raise ValueError(
                "columns.text: the column `text` of a corpus holds a row in words; take another"
                " name for a column that is no text"
            )
        if template:
            raise ValueError(
                "text: there is a column of this name, which holds the row in words; take another"
                " name for the column, or leave `text` out"
            )

    def _compiled(self, pattern: str | None) -> re.Pattern[str] | None:
        """Compile `pattern`, whose groups are the columns that the teacher fills."""
        reads = self.options.answers
        if pattern is None:
            if reads == "regex":
                raise ValueError("pattern: `answers: regex` needs one")
            return None
        if reads == "json":
            raise ValueError("pattern: goes with `answers: lines` or `answers: regex`")
        try:
            compiled = re.compile(pattern, re.MULTILINE)
        except re.error as error:
            raise ValueError(f"pattern: {error}") from None
        needed = [name for name, field in self._answer_fields.items() if not field.optional]
        if missing := [name for name in needed if name not in compiled.groupindex]:
            raise ValueError(f"pattern: no group (?P<{missing[0]}>…), which the column needs")
        unknown = [name for name in compiled.groupindex if name not in self._answer_fields]
        if unknown:
            hint = nearest(unknown[0], list(self._answer_fields))
            raise ValueError(f"pattern: the group {unknown[0]!r} is no column{hint}")
        return compiled

    def answer_model(self) -> type[BaseModel]:
        """Return the model of a structured answer: strict, with types, bounds and meanings.

        Raises:
            RecipeError: Answers are lines, or found by a pattern.
        """
        if self.options.answers != "json":
            raise RecipeError(
                f"teacher.structured: such answers are JSON, and `answers: {self.options.answers}`"
                " of the kind 'record' reads another form; leave one of them out"
            )
        item = record_model(self._answer_fields, strict=True)
        return list_model(item) if self.several else item

    def parse(self, text: str, row: Row) -> Candidates:
        columns = self.answer_columns
        records: list[Any] | Malformed
        if self.options.answers == "json" or begins_as_json(text):
            records = json_records(text, columns, self.several)
        elif self.options.answers == "regex" and self._pattern is not None:
            records = matched_records(text, self._pattern, self.several)
        else:
            records = line_records(text, columns, self._pattern, self.several)
        if isinstance(records, Malformed):
            return records
        return [self._candidate(record, row) for record in records]

    def read(self, answer: Mapping[str, Any], row: Row) -> Candidates:
        items = answer["answers"] if self.several else [answer]
        return [self._candidate(item, row) for item in items] or Malformed("no_records")

    def _candidate(self, record: Any, row: Row) -> dict[str, Any] | Malformed:
        """Check a record, and put the input's columns beside it."""
        if isinstance(record, Malformed):
            return record
        values = check_record(record, self._model)
        if isinstance(values, Malformed):
            return values
        whole: dict[str, Any] = {}
        for name in self.columns:
            value = values[name] if name in values else self._given(row, name)
            whole[name] = stored(value).strip() if isinstance(value, str) else value
        return whole

    def _given(self, row: Row, name: str) -> Any:
        """Return an input's value in the type of its column; `check` has accepted it."""
        value = check_record({name: row.get(name)}, self._input_models[name])
        return None if isinstance(value, Malformed) else value[name]

    def check(self, row: Row) -> str | None:
        for name in self.input_columns:
            is_blank = row.get(name) is None or not str(row[name]).strip()
            if is_blank and name not in self.nullable:
                return f"{name!r} is empty"
            if name in self.fields:
                checked = check_record({name: row.get(name)}, self._input_models[name])
                if isinstance(checked, Malformed):
                    return checked.detail
        return None

    def check_examples(self, rows: Sequence[Row]) -> None:
        model = record_model(self.fields, strict=False)
        for number, row in enumerate(rows, 1):
            checked = check_record(row, model)
            if isinstance(checked, Malformed):
                raise KindError(f"few-shot row {number}: {checked.detail}")

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add what an instruction shows.

        ``given`` are the input's columns, ``fields`` those to fill (name, type, description); an
        example has its own ``given``, and its answer as JSON in ``answer``.
        """
        fields = [
            {"name": name, "type": field.words, "description": field.description}
            for name, field in self._answer_fields.items()
        ]
        shown = [
            {**example, "given": self._given_texts(example), "answer": self._json([example])}
            for example in examples
        ]
        return {
            **row,
            "examples": shown,
            "fields": fields,
            "given": self._given_texts(row),
            "several": self.several,
        }

    def _given_texts(self, row: Row) -> dict[str, str]:
        return {name: self._text(row, name) for name in self.input_columns}

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write JSON, which every way of reading takes."""
        return " " + self._json(candidates)

    def _json(self, candidates: Sequence[Row]) -> str:
        records = [{name: one.get(name) for name in self.answer_columns} for one in candidates]
        return json.dumps(records if self.several else records[0], ensure_ascii=False)

    def verbalize(self, candidate: Row) -> str:
        texts = {name: self._text(candidate, name) for name in self.columns}
        if self.options.text:
            return _PLACEHOLDER.sub(lambda match: texts[match[1]], self.options.text)
        return "; ".join(f"{name}: {text}" for name, text in texts.items() if text)

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        return tuple(normal_text(self._text(candidate, name)) for name in self.columns)

    def _text(self, candidate: Row, name: str) -> str:
        value = candidate.get(name)
        return value if isinstance(value, str) else text_cell(value, "a record", name) or ""

    def _key_form(self, candidate: Row) -> list[str]:
        normal = dict(zip(self.columns, self.normalize(candidate), strict=True))
        return [normal[name] for name in self.key]

    def identity(self, candidate: Row) -> str:
        return content_hash([self.name, *self._key_form(candidate)])

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        """Return the input's part of the key; the whole key if the input gives none of it."""
        key = dict(zip(self.key, self._key_form(candidate), strict=True))
        shared = tuple(form for name, form in key.items() if name in self.input_columns)
        return shared or tuple(key.values())

    def vote_for(self, candidate: Row) -> str:
        return "\n".join(self._key_form(candidate))


def _fields(
    options: RecordKind.Options, resolve: Callable[[str], Path]
) -> tuple[dict[str, ColumnType], bool]:
    """Return the columns, and whether a JSON schema says that an answer has several records."""
    if (options.columns is None) == (options.json_schema is None):
        raise ValueError("give either `columns` or `json_schema`")
    if options.columns is not None:
        return read_columns(options.columns), False
    schema = options.json_schema
    if isinstance(schema, str):
        path = resolve(schema)
        # YAML reads JSON, within its bounds.
        schema = read_yaml(path)
        if not isinstance(schema, dict):
            raise ValueError(f"json_schema: {path.name} holds no object")
    assert schema is not None
    return columns_of_schema(schema)
