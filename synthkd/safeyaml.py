"""Read YAML of unknown origin within limits, without duplicate keys.

A first pass over the stream of events refuses deep nesting and aliases that expand without end,
before any value is built.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from synthkd.secrets import mask_tokens

#: Limits: bytes of a file, depth, nodes with aliases expanded, aliases, and characters of a number.
MOST_BYTES, MOST_DEPTH, MOST_NODES, MOST_ALIASES, MOST_DIGITS = 64 << 20, 64, 2_000_000, 100, 400
#: Nodes that aliases may add.
_MOST_EXPANDED = 10_000
_INTEGERS = 1 << 63
#: Characters of the longest text whose error the pure Python reader describes.
_SMALL = 200_000


class YamlError(ValueError):
    """A text is not valid YAML.

    ``line`` and ``column`` count from 1; None if they are unknown.
    """

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem)
        self.line, self.column = line, column

    @property
    def where(self) -> str:
        """The place of the error, to follow a file's name: `` line 3, column 4``."""
        if self.line is None:
            return ""
        return f" line {self.line}" + ("" if self.column is None else f", column {self.column}")


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        YamlError: If the file is not UTF-8 or not YAML, or exceeds a limit.
        OSError: If the file cannot be read.
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
    """Parse a YAML text into the types of the safe loader. Raises `YamlError`."""
    try:
        try:
            return _load(text, _FastLoader)
        except (YamlError, yaml.MarkedYAMLError):
            if len(text) > _SMALL:
                raise
            # The pure Python reader names places better.
            return _load(text, _PureLoader)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise YamlError(
            f"not valid YAML: {_one_line(error.problem or error.context or 'unreadable')}", *at
        ) from None
    except yaml.YAMLError as error:
        raise YamlError(
            f"not valid YAML: {_one_line(getattr(error, 'reason', None) or error)}"
        ) from None
    except (RecursionError, MemoryError):
        raise YamlError("nested too deeply, or too large") from None
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        # For example `!!bool maybe`.
        raise YamlError("not valid YAML: a tag (!!name) does not fit its value") from None


def _load(text: str, reader: Any) -> Any:
    _check_size(text, reader)
    loader = reader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _one_line(problem: object) -> str:
    """Return a problem in one line, with keys masked: it may repeat a part of the file."""
    return mask_tokens(" ".join(str(problem).split()))[:200]


def _check_size(text: str, reader: Any) -> None:
    """Refuse a text that would take too much memory, stack or time."""
    nodes = aliases = expanded = 0
    #: Anchor and number of nodes of each open collection; number of nodes of each closed anchor.
    collections: list[tuple[str | None, int]] = [(None, 0)]
    sizes: dict[str, int] = {}
    events: Iterator[Any] = yaml.parse(text, Loader=reader)
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            collections.append((event.anchor, 1))
            if len(collections) > MOST_DEPTH + 1:
                raise YamlError(f"nested more than {MOST_DEPTH} deep", line)
            continue
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in collections):
                raise YamlError("an alias (*name) stands within what it names", line)
            anchor, size = None, sizes.get(str(event.anchor), 1)
            aliases += 1
            expanded += size
            if aliases > MOST_ALIASES or expanded > _MOST_EXPANDED:
                raise YamlError("its aliases (*name) repeat too much; write it out", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = collections.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor:
            sizes[anchor] = size
        # An alias counts with all its nodes, also within an anchored collection.
        collections[-1] = (collections[-1][0], collections[-1][1] + size)
        nodes += 1
        if nodes > MOST_NODES:
            raise YamlError(f"more than {MOST_NODES:,} values", line)


class _StrictConstructor(yaml.constructor.SafeConstructor):
    """The safe constructor.

    Duplicate keys, long numbers and wrong dates are errors with a line.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            seen: set[Hashable] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise self._error("a key is a text or a number, not a list or mapping", key)
                if key.tag == "tag:yaml.org,2002:merge":
                    continue
                name = self.construct_object(key, deep=True)
                if name in seen:
                    raise self._error(f"the key {_one_line(name)[:40]!r} stands here twice", key)
                seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and re.search("[\x00\ud800-\udfff]", value):
            raise self._error("a text holds a character that no file can hold", node)
        return value

    def construct_number(self, node: Any) -> Any:
        """Construct an integer or a float that files and databases can hold."""
        if len(node.value) > MOST_DIGITS:
            raise self._error(f"a number of {len(node.value):,} characters", node)
        integer = node.tag.endswith(":int")
        try:
            value = self.construct_yaml_int(node) if integer else self.construct_yaml_float(node)
        except (ValueError, OverflowError, IndexError):
            raise self._error("not a number; quote it if it is a text", node) from None
        if integer and not -_INTEGERS <= value < _INTEGERS:
            raise self._error("a whole number beyond 64 bits", node)
        return value

    def construct_time(self, node: Any) -> Any:
        """Construct a date."""
        try:
            return self.construct_yaml_timestamp(node)
        except (ValueError, OverflowError):
            raise self._error("not a date; quote it if it is a text", node) from None

    @staticmethod
    def _error(problem: str, node: Any) -> yaml.YAMLError:
        return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_StrictConstructor.yaml_constructors = _StrictConstructor.yaml_constructors | {
    "tag:yaml.org,2002:int": _StrictConstructor.construct_number,
    "tag:yaml.org,2002:float": _StrictConstructor.construct_number,
    "tag:yaml.org,2002:timestamp": _StrictConstructor.construct_time,
}


#: Numbers such as ``1e-3`` and ``2E6``, which YAML 1.1 takes for texts since they have no dot.
#: Hashes of digits with an ``e`` are longer, and stay texts.
_EXPONENT = re.compile(
    r"[-+]?(?:[0-9]{1,3}[eE][-+]?[0-9]{1,2}|(?:[0-9]+\.[0-9]*|\.[0-9]+)[eE][-+]?[0-9]{1,2})\Z"
)


class _PureLoader(_StrictConstructor, yaml.SafeLoader):
    """For the places of errors: ten times as slow as libyaml."""


class _FastLoader(_StrictConstructor, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The reader of libyaml."""


for _loader in (_PureLoader, _FastLoader):
    _loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
