"""The columns of a candidate, from parsing to the corpus."""

from __future__ import annotations

import pyarrow as pa

from synthkd.kinds.base import Kind

#: Columns of every candidate, besides those of its kind.
COMMON_FIELDS = [
    pa.field("id", pa.string()),
    pa.field("kind", pa.string()),
    pa.field("text", pa.string()),
    pa.field("input_id", pa.string()),
    pa.field("completion_key", pa.string()),
    pa.field("sample_index", pa.int32()),
    pa.field("prompt", pa.string()),
    pa.field("teacher", pa.string()),
    pa.field("logprob", pa.float64()),
    pa.field("tokens", pa.int32()),
    pa.field("finish_reason", pa.string()),
    pa.field("raw", pa.string()),
]
#: Columns that filtering adds. ``recurrence`` is the number of completions with an equal candidate;
#: the next four come from the votes: completions that vote for the row's answer, their share by
#: weight, its lead over the next answer, and the entropy of all answers to the question in nats.
FILTER_FIELDS = [
    pa.field("recurrence", pa.int32()),
    pa.field("votes", pa.int32()),
    pa.field("agreement", pa.float64()),
    pa.field("margin", pa.float64()),
    pa.field("entropy", pa.float64()),
    pa.field("score", pa.float64()),
    pa.field("rejected_by", pa.string()),
    pa.field("reason", pa.string()),
]


def candidate_schema(kind: Kind) -> pa.Schema:
    """Return the schema of filtered candidates: the kind's columns, provenance and outcome."""
    own = [
        pa.field(column, pa.type_for_alias(kind.types.get(column, "string")))
        for column in kind.columns
    ]
    own += [pa.field(name, pa.type_for_alias(alias)) for name, alias in kind.details.items()]
    # A kind with a column `text` has no further sentence.
    rest = [field for field in COMMON_FIELDS[2:] if field.name not in kind.columns]
    return pa.schema([*COMMON_FIELDS[:2], *own, *rest, *FILTER_FIELDS])
