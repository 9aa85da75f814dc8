"""Render Jinja2 templates of unknown origin: no code, no files outside one folder, bounded time and memory.

Jinja's own sandbox keeps a template from Python's internals. It does not bound what a template computes, and ten
characters can ask for a gigabyte. Here whatever makes a value is counted before or when it is made (operators, filters,
methods, literals, slices, buffers), loops and calls look at the clock, and both limits hold for one rendering:
`LONGEST` characters of a text, `UNITS` in all, `SECONDS` of processor time.

What is printed is a text or a number: an empty cell (null), a list or an object is refused, so that no prompt holds
Python's way of writing one (``None``, ``['a']``). `cells` says how a number, a date or a truth value is written.

A text counts its characters, any other value `_NODE` units; a container counts all that is printed with it, so that a list
that holds another twice, sixty levels deep, is refused when it grows and not when it is printed.
"""

from __future__ import annotations

import functools
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    Undefined,
    nodes,
)
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.loaders import split_template_path
from jinja2.runtime import LoopContext, markup_join
from jinja2.sandbox import (
    ImmutableSandboxedEnvironment,
    SandboxedEscapeFormatter,
    SandboxedFormatter,
)
from jinja2.tests import TESTS
from jinja2.utils import Namespace, pass_context, pass_eval_context
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from synthkd.rows.cells import CellError, cell_text

#: Characters that a template's file, a rendered prompt or any text on the way to it may have.
LONGEST_FILE, LONGEST = 1 << 20, 1 << 22
#: Words and signs of a template's code; the text between them counts as one.
_TOKENS = 20_000
#: Characters and nodes of all values that one rendering makes, and its processor time in seconds.
UNITS, SECONDS = 1 << 26, 3.0
_NODE = 16
#: Bits of a whole number: more than Python prints.
_BITS = 1 << 14
#: Characters that filters may get whose time grows with the square of the text, and the widest width of a filter.
_LONGEST_SLOW, _WIDEST = 100_000, 100_000
#: Units between looks at the clock, and turns of a loop that pass without one.
_GLANCE, _SHORT = 1 << 14, 64


class LimitError(Exception):
    """A template asks for more than a rendering may take."""


class NoTextError(Exception):
    """A template prints a value that has no text: an empty cell, a list, an object."""


class _Meter:
    """Count what one rendering has made so far."""

    __slots__ = ("end", "ticks", "units")

    def __init__(self) -> None:
        self.units = 0
        self.ticks = 0
        self.end: float | None = None

    def tick(self, ticks: int) -> None:
        """Count work that makes nothing; look at the clock now and then."""
        self.ticks += ticks
        if self.ticks > _GLANCE:
            self.ticks = 0
            now = time.thread_time()
            if self.end is None:
                self.end = now + SECONDS
            elif now > self.end:
                raise LimitError(f"it takes longer than {SECONDS:g} s; make it do less")

    def charge(self, units: int) -> None:
        """Count a value that was made."""
        self.units += units
        if self.units > UNITS:
            raise LimitError(f"it makes more than {UNITS:,} characters on the way; make it do less")
        self.tick(units)

    def text(self, length: int) -> None:
        """Count a text that was made, or is about to be."""
        if length > LONGEST:
            raise LimitError(f"it makes a text of {length:,} characters; {LONGEST:,} are the most")
        self.charge(length)


class _Thread(threading.local):
    """The rendering of this thread."""

    def __init__(self) -> None:
        self.meter = _Meter()
        #: Of draws in a template; None where a rendering has no seed.
        self.rng: random.Random | None = None


_HERE = _Thread()
_ATOMS = (bool, float, type(None))
_DICT = frozenset(dir(dict))
_PARTS: tuple[type[Any], ...] = (
    list,
    tuple,
    set,
    frozenset,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)


def _size(value: Any) -> int:
    """Units of a value as it would be printed; more than `LONGEST` is not counted out."""
    if isinstance(value, str | bytes):
        return len(value)
    total, left = 0, [value]
    while left:
        one = left.pop()
        total += _NODE
        if isinstance(one, str | bytes):
            total += len(one)
        elif isinstance(one, int):
            total += one.bit_length() >> 2
        elif isinstance(one, dict):
            total += _NODE * len(one)
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, _PARTS):
            left.extend(one)
        if total + len(left) > LONGEST:
            return max(total, LONGEST + 1)
    return total


