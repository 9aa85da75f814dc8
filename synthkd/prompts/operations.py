"""Operators, formats and methods of templates, with checks of the result's size."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from typing import Any

from jinja2.sandbox import SandboxedEscapeFormatter, SandboxedFormatter

from synthkd.prompts.limits import RENDERING, LimitError, count_value, printed, size_of

#: Bits of a whole number; Python prints none that is longer.
_LARGEST_NUMBER = 1 << 14
#: Characters of texts for filters whose time grows with the square of the length, and the largest
#: width of a filter.
_LONGEST_QUADRATIC, _WIDEST = 100_000, 100_000
#: Characters of another argument of such a filter.
_LONGEST_ARGUMENT = 1000


def multiply(left: Any, right: Any) -> Any:
    """Apply the operator `*`."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, int) and not isinstance(other, int | float):
            RENDERING.meter.text(max(0, one) * size_of(other))
            break
    else:
        if isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() + right.bit_length())
    return left * right


def power(left: Any, right: Any) -> Any:
    """Apply the operator `**`."""
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        _check_bits(left.bit_length() * right)
    return left**right


def remainder(left: Any, right: Any) -> Any:
    """Apply the operator `%` to numbers, or to a format."""
    if isinstance(left, str | bytes):
        check_percent_format(left, right)
        return count_value(left % right)
    return left % right


def add(left: Any, right: Any) -> Any:
    """Apply the operator `+`."""
    if isinstance(left, str | bytes | list | tuple):
        RENDERING.meter.text(size_of(left) + size_of(right))
    return left + right


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "*": multiply,
    "**": power,
    "%": remainder,
    "+": add,
}


def _check_bits(bits: int) -> None:
    if bits > _LARGEST_NUMBER:
        raise LimitError(f"it makes a number of more than {_LARGEST_NUMBER * 3 // 10:,} digits")


def check_percent_format(form: str | bytes, values: Any) -> None:
    """Refuse a format of `%` whose result could be too long or has a value without a text."""
    text = form if isinstance(form, str) else form.decode("latin-1")
    if re.search(r"%[^%a-zA-Z]{0,99}?(\d{5,}|\*)", re.sub(r"\([^)]*\)", "", text)):
        raise LimitError("a width in a format is larger than 9,999, or `*`")
    if isinstance(values, Mapping):
        widest = max(map(size_of, values.values()), default=0)
        named = [value for name, value in values.items() if f"%({name})" in text]
        arguments = named if "%(" in text else [values]
    elif isinstance(values, tuple):
        widest = sum(map(size_of, values)) // max(1, text.count("%"))
        arguments = list(values)
    else:
        widest = size_of(values)
        arguments = [values]
    for value in arguments:
        printed(value)
    # Each field may also be padded.
    RENDERING.meter.text(len(text) + text.count("%") * widest)


class _BoundedFields:
    """Bounds the width of a format's fields."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        printed(value)
        return super().convert_field(value, conversion)  # type: ignore[misc]

    def format_field(self, value: Any, format_spec: str) -> Any:
        if re.search(r"\d{5,}", format_spec):
            raise LimitError("a width in a format is larger than 9,999")
        printed(count_value(value))
        return count_value(super().format_field(value, format_spec))  # type: ignore[misc]


class BoundedFormatter(_BoundedFields, SandboxedFormatter):
    """Formats texts within the limits."""


class BoundedEscapeFormatter(_BoundedFields, SandboxedEscapeFormatter):
    """Formats marked-up texts within the limits."""


# Checks of the arguments of filters and methods whose result may be larger than the arguments.


def check_width(text: Any, width: int, *_: Any) -> None:
    """Count a padded text."""
    RENDERING.meter.text(max(0, int(width)))


def check_tabs(text: Any, tabsize: int = 8) -> None:
    """Count a text whose tabs are expanded."""
    tab = "\t" if isinstance(text, str) else b"\t"
    RENDERING.meter.text(len(text) + text.count(tab) * max(0, int(tabsize)))


def check_replace(text: Any, old: Any, new: Any, count: int | None = -1) -> None:
    """Count a text with replacements."""
    text = text if isinstance(text, str | bytes) else str(text)
    old, new = (each if isinstance(each, bytes) else str(each) for each in (old, new))
    places = text.count(old)
    if isinstance(count, int) and count >= 0:
        places = min(places, count)
    RENDERING.meter.text(len(text) + places * len(new))


def check_quadratic(text: Any, *args: Any, **named: Any) -> None:
    """Refuse long texts and arguments for a filter of quadratic time."""
    if size_of(text) > _LONGEST_QUADRATIC:
        raise LimitError(f"this filter takes texts of {_LONGEST_QUADRATIC:,} characters at most")
    for value in (*args, *named.values()):
        if (isinstance(value, str) and len(value) > _LONGEST_ARGUMENT) or (
            isinstance(value, int) and abs(value) > _WIDEST
        ):
            raise LimitError(f"an argument of this filter is too large ({_WIDEST:,} at most)")


def check_numbers(value: Any, *args: Any, **named: Any) -> None:
    """Refuse large numbers as arguments."""
    for each in (*args, *named.values()):
        if isinstance(each, int) and abs(each) > _WIDEST:
            raise LimitError(f"an argument of this filter is too large ({_WIDEST:,} at most)")


def check_indent(text: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    """Count an indented text."""
    indent = len(width) if isinstance(width, str) else int(width)
    text = str(text)
    RENDERING.meter.text(len(text) + (len(text.splitlines()) + 1) * max(0, indent))


def check_sum(value: Any, attribute: Any = None, start: Any = 0) -> None:
    """Refuse a sum that joins many lists."""
    if isinstance(start, Sized) and isinstance(value, Sized) and len(value) > 1000:
        raise LimitError("`sum` joins 1,000 lists at most")


def check_join(values: Any, d: Any = "", *_: Any, **__: Any) -> None:
    """Count values joined with a separator."""
    RENDERING.meter.text(
        size_of(values) + len(str(d)) * (len(values) if isinstance(values, Sized) else 0)
    )


def check_format(form: Any, *args: Any, **named: Any) -> None:
    """Check the filter `format`."""
    check_percent_format(str(form), named or args)


#: Checks of methods of texts and bytes.
METHODS: dict[str, Callable[..., None]] = {
    "center": check_width,
    "ljust": check_width,
    "rjust": check_width,
    "zfill": check_width,
    "expandtabs": check_tabs,
    "replace": check_replace,
    "striptags": check_quadratic,
    "join": lambda d, values: check_join(values, d),
}
#: Methods that make much out of little, and that no prompt needs.
CLOSED_METHODS = {"translate", "maketrans", "to_bytes", "from_bytes", "encode"}
