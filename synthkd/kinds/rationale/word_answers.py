"""Read answers in words: yes or no, and free text."""

from __future__ import annotations

import re

from synthkd.kinds.answer_text import clean_line
from synthkd.kinds.base import Malformed
from synthkd.text.normal_forms import normal_phrase, word_set

_MEANS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
#: Words that answer on their own.
_ALONE = {
    **dict.fromkeys(
        word_set(
            "y yeah yep yup correct right sí si oui ja да evet tak sim 是 是的 对 はい ✓ ✔ ✅"
        ),
        "yes",
    ),
    **dict.fromkeys(
        word_set(
            "n nope nah incorrect wrong non nein нет nie hayır não 否 不 不是 不对 いいえ ✗ ✘ ❌"
        ),
        "no",
    ),
}
#: A `no` before a noun is not an answer: no doubt, no one, no idea.
_NOT_AN_ANSWER = (
    r"(?!\s+(?:one|longer|matter|doubt|idea|clue|answer|comment|problem|more|such|need|reason|response|information|data|evidence"
    r"|context|way\s+(?:to|of)|body|question|choice|option|other|difference)\b)"
)
_YES_NO = re.compile(
    rf"(?<![\w'’-])(yes|no|true|false)\b(?!['’-]\w){_NOT_AN_ANSWER}", re.IGNORECASE
)
#: A stop or a reason behind a `no`; otherwise the `no` belongs to its noun.
_ENDS = re.compile(r"[\s\"'*_`)\]}$\\]*(?:$|[.,;:!?\n–—-]|because\b|since\b|as\b)", re.IGNORECASE)
_BEFORE = " \t\n\"'“‘`(*_[{<$:>#-"
#: An answer that takes the answer before it back.
_TAKEN_BACK = re.compile(
    r"[\W_]*(?:(?:and|or|but|wait|actually|sorry|hmm|then|rather|maybe|well|also|i mean|make"
    r" that)[\W_]+)*(yes|no|true|false)\b"
    rf"{_NOT_AN_ANSWER}(?=[\W_]*(?:$|[.,;:!?\n]))",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|hardly|both|wrong to|incorrect to|instead of|rather"
    r" than)|n['’]t)(?:\s+\w+){0,2}[\s\"'*_`]+$",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"(?:\bnot|n['’]t)(?:\s+(?:really|entirely|quite|actually|necessarily|strictly|at"
    r" all))?[\s\"'*_`]+$",
    re.IGNORECASE,
)
_ASKS_YES_NO = re.compile(
    r"^(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|may|might|am)\b",
    re.IGNORECASE,
)
_MOST_WORDS = 25


def read_yes_no(text: str) -> str | Malformed:
    """Read `yes` or `no`: the word that a text begins with, or the only one in it.

    A denied word is not an answer, except `not true`, which is no. An answer that is taken back is
    malformed as `ambiguous`.
    """
    begun = begun_yes_no(text)
    if begun is not None:
        return begun
    answers: set[str] = set()
    for match in _YES_NO.finditer(text):
        before, word = text[: match.start()], match[1].lower()
        if word == "no" and not _ENDS.match(text, match.end()):
            continue
        if word == "true" and _NOT.search(before):
            answers.add("no")
        elif _DENIED.search(before):
            answers |= {"yes", "no"}
        else:
            answers.add(_MEANS[word])
    if len(answers) > 1:
        return Malformed("ambiguous", " ".join(text.split())[:80])
    return answers.pop() if answers else Malformed("not_yes_or_no", " ".join(text.split())[:80])


def begun_yes_no(text: str) -> str | Malformed | None:
    """Read the answer that a text begins with; None if there is none.

    An answer that the other one follows at once is malformed as `ambiguous`.
    """
    text = text.lstrip(_BEFORE)
    alone = text.strip(" \t\n\"'“”‘’`()*_[]{}<>$.!。！,;").casefold()
    if alone in _ALONE:
        return _ALONE[alone]
    match = _YES_NO.match(text)
    if match is None:
        return None
    answer = _MEANS[match[1].lower()]
    other = _TAKEN_BACK.match(text, match.end())
    if other is not None and _MEANS[other[1].lower()] != answer:
        return Malformed("ambiguous", " ".join(text.split())[:80])
    return answer


def asks_yes_no(question: str) -> bool:
    """Return True if a question can be answered by yes or no."""
    last = re.split(r"(?<=[.!?])\s+", question.strip())[-1]
    return bool(_ASKS_YES_NO.match(last)) and not re.search(r"\bor\b", last, re.IGNORECASE)


def read_text_answer(text: str) -> str | Malformed:
    """Read free text in one line, without quotes and closing full stop."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    line = clean_line(line)
    if not normal_phrase(line):
        return Malformed("no_answer")
    if len(line.split()) > _MOST_WORDS:
        return Malformed("no_answer", f"{len(line.split())} words")
    return line
