"""`Prompt`: a loaded template, its content, and its rendering for an input row."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateNotFound, meta, nodes
from jinja2.exceptions import UndefinedError

from synthkd.errors import PromptError, nearest
from synthkd.keys import content_hash, file_hash
from synthkd.prompts.few_shot import FewShotRows, InputRow, LazySeedRandom, PromptKind
from synthkd.prompts.head import Head
from synthkd.prompts.limits import LONGEST_FILE, LimitError, NoTextError
from synthkd.prompts.loader import FolderLoader, read_source
from synthkd.prompts.sandbox import BoundedEnvironment
from synthkd.prompts.template_errors import error_cause, error_location
from synthkd.rows import CellError, cell_text, is_empty


@dataclass(frozen=True)
class Prompt:
    """A loaded template.

    Attributes:
        name: The name or path by which it was loaded.
        head: Its head.
        source: Its text below the head.
        folder: The folder from which it may include other templates.
        installed: True for a template of a package, whose files an installer may link.
        examples: Few-shot rows.
        shots: Number of few-shot rows to show.
        by: Column whose value the shown rows share with the input.
        variables: Values for the template that no input has, from the recipe.
        head_lines: Lines of the file above the source.
        head_text: These lines.
    """

    name: str
    head: Head
    source: str
    folder: Path
    installed: bool = False
    examples: Sequence[dict[str, Any]] = ()
    shots: int = 0
    by: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    head_lines: int = 0
    head_text: str = ""

    # Compiling

    @cached_property
    def _environment(self) -> BoundedEnvironment:
        return BoundedEnvironment(self._loader)

    @cached_property
    def _loader(self) -> FolderLoader:
        return FolderLoader(self.folder, follow=self.installed)

    @cached_property
    def _template(self) -> Template:
        try:
            return self._environment.compiled(self.source)
        except Exception as error:  # noqa: BLE001 (jinja and Python's compiler raise many kinds)
            raise self.error(error) from None

    @cached_property
    def _system(self) -> Template | None:
        """The system message as a template; None if it is sent as it stands."""
        if self.head.system is None or not re.search(r"\{[{%#]", self.head.system):
            return None
        try:
            return self._environment.compiled(self.head.system)
        except Exception as error:  # noqa: BLE001
            raise self.error(error, system=True) from None

    @cached_property
    def _trees(self) -> tuple[nodes.Template, ...]:
        """The template and its system message, parsed."""
        trees = []
        for source in (self.source, self.head.system or ""):
            try:
                trees.append(self._environment.parse(source))
            except Exception as error:  # noqa: BLE001 (deep nesting is a RecursionError)
                raise self.error(error, system=source is not self.source) from None
        return tuple(trees)

    def check_compiled(self) -> None:
        """Raise PromptError if the template or its system message does not compile."""
        _ = (self._template, self._system)

    # Content

    @property
    def hash(self) -> str:
        """Content hash of the source, the head and the files that the source includes."""
        return content_hash(
            [self.source, self.head.record(), *filter(None, [self.included_files()])]
        )

    def included_files(self) -> dict[str, str]:
        """Return the hash of each file that the template may include, extend or import, by name.

        A name that is composed while rendering stands for all files with its beginning and its end.
        """
        hashes: dict[str, str] = {}
        sources = [self.source, self.head.system or ""]
        while sources:
            try:
                tree = self._environment.parse(sources.pop())
            except Exception as error:  # noqa: BLE001
                raise self.error(error) from None
            for name in sorted(_referenced_names(tree, self.folder) - set(hashes)):
                try:
                    path = self._loader.path(name)
                    hashes[name] = file_hash(path)
                    sources.append(read_source(path))
                except TemplateNotFound:
                    continue  # One of several names to choose from, or an error while rendering.
                except (OSError, LimitError) as error:
                    raise self.error(error) from None
        return hashes

    @property
    def text(self) -> str:
        """The text of the file: head and source."""
        return self.head_text + self.source

    def included_texts(self) -> dict[str, str]:
        """Return the text of each file that the template may include, extend or import, by name."""
        return {name: read_source(self._loader.path(name)) for name in self.included_files()}

    @property
    def instruction(self) -> str:
        """The words of the template and its system message, without the values of variables.

        Each part between two variables is a line; files that the template includes are left out.
        """
        parts = [node.data for tree in self._trees for node in tree.find_all(nodes.TemplateData)]
        return "\n".join(part.strip() for part in parts if part.strip())

    @property
    def needs_files(self) -> bool:
        """True if the template includes, extends or imports another file."""
        references = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
        return any(next(tree.find_all(references), None) is not None for tree in self._trees)

    @cached_property
    def used_variables(self) -> frozenset[str]:
        """Variables that the template and its system message name."""
        try:
            return frozenset(
                name for tree in self._trees for name in meta.find_undeclared_variables(tree)
            )
        except PromptError:
            raise
        except Exception as error:  # noqa: BLE001 (an unknown filter, deep nesting)
            raise self.error(error) from None

    @cached_property
    def optional_variables(self) -> frozenset[str]:
        """Variables for which the template tests (``is defined``, ``default``)."""
        return frozenset(
            node.node.name
            for tree in self._trees
            for node in tree.find_all((nodes.Test, nodes.Filter))
            if node.name in ("defined", "undefined", "default", "d")
            and isinstance(node.node, nodes.Name)
        )

    @property
    def global_names(self) -> frozenset[str]:
        """Names that every template has, such as ``range``."""
        return frozenset(self._environment.globals)

    # Rendering

    @cached_property
    def _few_shot(self) -> FewShotRows:
        return FewShotRows(self.examples, self.shots, self.by)

    @cached_property
    def _rng(self) -> LazySeedRandom:
        # One for all inputs: making one takes longer than seeding it.
        return LazySeedRandom()

    def pool(self, row: InputRow) -> list[dict[str, Any]]:
        """Return the few-shot rows that share an input's value of the column ``by``."""
        return self._few_shot.pool(row)

    def draw(self, row: InputRow, kind: PromptKind, rng: random.Random) -> list[dict[str, Any]]:
        """Draw few-shot rows for an input; see `FewShotRows.draw`."""
        return self._few_shot.draw(row, kind, rng)

    def render(
        self, row: InputRow, kind: PromptKind, input_id: str, seed: int
    ) -> tuple[dict[str, str], ...]:
        """Render the messages for an input.

        Draws depend on the seed and the input's id, not on the order of inputs.

        Raises:
            PromptError: If the template cannot be rendered for this row.
        """
        rng = self._rng
        rng.seed_lazily("prompt", seed, input_id)
        shown = self.draw(row, kind, rng)
        try:
            context = {**self.variables, **kind.context(row, shown, rng)}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if not shown:
                raise
            cause = f"no column {error}" if isinstance(error, KeyError) else error_cause(error)
            raise PromptError(
                f"template {self.name}: the few-shot rows do not fit the kind: {cause}"
            ) from None
        for name in self.head.needs:
            if is_empty(context.get(name)):
                raise PromptError(
                    f"template {self.name} needs a value of {name!r}, which is empty here"
                )
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

    def error(
        self, error: Exception, context: Mapping[str, Any] | None = None, system: bool = False
    ) -> PromptError:
        """Return an error of compiling or rendering with its place, in one line.

        Args:
            error: The original error.
            context: Variables of the rendering.
            system: Whether the error comes from the head's system message.
        """
        location, where = error_location(error), ""
        if location is not None:
            name, line = location
            if name:
                where = f", included {name} line {line}"
            else:
                where = ", its `system`" if system else f" line {line + self.head_lines}"
        hint = ""
        if context and isinstance(error, UndefinedError):
            hint = f"; inputs have {', '.join(sorted(context))}"
        elif context and isinstance(error, NoTextError):
            odd = sorted(
                name for name in self.used_variables & set(context) if _has_no_text(context[name])
            )
            hint = f" ({', '.join(odd)})" if odd else ""
        return PromptError(f"template {self.name}{where}: {error_cause(error)}{hint}")


