"""Read YAML that somebody else may have written: bounded, without duplicate keys, with the line of what is wrong.

The text is looked at as a stream of events first, so that deep nesting and aliases that expand without end are refused
before anything is built of them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from synthkd.secrets import masked

#: Bytes of a file, nesting, nodes with aliases expanded, aliases, and characters of a number.
MOST_BYTES, MOST_DEPTH, MOST_NODES, MOST_ALIASES, MOST_DIGITS = 64 << 20, 64, 2_000_000, 100, 400
#: Nodes that aliases may add.
_MOST_EXPANDED = 10_000
_INTEGERS = 1 << 63
#: Characters up to which the pure reader is used.
_SMALL = 200_000


class YamlError(ValueError):
    """Why a text is not read, in one line. ``line`` counts from 1; None where there is none."""

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem)
        self.line, self.column = line, column

    @property
    def where(self) -> str:
        """`` line 3, column 4``, to follow a file's name."""
        if self.line is None:
            return ""
        return f" line {self.line}" + ("" if self.column is None else f", column {self.column}")


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        YamlError: It is too large, no UTF-8, no YAML, or more than a reader should build.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise YamlError(f"larger than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"not UTF-8 (byte {error.start}); save it as UTF-8") from None
    return load_yaml(text)


def load_yaml(text: str) -> Any:
    """Read a YAML text into the safe loader's types. Raises `YamlError`."""
    try:
        # The pure reader names places better, and libyaml is fast.
        made: Any = _Small if len(text) <= _SMALL else _Large
        _look_over(text, made)
        loader = made(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise YamlError(
            f"not valid YAML: {_short(error.problem or error.context or 'unreadable')}", *at
        ) from None
    except yaml.YAMLError as error:
        raise YamlError(f"not valid YAML: {_short(getattr(error, 'reason', None) or error)}") from None
    except (RecursionError, MemoryError):
        raise YamlError("nested too deeply, or too large") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        # Of a tag on what it does not fit, such as `!!bool maybe`.
        raise YamlError("not valid YAML: a tag (!!name) does not fit its value") from None


def _short(problem: object) -> str:
    """One line; it may repeat a piece of the file, and so a key."""
    return masked(" ".join(str(problem).split()))[:200]


def _look_over(text: str, reader: Any) -> None:
    """Refuse what would take more than its share of memory, stack or time."""
    nodes = aliases = expanded = 0
    #: Anchor of each open collection, and nodes within it so far; and nodes of each anchor that is closed.
    open_: list[tuple[str | None, int]] = [(None, 0)]
    sizes: dict[str, int] = {}
    events: Iterator[Any] = yaml.parse(text, Loader=reader)
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, 1))
            if len(open_) > MOST_DEPTH + 1:
                raise YamlError(f"nested more than {MOST_DEPTH} deep", line)
            continue
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                raise YamlError("an alias (*name) stands within what it names", line)
            anchor, size = None, sizes.get(str(event.anchor), 1)
            aliases += 1
            expanded += size
            if aliases > MOST_ALIASES or expanded > _MOST_EXPANDED:
                raise YamlError("its aliases (*name) repeat too much; write it out", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor:
            sizes[anchor] = size
        # Within an anchored collection what an alias stands for counts too.
        open_[-1] = (open_[-1][0], open_[-1][1] + size)
        nodes += 1
        if nodes > MOST_NODES:
            raise YamlError(f"more than {MOST_NODES:,} values", line)


class _Strict(yaml.constructor.SafeConstructor):
    """The safe loader; a key that comes twice, an endless number and a date that is none are errors with a line."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            seen: set[Hashable] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise self._wrong("a key is a text or a number, not a list or mapping", key)
                if key.tag == "tag:yaml.org,2002:merge":
                    continue
                found = self.construct_object(key, deep=True)
                if found in seen:
                    raise self._wrong(f"the key {_short(found)[:40]!r} stands here twice", key)
                seen.add(found)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and re.search("[\x00\ud800-\udfff]", value):
            raise self._wrong("a text holds a character that no file can hold", node)
        return value

    def construct_number(self, node: Any) -> Any:
        """An integer or float within what files and databases hold."""
        if len(node.value) > MOST_DIGITS:
            raise self._wrong(f"a number of {len(node.value):,} characters", node)
        integer = node.tag.endswith(":int")
        try:
            value = self.construct_yaml_int(node) if integer else self.construct_yaml_float(node)
        except (ValueError, OverflowError, IndexError):
            raise self._wrong("not a number; quote it if it is a text", node) from None
        if integer and not -_INTEGERS <= value < _INTEGERS:
            raise self._wrong("a whole number beyond 64 bits", node)
        return value

    def construct_time(self, node: Any) -> Any:
        """A date, or why it is none."""
        try:
            return self.construct_yaml_timestamp(node)
        except (ValueError, OverflowError):
            raise self._wrong("not a date; quote it if it is a text", node) from None

    @staticmethod
    def _wrong(problem: str, node: Any) -> yaml.YAMLError:
        return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Strict.yaml_constructors = _Strict.yaml_constructors | {
    "tag:yaml.org,2002:int": _Strict.construct_number,
    "tag:yaml.org,2002:float": _Strict.construct_number,
    "tag:yaml.org,2002:timestamp": _Strict.construct_time,
}


#: ``1e-3`` and ``2E6``, which YAML 1.1 takes for texts since they have no dot. Hashes of digits with an `e` stay texts: they
#: are longer.
_EXPONENT = re.compile(
    r"[-+]?(?:[0-9]{1,3}[eE][-+]?[0-9]{1,2}|(?:[0-9]+\.[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,2})\Z"
)


class _Small(_Strict, yaml.SafeLoader):
    """For what people write."""


class _Large(_Strict, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """For larger files."""


for _loader in (_Small, _Large):
    _loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