def _text(value: Any) -> Any:
    """A value as it is printed. An undefined one raises its own error when it is made a text."""
    if type(value) is str or isinstance(value, str | Undefined):
        return value
    try:
        text = cell_text(value)
    except CellError as error:
        raise NoTextError(f"{error} is printed, where a text is needed{_what_to_do(value)}") from None
    if text is None:
        raise NoTextError(
            "an empty cell (null or NaN) is printed, where a text is needed; leave the row out, or write"
            ' `{{ name or "unknown" }}` or `{% if name %}`'
        )
    return text


def _what_to_do(value: Any) -> str:
    if isinstance(value, list | tuple):
        return '; write `{{ name | join(", ") }}`, or loop over it'
    if isinstance(value, Mapping):
        return "; name the part that is meant: `{{ name.part }}`"
    return ""


def _sized(value: Any) -> Any:
    """Count a value that was made; one that is too large is refused."""
    kind = type(value)
    if kind is str:
        _HERE.meter.text(len(value))
    elif kind not in _ATOMS:
        _HERE.meter.text(_size(value))
    return value


def _looked_at(value: Any) -> Any:
    """Count a value that is compared with another."""
    kind = type(value)
    if kind is str:
        _HERE.meter.tick(len(value) >> 4)
    elif kind is not int and kind not in _ATOMS:
        _HERE.meter.tick(_GLANCE)
    return value


def _looped(value: Any) -> Any:
    """Count the turns of a loop: a short one's at its start."""
    if isinstance(value, Sized):
        length = len(value)
        if length <= _SHORT:
            _HERE.meter.tick(16 * length + 16)
            return value
    elif not isinstance(value, Iterable):
        return value
    return _turns(value)


def _turns(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _HERE.meter.charge(_NODE)
        yield value


def _concat(parts: Iterable[str]) -> str:
    """Join a buffer (`Environment.concat`)."""
    total, kept = 0, []
    for part in parts:
        total += len(part)
        if total > LONGEST:
            break
        kept.append(part)
    _HERE.meter.text(total)
    return "".join(kept)


@pass_eval_context
def _joined(context: Any, parts: list[Any]) -> str:
    """The operator `~`."""
    total, kept = 0, []
    for part in parts:
        if type(part) is not str:
            _sized(part)
            part = part if isinstance(part, Markup) else str(_text(part))
        total += len(part)
        kept.append(part)
    _HERE.meter.text(total)
    return markup_join(kept) if context.autoescape else "".join(kept)


# Operators


def _multiply(left: Any, right: Any) -> Any:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, int) and not isinstance(other, int | float):
            _HERE.meter.text(max(0, one) * _size(other))
            break
    else:
        if isinstance(left, int) and isinstance(right, int):
            _digits(left.bit_length() + right.bit_length())
    return left * right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        _digits(left.bit_length() * right)
    return left**right


def _digits(bits: int) -> None:
    if bits > _BITS:
        raise LimitError(f"it makes a number of more than {_BITS * 3 // 10:,} digits")


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str | bytes):
        _check_percent(left, right)
        return _sized(left % right)
    return left % right


def _check_percent(form: str | bytes, values: Any) -> None:
    text = form if isinstance(form, str) else form.decode("latin-1")
    if re.search(r"%[^%a-zA-Z]{0,99}?(\d{5,}|\*)", re.sub(r"\([^)]*\)", "", text)):
        raise LimitError("a width in a format is larger than 9,999, or `*`")
    if isinstance(values, Mapping):
        widest = max(map(_size, values.values()), default=0)
        named = [value for name, value in values.items() if f"%({name})" in text]
        printed = named if "%(" in text else [values]
    elif isinstance(values, tuple):
        widest = sum(map(_size, values)) // max(1, text.count("%"))
        printed = list(values)
    else:
        widest = _size(values)
        printed = [values]
    for value in printed:
        _text(value)
    # Each place may also be padded.
    _HERE.meter.text(len(text) + text.count("%") * widest)


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str | bytes | list | tuple):
        _HERE.meter.text(_size(left) + _size(right))
    return left + right