def lint(prompt: Prompt, available: Sequence[str]) -> None:
    """Refuse a template with a variable that no input has, unless the template tests for it.

    Args:
        prompt: The template.
        available: Names that an input has, without those of ``prompt.variables``.

    Raises:
        PromptError: If there is such a name, an input's column hides a variable of the recipe, or
            the template names no column except one in single braces.
    """
    for name in prompt.variables:
        if name in available:
            raise PromptError(
                f"prompt.variables.{name}: the inputs have {name!r} themselves, so this value would"
                " not be used; take another name"
            )
    given = {*available, *prompt.variables}
    missing = prompt.used_variables - prompt.optional_variables - given - prompt.global_names
    prompt.check_compiled()
    for name in sorted(missing):
        raise PromptError(
            f"template {prompt.name} uses {name!r}, which no input has"
            f"{nearest(name, [*available, *prompt.variables])}; add a column or"
            f" `prompt.variables.{name}`"
        )
    single_braces = re.search(r"(?<!\{)\{(\w+)\}(?!\})", prompt.source)
    if (
        not prompt.used_variables & set(available)
        and single_braces is not None
        and single_braces[1] in available
    ):
        column = single_braces[1]
        raise PromptError(
            f"template {prompt.name} names no column of its inputs, so all prompts would be the"
            " same; write"
            f" {{{{ {column} }}}} for {{{column}}}"
        )


def _has_no_text(value: Any) -> bool:
    try:
        return cell_text(value) is None
    except CellError:
        return not callable(value)


def _referenced_names(tree: nodes.Template, folder: Path) -> set[str]:
    """Return the names of the templates that a template refers to."""
    names: set[str] = set()
    for node in tree.find_all((nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)):
        reference = node.template  # type: ignore[attr-defined]
        choices = (
            reference.items if isinstance(reference, nodes.List | nodes.Tuple) else [reference]
        )
        for choice in choices:
            if isinstance(choice, nodes.Const):
                names |= {choice.value} if isinstance(choice.value, str) else set(choice.value)
                continue
            parts = choice.nodes if isinstance(choice, nodes.Concat) else [choice]
            first, last = (
                part.value if isinstance(part, nodes.Const) and isinstance(part.value, str) else ""
                for part in (parts[0], parts[-1])
            )
            names |= {
                name
                for name in _template_files(folder)
                if name.startswith(first) and name.endswith(last)
            }
    return names


def _template_files(folder: Path) -> list[str]:
    """Return the files below a folder that could be templates."""
    return [
        path.relative_to(folder).as_posix()
        for path in islice(folder.rglob("*.j2"), 1000)
        if path.is_file() and path.stat().st_size <= LONGEST_FILE
    ]
