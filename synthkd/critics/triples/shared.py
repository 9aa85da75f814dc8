"""One `Prepared` kept in memory, by the content of all that went into it: the folds of a cross-fitting ask for the same."""

from __future__ import annotations

from typing import Any

from synthkd.critics.triples.negatives import Triple
from synthkd.critics.triples.phrases import Vocabulary
from synthkd.critics.triples.training import Prepared, Told, prepare
from synthkd.critics.triples.vectors import EncoderVectors
from synthkd.keys import content_hash

_LAST: dict[str, Prepared] = {}


def prepared(known: list[Triple], told: Told, vectors: Any, seed: int, hard: float) -> Prepared:
    """As `prepare`, which is not run again for what it ran for last. ``vectors``: the encoder's, if any."""
    encoder_content = getattr(vectors, "content", None)
    key = content_hash([known, told.triples, list(told.groups), encoder_content, seed, hard])
    if key not in _LAST:
        _LAST.clear()
        encoder = None
        if vectors is not None:
            encoder = EncoderVectors.learn(vectors, Vocabulary.of(known).read(known).phrases)
        _LAST[key] = prepare(known, told, encoder, seed, hard)
    return _LAST[key]
