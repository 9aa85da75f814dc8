"""Many distinct short texts: real ones, spliced ones, and changed copies of both.

Two of five rows are new: first every real text, then the beginning of one real text with the end of
another. Three of five are copies of a row before, with one to six changes: a letter swapped, left
out or typed twice, words swapped, left out, repeated from another text or put in, other case or
punctuation. No two rows are equal; the order is random.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

#: Files of real rows and the columns of their texts.
SOURCES = {
    "banking77/train.parquet": ["text"],
    "banking77/test.parquet": ["text"],
    "creak/train.parquet": ["claim", "explanation"],
    "creak/dev.parquet": ["claim", "explanation"],
    "esnli/dev.parquet": [
        "premise", "hypothesis", "explanation_1", "explanation_2", "explanation_3",
    ],
    "gpt3_explanations/csqa_train.parquet": ["question", "explanation"],
    "gpt3_explanations/snli_train.parquet": ["premise", "hypothesis", "explanation"],
    "factscore/human_facts.parquet": ["text"],
    "factscore/model_facts.parquet": ["text"],
    "gsm8k/train.parquet": ["question"],
    "rationales_palm/cqa_train_rationales.parquet": ["rationale"],
    "semeval2010_task8/train.parquet": ["text"],
    "carb_openie/dev_sentences.parquet": ["text"],
    "mtrag_un/passages.parquet": ["text"],
    "documents/documents.parquet": ["text"],
}  # fmt: skip
#: Triples, which are written as `head relation tail`.
TRIPLES = {
    "conceptnet_cn100k/train.parquet": ("head", "relation", "tail"),
    "atomic_v4/dev_triples.parquet": ("event", "relation", "tail"),
}
SHORTEST, LONGEST = 20, 240
SEED = 16
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BATCH = 100_000


def real_texts(data: Path) -> list[str]:
    """Return the distinct real texts of a folder, sentences of long ones, in a random order."""
    texts: dict[str, None] = {}
    for name, columns in SOURCES.items():
        for column in pq.read_table(data / name, columns=columns).columns:
            for text in column.to_pylist():
                for sentence in _SENTENCE.split(" ".join((text or "").split())):
                    texts[sentence] = None
    for name, columns in TRIPLES.items():
        table = pq.read_table(data / name, columns=list(columns))
        for head, relation, tail in zip(*(c.to_pylist() for c in table.columns), strict=True):
            texts[f"{head} {_CAMEL.sub(' ', relation).lower()} {tail}"] = None
    chosen = [text for text in texts if SHORTEST <= len(text) <= LONGEST]
    random.Random(SEED).shuffle(chosen)
    return chosen


# --- changes of a text ---


def _typo(words: list[str], rng: random.Random, real: list[str]) -> None:
    at = rng.randrange(len(words))
    word = words[at]
    place = rng.randrange(len(word))
    kind = rng.random()
    if kind < 0.4:
        words[at] = word[:place] + word[place + 1 : place + 2] + word[place] + word[place + 2 :]
    elif kind < 0.7 and len(word) > 1:
        words[at] = word[:place] + word[place + 1 :]
    else:
        words[at] = word[:place] + rng.choice(_LETTERS) + word[place:]


def _swap(words: list[str], rng: random.Random, real: list[str]) -> None:
    at = rng.randrange(max(1, len(words) - 1))
    words[at : at + 2] = reversed(words[at : at + 2])


def _drop(words: list[str], rng: random.Random, real: list[str]) -> None:
    if len(words) > 3:
        del words[rng.randrange(len(words))]


def _insert(words: list[str], rng: random.Random, real: list[str]) -> None:
    words.insert(rng.randrange(len(words) + 1), rng.choice(rng.choice(real).split()))


def _replace(words: list[str], rng: random.Random, real: list[str]) -> None:
    words[rng.randrange(len(words))] = rng.choice(rng.choice(real).split())


def _case(words: list[str], rng: random.Random, real: list[str]) -> None:
    at = rng.randrange(len(words))
    words[at] = rng.choice((str.upper, str.capitalize, str.lower))(words[at])


def _punctuation(words: list[str], rng: random.Random, real: list[str]) -> None:
    words[rng.randrange(len(words))] += rng.choice(",.!?;")


_Change = Callable[[list[str], random.Random, list[str]], None]
_CHANGES: tuple[_Change, ...] = (
    _typo, _typo, _swap, _drop, _insert, _insert, _replace, _replace, _case, _punctuation,
)  # fmt: skip


def changed(text: str, rng: random.Random, real: list[str]) -> str:
    """Return a text with one to six changes."""
    words = text.split()
    for _ in range(min(6, 1 + int(rng.expovariate(0.6)))):
        rng.choice(_CHANGES)(words, rng, real)
    return " ".join(words)


def _spliced(rng: random.Random, real: list[str]) -> str:
    """Return the beginning of a real text with the end of another."""
    begin, end = rng.choice(real).split(), rng.choice(real).split()
    return " ".join(begin[: (len(begin) + 1) // 2] + end[len(end) // 2 :])


def texts(count: int, real: list[str]) -> Iterator[str]:
    """Yield distinct texts; a longer corpus is no continuation of a shorter one."""
    rng = random.Random(f"{SEED}-{count}")
    fresh, left, seen = [], iter(real), set[int]()
    while len(seen) < count:
        if not fresh or rng.random() < 0.4:
            text = next(left, "") or _spliced(rng, real)
            fresh.append(text)
        else:
            text = changed(rng.choice(fresh), rng, real)
        if SHORTEST <= len(text) <= LONGEST and (key := hash(text)) not in seen:
            seen.add(key)
            yield text


def write(path: Path, count: int, data: Path) -> None:
    """Write a corpus as a Parquet file of `id` and `text`, in a random order within batches."""
    real = real_texts(data)
    rng = random.Random(SEED)
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    source, number = texts(count, real), 0
    with pq.ParquetWriter(path.with_suffix(".part"), schema, compression="zstd") as file:
        while batch := list(islice(source, _BATCH)):
            rng.shuffle(batch)
            ids = [f"{number + i:08x}" for i in range(len(batch))]
            number += len(batch)
            file.write_table(pa.table({"id": ids, "text": batch}, schema))
    path.with_suffix(".part").rename(path)
