"""Find the answer of a completion: its type, its place and its value."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.answer_phrases import last_sentence, phrases, steps_of
from synthkd.kinds.rationale.choice_answers import CONFLICT, label_alone, letter_at_end, read_choice
from synthkd.kinds.rationale.choice_words import (
    first_choice,
    is_joined,
    is_short_answer,
    named_by_stems,
    read_named,
)
from synthkd.kinds.rationale.expression import canonical_expression, read_expression
from synthkd.kinds.rationale.number_answers import (
    last_number,
    read_exact_number,
    read_number,
    write_number,
)
from synthkd.kinds.rationale.word_answers import (
    asks_yes_no,
    begun_yes_no,
    read_text_answer,
    read_yes_no,
)
from synthkd.text.normal_forms import normal_phrase

#: Beginning of a sentence that takes the answer before it back.
_TAKEN_BACK = re.compile(
    r"[\s.!?*_\"')\]}$]*+(?:(?:oh|hmm+|no|but|ah)\W+)*(?:wait|hold"
    r" on|actually|sorry|correction|scratch that|i made an? (?:mistake|error)"
    r"|that(?:['’]s| is) (?:wrong|incorrect|not right)|let me"
    r" re-?(?:check|think|consider|calculate|compute|do|examine))\b",
    re.IGNORECASE,
)
#: Answer phrases that are read: a text that loops has thousands.
_MOST_PHRASES = 20
_ASKS_NUMBER = re.compile(
    r"\bhow\s+(?:many|much|old|long|far|tall|often|fast|heavy|big)\b|\bwhat\s+(?:number|percent|fraction)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class RationaleAnswer:
    """An answer and the steps to it.

    Attributes:
        rationale: The steps.
        answer: The answer.
        by: How the answer was found: `phrase`, or a weaker way.
    """

    rationale: str
    answer: str
    by: str


def type_of(answer_type: str, question: str, choices: Sequence[str]) -> str:
    """Return the type of a question's answer; ``auto`` infers it from choices and words."""
    if answer_type != "auto":
        return answer_type
    if choices:
        return "choice"
    if _ASKS_NUMBER.search(question):
        return "number"
    return "yes_no" if asks_yes_no(question) else "auto"


def find_answer(
    text: str, kind: str, question: str = "", choices: Sequence[str] = (), last: bool = False
) -> RationaleAnswer | Malformed:
    """Find the answer in a completion.

    Args:
        text: The completion, cut by `answer_phrases.own_text`.
        kind: Type of the answer.
        question: The question with its choices.
        choices: The choices of the question.
        last: Take the last answer phrase instead of the first.
    """
    if not text.strip():
        return Malformed("no_text")
    if kind == "expression":
        return _expression(text)
    read = _READERS[kind]
    refused: Malformed | None = None
    within = 0
    every = phrases(text)
    for phrase in reversed(deque(every, _MOST_PHRASES)) if last else islice(every, _MOST_PHRASES):
        segment = phrase.line if kind == "choice" else phrase.sentence
        if phrase.start < within:
            # "\\boxed{5} or \\boxed{6}": two answers in one sentence are ambiguous.
            continue
        answer = read(segment, choices, question)
        if not isinstance(answer, Malformed):
            if last or not _TAKEN_BACK.match(text, phrase.end):
                return RationaleAnswer(
                    steps_of(text[: phrase.start], phrase.line), answer, "phrase"
                )
            refused = Malformed("ambiguous", f"{answer}, which is taken back")
        elif phrase.sentence.strip():
            refused = refused or answer
            within = phrase.end if answer.reason == "ambiguous" and not last else within
    return refused or _without_phrase(text, kind, question, choices)


def _expression(text: str) -> RationaleAnswer | Malformed:
    read = read_expression(text)
    if isinstance(read, Malformed):
        return read
    expression, start = read
    return RationaleAnswer(text[:start].strip(), expression, "phrase")


def _number(text: str, choices: Sequence[str], question: str) -> str | Malformed:
    read = read_number(text, question)
    return read if isinstance(read, Malformed) else write_number(read)


def _choice(text: str, choices: Sequence[str], question: str) -> str | Malformed:
    return read_choice(text, choices)


def _yes_no(text: str, choices: Sequence[str], question: str) -> str | Malformed:
    return read_yes_no(text)


def _text(text: str, choices: Sequence[str], question: str) -> str | Malformed:
    return read_text_answer(text)