class _Fields:
    """Bound the width of a format's fields."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        _text(value)
        return super().convert_field(value, conversion)  # type: ignore[misc]

    def format_field(self, value: Any, format_spec: str) -> Any:
        if re.search(r"\d{5,}", format_spec):
            raise LimitError("a width in a format is larger than 9,999")
        _text(_sized(value))
        return _sized(super().format_field(value, format_spec))  # type: ignore[misc]


class _Formatter(_Fields, SandboxedFormatter):
    pass


class _EscapeFormatter(_Fields, SandboxedEscapeFormatter):
    pass


# Methods of texts and bytes, and filters: a check of the arguments beforehand where the result may be larger than they are.


def _width(text: Any, width: int, *_: Any) -> None:
    _HERE.meter.text(max(0, int(width)))


def _tabs(text: Any, tabsize: int = 8) -> None:
    _HERE.meter.text(len(text) + text.count("\t" if isinstance(text, str) else b"\t") * max(0, int(tabsize)))


def _replaced(text: Any, old: Any, new: Any, count: int | None = -1) -> None:
    text = text if isinstance(text, str | bytes) else str(text)
    old, new = (each if isinstance(each, bytes) else str(each) for each in (old, new))
    found = text.count(old)
    if isinstance(count, int) and count >= 0:
        found = min(found, count)
    _HERE.meter.text(len(text) + found * len(new))


def _slow(text: Any, *_: Any, **__: Any) -> None:
    if _size(text) > _LONGEST_SLOW:
        raise LimitError(f"this filter takes texts of {_LONGEST_SLOW:,} characters at most")
    for value in (*_, *__.values()):
        if (isinstance(value, str) and len(value) > 1000) or (
            isinstance(value, int) and abs(value) > _WIDEST
        ):
            raise LimitError(f"an argument of this filter is too large ({_WIDEST:,} at most)")


def _narrow(value: Any, *args: Any, **named: Any) -> None:
    for each in (*args, *named.values()):
        if isinstance(each, int) and abs(each) > _WIDEST:
            raise LimitError(f"an argument of this filter is too large ({_WIDEST:,} at most)")


def _indented(text: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    wide = len(width) if isinstance(width, str) else int(width)
    text = str(text)
    _HERE.meter.text(len(text) + (len(text.splitlines()) + 1) * max(0, wide))


def _summed(value: Any, attribute: Any = None, start: Any = 0) -> None:
    if isinstance(start, Sized) and isinstance(value, Sized) and len(value) > 1000:
        raise LimitError("`sum` joins 1,000 lists at most")


def _join_check(values: Any, d: Any = "", *_: Any, **__: Any) -> None:
    _HERE.meter.text(_size(values) + len(str(d)) * (len(values) if isinstance(values, Sized) else 0))


def _format_check(form: Any, *args: Any, **named: Any) -> None:
    _check_percent(str(form), named or args)


_METHODS: dict[str, Callable[..., None]] = {
    "center": _width,
    "ljust": _width,
    "rjust": _width,
    "zfill": _width,
    "expandtabs": _tabs,
    "replace": _replaced,
    "striptags": _slow,
    "join": lambda d, values: _join_check(values, d),
}
#: Methods that make much out of little and that no prompt needs.
_CLOSED = {"translate", "maketrans", "to_bytes", "from_bytes", "encode"}
_CHECKS: dict[str, Callable[..., None]] = {
    "center": lambda text, width=80: _width(text, width),
    "indent": _indented,
    "wordwrap": _slow,
    "urlize": _slow,
    "striptags": _slow,
    "pprint": _slow,
    "batch": _narrow,
    "slice": _narrow,
    "round": _narrow,
    "tojson": _narrow,
    "truncate": _narrow,
    "replace": _replaced,
    "join": _join_check,
    "format": _format_check,
    "sum": _summed,
}


#: Filters whose result is or holds what they were given, and nothing else: its parts need not be counted again.
_PASSING = {
    "attr",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "groupby",
    "items",
    "last",
    "length",
    "list",
    "max",
    "min",
    "random",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "sort",
    "unique",
}
#: Filters that give others what they were given, part by part.
_SPREADING = {"map", "batch", "slice", "sum"}


#: Filters that make a text of whatever they are given.
_TEXTUAL = {
    "capitalize", "center", "e", "escape", "forceescape", "format", "indent", "lower", "pprint", "replace", "safe", "string",
    "striptags", "title", "trim", "truncate", "upper", "urlize", "wordcount", "wordwrap",
}  # fmt: skip


@pass_eval_context
def _join(context: Any, value: Any, d: Any = "", attribute: Any = None) -> Any:
    """The filter `join`, of parts that have a text."""
    if attribute is not None:
        value = map(make_attrgetter(context.environment, attribute), value)
    return FILTERS["join"](context, [_text(part) for part in value], _text(d))


def _urlencode(value: Any) -> Any:
    """The filter `urlencode`, of a text or of pairs of texts."""
    if isinstance(value, Mapping):
        value = value.items()
    pairs = isinstance(value, Iterable) and not isinstance(value, str)
    return FILTERS["urlencode"](
        [(_text(name), _text(said)) for name, said in value] if pairs else _text(value)
    )


@pass_eval_context
def _xmlattr(context: Any, d: Mapping[str, Any], autospace: bool = True) -> Any:
    """The filter `xmlattr`, of values that have a text; those that are null are left out."""
    texts = {name: value if value is None else _text(value) for name, value in d.items()}
    return FILTERS["xmlattr"](context, texts, autospace)


@pass_context
def _random(context: Any, value: Any) -> Any:
    """The filter `random`: draws with the seed of the rendering, so that the same input has the same prompt."""
    if _HERE.rng is None:
        raise LimitError("`random` has no seed here; leave it out")
    return _HERE.rng.choice(value) if value else context.environment.undefined("nothing to draw from")


def _bounded(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """A filter with its value and its result counted. What it makes one by one becomes a list."""
    first = int(hasattr(work, "jinja_pass_arg"))
    check = _CHECKS.get(name)
    taken = _shallow if name in _PASSING | _SPREADING else _deep
    given = _shallow if name in _PASSING else _sized

    @functools.wraps(work)
    def counted(*args: Any, **named: Any) -> Any:
        if len(args) > first:
            value = args[first]
            if hasattr(value, "__next__"):
                value = list(_turns(value))
                args = (*args[:first], value, *args[first + 1 :])
            taken(value)
            if name in _TEXTUAL:
                args = (
                    *args[:first],
                    *map(_text, args[first : first + (3 if name == "replace" else 1)]),
                    *args[first + (3 if name == "replace" else 1) :],
                )
        if check is not None:
            check(*args[first:], **named)
        made = work(*args, **named)
        if hasattr(made, "__next__"):
            made = list(_turns(made))
        given(made)
        return made

    return counted


def _shallow(value: Any) -> None:
    if isinstance(value, str | bytes):
        _HERE.meter.charge(len(value))
    elif isinstance(value, (dict, _PARTS)):
        _HERE.meter.charge(_NODE * len(value))


def _deep(value: Any) -> None:
    if type(value) is str:
        _HERE.meter.charge(len(value))
    elif type(value) not in _ATOMS:
        _HERE.meter.charge(_size(value))


def _bounded_test(work: Any) -> Callable[..., Any]:
    first = int(hasattr(work, "jinja_pass_arg"))

    @functools.wraps(work)
    def counted(*args: Any, **named: Any) -> Any:
        for value in args[first:]:
            _looked_at(value)
        return work(*args, **named)

    return counted


class _Closed(Namespace):
    """A namespace that prints nothing of what it holds: it may hold itself."""

    def __repr__(self) -> str:
        return "<namespace>"


class _Template(Template):
    def make_module(self, *args: Any, **named: Any) -> Any:
        module = super().make_module(*args, **named)
        _HERE.meter.text(sum(map(len, module._body_stream)))
        return module


class _Counting(NodeTransformer):
    """Puts the counting of values into a template, where no method of the environment sees them."""

    def __init__(self, environment: Environment, buffered: bool) -> None:
        self.environment = environment
        #: Whether what is printed here is collected, rather than given out piece by piece.
        self.buffered = buffered

    def _through(self, name: str, node: Any) -> nodes.Filter:
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=self.environment)

    def _made(self, node: Any) -> Any:
        node = self.generic_visit(node)
        return self._through("_sized", node) if getattr(node, "ctx", "load") == "load" else node

    visit_List = visit_Tuple = visit_Dict = _made

    def visit_Concat(self, node: Any) -> Any:
        node = self.generic_visit(node)
        return self._through(
            "_joined", nodes.List(node.nodes, lineno=node.lineno, environment=self.environment)
        )

    def visit_Getitem(self, node: Any) -> Any:
        node = self.generic_visit(node)
        return self._through("_sized", node) if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: Any) -> Any:
        node = self.generic_visit(node)
        for part in (node, *node.ops):
            if not isinstance(part.expr, nodes.Const):
                part.expr = self._through("_looked_at", part.expr)
        return node

    def visit_For(self, node: Any) -> Any:
        # What a loop goes over is not itself collected, unlike the body of a recursive one.
        node = self._body(node) if node.recursive else self.generic_visit(node)
        node.iter = self._through("_looped", node.iter)
        return node

    def _body(self, node: Any) -> Any:
        before, self.buffered = self.buffered, True
        node = self.generic_visit(node)
        self.buffered = before
        return node

    visit_Macro = visit_CallBlock = visit_FilterBlock = visit_AssignBlock = visit_Block = _body

    def visit_Output(self, node: Any) -> Any:
        node = self.generic_visit(node)
        if self.buffered:
            node.nodes = [
                each if isinstance(each, nodes.TemplateData) else self._through("_sized", each)
                for each in node.nodes
            ]
        return node


class _Short(Extension):
    """Refuses a template whose code is too long to compile in a short time."""

    def filter_stream(self, stream: Any) -> Iterator[Any]:
        for number, token in enumerate(stream):
            if number > _TOKENS:
                raise LimitError(f"it has more than {_TOKENS:,} words and signs of code")
            yield token


class FolderLoader(BaseLoader):
    """Templates of one folder, by their paths from there: nothing outside it, not by a link either."""

    def __init__(self, folder: Path, follow: bool = False) -> None:
        """``follow``: links may lead out, as they do where an installer links a package's files."""
        self.folder, self.follow = folder, follow

    def path(self, name: str) -> Path:
        """The file of a template. Raises `TemplateNotFound` for one that is not there or not inside."""
        if name.startswith("/") or "\\" in name or "\0" in name:
            raise TemplateNotFound(name, f"{name!r} is not a path inside {self.folder}")
        try:
            path = self.folder.joinpath(*split_template_path(name))
        except TemplateNotFound:
            raise TemplateNotFound(name, f"{name!r} leads out of {self.folder}") from None
        try:
            if not path.is_file():
                raise TemplateNotFound(name, f"no file {name!r} in {self.folder} to include")
            if not self.follow and not path.resolve().is_relative_to(self.folder.resolve()):
                raise TemplateNotFound(name, f"{name!r} leads out of {self.folder}")
        except (OSError, RuntimeError) as error:
            raise TemplateNotFound(name, f"{name!r} cannot be read: {error}") from None
        return path

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        path = self.path(template)
        return read_source(path), str(path), lambda: True


