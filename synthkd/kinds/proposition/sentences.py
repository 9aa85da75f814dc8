"""Sentences by spaCy, with their places in the text.

A blank pipeline with the rule-based `sentencizer` needs no trained model; the name of an installed model, such as
`en_core_web_sm`, has its parser or sentence recogniser decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from synthkd.errors import KindError, require_extra

SENTENCIZER = "sentencizer"
Span = tuple[int, int]
#: Characters that are given to spaCy at a time.
_PART = 10_000
#: Characters after which spaCy's store of words is thrown away.
_RENEWED = 20_000_000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
#: What no language has as a word; the tokenizer needs a time for it that grows with its square.
_RUN = re.compile(r"\S{80,}")
#: Full stops of scripts that leave no space after them.
_WIDE = re.compile(r"[。！？｡]+[」』”’）】\s]*")
_OPENING = re.compile(r"\s+[\"“‘«(\[]+$")
_END = re.compile(r"[.!?][\"'”’)\]]*\s")


def readable(text: str) -> str:
    """A text as a teacher reads it: controls and line breaks are spaces, and every space is one."""
    return " ".join(_CONTROL.sub(" ", text).split())


class Splitter:
    """Cuts prose to sentences. ``model`` is `sentencizer`, or a spaCy model by name or folder."""

    def __init__(self, model: str = SENTENCIZER, language: str = "en") -> None:
        self.model, self.language = model, language
        self._read = 0

    @cached_property
    def name(self) -> str:
        """What cut the sentences, for the record."""
        if self.model == SENTENCIZER:
            return f"spacy {self.language} sentencizer"
        meta = self._nlp.meta
        return f"spacy {meta.get('lang')}_{meta.get('name')} {meta.get('version')}"

    @cached_property
    def _nlp(self) -> Any:
        require_extra("the kind 'proposition' (sentences)", "text", "spacy")
        import spacy

        if self.model == SENTENCIZER:
            try:
                nlp = spacy.blank(self.language)
            except ImportError:
                raise KindError(f"kind 'proposition': spaCy knows no language {self.language!r}") from None
            nlp.add_pipe("sentencizer")
            return nlp
        try:
            nlp = spacy.load(self.model, exclude=["ner", "lemmatizer"])
        except OSError:
            raise KindError(
                f"kind 'proposition': no spaCy model {self.model!r} is installed here; install it, or leave the"
                f" option `sentences` at '{SENTENCIZER}', which needs none"
            ) from None
        if not {"parser", "senter", "sentencizer"} & set(nlp.pipe_names):
            nlp.add_pipe("sentencizer")
        return nlp

    def _fresh(self, characters: int) -> Any:
        """The pipeline. It keeps every word it has met, so it is made anew after some megabytes."""
        self._read += characters
        if self._read > _RENEWED:
            self._read = 0
            self.__dict__.pop("_nlp", None)
        return self._nlp

    def spans(self, text: str) -> Iterator[Span]:
        """Where each sentence begins and ends, in order; only space is left out."""
        # The same length: a place here is a place in the text.
        plain = _RUN.sub(_masked, _CONTROL.sub(" ", text))
        for start, end in _parts(plain):
            begins = [start + place for place in self._begins(plain[start:end])]
            for begin, behind in zip(begins, [*begins[1:], end], strict=True):
                if found := _trimmed(text, begin, behind):
                    yield found

    def _begins(self, text: str) -> list[int]:
        """The places where sentences of a part begin."""
        begins = [sentence.start_char for sentence in self._fresh(len(text))(text).sents]
        # A quotation may ask or exclaim, and its sentence go on: "Why?" said he.
        begins = [0, *(place for place in begins[1:] if not _goes_on(text, place))]
        # An opening quote belongs to what comes after it.
        for i in range(1, len(begins)):
            if found := _OPENING.search(text, max(begins[i - 1], begins[i] - 8), begins[i]):
                begins[i] = found.start()
        return begins


def _goes_on(text: str, place: int) -> bool:
    """Whether a sentence does not begin here: a closing quote stands before, and a small letter follows."""
    return text[place].islower() and text[max(0, place - 4) : place].rstrip()[-1:] in (
        '"',
        "”",
        "’",
        "»",
        "'",
    )


def _parts(text: str) -> Iterator[Span]:
    """Pieces that end where a sentence surely ends, or that are as long as may be."""
    place = 0
    for match in _WIDE.finditer(text):
        yield from _limited(text, place, match.end())
        place = match.end()
    yield from _limited(text, place, len(text))


def _limited(text: str, start: int, end: int) -> Iterator[Span]:
    while end - start > _PART:
        cut = cut_place(text, start, start + _PART)
        yield start, cut
        start = cut
    if start < end:
        yield start, end


def cut_place(text: str, start: int, limit: int) -> int:
    """Where to cut a text before ``limit``: behind a full stop, a clause or a word, or else right there."""
    window = text[start:limit]
    ends = [match.end() for match in _END.finditer(window)]
    if ends and ends[-1] > len(window) // 4:
        return start + ends[-1]
    for mark in ("; ", ", ", " "):
        if (found := window.rfind(mark)) > len(window) // 4:
            return start + found + len(mark)
    return limit


def _masked(match: re.Match[str]) -> str:
    run = match.group()
    return "x" * (len(run) - 1) + (run[-1] if run[-1] in ".!?" else "x")


def _trimmed(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None
