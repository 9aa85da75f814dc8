"""Find, load and render prompt templates.

A template is a Jinja2 file with a YAML head between two ``---`` lines. It is rendered in a sandbox, and a
variable that no input has is an error, found before anything is sent.

Head: ``about`` (one line), ``kind``, ``chat`` (true: a message of role user; false: text to complete),
``system`` (an optional system message), ``examples`` (a file of few-shot rows, beside the prompts),
``shots`` (how many to show), ``by`` (draw only rows that share this column), ``stop``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateError, meta
from jinja2.exceptions import UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, ValidationError

from synthkd import safeyaml
from synthkd.errors import PromptError, nearest
from synthkd.keys import seed_from
from synthkd.resources import resource

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
    """A loaded template. ``hash`` covers its file; the key of a request covers the rendered text."""

    name: str
    head: Head
    source: str
    folder: Path
    examples: Sequence[dict[str, Any]] = ()
    shots: int = 0
    by: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _template(self) -> Template:
        try:
            return _environment(self.folder).from_string(self.source)
        except TemplateError as error:
            line = _line(error)
            raise PromptError(f"template {self.name}{line}: {error}") from None

    @cached_property
    def _rng(self) -> random.Random:
        """Seeded anew for each input: making one takes longer than seeding it."""
        return random.Random()  # noqa: S311 (a draw, not a secret)

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
        rng.seed(seed_from("prompt", seed, input_id))
        context = {**self.variables, **kind.context(row, self.draw(row, kind, rng), rng)}
        try:
            text = self._template.render(context).strip()
        except UndefinedError as error:
            raise PromptError(
                f"template {self.name}: {error.message}; inputs have {', '.join(sorted(context))}"
            ) from None
        except TemplateError as error:
            raise PromptError(f"template {self.name}: {error}") from None
        if not self.head.chat:
            return ({"role": "prompt", "content": text},)
        system = [{"role": "system", "content": self.head.system}] if self.head.system else []
        return (*system, {"role": "user", "content": text})


def lint(prompt: Prompt, available: Sequence[str]) -> None:
    """Refuse a template that names a variable which no input has."""
    environment = _environment(prompt.folder)
    try:
        used = meta.find_undeclared_variables(environment.parse(prompt.source))
    except TemplateError as error:
        line = _line(error)
        raise PromptError(f"template {prompt.name}{line}: {error}") from None
    for name in sorted(used - set(available) - set(environment.globals)):
        raise PromptError(
            f"template {prompt.name} uses {name!r}, which no input has"
            f"{nearest(name, list(available))}; add a column or `prompt.variables.{name}`"
        )


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """A shipped template by name (``triple/everyday``), or a file by path (relative to ``folder``)."""
    path, root = _find(name, folder)
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    match = _HEAD.match(text)
    try:
        head = Head.model_validate(safeyaml.load(match.group(1)) or {}) if match else Head()
    except safeyaml.YamlError as error:
        raise PromptError(f"{path}{error.where}: its head: {error}") from None
    except ValidationError as error:
        item = error.errors()[0]
        key = ".".join(map(str, item["loc"]))
        hint = nearest(key, list(Head.model_fields)) if item["type"] == "extra_forbidden" else ""
        raise PromptError(f"{path}: its head: {key}: {item['msg']}{hint}") from None
    source = text[match.end() :] if match else text
    return Prompt(name, head, source, root, shots=head.shots, by=head.by)


def shipped_prompts() -> list[str]:
    """Names of the templates that come with synthkd; parts that others include are left out."""
    root = resource("prompts")
    names = [str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.j2")]
    return sorted(name for name in names if name.count("/") == 1)


def _line(error: TemplateError) -> str:
    number = getattr(error, "lineno", None)
    return f" line {number}" if number else ""


def _find(name: str, folder: Path | None) -> tuple[Path, Path]:
    local = ((folder or Path()) / name).expanduser()
    for path in (local, local.with_name(local.name + ".j2")):
        if path.is_file():
            return path, path.parent
    root = resource("prompts")
    shipped = (root / f"{name}.j2").resolve()
    if shipped.is_file() and shipped.is_relative_to(root.resolve()):
        return shipped, root
    raise PromptError(f"no template {name!r}: neither a file nor shipped{nearest(name, shipped_prompts())}")


def _environment(folder: Path) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
