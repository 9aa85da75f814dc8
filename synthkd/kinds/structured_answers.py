"""Read structured answers.

Answers are validated here whatever the server guarantees. A model's thoughts are removed first,
around the JSON and inside its texts. Two repairs are made, and counted:

1. a Markdown fence around the JSON is removed;
2. text before and after the first JSON object is ignored.

No quotes, brackets or commas are added. Unreadable answers are malformed; their text is kept, so
that a better parser can read it again at no cost. Of a list of answers those that fit the schema
are kept, and each other one is malformed by itself.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from synthkd.kinds.answer_schema import MOST
from synthkd.kinds.base import Malformed, without_thoughts
from synthkd.text.json_values import json_object_at

_FENCE = re.compile(r"^```[a-zA-Z]*\s*\n(.*?)\n?```\s*$", re.DOTALL)
#: Beginning of an object, unlike that of a brace in prose.
_OBJECT = re.compile(r'\{\s*["}]')


@dataclass(frozen=True, slots=True)
class StructuredAnswer:
    """A valid structured answer.

    Attributes:
        value: The answer, with those items of its list that are valid.
        repaired: The text around its JSON was removed.
        malformed: The other items.
    """

    value: dict[str, Any]
    repaired: bool
    malformed: tuple[Malformed, ...] = ()


def read_structured_answer(text: str, model: type[BaseModel]) -> StructuredAnswer | Malformed:
    """Read a structured answer.

    Returns:
        The validated answer, or why there is none.
    """
    stripped = text.strip()
    if not stripped:
        return Malformed("no_text")
    value, repaired = _parsed(stripped)
    if value is None or repaired:
        answer = without_thoughts(stripped)
        if isinstance(answer, Malformed):
            return answer
        value, repaired = _parsed(answer.strip())
    if value is None:
        return Malformed("not_json")
    value = _clean(value)
    if isinstance(value, Malformed):
        return value
    try:
        return StructuredAnswer(model.model_validate(value).model_dump(), repaired)
    except ValidationError as error:
        valid, malformed = _valid_items(value, model)
        if valid:
            return StructuredAnswer({"answers": valid}, repaired, tuple(malformed))
        return _off_schema(error, "answer")


def _valid_items(
    value: Any, model: type[BaseModel]
) -> tuple[list[dict[str, Any]], list[Malformed]]:
    """Return the valid items of a list of answers, and why the others are not."""
    valid: list[dict[str, Any]] = []
    malformed: list[Malformed] = []
    if set(model.model_fields) != {"answers"} or not isinstance(value, dict):
        return valid, malformed
    items = value.get("answers")
    if set(value) != {"answers"} or not isinstance(items, list):
        return valid, malformed
    (item_model,) = get_args(model.model_fields["answers"].annotation)
    for number, item in enumerate(items[:MOST]):
        try:
            valid.append(item_model.model_validate(item).model_dump())
        except ValidationError as error:
            malformed.append(_off_schema(error, f"answers.{number}"))
    if len(items) > MOST:
        malformed.append(Malformed("too_many", f"{len(items)} answers, of which {MOST} are read"))
    return valid, malformed


def _off_schema(error: ValidationError, name: str) -> Malformed:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if name != "answer":
        place = f"{name}.{place}" if place else name
    return Malformed("off_schema", f"{place or name}: {first['msg']}")


def _clean(value: Any) -> Any:
    """Remove thoughts from the texts of a value; Malformed if a text has thoughts alone."""
    if isinstance(value, str):
        return without_thoughts(value)
    if isinstance(value, dict):
        value = {name: _clean(part) for name, part in value.items()}
        return next((part for part in value.values() if isinstance(part, Malformed)), value)
    if isinstance(value, list):
        value = [_clean(part) for part in value]
        return next((part for part in value if isinstance(part, Malformed)), value)
    return value


def _parsed(text: str) -> tuple[Any, bool]:
    with suppress(ValueError, RecursionError):
        return json.loads(text), False
    if fenced := _FENCE.match(text):
        text = fenced.group(1).strip()
    start = _OBJECT.search(text)
    if start and (read := json_object_at(text, start.start())):
        return read.value, True
    return None, False
