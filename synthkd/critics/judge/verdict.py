"""Read a judge's reply: strictly, or not at all.

A verdict is (1) the first word, standing alone, or (2) a line ``verdict: …`` that is the first or the last of the
reply, or (3), for pairs, a sentence ``Output (a) is better``. A word inside another, or inside a phrase (``Norway``,
``not``, ``no one``, ``nothing wrong, yes``), says nothing. Where two places of a reply say different things, neither
counts. What cannot be read is a fate with its text; it is never guessed.

Where the likeliest first tokens are known and the first word is the verdict, its probability comes from them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from synthkd.critics.judge.forms import FORMS, Form

UNREADABLE = "unreadable"
#: Share of the first tokens that must say some verdict; else the reply did not begin with one (but with ``**``, say).
_LEAST = 0.1
#: Characters at the beginning of a reply, and of a line, that are looked at.
_HEAD, _LINE = 200, 300
#: What may stand around a word without changing it.
_OPEN, _CLOSE = r"[\s\"'*_`(\[{<“‘#>]*", r"[\"'*_`)\]}>”’]*"
_KEY = r"(?:(?:so|therefore|thus|and|the|my|final|overall)[\s,]+)*(?:verdict|answer|judge?ment|decision|rating|score)"
#: A quick look, since most replies are one word.
_HAS_KEY = re.compile("verdict|answer|judg|decision|rating|score", re.IGNORECASE)
#: A sentence with one of these says something else than its verdict.
_HEDGE = re.compile(
    r"\b(?:not|never|neither|nor|whether|if|unless|although|though|while|hardly|which|unclear|could|might|may|would"
    r"|unsure|argue|argues|says|said|claims|claimed)\b|n't\b|\?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reply says.

    ``value`` is None where it cannot be read; ``reason`` then says why. ``shares`` gives the probability of each
    value; ``worth`` is their mean worth. ``how``: ``tokens``, ``word``, ``line``, ``sentence`` or ``unreadable``.
    """

    value: str | None
    worth: float | None
    how: str
    text: str
    reason: str = ""
    shares: Mapping[str, float] | None = None


def read_verdict(text: str, form: Form | str, first_tokens: str | None = None) -> Reading:
    """The verdict of a reply. ``first_tokens`` is `Completion.first_tokens`. Never raises, whatever the text."""
    form = FORMS[form] if isinstance(form, str) else form
    answer, thought = _without_thoughts(text)
    if not answer.strip():
        return Reading(None, None, UNREADABLE, text, "empty")
    ways = (("word", _word(answer, form)), ("line", _line(answer, form)))
    found = {how: value for how, value in ways if value}
    if not found and form.sentences:
        found = {how: value for how, value in [("sentence", _sentence(answer, form))] if value}
    values = set(found.values())
    if len(values) != 1 or "?" in values:
        return Reading(None, None, UNREADABLE, text, "contradictory" if values else "no verdict")
    (value,) = values
    how = next(iter(found))
    # After thoughts, the first tokens are those of the thoughts.
    shares = _shares(first_tokens, form) if how == "word" and first_tokens and not thought else None
    if shares:
        worth = sum(share * form.worth[name] for name, share in shares.items())
        return Reading(max(shares, key=shares.__getitem__), worth, "tokens", text, shares=shares)
    return Reading(value, form.worth[value], how, text)


def _without_thoughts(text: str) -> tuple[str, bool]:
    """A reply without the thoughts that a reasoning model puts before it; thoughts without an end are no reply."""
    if not text.lstrip().startswith("<think>"):
        return text, False
    return text.partition("</think>")[2], True


# The first word


@cache
def _first(form_name: str, nouns: tuple[str, ...], words: tuple[str, ...]) -> re.Pattern[str]:
    word = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    noun = rf"(?P<noun>(?:{'|'.join(nouns)})\s+)?" if nouns else "(?P<noun>)"
    out_of = r"(?:\s*(?:/|out of)\s*5)?" if form_name == "rating" else ""
    return re.compile(rf"{_OPEN}{noun}{_OPEN}(?P<word>{word}){out_of}{_CLOSE}(?P<rest>.*)", re.I | re.S)


def _match(text: str, form: Form) -> re.Match[str] | None:
    return _first(form.name, form.nouns, tuple(form.value_of)).match(text)


