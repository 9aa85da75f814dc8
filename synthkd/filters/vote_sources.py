"""Votes of sources: an answer is accepted where distinct sources agree (M-NTA).

Conia et al. 2023 (Increasing Coverage and Precision of Textual Information in Multilingual
Knowledge Graphs, EMNLP, section 4.3): names of an entity come from several sources, such as machine
translation, web search and language models, and those are kept that two sources or more give. A
source has one vote for an answer, however many completions of it give it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from synthkd.errors import InputError, RecipeError, nearest
from synthkd.filters.vote_weights import ANSWER, QUESTION, SOURCE, VoteWeight
from synthkd.filters.votes import Numbers, Tally, begins, codes
from synthkd.labels.verdicts import ACCEPT, REJECT, SPELLINGS, verdict_of
from synthkd.options import BaseOptions
from synthkd.rows import read_rows, text_cell
from synthkd.statistics.rate_intervals import wilson_interval

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.kinds.base import Kind

#: Counts of a partition: questions; and of each number of agreeing sources the answers, the
#: questions whose best answer has that many, and the answers with a verdict and a good one.
_ASKED, _ANSWERS, _COVERED, _LABELLED, _VALID = (
    "sources asked", "sources answers", "sources covered", "sources labelled", "sources valid"
)  # fmt: skip


def source_name(value: str) -> str:
    """Return the name of a source as names are compared: without case and outer blanks."""
    return unicodedata.normalize("NFKC", value).strip().casefold()


class SourceVotes(VoteWeight):
    """Count distinct sources, each once for an answer; samples of one source never agree.

    Conia et al. 2023 (M-NTA).
    """

    name = "source"
    all_equal = True
    counts_completions = False

    class Options(BaseOptions):
        """Options of votes by source."""

        column: str = Field(
            "teacher",
            description="Column that names the source of a row: one of the candidates, such as"
            " `teacher`, or one of the inputs.",
        )
        same: dict[str, str] = Field(
            default_factory=dict,
            description="Sources that count as another, such as models of one family:"
            " `{gpt-3.5: gpt, gpt-4: gpt}`.",
        )
        labels: str | None = Field(
            None,
            description="Label sheet (CSV, JSONL or Parquet) from which the precision per number of"
            " agreeing sources is told. Nothing is accepted or rejected by it.",
        )
        label: str = Field("label", description="Column of the verdict in the sheet.")

        @field_validator("same")
        @classmethod
        def _names_are_final(cls, same: dict[str, str]) -> dict[str, str]:
            names = {source_name(a): source_name(b) for a, b in same.items()}
            for name, other in names.items():
                if names.get(other, other) != other:
                    raise ValueError(
                        f"{name!r} counts as {other!r}, and that as {names[other]!r}; name the last"
                        " of them for both"
                    )
            return same

    options: Options
    path_options: ClassVar[frozenset[str]] = frozenset({"labels"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.source_column = self.options.column
        self._same = {source_name(a): source_name(b) for a, b in self.options.same.items()}
        #: Verdict of a row's id; None if the sheet has both.
        self._verdicts: dict[str, bool | None] = {}

    def prepare(self, kind: Kind) -> None:
        if self.options.labels is not None:
            path = Path(self.options.labels)
            self._verdicts = _read_verdicts(path, self.options.label, kind)

    def weigh(self, rows: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        return np.ones(len(votes))

    def voters(self, rows: pa.Table) -> list[str]:
        column = self.options.column
        values = rows.column(column if column in rows.schema.names else SOURCE).to_pylist()
        names = {value: source_name(str(value or "")) for value in set(values)}
        if empty := [value for value, name in names.items() if not name]:
            place = rows.column("input_id")[values.index(empty[0])].as_py()
            raise RecipeError(
                f"votes.by: source: the column {column!r} of the input {place} is empty; a row"
                " without a source agrees with nobody, so name it, or leave the row out"
            )
        return [self._same.get(names[value], names[value]) for value in values]

    def tallied(self, rows: pa.Table, votes: Tally) -> dict[str, int]:
        asked, answers = codes(rows.column(QUESTION)), codes(rows.column(ANSWER))
        places = np.flatnonzero(votes.says)
        order = places[np.lexsort((-votes.votes[places], answers[places], asked[places]))]
        firsts = order[begins(asked[order], answers[order])] if len(order) else order
        numbers = votes.votes[firsts]
        counts = {_ASKED: len(np.unique(asked))}
        best = np.zeros(int(asked.max(initial=-1)) + 1, dtype=np.int64)
        np.maximum.at(best, asked[firsts], numbers)
        _add(counts, _ANSWERS, numbers)
        _add(counts, _COVERED, best[best > 0])
        if self._verdicts:
            ids = rows.column("id").take(firsts).to_pylist()
            verdicts = [self._verdicts.get(name) for name in ids]
            _add(counts, _LABELLED, numbers[[verdict is not None for verdict in verdicts]])
            _add(counts, _VALID, numbers[[verdict is True for verdict in verdicts]])
        return counts

    def summary(self, counts: Mapping[str, int]) -> dict[str, Any]:
        most = max((int(n.rpartition(" ")[2]) for n in counts if n.startswith(_ANSWERS)), default=0)
        asked = counts.get(_ASKED, 0)
        return {
            "sources": [
                _agreement(counts, number, asked, bool(self._verdicts))
                for number in range(1, most + 1)
            ]
        }


def _add(counts: dict[str, int], name: str, numbers: Numbers) -> None:
    for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
        counts[f"{name} {number}"] = int(count)


def _agreement(counts: Mapping[str, int], least: int, asked: int, labelled: bool) -> dict[str, Any]:
    """Describe the answers that so many sources or more give."""

    def total(name: str) -> int:
        return sum(
            count
            for key, count in counts.items()
            if key.startswith(f"{name} ") and int(key.rpartition(" ")[2]) >= least
        )

    covered = total(_COVERED)
    record: dict[str, Any] = {
        "sources": least,
        "answers": total(_ANSWERS),
        "questions": covered,
        "coverage": round(covered / asked, 4) if asked else 0.0,
    }
    if labelled:
        judged, valid = total(_LABELLED), total(_VALID)
        low, high = wilson_interval(valid, judged)
        record |= {
            "labelled": judged,
            "precision": round(valid / judged, 4) if judged else None,
            "low": round(low, 4),
            "high": round(high, 4),
        }
    return record


def _read_verdicts(path: Path, column: str, kind: Kind) -> dict[str, bool | None]:
    """Read the verdict of each row by its id; None for a row with verdicts of both kinds."""
    verdicts: dict[str, bool | None] = {}
    number = 0
    for rows in read_rows(path):
        for row in rows:
            number += 1
            place = f"{path} row {number}"
            name = "verdict" if column == "label" and column not in row else column
            for needed in (*kind.columns, name):
                if needed not in row:
                    raise InputError(
                        f"{path}: no column {needed!r}{nearest(needed, list(map(str, row)))}, which"
                        " votes.options.labels needs"
                    )
            verdict = verdict_of(row[name])
            if verdict is None:
                raise InputError(f"{place}: {name!r} is no verdict; write {SPELLINGS}")
            if verdict not in (ACCEPT, REJECT):
                continue
            texts = {own: text_cell(row[own], place, own) or "" for own in kind.columns}
            key, is_valid = kind.identity(texts), verdict == ACCEPT
            verdicts[key] = is_valid if verdicts.get(key, is_valid) is is_valid else None
    return verdicts
