"""Read a judge's reply, strictly or not at all.

The thoughts of a reasoning model are no part of its reply. In the reply, a verdict is

1. the first word, standing alone, or a last line that is nothing but the word;
2. a line ``verdict: …``, ``[RESULT] …`` or ``## Verdict`` with the word below;
   ``<verdict>…</verdict>``; ``\\boxed{…}``;
3. a field such as ``verdict`` of a JSON object, in a Markdown fence or beside text, with trailing
   commas or without;
4. for pairs, a sentence ``Output (a) is better``.

A word inside another, or inside a phrase (``Norway``, ``not``, ``no one``, ``nothing wrong, yes``),
has no meaning, nor does a number that is not on the scale. If two places of a reply contradict each
other, neither counts. An unreadable reply is an outcome with reason and text; a verdict is never
guessed.

If the most likely first tokens are known and the first word is the verdict, its probability comes
from them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from synthkd.critics.judge.verdict_forms import FORMS, Form
from synthkd.critics.judge.verdict_json import in_json
from synthkd.text.thoughts import split_thoughts

UNREADABLE = "unreadable"
#: Least share of first tokens that name a verdict; below, the reply began with something else, such
#: as ``**``.
_LEAST = 0.1
#: Characters read at the beginning of a reply, and of a line.
_HEAD, _LINE = 200, 300
#: Characters searched for tags.
_LONGEST = 20_000
#: Marks that may surround a word without changing it.
_OPEN, _CLOSE = r"[\s\"'*_`(\[{<“‘#>]*", r"[\"'*_`)\]}>”’]*"
_NAMED = "verdict|answer|judge?ment|decision|rating|score|result"
_KEY = rf"(?:(?:so|therefore|thus|and|the|my|final|overall)[\s,]+)*(?:{_NAMED})"
#: A quick look, since most replies are one word.
_HAS_KEY = re.compile("verdict|answer|judg|decision|rating|score|result|boxed", re.IGNORECASE)
#: A heading with a verdict below it.
_HEADING = re.compile(rf"{_OPEN}{_KEY}{_CLOSE}\s*[:=]?{_CLOSE}", re.IGNORECASE)
#: A sentence with one of these does not state its verdict.
_HEDGE = re.compile(
    r"\b(?:not|never|neither|nor|whether|if|unless|although|though|while|hardly|which|unclear|could|might|may|would"
    r"|unsure|argue|argues|says|said|claims|claimed)\b|n't\b|\?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")


@dataclass(frozen=True, slots=True)
class Reading:
    """One reply as it was read.

    Attributes:
        value: The verdict; None for an unreadable reply.
        worth: Mean worth of the values by their probability.
        how: ``tokens``, ``word``, ``line``, ``json``, ``last``, ``sentence`` or ``unreadable``.
        text: The reply.
        reason: Why the reply is unreadable.
        shares: Probability of each value, if first tokens are known.
    """

    value: str | None
    worth: float | None
    how: str
    text: str
    reason: str = ""
    shares: Mapping[str, float] | None = None


def read_verdict(text: str, form: Form | str, first_tokens: str | None = None) -> Reading:
    """Read the verdict of a reply.

    ``first_tokens`` is `Completion.first_tokens`. Never raises, whatever the text.
    """
    form = FORMS[form] if isinstance(form, str) else form
    parts = split_thoughts(text)
    answer, thought = parts.text, bool(parts.thoughts)
    if not answer.strip():
        return Reading(None, None, UNREADABLE, text, "only thoughts" if thought else "empty")
    fields, rest = in_json(answer, form)
    ways = (
        ("word", _word(rest, form)),
        ("line", _line(rest, form)),
        ("json", fields),
        ("last", _last(rest, form)),
    )
    values_by_way = {how: value for how, value in ways if value}
    if not values_by_way and form.sentences:
        values_by_way = {
            how: value for how, value in [("sentence", _sentence(answer, form))] if value
        }
    values = set(values_by_way.values())
    if len(values) != 1 or "?" in values:
        return Reading(None, None, UNREADABLE, text, "contradictory" if values else "no verdict")
    (value,) = values
    how = next(iter(values_by_way))
    # After thoughts, the first tokens are those of the thoughts.
    shares = (
        _shares(first_tokens, form, answer)
        if how == "word" and first_tokens and not thought
        else None
    )
    if shares:
        worth = sum(share * form.worth[name] for name, share in shares.items())
        return Reading(max(shares, key=shares.__getitem__), worth, "tokens", text, shares=shares)
    return Reading(value, form.worth[value], how, text)


# The first word

#: Text that may follow a number of the scale.
_OUT_OF = r"(?:\.0+)?(?:\s*(?:/|out of)\s*5(?:\.0+)?)?(?:\s+(?:stars?|points?))?"


@cache
def _first(form_name: str, nouns: tuple[str, ...], words: tuple[str, ...]) -> re.Pattern[str]:
    word = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    noun = rf"(?P<noun>(?:{'|'.join(nouns)})\s+)?" if nouns else "(?P<noun>)"
    out_of = _OUT_OF if form_name == "rating" else ""
    return re.compile(
        rf"{_OPEN}{noun}{_OPEN}(?P<word>{word}){out_of}{_CLOSE}(?P<rest>.*)", re.I | re.S
    )


def _match(text: str, form: Form) -> re.Match[str] | None:
    return _first(form.name, form.nouns, tuple(form.value_of)).match(text)


#: Text that may follow a word that is a verdict by itself. One letter or digit may also be a list's
#: mark or an article, and a noun with its letter the subject of a sentence: these are verdicts only
#: at the end of a line.
_AFTER_WORD = re.compile(
    r"\s*$|[^\S\n]*\n|[.,;:!]+(?=[\s\"')*_\]]|$)|\s+[-–—]+\s|[–—]|\s+\((?!s\))"
)
_AFTER_MARK = re.compile(r"\s*$|[^\S\n]*[.!]?[^\S\n]*(?:\n|$)")
_AFTER_NOUN = re.compile(r"\s*$|[^\S\n]*\n|[.!](?=\s|$)")


def _word(text: str, form: Form) -> str | None:
    """Return the first word's value; "?" if the next word contradicts."""
    match = _match(text[:_HEAD], form)
    if match is None:
        return None
    word, rest = match["word"].casefold(), match["rest"]
    after = _AFTER_NOUN if match["noun"] else _AFTER_MARK if len(word) == 1 else _AFTER_WORD
    if not after.match(rest) or (len(text) > _HEAD and not rest):
        return None
    value = form.value_of[word]
    if len(word) > 1 and not match["noun"] and _says_another(rest, value, form):
        return "?"
    return value


