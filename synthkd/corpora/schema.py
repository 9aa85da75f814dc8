"""The columns of a candidate, from parsing to the corpus."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from synthkd.kinds.base import Kind
from synthkd.recipe.parts import CorpusPart
from synthkd.rows.corpus_files import OUTCOME

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


#: Column of the rendered prompt of each row (`corpus.prompts: full`): its messages as JSON.
RENDERED = "rendered_prompt"
#: Beginning of the names of columns of normal forms (`corpus.normal_forms`).
NORMAL = "normal_"


def candidate_schema(kind: Kind, corpus: CorpusPart | None = None) -> pa.Schema:
    """Return the schema of filtered candidates: the kind's columns, provenance and outcome.

    Args:
        kind: The kind.
        corpus: The corpus that a recipe asks for, whose columns come from the inputs.
    """
    own = [
        pa.field(column, pa.type_for_alias(kind.types.get(column, "string")))
        for column in kind.columns
    ]
    own += [pa.field(name, pa.type_for_alias(alias)) for name, alias in kind.details.items()]
    own += [pa.field(name, pa.string()) for name in input_columns(kind, corpus)]
    # A kind with a column `text` has no further sentence.
    rest = [field for field in COMMON_FIELDS[2:] if field.name not in kind.columns]
    if corpus is not None and corpus.prompts == "full":
        rest.append(pa.field(RENDERED, pa.string()))
    return pa.schema([*COMMON_FIELDS[:2], *own, *rest, *FILTER_FIELDS])


def input_columns(kind: Kind, corpus: CorpusPart | None) -> list[str]:
    """Return the columns of the inputs that a corpus has beside those of the kind."""
    own = {*kind.columns, *kind.details}
    return [name for name in (corpus.input_columns if corpus else ()) if name not in own]


def content_columns(kind: Kind, corpus: CorpusPart | None = None) -> list[str]:
    """Return the columns of a corpus' accepted rows that are not provenance, in their order."""
    details = [name for name in kind.details if name not in kind.provenance_details]
    normal = normal_columns(kind) if corpus is not None and corpus.normal_forms else []
    return [*kind.columns, *details, *input_columns(kind, corpus), *normal, "score", "id"]


def normal_columns(kind: Kind) -> list[str]:
    """Return the names of the columns of normal forms."""
    return [f"{NORMAL}{name}" for name in kind.columns]


def ordered_columns(names: Sequence[str], content: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the columns of content, and the key with all others, of rows with these columns."""
    first = [name for name in content if name in names]
    return first, ["id", *(name for name in names if name not in {*first, "id", *OUTCOME})]