def _auto(text: str, choices: Sequence[str], question: str) -> str | Malformed:
    number = read_exact_number(text)
    if number is not None:
        return write_number(number)
    return read_text_answer(text)


_READERS: dict[str, Callable[[str, Sequence[str], str], str | Malformed]] = {
    "number": _number,
    "choice": _choice,
    "yes_no": _yes_no,
    "text": _text,
    "auto": _auto,
}


def _without_phrase(
    text: str, kind: str, question: str, choices: Sequence[str]
) -> RationaleAnswer | Malformed:
    """Find an answer that no phrase announces; its ``by`` names the weaker way."""
    if kind == "number":
        number = last_number(text, question)
        if isinstance(number, Malformed):
            return number
        if number is None:
            words = read_number(last_sentence(text), question)
            return (
                Malformed("no_answer")
                if isinstance(words, Malformed)
                else RationaleAnswer(text, write_number(words), "last_number")
            )
        return RationaleAnswer(
            _unless_bare(text, write_number(number)), write_number(number), "last_number"
        )
    if kind == "choice":
        return _choice_without_phrase(text, question, choices)
    if kind == "yes_no":
        value = begun_yes_no(text) or read_yes_no(
            text if is_short_answer(text) else last_sentence(text)
        )
        if isinstance(value, Malformed):
            return value if value.reason == "ambiguous" else Malformed("no_answer")
        return RationaleAnswer(_unless_bare(text, value), value, "word")
    if not is_short_answer(text):
        return Malformed("no_answer")
    value = _READERS[kind](text, choices, question)
    return value if isinstance(value, Malformed) else RationaleAnswer("", value, "bare")


def _choice_without_phrase(
    text: str, question: str, choices: Sequence[str]
) -> RationaleAnswer | Malformed:
    if is_short_answer(text):
        value = read_choice(text, choices)
        if not isinstance(value, Malformed):
            return RationaleAnswer(_unless_bare(text, value), value, "bare")
        return _weaker_choice(text, question, choices, value)
    first = re.match(r"\s*[(\[]([A-Za-z])[)\]]", text)
    if first:
        value = read_choice(text.strip().partition("\n")[0], choices)
        if not isinstance(value, Malformed):
            return RationaleAnswer(text.strip().partition("\n")[2].strip(), value, "bare")
    head, tail = text.strip().split("\n", 1)[0], text.strip().rpartition("\n")
    if (named := label_alone(tail[2], choices)) is not None:
        if (other := label_alone(head, choices)) is not None and normal_phrase(
            other
        ) != normal_phrase(named):
            return Malformed("ambiguous", f"{other!r} first, {named!r} last")
        return RationaleAnswer(tail[0].strip(), named, "bare")
    if (named := label_alone(head, choices)) is not None:
        return RationaleAnswer(text.strip().partition("\n")[2].strip(), named, "bare")
    if last := letter_at_end(text):
        value = read_choice(last, choices)
        if not isinstance(value, Malformed):
            return RationaleAnswer(text[: text.rindex(last)].strip(), value, "bare")
    value = read_named(text, choices, question)
    if not isinstance(value, Malformed):
        return RationaleAnswer(text, value, "named")
    return _weaker_choice(text, question, choices, value)


def _weaker_choice(
    text: str, question: str, choices: Sequence[str], refused: Malformed
) -> RationaleAnswer | Malformed:
    """Find a choice that a text begins or ends with, or names in another form of its words."""
    if refused.reason == "ambiguous":
        if refused.detail.startswith(CONFLICT):
            return refused
        begun = first_choice(text, choices)
        if begun is not None and is_joined(text, begun):
            return refused
        if begun is not None:
            return RationaleAnswer(text, begun, "begun")
        ended = read_named(last_sentence(text), choices, question)
        return refused if isinstance(ended, Malformed) else RationaleAnswer(text, ended, "named")
    stems = named_by_stems(text, choices)
    if len(stems) == 1:
        return RationaleAnswer(text, stems[0], "stems")
    return Malformed("ambiguous", " and ".join(stems)) if stems else Malformed("no_answer")


def _unless_bare(text: str, answer: str) -> str:
    """Return the text as steps; "" if it is the answer and nothing else."""
    return "" if len(text.split()) <= len(answer.split()) + 1 else text


def same_form(answer: str, kind: str) -> str:
    """Return the form under which two answers of a type are equal."""
    if kind == "expression":
        return canonical_expression(answer)
    if kind in ("number", "auto"):
        number = read_exact_number(answer)
        if number is not None:
            return write_number(number)
    return normal_phrase(answer)
