"""Answers as JSON: the schema that a server is asked to keep to, and reading what came.

What came is checked again here, whatever the server promised. A model's thoughts are taken off first, around the JSON and
inside its texts. Repaired is only this, and it is counted:

1. a Markdown fence around the JSON is taken off;
2. text before and after the first whole JSON object is left out.

Nothing is guessed: no quotes, brackets or commas are added. What cannot be read is malformed, with its text kept,
so that a better parser can read it again for nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from synthkd.kinds.base import Malformed, without_thoughts

#: Bounds that keep a constrained model from running on: characters of a text, unless the kind says more (see
#: `Kind.longest_answer`), and answers of one completion.
LONGEST, MOST = 400, 50
_FENCE = re.compile(r"^```[a-zA-Z]*\s*\n(.*?)\n?```\s*$", re.DOTALL)
#: How an object begins; a brace in prose goes on otherwise.
_OBJECT = re.compile(r'\{\s*["}]')


@dataclass(frozen=True, slots=True)
class Answer:
    """A structured answer that keeps to its schema. ``repaired``: not as it came."""

    value: dict[str, Any]
    repaired: bool


def answer_model(columns: Sequence[str], several: bool, longest: int = LONGEST) -> type[BaseModel]:
    """The shape of an answer: an object with these texts, or a list of such objects under ``answers``."""
    text: Any = (str, Field(min_length=1, max_length=longest))
    config = ConfigDict(extra="forbid", strict=True)
    fields: Any = dict.fromkeys(columns, text)
    item: type[BaseModel] = create_model("Item", __config__=config, **fields)
    if not several:
        return item
    answers: Any = (list[item], Field(max_length=MOST))
    whole: type[BaseModel] = create_model("Answer", __config__=config, answers=answers)
    return whole


def response_format(model: type[BaseModel]) -> dict[str, Any]:
    """The field of a request that asks a server to keep to the schema."""
    schema = _plain(model.model_json_schema())
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def read_answer(text: str, model: type[BaseModel]) -> Answer | Malformed:
    """An answer that keeps to its schema, or why there is none."""
    stripped = text.strip()
    if not stripped:
        return Malformed("no_text")
    found, repaired = _parsed(stripped)
    if found is None or repaired:
        answer = without_thoughts(stripped)
        if isinstance(answer, Malformed):
            return answer
        found, repaired = _parsed(answer.strip())
    if found is None:
        return Malformed("not_json")
    found = _clean(found)
    if isinstance(found, Malformed):
        return found
    try:
        return Answer(model.model_validate(found).model_dump(), repaired)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "answer"
        return Malformed("off_schema", f"{place}: {first['msg']}")


def _clean(value: Any) -> Any:
    """A value whose texts hold no thoughts, or why one of them is no answer."""
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
    if start := _OBJECT.search(text):
        with suppress(ValueError, RecursionError):
            return json.JSONDecoder().raw_decode(text, start.start())[0], True
    return None, False


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without titles and references: the fewer features, the fewer that a server drops."""
    parts = schema.get("$defs", {})

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return plain(parts[node["$ref"].rpartition("/")[2]])
        names = node.get("properties")
        kept = {
            key: plain(value) for key, value in node.items() if key not in ("title", "$defs", "properties")
        }
        if names is not None:
            kept["properties"] = {name: plain(value) for name, value in names.items()}
        return kept

    found: dict[str, Any] = plain(schema)
    return found
