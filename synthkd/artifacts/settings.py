"""JSON files of an artefact, read with strict pydantic models."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthkd.artifacts.folder import Artifact

#: Bytes of a settings file at most; a vocabulary of millions of words has fewer.
_LARGEST = 1 << 28
#: Depth of nested lists and objects at most.
_DEEPEST = 50

#: A name, such as a column's or a class's.
Name = Annotated[str, Field(max_length=4096)]
#: The name of a plugin.
PluginName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Count = Annotated[int, Field(ge=0, le=1 << 40)]
#: A learnt number.
Weight = Annotated[float, Field(ge=-1e12, le=1e12)]
Columns = Annotated[list[Name], Field(max_length=1000)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Settings(BaseModel):
    """Base of the models of settings files: strict types, finite numbers, no unknown field."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


S = TypeVar("S", bound=BaseModel)


def read_settings(path: Path, model: type[S], artifact: Artifact) -> S:
    """Read a JSON file as a model.

    Raises the artefact's error with file, field and remedy in one line.
    """
    return checked_settings(path, read_object(path, artifact), model, artifact)


def read_object(path: Path, artifact: Artifact) -> dict[str, Any]:
    """Read a JSON object without NaN, infinity, duplicate keys and deep nesting.

    Raises the artefact's error.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise artifact.refuse(path, f"larger than {_LARGEST:,} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise artifact.refuse(path, f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise artifact.refuse(path, "cut or altered: not UTF-8") from None
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_distinct
        )
        _check_depth(value)
    except RecursionError:
        raise artifact.refuse(path, "cut or altered: nested too deeply") from None
    except ValueError as error:
        raise artifact.refuse(
            path, f"not JSON that can be read ({error}); it was cut or altered"
        ) from None
    if not isinstance(value, dict):
        raise artifact.refuse(path, "cut or altered: not an object of settings")
    return value


def checked_settings(path: Path, content: dict[str, Any], model: type[S], artifact: Artifact) -> S:
    """Validate an object of `read_object` as a model. Raises the artefact's error."""
    try:
        # From JSON, a strict model takes a list for a tuple and an object for a dataclass.
        return model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        item = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, item["loc"])) or "the whole"
        problem = "an unknown field" if item["type"] == "extra_forbidden" else item["msg"]
        raise artifact.refuse(path, f"{field}: {problem}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is out of range")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice")
    return content


def _check_depth(value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if isinstance(one, dict | list):
            _check_depth(one, depth + 1)
