"""The YAML head of a template, between two lines of ``---``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthkd import safeyaml
from synthkd.errors import PromptError, nearest

#: Blanks and empty lines may stand before a head; blanks or a comment may follow its marks.
_HEAD = re.compile(
    r"\A[\s\ufeff\u200b\u2060]*?^---[^\S\n]*(?:#[^\n]*)?\n(.*?)^---[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
#: The beginning of a head that does not end, or does not stand first.
_MISPLACED_HEAD = re.compile(
    r"^[^\S\n]*---[^\n]*\n(?:[^\n]*\n){0,40}?[^\S\n]*(?:about|kind|chat|system|examples|shots|by|stop|first_line|needs)[^\S\n]*:",
    re.MULTILINE,
)
#: Keys that heads have not had from the beginning.
_LATER = ("first_line", "needs")


class Head(BaseModel):
    """The YAML head of a template.

    Attributes:
        about: One line about the template.
        kind: The kind that it is written for.
        chat: Whether it is sent as a message of the role user, rather than as a text to complete.
        system: An optional system message, rendered as the template is.
        examples: A file of few-shot rows, beside the prompts.
        shots: Number of few-shot rows to show.
        by: Column whose value the shown rows share with the input.
        stop: Stop sequences.
        first_line: Whether an answer is cut at its first line. Without `stop`, a line break stops
            it too.
        needs: Variables that must not be empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = ""
    kind: str | None = None
    chat: bool = True
    system: str | None = None
    examples: str | None = None
    shots: int = Field(0, ge=0)
    by: str | None = None
    stop: list[str] = []
    first_line: bool = False
    needs: list[str] = []

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop sequences of a recipe that gives none."""
        return tuple(self.stop) or (("\n",) if self.first_line else ())

    def record(self) -> dict[str, Any]:
        """Return the fields that a hash of the template covers."""
        # Keys that came later are left out where they say nothing: hashes of older heads stay.
        return self.model_dump(exclude={name for name in _LATER if not getattr(self, name)})


def split_head(path: Path, text: str) -> tuple[Head, str]:
    """Split a template's file into its head and its source.

    Raises:
        PromptError: If the head is not valid, or does not stand first in the file.
    """
    match = _HEAD.match(text)
    if match is None:
        if misplaced := _MISPLACED_HEAD.search(text):
            line = text.count("\n", 0, misplaced.start()) + 1
            raise PromptError(
                f"{path} line {line}: a head must stand first in the file, between two lines of"
                " `---`; this one does not,"
                " and would be sent to the teacher"
            )
        return Head(), text
    try:
        head = Head.model_validate(safeyaml.load_yaml(match[1]) or {})
    except safeyaml.YamlError as error:
        if error.line is not None:
            error.line += text.count(
                "\n", 0, match.start(1)
            )  # The head begins below its first `---`.
        raise PromptError(f"{path}{error.where}: its head: {error}") from None
    except ValidationError as error:
        item = error.errors()[0]
        key = ".".join(map(str, item["loc"]))
        hint = nearest(key, list(Head.model_fields)) if item["type"] == "extra_forbidden" else ""
        raise PromptError(f"{path}: its head: {key}: {item['msg']}{hint}") from None
    return head, text[match.end() :]
