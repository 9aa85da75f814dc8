"""Models of structured answers, and the JSON schema that a server keeps to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

#: Bounds that keep a constrained model from running on: characters of a text, unless the kind has
#: more (see `Kind.longest_answer`), and answers of a completion.
LONGEST, MOST = 400, 50


def answer_model(columns: Sequence[str], several: bool, longest: int = LONGEST) -> type[BaseModel]:
    """Return the model of an answer.

    Args:
        columns: The texts of an object.
        several: An answer has a list of objects under ``answers``.
        longest: Characters of a text, at most.
    """
    text: Any = (str, Field(min_length=1, max_length=longest))
    config = ConfigDict(extra="forbid", strict=True)
    fields: Any = dict.fromkeys(columns, text)
    item: type[BaseModel] = create_model("Item", __config__=config, **fields)
    return list_model(item) if several else item


def list_model(item: type[BaseModel]) -> type[BaseModel]:
    """Return the model of an answer with a list of items under ``answers``."""
    answers: Any = (list[item], Field(max_length=MOST))  # type: ignore[valid-type]
    config = ConfigDict(extra="forbid", strict=True)
    whole: type[BaseModel] = create_model("Answer", __config__=config, answers=answers)
    return whole


def response_format(model: type[BaseModel]) -> dict[str, Any]:
    """Return the `response_format` of a request, which makes a server keep to the schema."""
    schema = _plain(model.model_json_schema())
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without titles and references, which some servers do not support."""
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
            key: plain(value)
            for key, value in node.items()
            if key not in ("title", "$defs", "properties")
        }
        if names is not None:
            kept["properties"] = {name: plain(value) for name, value in names.items()}
        return kept

    plain_schema: dict[str, Any] = plain(schema)
    return plain_schema
