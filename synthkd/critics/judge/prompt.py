"""The judge's prompt: a template rendered with a candidate's columns and its sentence."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from synthkd.errors import CriticError, PromptError, nearest
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind
from synthkd.prompts import Prompt, lint, load_prompt
from synthkd.rows import cell_text

Message = dict[str, str]


class _AsTheyStand:
    """Context of rows that need no rewording."""

    group_column: ClassVar[str] = "text"

    def context(
        self, row: Mapping[str, Any], examples: Sequence[Mapping[str, Any]], rng: random.Random
    ) -> dict[str, Any]:
        return {**row, "examples": list(examples)}


_ROWS = _AsTheyStand()


@dataclass(frozen=True)
class JudgePrompt:
    """A template and its variables.

    Variables are the kind's columns, ``text`` (the verbalised candidate) and other ``columns``,
    such as the source of a grounded kind.
    """

    prompt: Prompt
    kind: Kind
    columns: tuple[str, ...] = ()

    @classmethod
    def load(
        cls, template: str, kind: Kind, columns: Sequence[str] = (), folder: Path | None = None
    ) -> JudgePrompt:
        """Load a shipped template (``judge/yes-no``) or a file.

        Refuse variables that are no column.
        """
        prompt = load_prompt(template, folder)
        if prompt.head.kind and prompt.head.kind != kind.name:
            raise PromptError(
                f"template {template} is for the kind {prompt.head.kind!r}, the critic's is"
                f" {kind.name!r}"
            )
        if prompt.head.first_line:
            raise PromptError(
                f"template {template} cuts answers at their first line (`first_line`), and a"
                " judge's answer is read whole; take the key out"
            )
        lint(prompt, [*kind.columns, *columns, "text", "examples"])
        return cls(prompt, kind, tuple(columns))

    @property
    def chat(self) -> bool:
        return self.prompt.head.chat

    @property
    def hash(self) -> str:
        """Content hash of the template with its head."""
        return content_hash([self.prompt.source, self.prompt.head.record()])

    def messages(self, row: Mapping[str, Any]) -> tuple[Message, ...]:
        """Render the messages about one candidate."""
        columns = {name: row[name] for name in self.columns}
        # As label sheets have them: the texts of numbers, and nothing for a missing value.
        columns |= {name: cell_text(row[name]) or "" for name in self.kind.columns}
        return self.prompt.render({**columns, "text": self.kind.verbalize(row)}, _ROWS, "", 0)

    def rows(self, batch: pa.RecordBatch | pa.Table) -> Iterator[dict[str, Any]]:
        """Yield the rows of a batch with the needed columns; refuse a batch that lacks one."""
        needed = [*self.kind.columns, *self.columns]
        for name in needed:
            if name not in batch.schema.names:
                raise CriticError(
                    f"the judge reads the column {name!r}, which these rows do not have"
                    f"{nearest(name, batch.schema.names)}"
                )
        extra = ["id"] if "id" in batch.schema.names else []
        rows: list[dict[str, Any]] = batch.select([*dict.fromkeys([*needed, *extra])]).to_pylist()
        for place, row in enumerate(rows):
            empty = [
                name for name in needed if row[name] is None and name not in self.kind.nullable
            ]
            if empty:
                raise CriticError(
                    f"row {place} of the batch: {empty[0]!r} is null; a judge cannot read it"
                )
        yield from rows


def render_pair(prompt: Prompt, row: Mapping[str, Any]) -> tuple[Message, ...]:
    """Render the messages about the texts ``first`` and ``second`` of a row."""
    return prompt.render(dict(row), _ROWS, "", 0)
