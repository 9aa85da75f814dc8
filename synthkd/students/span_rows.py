"""Read texts with their spans from corpora, files of rows, and tokens with BIO tags."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkd.errors import InputError, StudentError, nearest
from synthkd.kinds.base import Malformed
from synthkd.kinds.span.answers import WrittenSpan, read_json_spans
from synthkd.kinds.span.places import (
    REPEATED,
    LocatedSpan,
    locate_spans,
    resolve_overlaps,
)
from synthkd.students.rows import located_rows, row_text
from synthkd.students.spans import Spans, TaggedTexts, TypedSpan

#: Columns that hold the text of a row, in order of preference.
_TEXTS = ("sentence", "text")
#: Columns of a token's tag, in order of preference.
_TAGS = ("tags", "ner_tags", "labels")


def read_tagged_texts(path: Path | str, text: str | None = None) -> TaggedTexts:
    """Read texts and spans from a corpus of spans, or a CSV, JSONL or Parquet file.

    A file has one of three forms:

    - a row for each span, as corpora have it: ``sentence`` (or ``text``), ``type``, ``span``, and
      ``start`` and ``end`` if it tells them, otherwise equal rows are the occurrences of a text in
      turn; a row with empty ``type`` and ``span`` stands for a sentence without spans;
    - a row for each text: ``text`` (or ``sentence``) and ``spans``, a list of objects with ``type``
      and ``text`` or ``start`` and ``end``, or its JSON;
    - a row for each text: ``tokens`` and ``tags`` (BIO), which are joined by blanks.

    Of spans that overlap the longest is kept.

    Args:
        path: The file or corpus.
        text: Column of the texts. Default: ``sentence``, or else ``text``.

    Raises:
        InputError: A column is missing, or a text does not have its span.
        StudentError: There are no rows.
    """
    path = Path(path)
    texts, collected, known = list[str](), list[list[LocatedSpan]](), dict[str, int]()
    for number, (where, row) in enumerate(located_rows(path)):
        # In corpora `tokens` is the number of tokens of a completion.
        if isinstance(row.get("tokens"), list | tuple) and "spans" not in row:
            sentence, spans = _of_tokens(row, where)
        else:
            sentence = row_text(row, text_column(row, text, where), where, path, number)
            earlier = collected[known[sentence]] if sentence in known else []
            spans = _spans_of_row(row, sentence, where, earlier)
        if "span" in row and "spans" not in row and sentence in known:
            collected[known[sentence]] += spans
            continue
        known[sentence] = len(texts)
        texts.append(sentence)
        collected.append(spans)
    if not texts:
        raise StudentError(f"{path}: no rows to learn from")
    return TaggedTexts(tuple(texts), tuple(map(longest_spans, collected)))


def longest_spans(spans: Sequence[LocatedSpan]) -> Spans:
    """Return the spans in the order of the text; of spans that overlap, the longest."""
    kept = [
        TypedSpan(span.start, span.end, span.type)
        for span in resolve_overlaps(spans, "longest")
        if not span.flaw and span.start is not None and span.end is not None
    ]
    return tuple(sorted(kept))


def text_column(row: dict[str, Any], given: str | None, where: str) -> str:
    """Return the column of a row's text: the given one, or else ``sentence``, or else ``text``.

    Corpora of spans have both, and their ``text`` is the span in words; so a given ``text``, the
    default of commands, stands for ``sentence`` too.

    Raises:
        InputError: There is no such column.
    """
    wanted = _TEXTS if given in (None, *_TEXTS) else (str(given),)
    column = next((name for name in wanted if name in row), None)
    if column is None:
        raise InputError(f"{where}: no column {wanted[0]!r}{nearest(wanted[0], list(row))}")
    return column


def _spans_of_row(
    row: dict[str, Any], sentence: str, where: str, earlier: Sequence[LocatedSpan]
) -> list[LocatedSpan]:
    """Return the spans of a row; ``earlier`` are those of the rows of its sentence before it."""
    if "spans" in row:
        return _of_list(row["spans"], sentence, where)
    if "span" not in row or "type" not in row:
        raise InputError(
            f"{where}: no column 'spans', nor 'type' and 'span', nor 'tokens' and 'tags'"
            f"{nearest('spans', list(row))}"
        )
    name, span = str(row["type"] or "").strip(), str(row["span"] or "")
    if not name and not span:
        return []
    if not name:
        raise InputError(f"{where}: the span {span!r} has no type")
    if _has_place(row):
        return [_located(name, span, row["start"], row["end"], sentence, where)]
    times = sum((one.type, one.text.casefold()) == (name, span.casefold()) for one in earlier)
    *_, last = locate_spans([WrittenSpan(name, span)] * (times + 1), sentence, None, "keep", False)
    # A row more than there are occurrences repeats one of them.
    return [] if last.flaw == REPEATED else _checked([last], where)


def _of_list(given: Any, sentence: str, where: str) -> list[LocatedSpan]:
    """Read a list of spans, or its JSON; spans without a place are looked for in turn."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise InputError(f"{where}: 'spans' is no JSON: {given[:60]!r}") from None
    items = [] if given is None else given.tolist() if hasattr(given, "tolist") else given
    if not isinstance(items, list | tuple) or not all(isinstance(one, dict) for one in items):
        raise InputError(f"{where}: 'spans' is not a list of objects with `type` and `text`")
    placed = [
        _located(
            str(one.get("type") or one.get("label") or ""), str(one.get("text") or ""),
            one["start"], one["end"], sentence, where,
        )
        for one in items
        if _has_place(one)
    ]  # fmt: skip
    others = [one for one in items if not _has_place(one)]
    written = read_json_spans(json.dumps(others, default=str), sentence, None)
    if isinstance(written, Malformed):
        raise InputError(f"{where}: 'spans' is not a list of objects with `type` and `text`")
    found = locate_spans(written, sentence, None, "keep", whole_words=False)
    return [*placed, *_checked(found, where)]


