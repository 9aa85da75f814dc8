"""The first pass of filtering: completions become rows, a batch of inputs at a time.

Rows are made column by column, in Arrow: a distinct answer of an input is parsed once
(`parsed_answers`), a distinct case is checked once (`apply_rules`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.corpora.schema import FILTER_FIELDS, RENDERED, candidate_schema, input_columns
from synthkd.errors import RecipeError, nearest
from synthkd.filters.ballot import FIELDS, Ballot, question_of
from synthkd.filters.vote_weights import QUESTION, SOURCE
from synthkd.journal import Journal
from synthkd.journal.columns import SampleColumns, SampleReader
from synthkd.keys import content_hash
from synthkd.kinds.base import Malformed
from synthkd.kinds.columns import AnswerColumns, Numbers, distinct_rows, encode_texts, spread
from synthkd.kinds.first_line import AnswerPart
from synthkd.requests import completion_key
from synthkd.rows import text_cell
from synthkd.stages.adaptive import adaptive_sampling
from synthkd.stages.apply_rules import apply_rules
from synthkd.stages.components import Components
from synthkd.stages.filter_report import ParseCounts
from synthkd.stages.input_requests import InputRequest, RequestBuilder
from synthkd.stages.parsed_answers import AnswerParser, ParsedAnswers
from synthkd.text.thoughts import may_hold_thoughts, split_thoughts

MALFORMED = "malformed"
#: What rejects a row whose text is not known to be whole; one that a limit cut is the rule
#: `unfinished`'s matter.
NOT_WHOLE = "finish_reason"
#: Bytes of texts of a batch of rows, about: a long source stands in the row of each candidate.
BATCH_BYTES = 16 << 20


@dataclass(frozen=True)
class RowShape:
    """The columns of parsed rows.

    Attributes:
        schema: All columns.
        written: Those that differ from row to row; partitions have no others.
        same: Values of columns that all rows share; null for those that are not named.
    """

    schema: pa.Schema
    written: tuple[str, ...]
    same: Mapping[str, str | None]

    @classmethod
    def of(cls, components: Components) -> RowShape:
        """Return the columns of a recipe's rows."""
        kind, prompt = components.kind, components.prompt
        name = components.recipe.published(prompt.name, "template") if prompt else None
        schema = pa.schema([*candidate_schema(kind, components.recipe.corpus), *FIELDS])
        later = {field.name for field in FILTER_FIELDS} - {"rejected_by", "reason"}
        same = {"kind": kind.name, "prompt": name}
        written = tuple(name for name in schema.names if name not in {*later, *same})
        return cls(schema, written, same)

    def batch(self, columns: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
        """Make rows of columns; others have one value in all rows."""
        return pa.RecordBatch.from_arrays(self._arrays(columns, rows), schema=self.schema)

    def whole(self, table: pa.Table) -> pa.Table:
        """Return rows with all columns, given those that are written."""
        columns = dict(zip(table.column_names, table.columns, strict=True))
        return pa.Table.from_arrays(self._arrays(columns, table.num_rows), schema=self.schema)

    def _arrays(self, columns: Mapping[str, Any], rows: int) -> list[Any]:
        return [
            columns[field.name]
            if field.name in columns
            else pa.repeat(pa.scalar(self.same.get(field.name), field.type), rows)
            for field in self.schema
        ]


class Parser:
    """Parses the completions of one recipe; ``counts`` are of all that were read."""

    def __init__(self, requests: RequestBuilder, journal: Journal) -> None:
        components, recipe = requests.components, requests.components.recipe
        self.components, self.kind, self.journal = components, components.kind, journal
        self.counts = ParseCounts()
        self.shape = RowShape.of(components)
        self.schema = self.shape.schema
        source = Ballot.of(recipe, self.kind).weight.source_column
        #: The column of the inputs that names the source of a row, if it is one of theirs.
        self._source = None if source in self.schema.names else source
        self._input_columns = input_columns(self.kind, recipe.corpus)
        self._shows_prompts = RENDERED in self.schema.names
        # As published: a path of this machine does not go into rows.
        self._who = cache(recipe.published_identity)
        self._identity = requests.identity
        self._samples = SampleReader(journal)
        self._answers = AnswerParser(components, self.schema)
        self._cuts = components.reads_first_line
        #: Columns in which all rows of an answer's candidate are equal.
        self._of_answer = ("id", "text", *self.kind.columns, *self.kind.details)
        if not self._cuts:
            self._of_answer += ("raw",)
        #: Set if samples are asked for in rounds: samples that were never wanted are not missing.
        self._adaptive = adaptive_sampling(requests, journal)

    def read(self, batch: list[InputRequest]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a batch of inputs after the rules on single rows."""
        if self._adaptive is not None:
            batch = self._adaptive.narrow(batch)
            self.counts.saved = self._adaptive.saved
        for rows, candidate in self._rows(batch):
            if candidate is None:
                yield rows
            else:
                shared = (candidate, self._of_answer)
                yield apply_rules(rows, self.kind, self.components.rules, shared)

    def unruled(self, batch: list[InputRequest]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a batch of inputs, without a rule applied."""
        for rows, _ in self._rows(batch):
            yield rows

    def _rows(self, batch: list[InputRequest]) -> Iterator[tuple[pa.RecordBatch, Numbers | None]]:
        """Yield rows of candidates, with numbers of those that are alike, and unreadable parts."""
        samples = self._wanted_samples(batch)
        text = samples.text.dictionary_encode()
        numbers, texts = _codes(text), text.dictionary.to_pylist()
        # Two texts that are equal may have come to nothing for different reasons.
        blank = np.array([not one.strip() for one in texts], bool)
        only_thoughts = samples.thought & blank[numbers] if len(texts) else samples.thought
        # Completions whose first lines are equal are one answer.
        parts = [self.components.part_of(one) for one in texts] if self._cuts else []
        codes, read = encode_texts([one.text for one in parts])
        answer, read = (codes[numbers], read) if parts else (numbers, texts)
        of, first = distinct_rows([samples.request, answer, only_thoughts])
        answers = AnswerColumns(
            read, [one.row for one in batch], answer[first], samples.request[first]
        )
        parsed = self._answers.parse(answers, only_thoughts[first])
        self._count(samples, parsed, of)
        columns = self._of_completions(batch, samples, numbers, texts)
        if parts:
            columns |= _of_parts(parts, numbers, columns)
        malformed = self._malformed(batch, samples, parsed, of, columns)
        if malformed is not None:
            yield malformed, None
        row, within = spread(parsed.counts[of])
        candidate = (np.cumsum(parsed.counts) - parsed.counts)[of[row]] + within
        size = _sizes(columns)[row] + _sizes(parsed.columns)[candidate]
        for part in _slices(size):
            at, chosen = pa.array(row[part]), pa.array(candidate[part])
            rows = {name: column.take(at) for name, column in columns.items()}
            rows |= {name: _plain(column.take(chosen)) for name, column in parsed.columns.items()}
            rows |= self._not_whole(rows["finish_reason"])
            yield self.shape.batch(rows, len(at)), candidate[part]

    def _wanted_samples(self, batch: list[InputRequest]) -> SampleColumns:
        """Return the wanted completions of these inputs; count those that are missing."""
        ids = [one.request.request_id for one in batch]
        samples = self._samples.read(ids)
        wanted = [one.request.sample_indexes for one in batch]
        asked = sum(map(len, wanted))
        kept = _are_wanted(samples, wanted)
        if not kept.all():
            samples = samples.take(np.flatnonzero(kept))
        self.counts.asked += asked
        if len(samples) < asked:
            self._count_missing(ids, wanted, samples)
        return samples

    def _count_missing(
        self, ids: list[str], wanted: list[tuple[int, ...]], samples: SampleColumns
    ) -> None:
        failed = self.journal.failures(ids)
        cached = set(zip(samples.request.tolist(), samples.sample_index.tolist(), strict=True))
        for place, (name, indexes) in enumerate(zip(ids, wanted, strict=True)):
            failures = failed.get(name, {})
            for index in indexes:
                if (place, index) in cached:
                    continue
                if (failure := failures.get(index)) is not None:
                    self.counts.failures[failure.reason] += 1
                else:
                    self.counts.missing += 1

    def _count(self, samples: SampleColumns, parsed: ParsedAnswers, of: Numbers) -> None:
        counts = self.counts
        counts.completed += len(samples)
        counts.candidates += int(parsed.counts[of].sum())
        counts.repaired += int(parsed.repaired[of].sum())
        counts.tokens += pc.sum(samples.completion_tokens).as_py() or 0
        for price in samples.price.drop_null().to_pylist():
            counts.add_price(price)
        times = np.bincount(of, minlength=len(parsed.counts))
        for answer, parts in parsed.malformed.items():
            counts.malformed += len(parts) * int(times[answer])
            for part in parts:
                counts.malformed_reasons[part.reason] += int(times[answer])

    def _of_completions(
        self,
        batch: list[InputRequest],
        samples: SampleColumns,
        numbers: Numbers,
        texts: list[str],
    ) -> dict[str, pa.Array]:
        """Return the columns that differ from completion to completion."""
        request = pa.array(samples.request)
        ids = pa.array([one.request.request_id for one in batch], pa.string()).take(request)
        index = pa.array(samples.sample_index, pa.int32())
        models = samples.model.dictionary_encode()
        who = [self._who(name or self._identity) for name in models.dictionary.to_pylist()]
        teacher = pa.array([*who, self._who(self._identity)], pa.string())
        named = pc.fill_null(models.indices, len(who))
        logprob, tokens = _own(samples, numbers, texts)
        return {
            "input_id": pa.array([one.input_id for one in batch], pa.string()).take(request),
            "completion_key": pc.binary_join_element_wise(ids, index.cast(pa.string()), "-"),
            "sample_index": index,
            "teacher": teacher.take(named),
            "logprob": logprob,
            "tokens": tokens,
            "finish_reason": samples.finish_reason,
            "raw": samples.text,
            SOURCE: self._sources(batch, samples),
            **{name: column.take(request) for name, column in self._of_inputs(batch)},
        }

    def _of_inputs(self, batch: list[InputRequest]) -> Iterator[tuple[str, pa.Array]]:
        """Yield the columns that the corpus shows of its inputs and of what was asked."""
        for name in self._input_columns:
            values = [text_cell(one.row.get(name), f"input {one.input_id}", name) for one in batch]
            yield name, pa.array(values, pa.string())
        if self._shows_prompts:
            texts = [json.dumps(one.request.messages, ensure_ascii=False) for one in batch]
            whole = [text.encode("utf-8", "replace").decode() for text in texts]
            yield RENDERED, pa.array(whole, pa.string())

    def _sources(self, batch: list[InputRequest], samples: SampleColumns) -> pa.Array:
        if self._source is None:
            return pa.nulls(len(samples), pa.string())
        # Only inputs with a completion need a source.
        sources: list[str | None] = [None] * len(batch)
        for place in np.unique(samples.request).tolist():
            row = batch[place].row
            if self._source not in row:
                raise RecipeError(
                    f"votes.by: no input has the column {self._source!r}"
                    f"{nearest(self._source, list(row))}, which is to name the source of a row"
                )
            value = row[self._source]
            sources[place] = None if value is None else str(value)
        return pa.array(sources, pa.string()).take(pa.array(samples.request))

    def _not_whole(self, finish_reason: pa.Array) -> dict[str, pa.Array]:
        """Return the outcomes of rows whose completion is not known to be whole."""
        encoded = finish_reason.dictionary_encode()
        why = [self.components.why_incomplete(one) for one in encoded.dictionary.to_pylist()]
        by = [None if reason is None else NOT_WHOLE for reason in why]
        return {
            name: pa.array(values, pa.string()).take(encoded.indices)
            for name, values in (("rejected_by", by), ("reason", why))
        }

    def _malformed(
        self,
        batch: list[InputRequest],
        samples: SampleColumns,
        parsed: ParsedAnswers,
        of: Numbers,
        columns: dict[str, pa.Array],
    ) -> pa.RecordBatch | None:
        """Make the rows of unreadable parts."""
        if not parsed.malformed:
            return None
        unread = np.zeros(len(parsed.counts), bool)
        unread[list(parsed.malformed)] = True
        places, rows = [], []
        for place in np.flatnonzero(unread[of]).tolist():
            one = batch[int(samples.request[place])]
            key = completion_key(one.request.request_id, int(samples.sample_index[place]))
            for number, part in enumerate(parsed.malformed[int(of[place])]):
                places.append(place)
                rows.append(self._malformed_row(part, one, key, number))
        at = pa.array(places, pa.int64())
        columns = {name: column.take(at) for name, column in columns.items()}
        names = ("id", QUESTION, "rejected_by", "reason")
        columns |= {
            name: pa.array(values, pa.string())
            for name, values in zip(names, zip(*rows, strict=True), strict=True)
        }
        return self.shape.batch(columns, len(rows))

    def _malformed_row(
        self, malformed: Malformed, one: InputRequest, key: str, number: int
    ) -> tuple[str, str, str, str]:
        reason = f"{malformed.reason}: {malformed.detail}" if malformed.detail else malformed.reason
        # Two inputs may share a completion (equal prompts), so both are part of the id.
        name = content_hash([MALFORMED, key, one.input_id, *([number] if number else [])])
        # It counts among those that were asked the question, where the input says which that was.
        question = question_of(self.kind, one.row)
        on = name if question is None else self._answers.question(question)
        return name, on, MALFORMED, reason


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def _sizes(columns: Mapping[str, pa.Array]) -> Numbers:
    """Return the bytes of the texts in each row."""
    sizes: Any = 0
    for column in columns.values():
        encoded = isinstance(column, pa.DictionaryArray)
        values = column.dictionary if encoded else column
        if pa.types.is_string(values.type):
            length = pc.fill_null(pc.binary_length(values), 0)
            if encoded:
                length = pc.fill_null(length.take(column.indices), 0)
            sizes = sizes + length.to_numpy(zero_copy_only=False)
    return np.asarray(sizes, np.int64)


def _slices(sizes: Numbers) -> Iterator[slice]:
    """Yield slices of rows that are about `BATCH_BYTES` large together."""
    block = np.cumsum(sizes) // BATCH_BYTES
    begins = [0, *(1 + np.flatnonzero(np.diff(block))).tolist(), len(sizes)]
    for begin, end in pairwise(begins):
        if begin < end:
            yield slice(begin, end)


def _codes(encoded: pa.DictionaryArray) -> Numbers:
    codes: Numbers = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _are_wanted(samples: SampleColumns, wanted: Sequence[tuple[int, ...]]) -> Numbers:
    """Return which completions are among the samples that each request wants."""
    if not wanted:
        return np.zeros(0, bool)
    first = wanted[0]
    kept: Numbers
    if all(indexes is first or indexes == first for indexes in wanted):
        kept = np.isin(samples.sample_index, np.array(first, np.int64))
        return kept
    most = 1 + max(
        int(samples.sample_index.max(initial=0)), *(max(one, default=0) for one in wanted)
    )
    places, within = spread(np.array(list(map(len, wanted))))
    del within
    indexes = np.array([index for one in wanted for index in one], np.int64)
    kept = np.isin(samples.request * most + samples.sample_index, places * most + indexes)
    return kept


def _of_parts(
    parts: Sequence[AnswerPart], numbers: Numbers, columns: Mapping[str, pa.Array]
) -> dict[str, pa.Array]:
    """Return what is known of the parts that are read: numbers of a longer text are not theirs."""
    ends = columns["finish_reason"].to_pylist()
    places = numbers.tolist()
    finish = [parts[at].finish(end) for at, end in zip(places, ends, strict=True)]
    alone = pa.array([parts[at].alone for at in places], pa.bool_())
    own = {
        name: pc.if_else(alone, columns[name], pa.scalar(None, columns[name].type))
        for name in ("logprob", "tokens")
    }
    return {"finish_reason": pa.array(finish, pa.string()), **own}


def _own(samples: SampleColumns, numbers: Numbers, texts: list[str]) -> tuple[Any, Any]:
    """Return log-probabilities and tokens of answers without thoughts; null if unknown."""
    with_thoughts = np.array(
        [may_hold_thoughts(text) and bool(split_thoughts(text).thoughts) for text in texts], bool
    )
    written, reasoned = samples.completion_tokens, samples.reasoning_tokens
    logprob, tokens = samples.logprob, written
    hidden = samples.thought | (with_thoughts[numbers] if texts else samples.thought)
    if not (hidden.any() or reasoned.null_count < len(reasoned)):
        return logprob, tokens.cast(pa.int32())
    told = pc.and_(pc.fill_null(pc.greater(reasoned, 0), False), pc.is_valid(written))
    unknown = pc.and_(pa.array(hidden), pc.invert(told))
    own = pc.if_else(told, pc.max_element_wise(0, pc.subtract(written, reasoned)), written)
    nothing = pa.scalar(None)
    return (
        pc.if_else(unknown, nothing.cast(pa.float64()), logprob),
        pc.if_else(unknown, nothing.cast(pa.int64()), own).cast(pa.int32()),
    )
