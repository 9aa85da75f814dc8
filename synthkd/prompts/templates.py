"""Find, load and render prompt templates.

A template is a Jinja2 file with a YAML head between two ``---`` lines. It is rendered in a sandbox with limits of time and
size (`sandbox`), and a variable that no input has is an error, found before anything is sent. What it includes lies in
its own folder.

Head: ``about`` (one line), ``kind``, ``chat`` (true: a message of role user; false: text to complete),
``system`` (an optional system message, rendered as the rest is), ``examples`` (a file of few-shot rows, beside the
prompts), ``shots`` (how many to show), ``by`` (draw only rows that share this column), ``stop``, ``needs`` (variables
that must not be empty).
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol

from jinja2 import Template, meta, nodes
from jinja2.exceptions import TemplateNotFound, UndefinedError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthkd import safeyaml
from synthkd.errors import PromptError, nearest
from synthkd.keys import content_hash, file_hash, seed_from
from synthkd.prompts.sandbox import (
    LONGEST_FILE,
    BoundedEnvironment,
    FolderLoader,
    LimitError,
    NoTextError,
    cause_of,
    place_of,
    read_source,
)
from synthkd.resources import resource
from synthkd.rows.cells import CellError, cell_text, is_empty
from synthkd.text.normal_forms import normal_phrase

#: A head may follow blanks and empty lines; its marks may be followed by blanks or a comment.
_HEAD = re.compile(
    r"\A[\s\ufeff\u200b\u2060]*?^---[^\S\n]*(?:#[^\n]*)?\n(.*?)^---[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
#: The beginning of a head that does not end, or does not stand first.
_UNREAD_HEAD = re.compile(
    r"^[^\S\n]*---[^\n]*\n(?:[^\n]*\n){0,40}?[^\S\n]*(?:about|kind|chat|system|examples|shots|by|stop|needs)[^\S\n]*:",
    re.MULTILINE,
)


Row = Mapping[str, Any]


class Speaker(Protocol):
    """What a template needs of a kind: the variables for a row, and which column is the row's subject."""

    group_column: ClassVar[str]

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]: ...


