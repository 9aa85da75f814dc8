"""Options of plug-ins: models that check them, and the words for types, bounds and mistakes."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from synthkd.errors import RecipeError, UserError, nearest
from synthkd.secrets import mask_tokens

#: Numbers that YAML 1.1 reads as texts.
_EXPONENT = re.compile(r"[+-]?\d+(?:\.\d*)?[eE][+-]?\d+")
#: A text that may name a path; a `Path` is taken as its text.
PathText = Annotated[
    str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)
]
#: Characters of a wrong value that a message shows.
_SHOWN = 60


class BaseOptions(BaseModel):
    """Options of a plug-in: one field for each, with its type, bounds, default and description.

    Unknown options are refused, values are converted only where nothing is lost (`1e-3` of YAML is
    a number, `true` is none), and numbers are finite.

    Example:
        >>> import synthkd
        >>> from pydantic import Field
        >>> class Options(synthkd.BaseOptions):
        ...     max_words: int = Field(20, ge=1, description="Words of a text at most.")
        >>> Options(max_words=8).max_words
        8
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_and_truth(cls, value: Any, info: Any) -> Any:
        """Refuse true for a number and a text for either, which pydantic would convert.

        YAML's `1e-3`, a text, is converted.
        """
        wanted = _flat(cls.model_fields[info.field_name].annotation)
        if isinstance(value, bool):
            unfit = bool not in wanted and bool({int, float} & wanted)
        elif isinstance(value, str) and str not in wanted:
            if float in wanted and _EXPONENT.fullmatch(value):
                return float(value)
            unfit = bool({int, float, bool} & wanted)
        else:
            unfit = False
        if unfit:
            raise ValueError(_WRONG)
        return value


class NoOptions(BaseOptions):
    """The options of a plug-in that has none."""


#: Stands for "the type and bounds of the field" in errors of validators here.
_WRONG = "does not fit"


def checked_options(
    model: type[BaseOptions],
    given: Mapping[str, Any],
    label: str,
    error: type[UserError] = RecipeError,
    elsewhere: Collection[str] = (),
) -> Any:
    """Make the options of a plug-in from what a recipe or a caller gives.

    Args:
        model: The model of the options.
        given: Values by name.
        label: What the plug-in is called in the message, such as ``rule 'too_long'``.
        error: What is raised.
        elsewhere: Fields that a recipe sets in another place, and that are refused here.

    Raises:
        UserError: One line with every wrong option, its type and bounds.
    """
    for name in elsewhere:
        if name in given:
            raise error(f"{label}: no option {name!r} here")
    try:
        return model.model_validate({str(name): value for name, value in given.items()})
    except ValidationError as problem:
        raise error(f"{label}: {'; '.join(dict.fromkeys(_mistakes(model, problem)))}") from None


def _mistakes(model: type[BaseModel], problem: ValidationError) -> Iterator[str]:
    """Put the errors of a validation into words."""
    errors = problem.errors(include_url=False)
    nested = {item["loc"][0] for item in errors if _is_nested(model, item)}
    for item in errors:
        location = item["loc"]
        names = _names_on_the_way(model, location)
        if item["type"] == "default_factory_not_called":
            # A default that depends on another option, which is wrong.
            continue
        if location and location[0] in nested and not _is_nested(model, item):
            # A mapping is no text or number either: only what is wrong in it is told.
            continue
        if item["type"] == "extra_forbidden":
            known = sorted(_fields_at(model, location[:-1]))
            outer = ".".join(_names_on_the_way(model, location[:-1]))
            hint = nearest(str(location[-1]), known) if known else "; it has none"
            yield f"{outer}{': ' if outer else ''}no option {location[-1]!r}{hint}"
        elif item["type"] == "missing":
            field = _fields_at(model, location[:-1])[str(location[-1])]
            yield f"{'.'.join(names)}: needed ({type_words(field)})"
        elif (reason := _reason(item)) is not None:
            name = str(location[0]) if location else ""
            yield f"{name}: {reason}" if name and not reason.startswith(name) else reason
        else:
            found = _field_at(model, location)
            words = item["msg"] if found is None else type_words(found)
            hint = "" if found is None else _literal_hint(found, item["input"])
            yield f"{'.'.join(names)}: {words} is needed, not {shown_value(item['input'])}{hint}"


def _is_nested(model: type[BaseModel], item: Any) -> bool:
    """Return True for an error within the options that an option holds."""
    names = _names_on_the_way(model, item["loc"])
    within = len(names) > 1 or (item["type"] == "extra_forbidden" and len(item["loc"]) > 1)
    return within or (bool(names) and _reason(item) is not None and len(item["loc"]) > 1)


def _reason(item: Any) -> str | None:
    """Return the words of an own validator; None for an error of type or bounds."""
    reason = mask_tokens(item["msg"].removeprefix("Value error, "))
    return reason if item["type"] == "value_error" and reason != _WRONG else None


def _literal_hint(field: FieldInfo, value: Any) -> str:
    known = [str(one) for one in _literals(field.annotation)]
    hint = nearest(value, known) if known and isinstance(value, str) else ""
    return hint if "did you mean" in hint else ""


