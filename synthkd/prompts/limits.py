"""Limits of one rendering: characters of a text, values in all, and processor time.

Whatever makes a value in a template is counted before or when it is made. A text counts its
characters, any other value `NODE` units. A container counts all that is printed with it, so that a
list that holds another twice, sixty levels deep, is refused when it grows and not when it is
printed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

from jinja2 import Undefined
from jinja2.runtime import markup_join
from jinja2.utils import pass_eval_context
from markupsafe import Markup

from synthkd.rows import CellError, cell_text

#: Characters of a template's file, and of a rendered prompt or any text on the way to it.
LONGEST_FILE, LONGEST = 1 << 20, 1 << 22
#: Units of all values that one rendering makes, and its processor time in seconds.
UNITS, SECONDS = 1 << 26, 3.0
#: Units of a value that is not a text.
NODE = 16
#: Units between looks at the clock, and turns of a loop that pass without one.
_CLOCK_INTERVAL, _SHORT_LOOP = 1 << 14, 64


class LimitError(Exception):
    """A template asks for more than a rendering may take."""


class NoTextError(Exception):
    """A template prints a value that has no text: an empty cell, a list, an object."""


class Meter:
    """Count of what one rendering has made so far."""

    __slots__ = ("end", "ticks", "units")

    def __init__(self) -> None:
        self.units = 0
        self.ticks = 0
        self.end: float | None = None

    def tick(self, ticks: int) -> None:
        """Count work that makes no value; look at the clock now and then."""
        self.ticks += ticks
        if self.ticks > _CLOCK_INTERVAL:
            self.ticks = 0
            now = time.thread_time()
            if self.end is None:
                self.end = now + SECONDS
            elif now > self.end:
                raise LimitError(f"it takes longer than {SECONDS:g} s; make it do less")

    def charge(self, units: int) -> None:
        """Count a value."""
        self.units += units
        if self.units > UNITS:
            raise LimitError(f"it makes more than {UNITS:,} characters on the way; make it do less")
        self.tick(units)

    def text(self, length: int) -> None:
        """Count a text that was made, or is about to be made."""
        if length > LONGEST:
            raise LimitError(f"it makes a text of {length:,} characters; {LONGEST:,} are the most")
        self.charge(length)


class _Rendering(threading.local):
    """The rendering of this thread."""

    def __init__(self) -> None:
        self.meter = Meter()
        #: Draws for the filter `random`; None if a rendering has no seed.
        self.rng: random.Random | None = None


RENDERING = _Rendering()
#: Types whose values need no counting.
ATOMS = (bool, float, type(None))
#: Types of containers that hold their parts one by one.
PARTS: tuple[type[Any], ...] = (
    list,
    tuple,
    set,
    frozenset,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)


def size_of(value: Any) -> int:
    """Return the units of a value as it would be printed; counting stops above `LONGEST`."""
    if isinstance(value, str | bytes):
        return len(value)
    total, left = 0, [value]
    while left:
        one = left.pop()
        total += NODE
        if isinstance(one, str | bytes):
            total += len(one)
        elif isinstance(one, int):
            total += one.bit_length() >> 2
        elif isinstance(one, dict):
            total += NODE * len(one)
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, PARTS):
            left.extend(one)
        if total + len(left) > LONGEST:
            return max(total, LONGEST + 1)
    return total


def printed(value: Any) -> Any:
    """Return the text of a value that is printed.

    An undefined value raises its own error when it is made a text.

    Raises:
        NoTextError: If the value has no text, so that no prompt holds Python's way of writing one.
    """
    if type(value) is str or isinstance(value, str | Undefined):
        return value
    try:
        text = cell_text(value)
    except CellError as error:
        raise NoTextError(f"{error} is printed, but a text is needed{_remedy(value)}") from None
    if text is None:
        raise NoTextError(
            "an empty cell (null or NaN) is printed, but a text is needed; leave the row out, or"
            ' write `{{ name or "unknown" }}` or `{% if name %}`'
        )
    return text


def _remedy(value: Any) -> str:
    if isinstance(value, list | tuple):
        return '; write `{{ name | join(", ") }}`, or loop over it'
    if isinstance(value, Mapping):
        return "; name the part that is meant: `{{ name.part }}`"
    return ""


def count_value(value: Any) -> Any:
    """Count a value with all its parts, and return the value."""
    kind = type(value)
    if kind is str:
        RENDERING.meter.text(len(value))
    elif kind not in ATOMS:
        RENDERING.meter.text(size_of(value))
    return value


def count_comparison(value: Any) -> Any:
    """Count the work of comparing a value with another, and return the value."""
    kind = type(value)
    if kind is str:
        RENDERING.meter.tick(len(value) >> 4)
    elif kind is not int and kind not in ATOMS:
        RENDERING.meter.tick(_CLOCK_INTERVAL)
    return value


def count_loop(value: Any) -> Any:
    """Count the turns of a loop over a value; a short loop is counted at its start."""
    if isinstance(value, Sized):
        length = len(value)
        if length <= _SHORT_LOOP:
            RENDERING.meter.tick(16 * length + 16)
            return value
    elif not isinstance(value, Iterable):
        return value
    return count_turns(value)


def count_turns(values: Iterable[Any]) -> Iterator[Any]:
    """Count values one by one as they are taken."""
    for value in values:
        RENDERING.meter.charge(NODE)
        yield value


def count_parts(value: Any) -> None:
    """Count a text, or a container without what its parts hold."""
    if isinstance(value, str | bytes):
        RENDERING.meter.charge(len(value))
    elif isinstance(value, (dict, PARTS)):
        RENDERING.meter.charge(NODE * len(value))


def count_deep(value: Any) -> None:
    """Count a value with all its parts; its text may be longer than `LONGEST`."""
    if type(value) is str:
        RENDERING.meter.charge(len(value))
    elif type(value) not in ATOMS:
        RENDERING.meter.charge(size_of(value))


def concat(parts: Iterable[str]) -> str:
    """Join the pieces of a buffer (`Environment.concat`)."""
    total, kept = 0, []
    for part in parts:
        total += len(part)
        if total > LONGEST:
            break
        kept.append(part)
    RENDERING.meter.text(total)
    return "".join(kept)


@pass_eval_context
def join_operands(context: Any, parts: list[Any]) -> str:
    """Join the operands of the operator `~`."""
    total, kept = 0, []
    for part in parts:
        if type(part) is not str:
            count_value(part)
            part = part if isinstance(part, Markup) else str(printed(part))
        total += len(part)
        kept.append(part)
    RENDERING.meter.text(total)
    return markup_join(kept) if context.autoescape else "".join(kept)
