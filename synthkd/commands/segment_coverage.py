"""Coverage of documents: the propositions of each sentence, or why a sentence has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.reporting.safe_text import clean

#: Columns of filtered rows that tell it.
_COLUMNS = ["document_id", "start", "rejected_by", "reason"]
#: A sentence that no completion is about: its request failed, or was not sent.
NOT_ANSWERED = "not_answered"


@dataclass(frozen=True)
class Sentence:
    """A unit of a document.

    Attributes:
        outcome: `accepted`, `skipped`, `rejected` (every proposition of it) or `not_answered`.
        reason: The rule or the sort of block.
        propositions: Accepted propositions, without repeats.
    """

    document_id: str
    start: int
    end: int
    sentence: str
    outcome: str
    reason: str
    propositions: int


@dataclass
class DocumentReport:
    """Counts of a document, or of all documents.

    Sentences are those with propositions plus those without; skipped units are no sentences.
    """

    document_id: str
    sentences: int = 0
    chunks: int = 0
    propositions: int = 0
    with_propositions: int = 0
    without: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, sentence: Sentence) -> None:
        if sentence.outcome == "skipped":
            self.skipped[sentence.reason] += 1
            return
        self.sentences += 1
        self.propositions += sentence.propositions
        if sentence.outcome == "accepted":
            self.with_propositions += 1
        else:
            self.without[sentence.reason] += 1

    def __str__(self) -> str:
        line = (
            f"{self.document_id}: {self.sentences:,} sentences in {self.chunks:,} chunks,"
            f" {self.propositions:,} propositions; {self.with_propositions:,} sentences with some,"
            f" {self.without.total():,} without"
        )
        for what, counts in (("", self.without), (" skipped:", self.skipped)):
            if counts:
                line += f" ({what.strip()} " if what else " ("
                line += (
                    ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) + ")"
                )
        return clean(line)


class Coverage:
    """Outcomes of the sentences of a run.

    Args:
        filtered: The run's folder of filtered rows (`WORK/filtered`).
    """

    def __init__(self, kind: PropositionKind, filtered: Path) -> None:
        self.kind = kind
        #: (document, start of the sentence) -> accepted rows, and the first reason of a rejected
        #: one.
        self._rows: dict[tuple[str, int], tuple[int, str]] = {}
        for path in sorted(filtered.glob("*.parquet")):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(columns=_COLUMNS):
                    for row in batch.to_pylist():
                        self._take(row)

    def _take(self, row: Mapping[str, Any]) -> None:
        if row["start"] is None:
            return
        key = (row["document_id"], row["start"])
        accepted, reason = self._rows.get(key, (0, ""))
        if row["rejected_by"] is None:
            accepted += 1
        else:
            why = str(row["rejected_by"])
            if why == "has_proposition":
                why = str(row["reason"]).partition(":")[0]
            # A rejected proposition tells more than none; a repeated one was accepted elsewhere.
            if not reason or why == "duplicate" or row["rejected_by"] != "has_proposition":
                reason = reason if reason == "duplicate" else why
        self._rows[key] = (accepted, reason)

    def sentences(self, row: Mapping[str, Any]) -> Iterator[Sentence]:
        """List the units of a document in their order, each with its outcome."""
        text, name = str(row["text"] or ""), str(row["document_id"])
        for unit in self.kind.units(row):
            outcome, reason, accepted = "skipped", unit.kind, 0
            if unit.index >= 0:
                accepted, reason = self._rows.get((name, unit.start), (0, NOT_ANSWERED))
                # An equal sentence stood before, and has the propositions.
                outcome = "accepted" if accepted or reason == "duplicate" else "rejected"
                if outcome == "accepted":
                    reason = ""
                elif reason == NOT_ANSWERED:
                    outcome = NOT_ANSWERED
            yield Sentence(
                name, unit.start, unit.end, text[unit.start : unit.end], outcome, reason, accepted
            )

    def report(self, row: Mapping[str, Any]) -> DocumentReport:
        """Count a document."""
        report = DocumentReport(str(row["document_id"]), chunks=len(self.kind.expand(row)))
        for sentence in self.sentences(row):
            report.add(sentence)
        return report


def total(reports: Iterable[DocumentReport]) -> DocumentReport:
    """Sum the reports of all documents."""
    whole = DocumentReport("all documents")
    for one in reports:
        whole.sentences += one.sentences
        whole.chunks += one.chunks
        whole.propositions += one.propositions
        whole.with_propositions += one.with_propositions
        whole.without += one.without
        whole.skipped += one.skipped
    return whole
