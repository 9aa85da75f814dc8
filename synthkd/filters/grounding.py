"""Rules that compare a row with the text it was made from: its ends, its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from synthkd.filters.base import Reasons
from synthkd.filters.row_rules import DetailRule, TextRule, value_text
from synthkd.kinds.base import Kind, Row
from synthkd.options import BaseOptions
from synthkd.text.overlap import rouge_1
from synthkd.text.spans import phrase_finder

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns of the ends of a triple.
_ENDS = ("head", "tail")
#: Characters of an end that a reason shows.
_SHOWN = 80


class SourceRule(DetailRule):
    """A rule that reads the text which a row was made from."""

    class Options(BaseOptions):
        source: str = Field("source", description="Column of the text that a row was made from.")

    options: Options

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        rows = self.detailed_rows(batch, kind, (self.options.source,))
        return [self.check(row, kind) for row in rows]

    def source(self, row: Row) -> str:
        """Return the text that a row was made from."""
        return value_text(row[self.options.source])


class InText(SourceRule):
    """Reject rows with an end that does not occur in their source.

    An end is found by its words: case, accents, punctuation between words and the plural do not
    count, word boundaries do. Kinds with places of the ends, as `fact`, keep where each stands.
    """

    name: ClassVar[str] = "in_text"

    class Options(SourceRule.Options):
        columns: str | tuple[str, ...] = Field(
            (),
            description="Columns that must occur in the source. Default: `head` and `tail`, or the"
            " columns that the teacher fills; of records those of free text.",
        )
        gap: int | None = Field(
            None,
            ge=0,
            description="Also accept the words of an end in any order, with at most so many others"
            " between them. Default: only in a row.",
        )
        endings: bool = Field(
            False,
            description="Also accept words with other last letters, such as `Germany` for"
            " `German`.",
        )

    options: Options

    def _columns(self, kind: Kind) -> Sequence[str]:
        given = self.options.columns
        if given:
            return [given] if isinstance(given, str) else given
        return (
            _ENDS if set(_ENDS) <= set(kind.columns) else kind.rule_columns or kind.answer_columns
        )

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        wanted = (self.options.source, *self._columns(kind))
        return [self.check(row, kind) for row in self.detailed_rows(batch, kind, wanted)]

    def check(self, row: Row, kind: Kind) -> str | None:
        finder, missing = phrase_finder(self.source(row)), []
        for column in self._columns(kind):
            phrase = value_text(row[column])
            if not phrase.strip():
                missing.append(f"{column} is empty")
            elif finder.find(phrase, self.options.gap, self.options.endings) is None:
                shown = phrase if len(phrase) <= _SHOWN else phrase[: _SHOWN - 1] + "…"
                missing.append(f"{column} {shown!r}")
        return f"not in the {self.options.source}: {', '.join(missing)}" if missing else None


class Rouge(SourceRule, TextRule):
    """Reject texts that share too few words with their source, or add too many.

    ROUGE-1 F1 of a text and its source; Distill-SynthKG (arXiv 2410.16597) keeps a rewritten chunk
    from 0.70.
    """

    name: ClassVar[str] = "rouge"

    class Options(SourceRule.Options, TextRule.Options):
        min_f1: float = Field(0.7, ge=0, le=1, description="ROUGE-1 F1 at least.")

    options: Options

    def check(self, row: Row, kind: Kind) -> str | None:
        value = rouge_1(self.source(row), self.text(row, kind))
        if value >= self.options.min_f1:
            return None
        return f"ROUGE-1 F1 {value:.2f} with the {self.options.source}, below {self.options.min_f1}"
