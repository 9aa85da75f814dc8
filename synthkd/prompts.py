"""Find, load and render prompt templates.

A template is a Jinja2 file with a YAML head between two ``---`` lines. It is rendered in a sandbox with limits of time and
size (`sandbox`), and a variable that no input has is an error, found before anything is sent. What it includes lies in
its own folder.

Head: ``about`` (one line), ``kind``, ``chat`` (true: a message of role user; false: text to complete),
``system`` (an optional system message), ``examples`` (a file of few-shot rows, beside the prompts),
``shots`` (how many to show), ``by`` (draw only rows that share this column), ``stop``.
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
from pydantic import BaseModel, ConfigDict, ValidationError

from synthkd import safeyaml
from synthkd.errors import PromptError, nearest
from synthkd.keys import content_hash, file_hash, seed_from
from synthkd.resources import resource
from synthkd.sandbox import (
    LONGEST_FILE,
    BoundedEnvironment,
    FolderLoader,
    LimitError,
    cause_of,
    place_of,
    read_source,
)

_HEAD = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


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
    shots: int = 0
    by: str | None = None
    stop: list[str] = []


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

    @property
    def hash(self) -> str:
        """Content hash of the source, the head and the files that the source includes."""
        return content_hash([self.source, self.head.model_dump(), *filter(None, [self.included()])])

    def included(self) -> dict[str, str]:
        """Name and hash of each file that the template may include, extend or import, directly or by another.

        Of a name that is put together while rendering, its beginning and its end choose the files.
        """
        found: dict[str, str] = {}
        sources = [self.source]
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

    def error(self, error: Exception, known: Sequence[str] = ()) -> PromptError:
        """An error of compiling or rendering with its place, in one line."""
        place, where = place_of(error), ""
        if place is not None:
            name, line = place
            where = f", included {name} line {line}" if name else f" line {line + self.head_lines}"
        hint = (
            f"; inputs have {', '.join(sorted(known))}" if isinstance(error, UndefinedError) and known else ""
        )
        return PromptError(f"template {self.name}{where}: {cause_of(error)}{hint}")

    @cached_property
    def _rng(self) -> LateRandom:
        """Seeded anew for each input: making one takes longer than seeding it."""
        return LateRandom()

    @cached_property
    def _pools(self) -> dict[str, list[dict[str, Any]]]:
        pools: dict[str, list[dict[str, Any]]] = {}
        for example in self.examples:
            pools.setdefault(str(example.get(self.by)) if self.by else "", []).append(example)
        return pools

    def draw(self, row: Row, kind: Speaker, rng: random.Random) -> list[dict[str, Any]]:
        """Few-shot examples for one input; never one about the input's own group (it would tell the answer)."""
        if not self.shots:
            return []
        pool = self._pools.get(str(row.get(self.by)) if self.by else "", [])
        own = str(row.get(kind.group_column))
        pool = [example for example in pool if str(example.get(kind.group_column)) != own]
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
        template = self._template
        try:
            text = self._environment.rendered(template, context).strip()
        except Exception as error:  # noqa: BLE001 (an expression can raise anything)
            raise self.error(error, list(context)) from None
        if not self.head.chat:
            return ({"role": "prompt", "content": text},)
        system = [{"role": "system", "content": self.head.system}] if self.head.system else []
        return (*system, {"role": "user", "content": text})


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
    """Refuse a template that names a variable which no input has."""
    environment = prompt._environment
    try:
        used = meta.find_undeclared_variables(environment.parse(prompt.source))
    except Exception as error:  # noqa: BLE001 (a deep nest is a RecursionError)
        raise prompt.error(error) from None
    _ = prompt._template
    for name in sorted(used - set(available) - set(environment.globals)):
        raise PromptError(
            f"template {prompt.name} uses {name!r}, which no input has"
            f"{nearest(name, list(available))}; add a column or `prompt.variables.{name}`"
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
    try:
        head = Head.model_validate(safeyaml.load(match.group(1)) or {}) if match else Head()
    except safeyaml.YamlError as error:
        if error.line is not None:
            error.line += 1  # The head begins below its first `---`.
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