def read_source(path: Path) -> str:
    """The text of a template's file. Raises `LimitError` or `OSError`."""
    with path.open("rb") as file:
        data = file.read(LONGEST_FILE + 1)
    if len(data) > LONGEST_FILE:
        raise LimitError(f"{path} has more than {LONGEST_FILE:,} bytes; that is no template")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LimitError(f"{path} line {line}: not UTF-8 (byte {error.start}); save it as UTF-8") from None


_JINJAS = ("_loop_vars", "_block_vars")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with limits (see above). `render` is the way to use it."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})
    concat = staticmethod(_concat)
    template_class = _Template

    def __init__(self, loader: FolderLoader) -> None:
        super().__init__(
            loader=loader,
            extensions=[_Short],
            undefined=StrictUndefined,
            finalize=_text,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            auto_reload=False,
        )
        self.binop_table = {**self.binop_table, **_OPERATORS}
        self.filters, self.tests = dict(_FILTERS), dict(_TESTS)
        # Its texts are drawn anew at each call: no prompt is found again.
        del self.globals["lipsum"]
        self.globals["namespace"] = _Closed

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        # A template by name is one that another includes or imports.
        counted = _Counting(self, buffered=name is not None).visit(source)
        return super()._generate(counted, name, filename, defer_init)

    def _load_template(self, name: str, globals: Any) -> Template:
        _HERE.meter.tick(256)
        return super()._load_template(name, globals)

    def getattr(self, obj: Any, attribute: str) -> Any:
        # Most of what templates ask for; in jinja's order an exception comes first.
        if type(obj) is dict and attribute in obj and attribute not in _DICT:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if attr in _CLOSED and isinstance(obj, str | bytes | int):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        text, by_map = value.__self__, value.__name__ == "format_map"
        formatter: Any = (
            _EscapeFormatter(self, escape=text.escape) if isinstance(text, Markup) else _Formatter(self)
        )

        def bounded(*args: Any, **named: Any) -> str:
            if by_map:
                (named,), args = args, ()
            made: str = type(text)(formatter.vformat(text, args, named))
            return made

        return bounded

    def call(__self, __context: Any, __obj: Any, *args: Any, **named: Any) -> Any:
        _HERE.meter.tick(64)
        owner = getattr(__obj, "__self__", None)
        if owner is not None and isinstance(owner, str | bytes):
            check = _METHODS.get(__obj.__name__)
            if check is not None:
                args = tuple(list(_turns(arg)) if hasattr(arg, "__next__") else arg for arg in args)
                # jinja passes two of its own to whatever is called inside a loop or a block.
                check(owner, *args, **{key: named[key] for key in named if key not in _JINJAS})
        elif isinstance(__obj, LoopContext):
            args = tuple(map(_looped, args))
        made = super().call(__context, __obj, *args, **named)
        if isinstance(owner, dict | list | tuple):
            _shallow(made)
        elif not isinstance(made, range | _Closed):
            _sized(made)
        return made

    def compiled(self, source: str) -> Template:
        """Compile a template. Raises whatever jinja and Python raise."""
        if len(source) > LONGEST_FILE:
            raise LimitError(f"it has more than {LONGEST_FILE:,} characters; that is no template")
        _HERE.meter = _Meter()
        return self.from_string(source)

    def rendered(self, template: Template, context: dict[str, Any], rng: random.Random | None = None) -> str:
        """Render a compiled template; ``rng`` draws for the filter `random`.

        Raises whatever jinja and Python raise, `LimitError` and `NoTextError`.
        """
        _HERE.meter, _HERE.rng = _Meter(), rng
        parts, total = [], 0
        # jinja's own way goes through a chain of mappings, name by name, for each rendering.
        whole = self.context_class(self, {**self.globals, **context}, template.name, template.blocks)
        for part in template.root_render_func(whole):
            total += len(part)
            if total > LONGEST:
                _HERE.meter.text(total)
            parts.append(part)
        return "".join(parts)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "*": _multiply,
    "**": _power,
    "%": _remainder,
    "+": _add,
}
_OWN = {"join": _join, "random": _random, "urlencode": _urlencode, "xmlattr": _xmlattr}
_FILTERS: dict[str, Callable[..., Any]] = {
    name: _bounded(name, work) for name, work in {**FILTERS, **_OWN}.items()
} | {
    "_sized": _sized,
    "_joined": _joined,
    "_looked_at": _looked_at,
    "_looped": _looped,
}
_TESTS: dict[str, Callable[..., Any]] = {name: _bounded_test(work) for name, work in TESTS.items()}


def place_of(error: BaseException) -> tuple[str | None, int] | None:
    """The template's name (None for the first one) and line that an error comes from."""
    if isinstance(error, TemplateSyntaxError):
        name = error.name
        return (None if name is None or name.startswith("<") else name), error.lineno
    found, trace = None, error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            found = template.name, template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return found


def cause_of(error: BaseException) -> str:
    """Return what went wrong, in one short line."""
    if isinstance(error, RecursionError):
        return "it calls itself too deeply, or is nested too deeply"
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    said = error.message if isinstance(error, TemplateSyntaxError) else error
    if isinstance(error, SyntaxError):
        said = error.msg  # Of Python's compiler, whose lines are not the template's.
    text = " ".join(str(said).split())
    if isinstance(error, SecurityError) or not text:
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    return text if len(text) <= 300 else f"{text[:300]} …"