class Head(BaseModel):
    """The YAML head of a template."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = ""
    kind: str | None = None
    chat: bool = True
    system: str | None = None
    examples: str | None = None
    shots: int = Field(0, ge=0)
    by: str | None = None
    stop: list[str] = []
    needs: list[str] = []

    def record(self) -> dict[str, Any]:
        """What a hash of the template covers."""
        return self.model_dump(exclude=None if self.needs else {"needs"})


@dataclass(frozen=True)
class Prompt:
    """A loaded template. ``hash`` covers its file and those that it includes; the key of a request covers the rendered text.

    ``head_lines``: lines of the file before the source.
    """

    name: str
    head: Head
    source: str
    folder: Path
    examples: Sequence[dict[str, Any]] = ()
    shots: int = 0
    by: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    head_lines: int = 0

    @cached_property
    def _environment(self) -> BoundedEnvironment:
        shipped = self.folder == resource("prompts")
        return BoundedEnvironment(FolderLoader(self.folder, follow=shipped))

    @cached_property
    def _template(self) -> Template:
        try:
            return self._environment.compiled(self.source)
        except Exception as error:  # noqa: BLE001 (jinja and Python's compiler raise of many kinds)
            raise self.error(error) from None

    @cached_property
    def _system(self) -> Template | None:
        """The system message as a template; None for one that is sent as it stands."""
        if self.head.system is None or not re.search(r"\{[{%#]", self.head.system):
            return None
        try:
            return self._environment.compiled(self.head.system)
        except Exception as error:  # noqa: BLE001
            raise self.error(error, system=True) from None

    @property
    def hash(self) -> str:
        """Content hash of the source, the head and the files that the source includes."""
        return content_hash([self.source, self.head.record(), *filter(None, [self.included()])])

    def included(self) -> dict[str, str]:
        """Name and hash of each file that the template may include, extend or import, directly or by another.

        Of a name that is put together while rendering, its beginning and its end choose the files.
        """
        found: dict[str, str] = {}
        sources = [self.source, self.head.system or ""]
        while sources:
            try:
                tree = self._environment.parse(sources.pop())
            except Exception as error:  # noqa: BLE001
                raise self.error(error) from None
            for name in sorted(_referenced(tree, self.folder) - set(found)):
                loader = self._environment.loader
                assert isinstance(loader, FolderLoader)
                try:
                    path = loader.path(name)
                    found[name] = file_hash(path)
                    sources.append(read_source(path))
                except TemplateNotFound:
                    continue  # One of several names to choose from, or an error when it is rendered.
                except (OSError, LimitError) as error:
                    raise self.error(error) from None
        return found

    def error(
        self, error: Exception, context: Mapping[str, Any] | None = None, system: bool = False
    ) -> PromptError:
        """Return an error of compiling or rendering with its place, in one line.

        Args:
            error: What was raised.
            context: The variables that it was rendered with.
            system: Whether it comes from the head's system message.
        """
        place, where = place_of(error), ""
        if place is not None:
            name, line = place
            if name:
                where = f", included {name} line {line}"
            else:
                where = ", its `system`" if system else f" line {line + self.head_lines}"
        hint = ""
        if context and isinstance(error, UndefinedError):
            hint = f"; inputs have {', '.join(sorted(context))}"
        elif context and isinstance(error, NoTextError):
            odd = sorted(name for name in self.used & set(context) if _has_no_text(context[name]))
            hint = f" ({', '.join(odd)})" if odd else ""
        return PromptError(f"template {self.name}{where}: {cause_of(error)}{hint}")

    @cached_property
    def _trees(self) -> tuple[nodes.Template, ...]:
        """The template and its system message, parsed."""
        found = []
        for source in (self.source, self.head.system or ""):
            try:
                found.append(self._environment.parse(source))
            except Exception as error:  # noqa: BLE001 (a deep nest is a RecursionError)
                raise self.error(error, system=source is not self.source) from None
        return tuple(found)

    @property
    def needs_files(self) -> bool:
        """Whether the template includes, extends or imports another file."""
        others = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
        return any(next(tree.find_all(others), None) is not None for tree in self._trees)

    @cached_property
    def used(self) -> frozenset[str]:
        """Variables that the template and its system message name."""
        try:
            return frozenset(name for tree in self._trees for name in meta.find_undeclared_variables(tree))
        except PromptError:
            raise
        except Exception as error:  # noqa: BLE001 (an unknown filter, a deep nest)
            raise self.error(error) from None

    @cached_property
    def optional(self) -> frozenset[str]:
        """Variables of which the template asks whether there are any (``is defined``, ``default``)."""
        return frozenset(
            node.node.name
            for tree in self._trees
            for node in tree.find_all((nodes.Test, nodes.Filter))
            if node.name in ("defined", "undefined", "default", "d") and isinstance(node.node, nodes.Name)
        )

    @cached_property
    def _rng(self) -> LateRandom:
        """Seeded anew for each input: making one takes longer than seeding it."""
        return LateRandom()

    @cached_property
    def _pools(self) -> dict[str, list[dict[str, Any]]]:
        pools: dict[str, list[dict[str, Any]]] = {}
        for example in self.examples:
            pools.setdefault(_shared(example, self.by), []).append(example)
        return pools

    def pool(self, row: Row) -> list[dict[str, Any]]:
        """The few-shot rows that may be drawn for an input: those that share its value of ``by``."""
        return self._pools.get(_shared(row, self.by), [])

    def _groups(self, shared: str, kind: Speaker) -> list[str]:
        """The groups of the rows of a pool, made once."""
        names = self._named.get((shared, kind.group_column))
        if names is None:
            names = [_group(example, kind) for example in self._pools.get(shared, [])]
            self._named[shared, kind.group_column] = names
        return names

    @cached_property
    def _named(self) -> dict[tuple[str, str], list[str]]:
        return {}

    def draw(self, row: Row, kind: Speaker, rng: random.Random) -> list[dict[str, Any]]:
        """Few-shot examples for one input; never one about the input's own group (it would tell the answer)."""
        if not self.shots:
            return []
        own = _group(row, kind)
        pool = [
            example
            for name, example in zip(self._groups(_shared(row, self.by), kind), self.pool(row), strict=True)
            if name != own
        ]
        return rng.sample(pool, min(self.shots, len(pool)))

    def render(self, row: Row, kind: Speaker, input_id: str, seed: int) -> tuple[dict[str, str], ...]:
        """The messages for one input. The draw depends on the seed and the input's id, not on its place."""
        rng = self._rng
        rng.seed_late("prompt", seed, input_id)
        shown = self.draw(row, kind, rng)
        try:
            context = {**self.variables, **kind.context(row, shown, rng)}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if not shown:
                raise
            said = f"no column {error}" if isinstance(error, KeyError) else cause_of(error)
            raise PromptError(
                f"template {self.name}: the few-shot rows do not fit the kind: {said}"
            ) from None
        for name in self.head.needs:
            if is_empty(context.get(name)):
                raise PromptError(f"template {self.name} needs a value of {name!r}, which is empty here")
        text = self._rendered(self._template, context, rng).strip()
        if not text:
            raise PromptError(f"template {self.name}: the prompt is empty")
        if not self.head.chat:
            return ({"role": "prompt", "content": text},)
        if not self.head.system:
            return ({"role": "user", "content": text},)
        template, system = self._system, self.head.system
        if template is not None:
            system = self._rendered(template, context, rng, system=True)
            if not system.strip():
                raise PromptError(f"template {self.name}: its `system` is empty")
        return ({"role": "system", "content": system}, {"role": "user", "content": text})

    def _rendered(
        self, template: Template, context: dict[str, Any], rng: random.Random, system: bool = False
    ) -> str:
        try:
            return self._environment.rendered(template, context, rng)
        except Exception as error:  # noqa: BLE001 (an expression can raise anything)
            raise self.error(error, context, system) from None


