"""Peak memory of training and scoring at ten times the rows.

The texts are those of the other parts; the class of a row follows from its first word, and a triple
(beginning, relation, rest of the text) is valid if its tail begins in the first half of the
alphabet. A hundredth of the verdicts is wrong.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.base import ROOT, Figures, Options
from benchmarks.near_duplicates.texts import real_texts, texts
from benchmarks.peers.runs import environment, time_process

_RELATIONS = ("UsedFor", "AtLocation", "CapableOf")
_CLASSES = 4
#: Rows that are trained on, of the smaller and of the larger file.
TRAINED = 10_000


def write_rows(folder: Path, count: int, data: Path) -> tuple[Path, Path]:
    """Write labelled texts and labelled triples."""
    labelled, triples = folder / f"texts-{count}.parquet", folder / f"triples-{count}.parquet"
    source, number = texts(count, real_texts(data)), 0
    with pq.ParquetWriter(labelled, _schema("text", "label")) as of_texts, pq.ParquetWriter(
        triples, _schema("head", "relation", "tail", "label")
    ) as of_triples:  # fmt: skip
        while batch := list(islice(source, 50_000)):
            words = [text.split() for text in batch]
            tails = [" ".join(each[len(each) // 2 :]) for each in words]
            numbers = range(number, number + len(batch))
            number += len(batch)
            of_texts.write_table(pa.table({
                "text": batch,
                "label": [f"class {ord(text[0].lower()) % _CLASSES}" for text in batch],
            }))  # fmt: skip
            of_triples.write_table(pa.table({
                "head": [" ".join(each[: len(each) // 2]) or "it" for each in words],
                "relation": [_RELATIONS[i % 3] for i in numbers],
                "tail": tails,
                "label": [
                    "accept" if (tail[0].lower() < "m") != (i % 100 == 0) else "reject"
                    for i, tail in zip(numbers, tails, strict=True)
                ],
            }))  # fmt: skip
    return labelled, triples


def _schema(*names: str) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])


def figures(options: Options) -> Figures:
    """Measure four commands at a number of rows and at ten times as many."""
    large = options.rows or (50_000 if options.quick else 1_000_000)
    found: Figures = {"memory_rows": large}
    trained = min(TRAINED, large // 10)
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        folder = Path(temporary)
        for rows in (large // 10, large):
            labelled, triples = write_rows(folder, rows, options.data_folder)
            student, critic = folder / f"student-{rows}", folder / f"critic-{rows}"
            for name, words in {
                "student_train": [
                    "student", "train", labelled, student, "--option", f"max_rows={trained}",
                ],
                "student_predict": [
                    "student", "predict", folder / f"student-{large // 10}", labelled,
                    folder / f"predicted-{rows}.parquet",
                ],
                "critic_train": [
                    "critic", "train", triples, critic, "--kind", "triple",
                    "--max-rows", trained,
                ],
                "critic_score": [
                    "critic", "score", folder / f"critic-{large // 10}", triples,
                    folder / f"scored-{rows}.parquet", "--kind", "triple",
                ],
            }.items():  # fmt: skip
                seconds, megabytes = _measured([str(word) for word in words], folder)
                size = "large" if rows == large else "small"
                found[f"{name}_megabytes_{size}"] = megabytes
                found[f"{name}_seconds_{size}"] = seconds
    for name in ("student_train", "student_predict", "critic_train", "critic_score"):
        small, many = (found[f"{name}_megabytes_{size}"] for size in ("small", "large"))
        found[f"{name}_memory_ratio"] = many / small
    return found


def _measured(words: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; seconds and megabytes at its peak.

    Raises:
        SystemExit: the command failed.
    """
    with (folder / "log").open("w") as log:
        code, seconds, _, memory = time_process(
            [sys.executable, "-m", "synthkd", *words],
            environment(folder) | {"OMP_NUM_THREADS": "1"}, ROOT, log, 3600,
        )  # fmt: skip
    if code:
        raise SystemExit(f"{' '.join(words[:2])}: {(folder / 'log').read_text()[-2000:]}")
    return seconds, memory / (2**20 if sys.platform == "darwin" else 2**10)
