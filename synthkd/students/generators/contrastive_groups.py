"""Group positives and negatives of a corpus by question, for contrastive training.

As in QCRD (arXiv 2405.13014), a positive is an accepted rationale, with the share of votes of its
answer. A negative lost the vote or failed a check, with the reason. A text that was given several
times comes once; texts without an answer are neither. Rows are grouped in a temporary file, so that
memory does not grow with the corpus.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkd.corpora.read import Corpus, load_corpus
from synthkd.errors import InputError
from synthkd.storage import TemporaryFolder

#: Rejecting steps that tell nothing of the quality of a rationale.
NOT_NEGATIVES = ("duplicate", "malformed")


@dataclass(frozen=True)
class ContrastGroup:
    """A question with its rows.

    Attributes:
        question: The question.
        positives: Accepted rows, with `agreement` (None without votes).
        negatives: Rejected rows, with `why`: the rejecting step and its reason.
    """

    question: str
    positives: list[dict[str, Any]]
    negatives: list[dict[str, Any]]


def contrastive_pairs(
    corpus: Corpus | str | Path, both: bool = True, without: Sequence[str] = NOT_NEGATIVES
) -> Iterator[ContrastGroup]:
    """Yield a `ContrastGroup` for each question, in alphabetical order.

    Args:
        corpus: A corpus with a column `question`, or its folder.
        both: Leave out questions without a positive or without a negative.
        without: Steps whose rejected rows are no negatives.

    Raises:
        InputError: The corpus has no questions.
    """
    corpus = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    columns = _columns(corpus)
    with TemporaryFolder() as folder:
        rows = sqlite3.connect(Path(folder) / "rows.sqlite", isolation_level=None)
        try:
            _fill(rows, corpus, columns, set(without))
            for group in _grouped(rows):
                if not both or (group.positives and group.negatives):
                    yield group
        finally:
            rows.close()


def _columns(corpus: Corpus) -> list[str]:
    own = list(corpus.manifest["kind"]["columns"])
    if "question" not in own:
        name = corpus.manifest["kind"]["name"]
        raise InputError(
            f"{corpus.path}: a corpus of the kind {name!r} has no questions to contrast answers of"
        )
    return [*[name for name in own if name != "question"], "id", "agreement", "score"]


def _fill(rows: sqlite3.Connection, corpus: Corpus, columns: list[str], without: set[str]) -> None:
    rows.execute("PRAGMA synchronous=OFF")
    rows.execute("PRAGMA journal_mode=OFF")
    rows.execute("CREATE TABLE rows (question TEXT, negative INTEGER, id TEXT, row TEXT)")
    rows.execute("BEGIN")
    for split, negative in (("accepted", 0), ("rejected", 1)):
        wanted = ["question", *columns, "rejected_by", "reason"]
        for batch in corpus.batches(split, wanted):
            rows.executemany(
                "INSERT INTO rows VALUES (?,?,?,?)", _records(batch, negative, without)
            )
    rows.execute("CREATE INDEX by_question ON rows (question, negative, id)")


def _records(batch: Any, negative: int, without: set[str]) -> Iterator[tuple[str, int, str, str]]:
    for row in batch.to_pylist():
        question, by, reason = row.pop("question"), row.pop("rejected_by"), row.pop("reason")
        if question is None or by in without:
            continue
        if negative:
            row["why"] = by if reason is None else f"{by}: {reason}"
        yield question, negative, row["id"], json.dumps(row)


def _grouped(rows: sqlite3.Connection) -> Iterator[ContrastGroup]:
    group: ContrastGroup | None = None
    seen: set[str] = set()
    for question, negative, name, text in rows.execute(
        "SELECT question, negative, id, row FROM rows ORDER BY question, negative, id"
    ):
        if group is None or group.question != question:
            if group is not None:
                yield group
            group = ContrastGroup(question, [], [])
            seen.clear()
        # Votes and rules reject every copy, and one that was cut may say what an accepted one says.
        if name in seen:
            continue
        seen.add(name)
        (group.negatives if negative else group.positives).append(json.loads(text))
    if group is not None:
        yield group