def _shared(row: Row, by: str | None) -> str:
    """A row's value of the column that examples are drawn by; two of one text are the same."""
    if by is None:
        return ""
    try:
        return cell_text(row.get(by)) or ""
    except CellError:
        return ""


def _group(row: Row, kind: Speaker) -> str:
    """The group of a row, in normal form: `Beast` is `the beast`."""
    value = str(row.get(kind.group_column))
    return normal_phrase(value) or value


def _has_no_text(value: Any) -> bool:
    try:
        return cell_text(value) is None
    except CellError:
        return not callable(value)


class LateRandom(random.Random):
    """Seeds itself when something is drawn: most prompts draw nothing, and seeding costs as much as rendering one."""

    _parts: tuple[Any, ...] | None = None

    def seed_late(self, *parts: Any) -> None:
        """As `seed` with `seed_from` of the parts, at the next draw."""
        self._parts = parts

    def random(self) -> float:
        """As `random.Random.random`."""
        self._seed_now()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """As `random.Random.getrandbits`."""
        self._seed_now()
        return super().getrandbits(k)

    def _seed_now(self) -> None:
        if self._parts is not None:
            parts, self._parts = self._parts, None
            self.seed(seed_from(*parts))


def lint(prompt: Prompt, available: Sequence[str]) -> None:
    """Refuse a template that names a variable which no input has, unless it asks whether there is one.

    Args:
        prompt: The template.
        available: Names that an input has, without those of ``prompt.variables``.

    Raises:
        PromptError: There is such a name; a variable of the recipe would be hidden by an input's; or a column stands in
            single braces, and the template names none otherwise.
    """
    for name in prompt.variables:
        if name in available:
            raise PromptError(
                f"prompt.variables.{name}: the inputs have {name!r} themselves, so this value would not be used; take another name"
            )
    missing = (
        prompt.used - prompt.optional - {*available, *prompt.variables} - set(prompt._environment.globals)
    )
    _ = (prompt._template, prompt._system)
    for name in sorted(missing):
        raise PromptError(
            f"template {prompt.name} uses {name!r}, which no input has"
            f"{nearest(name, [*available, *prompt.variables])}; add a column or `prompt.variables.{name}`"
        )
    braces = None if prompt.used & set(available) else re.search(r"(?<!\{)\{(\w+)\}(?!\})", prompt.source)
    if braces and braces[1] in available:
        raise PromptError(
            f"template {prompt.name} names no column of its inputs, so all prompts would be the same; write {{{{ {braces[1]} }}}}"
            f" for {{{braces[1]}}}"
        )


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """A shipped template by name (``triple/everyday``), or a file by path (relative to ``folder``)."""
    path, root = _find(name, folder)
    try:
        text = read_source(path)
    except LimitError as error:
        raise PromptError(str(error)) from None
    except OSError as error:
        raise PromptError(f"{path}: not readable: {error.strerror}") from None
    match = _HEAD.match(text)
    if match is None and (begun := _UNREAD_HEAD.search(text)):
        line = text.count("\n", 0, begun.start()) + 1
        raise PromptError(
            f"{path} line {line}: a head stands first in the file, between two lines of `---`; this one does not, and would"
            " be sent to the teacher"
        )
    try:
        head = Head.model_validate(safeyaml.load(match.group(1)) or {}) if match else Head()
    except safeyaml.YamlError as error:
        if error.line is not None:
            assert match is not None
            error.line += text.count("\n", 0, match.start(1))  # The head begins below its first `---`.
        raise PromptError(f"{path}{error.where}: its head: {error}") from None
    except ValidationError as error:
        item = error.errors()[0]
        key = ".".join(map(str, item["loc"]))
        hint = nearest(key, list(Head.model_fields)) if item["type"] == "extra_forbidden" else ""
        raise PromptError(f"{path}: its head: {key}: {item['msg']}{hint}") from None
    source = text[match.end() :] if match else text
    lines = text.count("\n") - source.count("\n")
    return Prompt(name, head, source, root, shots=head.shots, by=head.by, head_lines=lines)