#: What may follow a word that says a verdict by itself; one letter or digit may also be a list's mark or an
#: article, and a noun with its letter the subject of a sentence: these stand alone at their line's end only.
_AFTER_WORD = re.compile(r"\s*$|[^\S\n]*\n|[.,;:!]+(?=[\s\"')*_\]]|$)|\s+[-–—]+\s|[–—]")
_AFTER_MARK = re.compile(r"\s*$|[^\S\n]*[.!]?[^\S\n]*(?:\n|$)")
_AFTER_NOUN = re.compile(r"\s*$|[^\S\n]*\n|[.!](?=\s|$)")


def _word(text: str, form: Form) -> str | None:
    """The first word's value; "?" where the next word says another."""
    match = _match(text[:_HEAD], form)
    if match is None:
        return None
    word, rest = match["word"].casefold(), match["rest"]
    after = _AFTER_NOUN if match["noun"] else _AFTER_MARK if len(word) == 1 else _AFTER_WORD
    if not after.match(rest) or (len(text) > _HEAD and not rest):
        return None
    value = form.value_of[word]
    if len(word) > 1 and not match["noun"]:
        second = _match(rest.lstrip(" \t.,;:!-–—"), form)
        if second and form.value_of[second["word"].casefold()] != value and _AFTER_WORD.match(second["rest"]):
            return "?"
    return value


# A line of its own


@cache
def _labelled(form_name: str, nouns: tuple[str, ...], words: tuple[str, ...]) -> re.Pattern[str]:
    word = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    noun = rf"(?:(?:{'|'.join(nouns)})\s+)?" if nouns else ""
    out_of = r"(?:\s*(?:/|out of)\s*5)?" if form_name == "rating" else ""
    between = r"[\"'*_`\s]*(?:\s+is\b\s*:?|:|=|\s[-–—]\s)"
    return re.compile(
        rf"{_OPEN}{_KEY}{between}{_OPEN}{noun}{_OPEN}({word}){out_of}{_CLOSE}[.!]*{_CLOSE}\s*", re.I
    )


def _line(text: str, form: Form) -> str | None:
    """The value of a verdict line at either end; "?" where both ends have one and they differ."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    ends = [line for line in {lines[0], lines[-1]} if len(line) <= _LINE and _HAS_KEY.search(line)]
    if not ends:
        return None
    pattern = _labelled(form.name, form.nouns, tuple(form.value_of))
    matches = [pattern.fullmatch(line) for line in ends]
    values = {form.value_of[match[1].casefold()] for match in matches if match}
    return "?" if len(values) > 1 else next(iter(values), None)


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
    """What the last sentence says; where it says nothing, what all sentences that say something agree on."""
    sentences = [part.strip() for part in _SENTENCE_END.split(text) if part and part.strip()]
    said = [_of_sentence(sentence, form) for sentence in sentences]
    if said and said[-1]:
        return said[-1]
    values = {value for value in said if value}
    return "?" if len(values) > 1 else next(iter(values), None)


def _of_sentence(sentence: str, form: Form) -> str | None:
    match = _better(form.nouns).match(sentence)
    if match is None or _HEDGE.search(sentence[: match.start(1)]):
        return None
    return form.value_of[match[1].casefold()]


# The first token


def _shares(first_tokens: str, form: Form) -> dict[str, float] | None:
    """Probability of each value among the tokens that say one, whatever their case and leading space.

    A value that none of the likeliest tokens says gets the most that it can have: the smallest of them, or what
    all of them leave. So nothing is certain that is only likely.
    """
    mass = dict.fromkeys(form.words, 0.0)
    listed: list[float] = []
    for token, logprob in json.loads(first_tokens):
        share = math.exp(min(float(logprob), 0.0))
        listed.append(share)
        value = form.value_of.get(_bare(token))
        if value is not None:
            mass[value] += share
    if sum(mass.values()) < _LEAST:
        return None
    missing = min(*listed, max(1.0 - sum(listed), 0.0)) if len(listed) > 1 else 1.0 - listed[0]
    absent = [value for value, share in mass.items() if not share]
    mass |= {value: max(missing, 1e-12) / len(absent) for value in absent}
    total = sum(mass.values())
    return {value: share / total for value, share in mass.items()}


def _bare(token: str) -> str:
    """A token without the marks of a leading space, quotes and final stops, in lower case."""
    return token.strip(" \t\r\nĠ▁Ċ\"'*_`([{<)]}>.,:;!").casefold()