#: Text that may occur between two verdicts, and after the second.
_BETWEEN = re.compile(r"^[ \t.,;:!\-–—(]*(?:(?:or|and|maybe|perhaps)\s+)*", re.IGNORECASE)
_AFTER_SECOND = re.compile(rf"{_AFTER_WORD.pattern}|[)\]]")


# A line of its own


@cache
def _labelled(form_name: str, nouns: tuple[str, ...], words: tuple[str, ...]) -> re.Pattern[str]:
    word = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    noun = rf"(?:(?:{'|'.join(nouns)})\s+)?" if nouns else ""
    out_of = _OUT_OF if form_name == "rating" else ""
    between = r"[\"'*_`\s]*(?:\s+is\b\s*:?|:|=|\s[-–—]\s|\]{1,2})"
    return re.compile(
        rf"{_OPEN}{_KEY}{between}{_OPEN}{noun}{_OPEN}(?P<word>{word}){out_of}{_CLOSE}(?P<rest>.*)",
        re.IGNORECASE | re.DOTALL,
    )


@cache
def _tagged(form_name: str, words: tuple[str, ...]) -> re.Pattern[str]:
    word = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    out_of = _OUT_OF if form_name == "rating" else ""
    value = rf"{_OPEN}({word}){out_of}{_CLOSE}\s*\.?\s*"
    return re.compile(
        rf"<(?P<tag>(?:final[_ ]?)?(?:{_NAMED}))>{value}</(?P=tag)>"
        rf"|\\boxed\{{(?:\\text\{{)?{value}\}}|\[(?:{_NAMED})\]:?\s*{value}$",
        re.IGNORECASE | re.MULTILINE,
    )


#: A verdict line is over, or a reason follows: after a stop, a comma, a dash, or in brackets.
_AFTER_LINE = re.compile(r"[.!]*\s*$|[.,;:!]+[)*_\"']*\s+|\s+[-–—]\s+|\s+\(")