def shipped_prompts() -> list[str]:
    """Names of the templates that come with synthkd; parts that others include are left out."""
    root = resource("prompts")
    names = [str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.j2")]
    return sorted(name for name in names if name.count("/") == 1)


def _find(name: str, folder: Path | None) -> tuple[Path, Path]:
    if "\0" in name:
        raise PromptError(f"no template {name!r}: a path holds no zero byte")
    try:
        local = ((folder or Path()) / name).expanduser()
        for path in (local, local.with_name(local.name + ".j2")):
            if path.is_file():
                return path, path.parent
    except (OSError, ValueError, RuntimeError):
        pass  # Too long for a path, or without a name: no file.
    root = resource("prompts")
    shipped = Path(os.path.normpath(root / f"{name}.j2"))
    if len(name) < 255 and shipped.is_relative_to(root) and shipped.is_file():
        return shipped, root
    known = shipped_prompts()
    shown = name if len(name) <= 100 else f"{name[:100]} …"
    raise PromptError(f"no template {shown!r}: neither a file nor shipped{nearest(name[:100], known)}")


def _referenced(tree: nodes.Template, folder: Path) -> set[str]:
    """Names of the templates that a template refers to."""
    found: set[str] = set()
    for node in tree.find_all((nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)):
        named = node.template  # type: ignore[attr-defined]
        several = named.items if isinstance(named, nodes.List | nodes.Tuple) else [named]
        for one in several:
            if isinstance(one, nodes.Const):
                found |= {one.value} if isinstance(one.value, str) else set(one.value)
                continue
            parts = one.nodes if isinstance(one, nodes.Concat) else [one]
            first, last = (
                part.value if isinstance(part, nodes.Const) and isinstance(part.value, str) else ""
                for part in (parts[0], parts[-1])
            )
            found |= {name for name in _text_files(folder) if name.startswith(first) and name.endswith(last)}
    return found


def _text_files(folder: Path) -> list[str]:
    """Files in a folder and below that could be templates."""
    return [
        path.relative_to(folder).as_posix()
        for path in islice(folder.rglob("*.j2"), 1000)
        if path.is_file() and path.stat().st_size <= LONGEST_FILE
    ]
