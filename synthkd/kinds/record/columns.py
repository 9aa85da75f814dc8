"""Columns of records: a short form, a mapping, or a JSON schema, and the models that check them.

name: text              any text
name: text ..80         a text of 80 characters at most
minutes: int 1..600     a whole number within bounds
price: number 0..       a number from 0 on
served: bool            true or false
year: int?              may be missing
on: date                a date as 2026-01-31
level: [easy, hard]     one of these texts
level: {choices: [easy, hard], description: How hard it is to cook., optional: true}
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from synthkd.errors import nearest
from synthkd.kinds.base import RESERVED_COLUMNS
from synthkd.rows import CellError, cell_text

TypeName = Literal["text", "int", "number", "bool", "date"]
#: Arrow types of columns that are no texts.
ARROW_TYPES: dict[str, str] = {"int": "int64", "number": "float64", "bool": "bool"}
_PYTHON_TYPES: dict[str, Any] = {
    "text": str, "int": int, "number": float, "bool": bool, "date": str,
}  # fmt: skip
#: Types of JSON schemas.
_SCHEMA_TYPES: dict[str, TypeName] = {
    "string": "text", "integer": "int", "number": "number", "boolean": "bool",
}  # fmt: skip
_SHORT_FORM = re.compile(
    r"(?P<type>\w+)(?P<optional>\?)?(?:\s+(?P<low>-?[\d.]*\d)?\.\.(?P<high>-?\d[\d.]*)?)?"
)
#: A name that templates and Parquet readers take.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: Whole numbers that Parquet's 64 bits hold.
_LEAST, _LARGEST = -(1 << 63), (1 << 63) - 1
#: Characters of a text at most, unless the column says otherwise.
LONGEST_TEXT = 4000


class ColumnType(BaseModel):
    """The type of a column, with its bounds and meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: TypeName = Field("text", description="text, int, number, bool or date.")
    description: str = Field("", description="What the column says, for the prompt and the schema.")
    choices: tuple[str, ...] = Field((), description="The only texts that are allowed.")
    ge: float | None = Field(None, allow_inf_nan=False, description="The least number.")
    le: float | None = Field(None, allow_inf_nan=False, description="The largest number.")
    min_length: int = Field(1, ge=0, description="Characters of a text at least.")
    max_length: int = Field(LONGEST_TEXT, ge=1, description="Characters of a text at most.")
    optional: bool = Field(False, description="The value may be missing.")

    @field_validator("choices", mode="before")
    @classmethod
    def _choices_are_texts(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if not value:
            raise ValueError("name one choice at least")
        for choice in value:
            if isinstance(choice, bool):
                raise ValueError(
                    f"{str(choice).lower()} is no text; put words such as yes and no in quotes, or"
                    " give the column the type bool"
                )
            if not isinstance(choice, str | int | float) or not str(choice).strip():
                raise ValueError(f"{choice!r:.60} is no text; `optional` allows a missing value")
        return tuple(str(cell_text(choice)).strip() for choice in value)

    @model_validator(mode="after")
    def _fits_type(self) -> ColumnType:
        bounded = self.ge is not None or self.le is not None
        if bounded and self.type not in ("int", "number"):
            raise ValueError(f"`ge` and `le` bound numbers, and the type is {self.type}")
        if self.choices and self.type != "text":
            raise ValueError(f"`choices` are texts, and the type is {self.type}")
        if len({choice.casefold() for choice in self.choices}) < len(self.choices):
            raise ValueError("`choices`: two are equal but for case")
        if self.ge is not None and self.le is not None and self.ge > self.le:
            raise ValueError(f"no number is from {_digits(self.ge)} to {_digits(self.le)}")
        if self.type == "int" and operator.gt(*self._whole_bounds()):
            raise ValueError("no whole number of 64 bits is within the bounds")
        has_lengths = not self.model_fields_set.isdisjoint({"min_length", "max_length"})
        if has_lengths and (self.type != "text" or self.choices):
            raise ValueError("`min_length` and `max_length` bound texts of type text alone")
        if self.min_length > self.max_length:
            raise ValueError(f"no text has {self.min_length} to {self.max_length} characters")
        return self

    def _whole_bounds(self) -> tuple[int, int]:
        """Return the least and the largest whole number of the column."""
        low = _LEAST if self.ge is None else max(math.ceil(self.ge), _LEAST)
        return low, _LARGEST if self.le is None else min(math.floor(self.le), _LARGEST)

    @property
    def words(self) -> str:
        """The type in words, for prompts."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        noun = {"int": "whole number", "bool": "true or false", "date": "date (YYYY-MM-DD)"}.get(
            self.type, self.type
        )
        if self.type == "text":
            noun += self._length_in_words()
        low = "" if self.ge is None else f" from {_digits(self.ge)}"
        high = "" if self.le is None else f" {'to' if low else 'up to'} {_digits(self.le)}"
        return f"{noun}{low}{high}" + (", or null" if self.optional else "")

    def _length_in_words(self) -> str:
        given = self.model_fields_set
        if "max_length" in given and self.min_length > 1:
            return f" of {self.min_length} to {self.max_length} characters"
        if "max_length" in given:
            return f" of at most {self.max_length} characters"
        return f" of at least {self.min_length} characters" if self.min_length > 1 else ""

    def field(self, strict: bool) -> tuple[Any, Any]:
        """Return the type and default of a pydantic field.

        Args:
            strict: As a server is asked to answer; else values that can be read without a loss are
                converted, such as ``"12"`` for a whole number.
        """
        annotated: Any
        if self.choices:
            annotated = Literal[self.choices]
            if not strict:
                annotated = Annotated[annotated, BeforeValidator(self._choice)]
        elif self.type in ("text", "date"):
            bounds = Field(min_length=self.min_length, max_length=self.max_length)
            annotated = Annotated[str, bounds]
            if not strict:
                annotated = Annotated[annotated, BeforeValidator(_stripped)]
            if self.type == "date":
                annotated = Annotated[annotated, AfterValidator(_iso_date)]
        else:
            low, high = self._whole_bounds() if self.type == "int" else (self.ge, self.le)
            annotated = Annotated[_PYTHON_TYPES[self.type], Field(ge=low, le=high)]
            if self.type == "bool":
                annotated = bool
            if not strict:
                annotated = Annotated[annotated, BeforeValidator(_stripped)]
        about = Field(description=self.description or None)
        if not self.optional:
            return Annotated[annotated, about], ...
        if not strict:
            annotated = Annotated[annotated | None, BeforeValidator(self._none_if_blank)]
            return Annotated[annotated, about], None
        # Servers that keep to a schema want every field, if only as null.
        return Annotated[annotated | None, about], ...

    def _choice(self, value: Any) -> Any:
        try:
            folded = str(cell_text(value)).strip().casefold()
        except CellError:
            return value
        return next((one for one in self.choices if one.casefold() == folded), value)

    def _none_if_blank(self, value: Any) -> Any:
        """Return None for words of a missing value, unless these are a choice."""
        if not isinstance(value, str) or self._choice(value) in self.choices:
            return value
        return None if value.strip().casefold() in ("", "null", "none", "n/a") else value


def _digits(value: float) -> str:
    """Return a bound without an exponent, unless it is huge."""
    return str(cell_text(value))


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _iso_date(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("a date as 2026-01-31 is needed") from None


def read_columns(given: Mapping[str, Any]) -> dict[str, ColumnType]:
    """Read the descriptions of columns.

    Raises:
        ValueError: A name or a description cannot be used; the message names the column.
    """
    if not given:
        raise ValueError("columns: name one column at least")
    columns: dict[str, ColumnType] = {}
    for name, description in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"columns: {name!r} is no name; letters, digits and _ are, 64 at most, no digit"
                " first"
            )
        if name in RESERVED_COLUMNS:
            raise ValueError(f"columns: {name!r} is a column of every row; choose another name")
        try:
            columns[name] = _column(description)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            words = str(first["msg"]).removeprefix("Value error, ")
            raise ValueError(f"columns: {name}: {place}{': ' if place else ''}{words}") from None
        except ValueError as error:
            raise ValueError(f"columns: {name}: {error}") from None
    return columns


def _column(description: Any) -> ColumnType:
    if isinstance(description, ColumnType):
        return description
    if isinstance(description, str):
        return _of_short_form(description)
    if isinstance(description, list):
        return ColumnType.model_validate({"choices": description})
    if isinstance(description, Mapping):
        given = dict(description)
        short = given.get("type")
        # A mapping may begin with a short form: {type: int 1..5, description: …}.
        head: dict[str, Any] = {}
        if isinstance(short, str) and short not in get_args(TypeName):
            head = _of_short_form(short).model_dump(exclude_unset=True)
        if unknown := [name for name in given if name not in ColumnType.model_fields]:
            known = list(ColumnType.model_fields)
            raise ValueError(f"no key {unknown[0]!r}{nearest(str(unknown[0]), known)}")
        return ColumnType.model_validate({**given, **head})
    raise ValueError(f"{description!r:.60} is no type, list of choices or mapping")


def _of_short_form(text: str) -> ColumnType:
    match = _SHORT_FORM.fullmatch(text.strip())
    names = list(get_args(TypeName))
    if match is None or match["type"] not in names:
        word = text.split("?")[0].split()[0] if text.strip() else text
        hint = nearest(word, names)
        raise ValueError(f"{text!r} is no type{hint}; such as `int 1..5`, `text?` or `text ..80`")
    bounds: dict[str, Any] = {}
    low, high, is_text = match["low"], match["high"], match["type"] == "text"
    if low:
        bounds["min_length" if is_text else "ge"] = low
    if high:
        bounds["max_length" if is_text else "le"] = high
    if match["optional"]:
        bounds["optional"] = True
    return ColumnType.model_validate({"type": match["type"], **bounds})


def columns_of_schema(schema: Mapping[str, Any]) -> tuple[dict[str, ColumnType], bool]:
    """Read the columns of a JSON schema: an object with flat properties, or an array of such.

    Returns:
        The columns, and whether an answer has several rows.

    Raises:
        ValueError: The schema is nested, or of another form.
    """
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        return columns_of_schema(schema["items"])[0], True
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise ValueError("json_schema: an object with `properties` is needed, or an array of such")
    required = schema.get("required", list(properties))
    if not isinstance(required, list):
        raise ValueError(f"json_schema: `required` is {required!r:.60}; a list of names is needed")
    described = {}
    for name, one in properties.items():
        form, may_be_null = _of_property(name, one)
        described[name] = form | {"optional": may_be_null or name not in required}
    return read_columns(described), False


def _of_property(name: str, schema: Any) -> tuple[dict[str, Any], bool]:
    """Return the description of a column, and whether it may be null."""
    schema = schema if isinstance(schema, Mapping) else {}
    types, choices = schema.get("type"), schema.get("enum")
    may_be_null = isinstance(types, list) and "null" in types
    if isinstance(types, list):
        types = next((one for one in types if one != "null"), None)
    if isinstance(choices, list):
        may_be_null = may_be_null or None in choices
        form: dict[str, Any] = {"choices": [one for one in choices if one is not None]}
    elif isinstance(types, str) and types in _SCHEMA_TYPES:
        form = {"type": _SCHEMA_TYPES[types]}
        names = {"minimum": "ge", "maximum": "le"}
        if schema.get("format") == "date":
            form["type"] = "date"
        else:
            names |= {"minLength": "min_length", "maxLength": "max_length"}
        form |= {own: schema[theirs] for theirs, own in names.items() if theirs in schema}
    else:
        raise ValueError(
            f"json_schema: {name}: only flat columns are read (string, integer, number, boolean,"
            " enum); split what is nested into columns or steps"
        )
    return form | {"description": str(schema.get("description") or "")}, may_be_null


def record_model(columns: Mapping[str, ColumnType], strict: bool) -> type[BaseModel]:
    """Return the model of one record.

    Args:
        columns: The columns of an answer.
        strict: Refuse unknown fields and conversions, as for structured answers.
    """
    config = ConfigDict(
        extra="forbid" if strict else "ignore",
        strict=strict,
        coerce_numbers_to_str=not strict,
        allow_inf_nan=False,
    )
    fields: Any = {name: column.field(strict) for name, column in columns.items()}
    model: type[BaseModel] = create_model("Item", __config__=config, **fields)
    return model