def _has_place(item: dict[str, Any]) -> bool:
    return item.get("start") not in (None, "") and item.get("end") not in (None, "")


def _located(name: str, span: str, start: Any, end: Any, sentence: str, where: str) -> LocatedSpan:
    if not name:
        raise InputError(f"{where}: the span {span!r} has no type")
    first, last = _character(start, "start", where), _character(end, "end", where)
    if not 0 <= first < last <= len(sentence) or (span and sentence[first:last] != span):
        raise InputError(
            f"{where}: the text has no {span or name!r} at {first}:{last}; places are characters,"
            " the end behind the last one"
        )
    return LocatedSpan(name, sentence[first:last], first, last)


def _character(value: Any, name: str, where: str) -> int:
    """Read the place of a character; tables write 3.0 for 3 beside an empty cell."""
    try:
        place = float(value)
        if isinstance(value, bool) or not place.is_integer():
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"{where}: {name!r} is {value!r:.40}, which is no whole number") from None
    return int(place)


def _checked(spans: list[LocatedSpan], where: str) -> list[LocatedSpan]:
    for span in spans:
        if span.flaw:
            raise InputError(f"{where}: the span {span.text!r} of {span.type!r}: {span.flaw}")
    return spans


def _of_tokens(row: dict[str, Any], where: str) -> tuple[str, list[LocatedSpan]]:
    column = next((name for name in _TAGS if name in row), None)
    tokens, tags = row["tokens"], row.get(column or "")
    if (
        not isinstance(tokens, list | tuple)
        or not isinstance(tags, list | tuple)
        or len(tokens) != len(tags)
        or not all(isinstance(tag, str) for tag in tags)
    ):
        raise InputError(f"{where}: 'tokens' needs a list of as many BIO tags in 'tags'")
    if other := [tag for tag in tags if not (tag == "O" or tag[:2] in ("B-", "I-"))]:
        raise InputError(
            f"{where}: {other[0]!r:.40} is no BIO tag; these are `O`, `B-` and `I-` with a type"
        )
    text, places = joined_tokens([str(token) for token in tokens])
    return text, [
        LocatedSpan(name, text[places[a][0] : places[b - 1][1]], places[a][0], places[b - 1][1])
        for a, b, name in bio_spans(tags)
    ]


def joined_tokens(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Join tokens by blanks; return the text, and start and end of each token."""
    places, start = list[tuple[int, int]](), 0
    for token in tokens:
        places.append((start, start + len(token)))
        start += len(token) + 1
    return " ".join(tokens), places


def bio_spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return (first token, token after the last, type) of the spans of BIO tags.

    As seqeval reads them: a span begins at `B-`, and at `I-` behind `O` or another type.
    """
    spans, start, name = list[tuple[int, int, str]](), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        mark, _, new = tag.partition("-")
        if name and (mark != "I" or new != name):
            spans.append((start, place, name))
            name = ""
        if mark in ("B", "I") and not name:
            start, name = place, new
    return spans
