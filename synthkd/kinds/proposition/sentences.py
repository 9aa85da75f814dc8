"""Split text into sentences with spaCy, and keep their places.

A blank pipeline with the rule-based `sentencizer` needs no trained model; the name of an installed
model, such as `en_core_web_sm`, has its parser or sentence recogniser decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from synthkd.errors import KindError, require_extra

SENTENCIZER = "sentencizer"
Span = tuple[int, int]
#: Characters that spaCy reads at a time.
_PART = 10_000
#: Characters after which the pipeline is loaded anew, since spaCy keeps every word.
_RENEWED = 20_000_000
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
#: Runs longer than any word; the tokenizer's time grows with their square.
_RUN = re.compile(r"\S{80,}")
#: Full stops of scripts without a space after them.
_WIDE = re.compile(r"[。！？｡]+[」』”’）】\s]*")
_OPENING = re.compile(r"\s+[\"“‘«(\[]+$")
_END = re.compile(r"[.!?][\"'”’)\]]*\s")


def one_line(text: str) -> str:
    """Return a text on one line, without control characters and with single spaces."""
    return " ".join(_CONTROL.sub(" ", text).split())


class Splitter:
    """Splits prose into sentences.

    Args:
        model: `sentencizer`, or the name or folder of a spaCy model.
        language: Language of the sentencizer.
    """

    def __init__(self, model: str = SENTENCIZER, language: str = "en") -> None:
        self.model, self.language = model, language
        self._read = 0

    @cached_property
    def name(self) -> str:
        """Name and version of the model, for the corpus."""
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
                raise KindError(
                    f"kind 'proposition': spaCy knows no language {self.language!r}"
                ) from None
            nlp.add_pipe("sentencizer")
            return nlp
        try:
            nlp = spacy.load(self.model, exclude=["ner", "lemmatizer"])
        except OSError:
            raise KindError(
                f"kind 'proposition': no spaCy model {self.model!r} is installed here; install it,"
                f" or leave the option `sentences` at '{SENTENCIZER}', which needs none"
            ) from None
        if not {"parser", "senter", "sentencizer"} & set(nlp.pipe_names):
            nlp.add_pipe("sentencizer")
        return nlp

    def _fresh(self, characters: int) -> Any:
        """Return the pipeline; load it anew after some megabytes, since it keeps every word."""
        self._read += characters
        if self._read > _RENEWED:
            self._read = 0
            self.__dict__.pop("_nlp", None)
        return self._nlp

    def spans(self, text: str) -> Iterator[Span]:
        """Yield the start and the end of each sentence, in order; only space is left out."""
        # Replacements keep the length, so that places stay.
        plain = _RUN.sub(_masked, _CONTROL.sub(" ", text))
        for start, end in _parts(plain):
            begins = [start + place for place in self._begins(plain[start:end])]
            for begin, behind in zip(begins, [*begins[1:], end], strict=True):
                if span := _trimmed(text, begin, behind):
                    yield span

    def _begins(self, text: str) -> list[int]:
        """Return the places where the sentences of a part begin."""
        begins = [sentence.start_char for sentence in self._fresh(len(text))(text).sents]
        # A sentence may go on behind a quotation that asks or exclaims: "Why?" said he.
        begins = [0, *(place for place in begins[1:] if not _goes_on(text, place))]
        # An opening quote belongs to the sentence after it.
        for i in range(1, len(begins)):
            if opening := _OPENING.search(text, max(begins[i - 1], begins[i] - 8), begins[i]):
                begins[i] = opening.start()
        return begins


def _goes_on(text: str, place: int) -> bool:
    """Return True if a closing quote precedes and a lower-case letter follows."""
    return text[place].islower() and text[max(0, place - 4) : place].rstrip()[-1:] in (
        '"',
        "”",
        "’",
        "»",
        "'",
    )


def _parts(text: str) -> Iterator[Span]:
    """Yield parts that end at the end of a sentence, or at the longest length."""
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
    """Return where to cut a text before ``limit``: after a full stop, a clause or a word."""
    window = text[start:limit]
    ends = [match.end() for match in _END.finditer(window)]
    if ends and ends[-1] > len(window) // 4:
        return start + ends[-1]
    for mark in ("; ", ", ", " "):
        if (place := window.rfind(mark)) > len(window) // 4:
            return start + place + len(mark)
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