def _line(text: str, form: Form) -> str | None:
    """Return the value of the verdict lines.

    "?" if they differ. Inside a reply, a line with a reason is none.
    """
    if not _HAS_KEY.search(text):
        return None
    words = tuple(form.value_of)
    lines = _with_headings([line.strip() for line in text.strip().splitlines() if line.strip()])
    pattern = _labelled(form.name, form.nouns, words)
    values = set()
    for number, line in enumerate(lines):
        if len(line) > _LINE or not _HAS_KEY.search(line) or not (match := pattern.fullmatch(line)):
            continue
        rest = match["rest"]
        ends = number in (0, len(lines) - 1)
        if not rest.strip(" .!") or (ends and _AFTER_LINE.match(rest)):
            value = form.value_of[match["word"].casefold()]
            values.add("?" if _says_another(rest, value, form) else value)
    for tag in _tagged(form.name, words).finditer(text[:_LONGEST]):
        values.add(form.value_of[next(filter(None, tag.groups()[1:])).casefold()])
    return "?" if len(values) > 1 else next(iter(values), None)


def _with_headings(lines: list[str]) -> list[str]:
    """Join headings such as ``## Verdict`` to the line below."""
    lines_with_headings: list[str] = []
    heading = ""
    for line in lines:
        if not heading and len(line) < 60 and _HEADING.fullmatch(line):
            heading = line.strip(" #*_:=>")
            continue
        lines_with_headings.append(f"{heading}: {line}" if heading else line)
        heading = ""
    return lines_with_headings


def _says_another(rest: str, value: str, form: Form) -> bool:
    """Return True if another value follows a value at once: ``yes, no``."""
    second = _match(_BETWEEN.sub("", rest), form)
    return bool(
        second
        and form.value_of[second["word"].casefold()] != value
        and _AFTER_SECOND.match(second["rest"])
    )


def _last(text: str, form: Form) -> str | None:
    """Return the value of the last of several lines, if nothing but the word is on it."""
    head, _, line = text.strip().rpartition("\n")
    if not head or len(line) > 40 or not (match := _match(line, form)):
        return None
    return None if match["rest"].strip(" .!\"'*_`") else form.value_of[match["word"].casefold()]


# A sentence about a pair


@cache
def _better(nouns: tuple[str, ...]) -> re.Pattern[str]:
    which = rf"(?:{'|'.join(nouns)})\s+[\"'*_(\[]*([ab12])[\"'*_)\]]*"
    return re.compile(
        rf"(?:^|.*(?:,|\bthat|\btherefore|\bconclude|\bbelieve|:)\s+)[\"'*_]*{which}\s+is\s+"
        r"(?:(?:the|a|clearly|slightly|overall|much|therefore)\s+)*(?:better|best)\b(?P<rest>.*)",
        re.IGNORECASE | re.DOTALL,
    )


def _sentence(text: str, form: Form) -> str | None:
    """Return the value of the last sentence, or the value that all sentences agree on."""
    sentences = [part.strip() for part in _SENTENCE_END.split(text) if part and part.strip()]
    verdicts = [_of_sentence(sentence, form) for sentence in sentences]
    if verdicts and verdicts[-1]:
        return verdicts[-1]
    values = {value for value in verdicts if value}
    return "?" if len(values) > 1 else next(iter(values), None)


def _of_sentence(sentence: str, form: Form) -> str | None:
    match = _better(form.nouns).match(sentence)
    if match is None or _HEDGE.search(sentence[: match.start(1)]):
        return None
    return form.value_of[match[1].casefold()]


# The first token


def _shares(first_tokens: str, form: Form, answer: str) -> dict[str, float] | None:
    """Return the probability of each value among the first tokens that name one.

    None if no token begins the answer: the tokens belong to another text. A value that none of the
    most likely tokens names gets the most that it can have: the smallest listed share, or the
    remainder. So a likely value never becomes certain.
    """
    mass = dict.fromkeys(form.words, 0.0)
    listed: list[float] = []
    begins = answer.lstrip()
    pairs = json.loads(first_tokens)
    if not any(
        begins.startswith(stripped) for token, _ in pairs if (stripped := token.strip(_SPACES))
    ):
        return None
    for token, logprob in pairs:
        share = math.exp(min(float(logprob), 0.0))
        listed.append(share)
        value = form.token_of.get(_bare(token))
        if value is not None:
            mass[value] += share
    if sum(mass.values()) < _LEAST:
        return None
    missing = min(*listed, max(1.0 - sum(listed), 0.0)) if len(listed) > 1 else 1.0 - listed[0]
    absent = [value for value, share in mass.items() if not share]
    mass |= {value: max(missing, 1e-12) / len(absent) for value in absent}
    total = sum(mass.values())
    return {value: share / total for value, share in mass.items()}


#: White space, as texts and tokenizers write it.
_SPACES = " \t\r\nĠ▁Ċ"


def _bare(token: str) -> str:
    """Return a token in lower case, without marks of a leading space, quotes and final stops."""
    return token.strip(_SPACES + "\"'*_`([{<)]}>.,:;!").casefold()
