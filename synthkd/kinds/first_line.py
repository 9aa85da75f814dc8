"""The first line of an answer: what is read if a template has `first_line`.

A model without instructions goes on with a list: behind the line that was asked for come others,
about other inputs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from synthkd.finish_reasons import STOP, Finish, meaning_of
from synthkd.kinds.base import Malformed, without_thoughts

#: Dashes of list items, and the blanks around them.
_DASHES = re.compile(r"\s*(?:[-–—*•]+(?:\s+|\Z))*")
#: A closing quote; behind a digit, it may be a mark of inches.
_CLOSING = re.compile(r"(?<![\d\s])\s*[\"”]\Z")


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """The part of a completion that is read.

    Attributes:
        text: The part.
        whole: True if the completion goes on behind it, so that no limit has cut it.
        alone: False if further text follows, so that numbers of the completion are not its own.
    """

    text: str
    whole: bool = False
    alone: bool = True

    def finish(self, reason: str) -> str:
        """Return the finish reason of the part, given that of the completion."""
        return STOP if self.whole and meaning_of(reason) is Finish.TRUNCATED else reason


def first_line_of(text: str) -> AnswerPart:
    """Return the first line of an answer that says something. Never raises.

    Thoughts before the answer are left out, and so are a dash before the line and a closing quote
    that nothing opens, as behind a prompt that ends in one. A reply of thoughts alone is returned
    as it is.
    """
    answer = without_thoughts(text)
    if isinstance(answer, Malformed):
        return AnswerPart(text)
    lines = answer.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if content := _trimmed(line):
            ended = bool(line.splitlines()[0] != line)
            return AnswerPart(content, ended, not any(map(str.strip, lines[number + 1 :])))
    return AnswerPart("")


def _trimmed(line: str) -> str:
    """Return a line without blanks and dashes before it, and without an unpaired closing quote."""
    while True:
        before = line
        match = _DASHES.match(line)
        line = line[match.end() if match else 0 :].strip()
        if line.count('"') % 2 if line.endswith('"') else line.endswith("”") and "“" not in line:
            line = _CLOSING.sub("", line)
        if line == before:
            return line
