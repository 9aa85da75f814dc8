"""Spans of texts: what a tagger learns and predicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from synthkd.errors import StudentError


@dataclass(frozen=True, order=True, slots=True)
class TypedSpan:
    """A span ``text[start:end]`` of a type; ``confidence`` is that of a prediction."""

    start: int
    end: int
    type: str
    confidence: float = 1.0

    @property
    def key(self) -> tuple[int, int, str]:
        """Start, end and type, by which spans are compared."""
        return self.start, self.end, self.type


Spans = tuple[TypedSpan, ...]


@dataclass(frozen=True)
class TaggedTexts:
    """Texts with the spans of each, which do not overlap, in the order of the text.

    Attributes:
        texts: The n texts.
        spans: The spans of each text.
    """

    texts: tuple[str, ...]
    spans: tuple[Spans, ...]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.spans):
            raise ValueError(
                f"{len(self.texts)} texts with the spans of {len(self.spans)}; give each its spans"
            )
        for number, (text, spans) in enumerate(zip(self.texts, self.spans, strict=True), 1):
            last = 0
            for span in spans:
                if not (last <= span.start < span.end <= len(text)):
                    raise StudentError(
                        f"text {number:,}: the span {span.start}:{span.end} of {span.type!r} is not"
                        f" in its {len(text)} characters, or overlaps the span before it"
                    )
                last = span.end

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def types(self) -> list[str]:
        """The types of all spans, sorted."""
        return sorted({span.type for spans in self.spans for span in spans})

    def take(self, rows: Iterable[int]) -> TaggedTexts:
        """Return some rows, in the given order."""
        chosen = [int(row) for row in rows]
        return replace(
            self,
            texts=tuple(self.texts[i] for i in chosen),
            spans=tuple(self.spans[i] for i in chosen),
        )
