"""Meanings of the columns of a corpus, for cards and metadata."""

from __future__ import annotations

from collections.abc import Sequence

from synthkd.corpora.schema import NORMAL, RENDERED

_MEANINGS = {
    "id": "content hash: equal for equal knowledge",
    "score": "the critic's probability of being valid; empty without a critic",
    "rejected_by": "what rejected the row",
    "reason": "why it was rejected",
    "kind": "kind of knowledge",
    "text": "the candidate as a sentence",
    "input_id": "which input the row answers",
    "completion_key": "which completion the row was parsed from",
    "sample_index": "which of the completions of a request that was",
    "prompt": "the template",
    "teacher": "who wrote the completion",
    "logprob": "log-probability of the completion, a sum in nats",
    "tokens": "tokens of the completion",
    "finish_reason": "why the completion ended",
    "raw": "the completion as it came",
    "recurrence": "number of completions with an equal candidate",
    "votes": "number of completions of the question that give this row's answer",
    "agreement": "their share, by weight, of the completions of the question",
    "margin": "lead over the next answer as a share; of another answer than the winner's: what it"
    " lacks, below zero",
    "entropy": "of the answers to the question, in nats; 0 where all completions agree",
    RENDERED: "the messages that the teacher read, as JSON",
}


def column_meanings(kind_columns: Sequence[str]) -> dict[str, str]:
    """Return what each column means, those of the kind first."""
    own = dict.fromkeys(kind_columns, "content of the candidate")
    normal = {f"{NORMAL}{name}": f"normal form of {name}" for name in kind_columns}
    return _MEANINGS | normal | own
