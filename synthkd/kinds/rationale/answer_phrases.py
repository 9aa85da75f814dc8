"""Cut completions at their answer phrases.

A completion's own text ends before the next question that a base model makes up; the answer ends
with the sentence of its phrase.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Beginnings of lines that start the next question of a runaway text.
STOP_MARKS = ("Q:", "Question:")
_PHRASE = re.compile(
    r"(?P<lead>(?:\b(?:and\s+)?(?:so|hence|thus|therefore|then)\b,?\s+)?)"
    r"(?:\b(?:the|my|final|correct)\s+(?:final\s+|correct\s+|right\s+|best\s+)*(?:answer|choice|option)"
    r"(?:\s+to\s+(?:the|this)\s+question)?\s*(?:\*\*)?\s*"
    r"(?:(?:must|would|should|will|has\s+to)\s+be\b|is|:|=)(?!\s+not\b)(?:\s+(?:either|therefore|thus))?"
    r"|(?:\bfinal\s+)?\banswer\s*(?:is)?\s*(?:\*\*)?\s*:"
    r"|(?:^|(?<=\n))[ \t*]*A:"
    r"|####"
    r"|(?=\\boxed\{))"
    r"[\s:*]*",
    re.IGNORECASE,
)
#: Characters of a line that may hold an answer.
_LONGEST_LINE = 2000
_IS = re.compile(r"\bthe\s+(?:final\s+|correct\s+|right\s+)*answer\s+is\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<!\bRs)(?<!\bapprox)(?<!\bca)[.!?](?=[\s\"')\]*]|$)(?!\s*=)|\n")
#: A point that does not end a sentence: 5 lbs. 3 oz.
_ABBREVIATED = re.compile(r"\d\s?[a-z]{2,4}\.\s+\d")
_NUMBERED = re.compile(r"\s*1[.)]\s[^\n]*?\s2[.)]\s")
_POINTS = re.compile(r"(?<=\d)\.\s")
#: A list mark on the line after an answer phrase.
_BULLET = re.compile(r"[-+•]\s+")
_LABEL = re.compile(
    r"\s*(?:\*\*)?(?:rationale|explanation|reasoning|solution)(?:\*\*)?\s*:\s*(?:\*\*)?",
    re.IGNORECASE,
)
_ECHO = re.compile(r"\s*(?:answer|A)\s*:\s*", re.IGNORECASE)
_TRAILING_LEAD = re.compile(r"[\s,;]*\b(?:so|hence|thus|therefore)\b[\s,:]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Phrase:
    """An answer phrase.

    Attributes:
        start: Where the phrase begins.
        end: Where its sentence ends.
        sentence: The rest of its sentence.
        line: The rest of its line.
    """

    start: int
    end: int
    sentence: str
    line: str


def own_text(text: str, question: str, marks: Sequence[str] = STOP_MARKS) -> str:
    """Return a completion without a repeated question and without invented questions behind it."""
    text = _without_echo(text, question)
    for mark in marks:
        turn = re.search(rf"(?:^|\n)[ \t>*#]*{re.escape(mark)}", text)
        # At the very beginning, cutting would leave nothing.
        if turn and text[: turn.start()].strip():
            text = text[: turn.start()]
    return text.strip()


def _without_echo(text: str, question: str) -> str:
    """Return the text behind `Question: ...` and the `Answer:` before the steps."""
    start = re.match(r"\s*(?:Question|Q)\s*:\s*", text)
    if start and question and text[start.end() :].startswith(question):
        text = text[start.end() + len(question) :]
    label = _ECHO.match(text)
    if label and _PHRASE.search(text, label.end()):
        return text[label.end() :]
    return text


def phrases(text: str) -> Iterator[Phrase]:
    """Yield the answer phrases of a text, adjacent ones (`the answer is Answer: 7`) as one."""
    place = 0
    while match := _PHRASE.search(text, place):
        end = match.end()
        while (again := _PHRASE.match(text, end)) and again.end() > end:
            end = again.end()
        if "\n" in text[match.start() : end] and (bullet := _BULLET.match(text, end)):
            end = bullet.end()
        line = text[end : end + _LONGEST_LINE].partition("\n")[0]
        # "A: There were 7 roses ... The answer is 13": a label before the steps does not count.
        if "answer is" not in match[0].casefold() and _IS.search(line):
            place = max(end, match.end())
            continue
        sentence_end = _end(text, end)
        sentence = text[end:sentence_end]
        if _NUMBERED.match(text, end):
            # The number of a list's first item is not an answer.
            sentence = _POINTS.sub(") ", line)
        yield Phrase(match.start(), sentence_end, sentence, line)
        place = max(end, match.end(), match.start() + 1)


def _end(text: str, place: int) -> int:
    most = min(len(text), place + _LONGEST_LINE)
    stop = _SENTENCE_END.search(text, place, most)
    while (
        stop
        and stop[0] == "."
        and _ABBREVIATED.search(text, max(place, stop.start() - 6), stop.start() + 6)
    ):
        stop = _SENTENCE_END.search(text, stop.end(), most)
    return stop.start() if stop else most


def last_sentence(text: str) -> str:
    """Return the last sentence or line of a text."""
    parts = [part for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]
    return parts[-1] if parts else ""


def steps_of(before: str, sentence: str) -> str:
    """Return the rationale: the text before an answer phrase, or the reason in its sentence."""
    label = _LABEL.match(before)
    steps = before[label.end() :] if label else before
    steps = _TRAILING_LEAD.sub("", steps).strip().strip("*").strip()
    if steps:
        return steps
    reason = re.search(r"\b(?:because|since)\b.*", sentence, re.IGNORECASE | re.DOTALL)
    return reason[0].strip() if reason else ""
