"""Rebuild chunks and completions from propositions, as a student's prompts and answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from synthkd.kinds.base import Row
from synthkd.kinds.proposition.alignment import overlap_words
from synthkd.kinds.proposition.sentences import one_line

Sentences = dict[tuple[Any, str], list[Row]]


def group_by_chunk(candidates: Iterable[Row]) -> list[Sentences]:
    """Group candidates by chunk (their ``source``; without one, by sentence), then by sentence.

    Sentences are in the order of the document. A candidate without a sentence is its own group.
    """
    chunks: dict[tuple[str, ...], Sentences] = {}
    for candidate in candidates:
        document, sentence = str(candidate["document_id"] or ""), str(candidate["sentence"] or "")
        place = candidate.get("sentence_index")
        source = str(candidate.get("source") or "")
        key = (document, source) if source else (document, sentence, str(place))
        order = -1 if place is None else int(place)
        chunks.setdefault(key, {}).setdefault((order, sentence), []).append(candidate)
    return [dict(sorted(chunk.items(), key=lambda item: item[0])) for chunk in chunks.values()]


def chunk_row(chunk: Sentences, document: str, context: bool) -> dict[str, Any]:
    """Make the input row, as the kind's `expand` does, of the sentences with propositions."""
    sentences = [sentence for _, sentence in chunk]
    text = "\n".join(sentences)
    starts = [sum(len(sentence) + 1 for sentence in sentences[:i]) for i in range(len(sentences))]
    first = next(iter(chunk.values()))[0]
    lines = [one_line(sentence) for sentence in sentences]
    whole = str(first.get("source") or "")
    return {
        "document_id": document,
        "text": text,
        "sentences": lines,
        "before": whole[: max(whole.find(lines[0]), 0)].strip() if context else "",
        "starts": starts,
        "ends": [start + len(sentence) for start, sentence in zip(starts, sentences, strict=True)],
        "units": [str(rows[0].get("unit") or "sentence") for rows in chunk.values()],
        "first_index": max(next(iter(chunk))[0], 0),
    }


def ordered_propositions(candidates: Sequence[Row], sentence: str) -> list[str]:
    """Return the distinct propositions of a sentence, by the place of their last word in it.

    Ties keep the order of the teacher's answer.
    """
    places = {word: i for i, word in enumerate(overlap_words(sentence))}

    def place(candidate: Row) -> tuple[int, int, str]:
        proposition = str(candidate["proposition"] or "")
        last = max((places.get(word, -1) for word in overlap_words(proposition)), default=-1)
        return last, str(candidate.get("raw") or "").find(proposition), proposition

    return list(
        dict.fromkeys(str(one["proposition"] or "") for one in sorted(candidates, key=place))
    )


def grouped_text(groups: Iterable[Sequence[str]]) -> str:
    """Write propositions as tagged groups, one per sentence, with a dash before each."""
    lines = [
        line
        for group in groups
        for line in ("<s>", *(f"- {proposition}" for proposition in group), "</s>")
    ]
    return "\n" + "\n".join(lines)
