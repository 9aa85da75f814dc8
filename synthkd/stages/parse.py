"""The first pass of filtering: completions become rows, a batch of inputs at a time.

Rows are made column by column. Samples of one input are often equal, so a text is parsed once for
each input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError, nearest
from synthkd.filters.ballot import FIELDS, Ballot, question_of
from synthkd.filters.base import Filter, GlobalFilter, reasons_of
from synthkd.filters.row_rules import RowRule, row_columns
from synthkd.filters.vote_weights import ANSWER, QUESTION, SOURCE
from synthkd.journal import Journal
from synthkd.journal.read import SampleRecord
from synthkd.keys import content_hash
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.requests import completion_key
from synthkd.stages.adaptive import adaptive_sampling
from synthkd.stages.filter_report import ParseCounts
from synthkd.stages.input_requests import InputRequest, RequestBuilder
from synthkd.text.thoughts import ONLY_THOUGHTS, may_hold_thoughts, split_thoughts

MALFORMED = "malformed"
#: What rejects a row whose text is not known to be whole; one that a limit cut is the rule
#: `unfinished`'s matter.
NOT_WHOLE = "finish_reason"
#: Columns that differ from completion to completion, and those that its text alone decides for an
#: input.
_OF_COMPLETION = (
    "input_id", "completion_key", "sample_index", "teacher", "logprob", "tokens", "finish_reason",
    "raw", SOURCE,
)  # fmt: skip
_OF_TEXT = ("id", "text", QUESTION, ANSWER, "rejected_by", "reason")
_OUTCOME = _OF_TEXT.index("rejected_by")


@dataclass(frozen=True)
class _Parsed:
    """The candidates in a text, each as a row of values in the order of the parser's columns.

    ``malformed`` are the unreadable parts: of a text without a candidate, one stands for all.
    """

    rows: list[tuple[Any, ...]]
    malformed: tuple[Malformed, ...] = ()
    repaired: bool = False


class Parser:
    """Parses the completions of one recipe; ``counts`` are of all that were read."""

    def __init__(self, requests: RequestBuilder, journal: Journal) -> None:
        components, recipe = requests.components, requests.components.recipe
        self.components, self.kind, self.journal = components, components.kind, journal
        self.counts = ParseCounts()
        self.schema = pa.schema([*candidate_schema(self.kind), *FIELDS])
        source = Ballot.of(recipe, self.kind).weight.source_column
        #: The column of the inputs that names the source of a row, if it is one of theirs.
        self._source = None if source in self.schema.names else source
        self._own = (*self.kind.columns, *self.kind.details)
        # As published: a path of this machine does not go into rows.
        self._who = cache(recipe.published_identity)
        self._identity = requests.identity
        self._prompt = (
            recipe.published(components.prompt.name, "template") if components.prompt else None
        )
        self._questions: dict[tuple[str, ...], str] = {}
        #: Set if samples are asked for in rounds: samples that were never wanted are not missing.
        self._adaptive = adaptive_sampling(requests, journal)

    def read(self, batch: list[InputRequest]) -> pa.RecordBatch | None:
        """Return the rows of a batch of inputs after the rules on single rows; None for no rows."""
        self._questions.clear()
        if self._adaptive is not None:
            batch = self._adaptive.narrow(batch)
            self.counts.saved = self._adaptive.saved
        rows = self.unruled(batch)
        return None if rows is None else apply_rules(rows, self.kind, self.components.rules)

    def unruled(self, batch: list[InputRequest]) -> pa.RecordBatch | None:
        """Return the rows of a batch of inputs, without a rule applied; None for no rows."""
        of_text: list[tuple[Any, ...]] = []
        of_completion: list[tuple[Any, ...]] = []
        for one, index, sample, parsed in self._samples(batch):
            logprob, tokens = _own(sample)
            common = (
                one.input_id, completion_key(one.request.request_id, index), index,
                self._who(sample.model or self._identity),
                logprob, tokens, sample.finish_reason, sample.text, self._source_of(one),
            )  # fmt: skip
            rows = parsed.rows
            if rows and (reason := self.components.why_incomplete(sample.finish_reason)):
                rows = [(*row[:_OUTCOME], NOT_WHOLE, reason, *row[_OUTCOME + 2 :]) for row in rows]
            self.counts.candidates += len(parsed.rows)
            if parsed.malformed:
                self.counts.malformed += len(parsed.malformed)
                self.counts.malformed_reasons.update(part.reason for part in parsed.malformed)
                rows = rows + self._malformed_rows(parsed.malformed, one, common[1])
            for row in rows:
                of_text.append(row)
                of_completion.append(common)
        return self._table(of_text, of_completion) if of_text else None

    def _source_of(self, one: InputRequest) -> str | None:
        if self._source is None:
            return None
        if self._source not in one.row:
            raise RecipeError(
                f"votes.by: no input has the column {self._source!r}"
                f"{nearest(self._source, list(one.row))}, which is to name the source of a row"
            )
        value = one.row[self._source]
        return None if value is None else str(value)

    def _samples(
        self, batch: list[InputRequest]
    ) -> Iterator[tuple[InputRequest, int, SampleRecord, _Parsed]]:
        """Yield every completion of these inputs, parsed; count the samples that are missing."""
        counts = self.counts
        ids = [one.request.request_id for one in batch]
        cached, failed = self.journal.samples(ids), self.journal.failures(ids)
        for one, request_id in zip(batch, ids, strict=True):
            samples, failures = cached.get(request_id, {}), failed.get(request_id, {})
            known: dict[tuple[str, bool], _Parsed] = {}
            counts.asked += len(one.request.sample_indexes)
            for index in one.request.sample_indexes:
                sample = samples.get(index)
                if sample is None:
                    if (failure := failures.get(index)) is not None:
                        counts.failures[failure.reason] += 1
                    else:
                        counts.missing += 1
                    continue
                # Two texts that are equal may have come to nothing for different reasons.
                key = sample.text, bool(sample.thought)
                parsed = known.get(key)
                if parsed is None:
                    parsed = known[key] = self._parse(sample, one.row)
                counts.completed += 1
                counts.repaired += parsed.repaired
                counts.tokens += sample.completion_tokens or 0
                if sample.price is not None:
                    counts.add_price(sample.price)
                yield one, index, sample, parsed

    def _parse(self, sample: SampleRecord, row: Row) -> _Parsed:
        """Parse a completion, plain or structured."""
        if sample.thought and not sample.text.strip():
            return _Parsed([], (Malformed(ONLY_THOUGHTS, "no answer stands behind the thoughts"),))
        found, repaired = self.components.read_answer(sample.text, row)
        if isinstance(found, Malformed):
            return _Parsed([], (found,), repaired)
        rows = [self._row(part) for part in found if not isinstance(part, Malformed)]
        malformed = tuple(part for part in found if isinstance(part, Malformed))
        if not found:
            # Nothing is dropped in silence.
            malformed = (Malformed("no_candidate"),)
        return _Parsed(rows, malformed if rows else malformed[:1], repaired)

    def _row(self, candidate: Row) -> tuple[Any, ...]:
        kind = self.kind
        return (
            kind.identity(candidate), kind.verbalize(candidate),
            self._question(kind.vote_on(candidate)),
            kind.vote_for(candidate) or None, None, None,
            *[candidate.get(name) for name in self._own],
        )  # fmt: skip

    def _malformed_rows(
        self, parts: Sequence[Malformed], one: InputRequest, key: str
    ) -> list[tuple[Any, ...]]:
        """Make the rows of a completion's unreadable parts."""
        return [self._malformed_row(part, one, key, number) for number, part in enumerate(parts)]

    def _malformed_row(
        self, malformed: Malformed, one: InputRequest, key: str, number: int
    ) -> tuple[Any, ...]:
        reason = f"{malformed.reason}: {malformed.detail}" if malformed.detail else malformed.reason
        # Two inputs may share a completion (equal prompts), so both are part of the id.
        name = content_hash([MALFORMED, key, one.input_id, *([number] if number else [])])
        # It counts among those that were asked the question, where the input says which that was.
        question = question_of(self.kind, one.row)
        on = name if question is None else self._question(question)
        return (name, None, on, None, MALFORMED, reason, *[None] * len(self._own))

    def _question(self, parts: tuple[str, ...]) -> str:
        """Return the hash of a question; cached, since most rows of an input have the same."""
        known = self._questions.get(parts)
        if known is None:
            known = self._questions[parts] = content_hash([self.kind.name, *parts])
        return known

    def _table(
        self, of_text: list[tuple[Any, ...]], of_completion: list[tuple[Any, ...]]
    ) -> pa.RecordBatch:
        values: dict[str, Any] = dict(
            zip(_OF_COMPLETION, zip(*of_completion, strict=True), strict=True)
        )
        values |= zip((*_OF_TEXT, *self._own), zip(*of_text, strict=True), strict=True)
        same = {"kind": self.kind.name, "prompt": self._prompt}
        rows = len(of_text)
        columns = [
            pa.array(values[field.name], field.type)
            if field.name in values
            else pa.repeat(pa.scalar(same.get(field.name), field.type), rows)
            for field in self.schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _own(sample: SampleRecord) -> tuple[float | None, int | None]:
    """Return log-probability and tokens of an answer without its thoughts; None if unknown."""
    written = sample.completion_tokens
    if sample.reasoning_tokens and written is not None:
        return sample.logprob, max(0, written - sample.reasoning_tokens)
    if sample.thought or (may_hold_thoughts(sample.text) and split_thoughts(sample.text).thoughts):
        return None, None
    return sample.logprob, written


def apply_rules(batch: pa.RecordBatch, kind: Kind, rules: Sequence[Filter]) -> pa.RecordBatch:
    """Apply the rules: the first that rejects a row is its outcome.

    Global rules observe open rows.
    """
    outcome = batch.column("rejected_by").to_numpy(zero_copy_only=False)
    reason = batch.column("reason").to_numpy(zero_copy_only=False)
    is_open = pc.is_null(batch.column("rejected_by")).to_numpy(zero_copy_only=False)
    # Rules on one row look at a few columns: to copy only these for every rule is most of the work
    # saved.
    narrow = batch.select([name for name in row_columns(kind) if name in batch.schema.names])
    for rule in rules:
        places = np.flatnonzero(is_open)
        if not len(places):
            break
        rows = narrow if isinstance(rule, RowRule) and rule.reads(narrow) else batch
        if len(places) < batch.num_rows:
            rows = rows.take(pa.array(places))
        if isinstance(rule, GlobalFilter):
            rule.observe(rows, kind)
            continue
        verdicts = reasons_of(rule, rows, kind)
        for i, verdict in enumerate(verdicts):
            if verdict is not None:
                place = places[i]
                outcome[place], reason[place], is_open[place] = rule.name, verdict, False
    return with_outcomes(batch, outcome, reason)


def with_outcomes(rows: Any, outcome: Any, reason: Any) -> Any:
    """Return the rows with these values of ``rejected_by`` and ``reason``."""
    for name, values in (("rejected_by", outcome), ("reason", reason)):
        rows = rows.set_column(
            rows.schema.get_field_index(name), name, pa.array(values, pa.string())
        )
    return rows
