"""Filters and tests of templates, with their values and results counted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2.filters import FILTERS, make_attrgetter
from jinja2.tests import TESTS
from jinja2.utils import pass_context, pass_eval_context

from synthkd.prompts.limits import (
    RENDERING,
    LimitError,
    count_comparison,
    count_deep,
    count_loop,
    count_parts,
    count_turns,
    count_value,
    join_operands,
    printed,
)
from synthkd.prompts.operations import (
    check_format,
    check_indent,
    check_join,
    check_numbers,
    check_quadratic,
    check_replace,
    check_sum,
    check_width,
)

_CHECKS: dict[str, Callable[..., None]] = {
    "center": lambda text, width=80: check_width(text, width),
    "indent": check_indent,
    "wordwrap": check_quadratic,
    "urlize": check_quadratic,
    "striptags": check_quadratic,
    "pprint": check_quadratic,
    "batch": check_numbers,
    "slice": check_numbers,
    "round": check_numbers,
    "tojson": check_numbers,
    "truncate": check_numbers,
    "replace": check_replace,
    "join": check_join,
    "format": check_format,
    "sum": check_sum,
}
#: Filters whose result is their value or holds its parts unchanged, which need not be counted
#: again.
_PASSING = {
    "attr", "count", "d", "default", "dictsort", "first", "groupby", "items", "last", "length",
    "list", "max", "min",
    "random", "reject", "rejectattr", "reverse", "select", "selectattr", "sort", "unique",
}  # fmt: skip
#: Filters that take the parts of their value one by one.
_SPREADING = {"map", "batch", "slice", "sum"}
#: Filters that make a text of any value.
_TEXTUAL = {
    "capitalize", "center", "e", "escape", "forceescape", "format", "indent", "lower", "pprint",
    "replace", "safe", "string",
    "striptags", "title", "trim", "truncate", "upper", "urlize", "wordcount", "wordwrap",
}  # fmt: skip


@pass_eval_context
def _join(context: Any, value: Any, d: Any = "", attribute: Any = None) -> Any:
    if attribute is not None:
        value = map(make_attrgetter(context.environment, attribute), value)
    return FILTERS["join"](context, [printed(part) for part in value], printed(d))


def _urlencode(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = value.items()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return FILTERS["urlencode"]([(printed(name), printed(text)) for name, text in value])
    return FILTERS["urlencode"](printed(value))


@pass_eval_context
def _xmlattr(context: Any, d: Mapping[str, Any], autospace: bool = True) -> Any:
    """Write attributes; those whose value is null are left out."""
    texts = {name: value if value is None else printed(value) for name, value in d.items()}
    return FILTERS["xmlattr"](context, texts, autospace)


@pass_context
def _random(context: Any, value: Any) -> Any:
    """Draw with the seed of the rendering, so that the same input has the same prompt."""
    if RENDERING.rng is None:
        raise LimitError("`random` has no seed here; leave it out")
    return (
        RENDERING.rng.choice(value)
        if value
        else context.environment.undefined("nothing to draw from")
    )


def _bounded_filter(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter so that its value and its result are counted; a generator becomes a list."""
    first = int(hasattr(work, "jinja_pass_arg"))
    textual = first + (0 if name not in _TEXTUAL else 3 if name == "replace" else 1)
    check = _CHECKS.get(name)
    count_argument = count_parts if name in _PASSING | _SPREADING else count_deep
    count_result = count_parts if name in _PASSING else count_value

    @functools.wraps(work)
    def counted(*args: Any, **named: Any) -> Any:
        if len(args) > first:
            value = args[first]
            if hasattr(value, "__next__"):
                value = list(count_turns(value))
                args = (*args[:first], value, *args[first + 1 :])
            count_argument(value)
            if textual > first:
                args = (*args[:first], *map(printed, args[first:textual]), *args[textual:])
        if check is not None:
            check(*args[first:], **named)
        result = work(*args, **named)
        if hasattr(result, "__next__"):
            result = list(count_turns(result))
        count_result(result)
        return result

    return counted


def _bounded_test(work: Any) -> Callable[..., Any]:
    first = int(hasattr(work, "jinja_pass_arg"))

    @functools.wraps(work)
    def counted(*args: Any, **named: Any) -> Any:
        for value in args[first:]:
            count_comparison(value)
        return work(*args, **named)

    return counted


_OWN = {"join": _join, "random": _random, "urlencode": _urlencode, "xmlattr": _xmlattr}
#: Names under which `sandbox` puts the counting of values into a template.
COUNT_VALUE, COUNT_COMPARISON, COUNT_LOOP, JOIN_OPERANDS = (
    "_value",
    "_comparison",
    "_loop",
    "_operands",
)
BOUNDED_FILTERS: dict[str, Callable[..., Any]] = {
    name: _bounded_filter(name, work) for name, work in {**FILTERS, **_OWN}.items()
} | {
    COUNT_VALUE: count_value,
    COUNT_COMPARISON: count_comparison,
    COUNT_LOOP: count_loop,
    JOIN_OPERANDS: join_operands,
}
BOUNDED_TESTS: dict[str, Callable[..., Any]] = {
    name: _bounded_test(work) for name, work in TESTS.items()
}