def _names_on_the_way(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Return the fields and list positions of a location, without the types of unions in it."""
    names: set[str] = set()
    for end in range(len(location)):
        names |= set(_fields_at(model, location[:end]))
    return [str(part) for part in location if isinstance(part, int) or str(part) in names]


def _field_at(model: type[BaseModel], location: tuple[Any, ...]) -> FieldInfo | None:
    """Return the innermost field of a location."""
    ends = range(len(location), 0, -1)
    fields = (_fields_at(model, location[: end - 1]).get(str(location[end - 1])) for end in ends)
    return next((field for field in fields if field is not None), None)


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> dict[str, FieldInfo]:
    """Return the fields of the model at a location."""
    for part in location:
        field = model.model_fields.get(str(part))
        model = (None if field is None else nested_model(field)) or model
    return dict(model.model_fields)


def nested_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of the options that an option holds."""
    models = (
        one
        for one in _flat(field.annotation)
        if inspect.isclass(one) and issubclass(one, BaseModel)
    )
    return next(models, None)


def shown_value(value: Any) -> str:
    """Shorten a wrong value for a message, and hide secrets in it."""
    try:
        text = (
            repr(value)
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, default=str)
        )
    except (TypeError, ValueError):
        text = repr(value)
    text = mask_tokens(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def type_words(field: FieldInfo) -> str:
    """Describe the type and bounds of a field, as in `a number above 0 or null`."""
    return _type(field.annotation, _bounds(field.metadata))


_NAMES: dict[Any, str] = {
    int: "a whole number", float: "a number", str: "a text", bool: "true or false", Path: "a path",
    Any: "any value",
    dict: "a mapping", list: "a list", tuple: "a list",
}  # fmt: skip


def _type(annotation: Any, bounds: str = "") -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        parts = list(
            dict.fromkeys(_type(one, "" if one is types.NoneType else bounds) for one in arguments)
        )
        if "a text" in parts and "a path" in parts:
            parts.remove("a path")
        return " or ".join(parts)
    if origin is Annotated:
        return _type(arguments[0], _bounds(arguments[1:]) or bounds)
    return _plain_type(annotation, origin, arguments) + bounds


def _plain_type(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> str:
    if annotation in (None, types.NoneType):
        return "null"
    if annotation in _NAMES:
        return _NAMES[annotation]
    if origin is Literal:
        return (
            f"one of {', '.join(map(str, arguments))}" if len(arguments) > 1 else str(arguments[0])
        )
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return f"a mapping of {', '.join(annotation.model_fields)}"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "a mapping"
    if inspect.isclass(origin) and issubclass(origin, Collection):
        inner = [one for one in arguments if one is not Ellipsis]
        return f"a list of {_plural(_type(inner[0]))}" if inner else "a list"
    return getattr(annotation, "__name__", str(annotation))


def _plural(words: str) -> str:
    return {
        "a text": "texts",
        "a number": "numbers",
        "a whole number": "whole numbers",
        "a path": "paths",
    }.get(words, words)


def _bounds(metadata: Collection[Any]) -> str:
    """Bounds of a number or text, to be put behind the words of the type."""
    least: dict[type, Any] = {type(one): one for one in metadata}
    words = []
    if Ge in least and Le in least:
        words.append(f"from {least[Ge].ge} to {least[Le].le}")
    elif Ge in least:
        words.append(f"from {least[Ge].ge} on")
    if Gt in least:
        words.append(f"above {least[Gt].gt}")
    if Lt in least:
        words.append(f"below {least[Lt].lt}")
    if Le in least and Ge not in least:
        words.append(f"up to {least[Le].le}")
    if MinLen in least:
        words.append(f"of length {least[MinLen].min_length} or more")
    return f" {' and '.join(words)}" if words else ""


def default_words(field: FieldInfo) -> str:
    """Describe the default of a field."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return ""
    return "null" if value is None else json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def described(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Describe every option of a model: type in words, default, meaning.

    Options within an option follow it, with a dotted name.
    """
    options: dict[str, dict[str, Any]] = {}
    for name, field in model.model_fields.items():
        options[name] = {
            "type": type_words(field),
            "default": None if field.is_required() else json.loads(default_words(field) or "null"),
            "required": field.is_required(),
            "about": field.description or "",
        }
        if (nested := nested_model(field)) is not None:
            options |= {f"{name}.{inner}": one for inner, one in described(nested).items()}
    return options


def options_of_function(function: Callable[..., Any]) -> type[BaseOptions]:
    """Make a model of a function's keyword-only parameters, which are the options of the plug-in.

    Raises:
        TypeError: A keyword-only parameter has no annotation.
    """
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if name not in hints:
            raise TypeError(f"the option {name!r} has no type; write `{name}: int = …`")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints[name], Field(default))
    return create_model("Options", __base__=BaseOptions, **fields)


def _literals(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [one for inner in get_args(annotation) for one in _literals(inner)]


def _flat(annotation: Any) -> set[Any]:
    arguments = get_args(annotation)
    if not arguments or get_origin(annotation) is Literal:
        return (
            {bool}
            if get_origin(annotation) is Literal and any(isinstance(a, bool) for a in arguments)
            else {annotation}
        )
    return {one for inner in arguments for one in _flat(inner)} | {get_origin(annotation)}
