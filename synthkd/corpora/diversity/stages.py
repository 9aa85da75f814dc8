"""Diversity of the rows that are left after each stage of filtering, at equal numbers of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.corpora.diversity.measures import ON_TEXTS, entropy, word_tokens
from synthkd.corpora.diversity.sketch import DistinctCounter, TextSample, candidate_hashes
from synthkd.kinds.base import Kind

#: Stages in their order; a row is in a stage if nothing before the end of that stage rejected it.
STAGES = ("parsed", "rules", "votes", "accepted")
#: Rows of the sample that texts are measured on; the slow measures take the first `SLOW_ROWS` of it.
ROWS, SLOW_ROWS = 2000, 400
SLOW = frozenset({"self_bleu", "soft_unique"})
#: Disjoint parts of a sample, for the interval of a difference.
PARTS = 10
#: Different classes up to which their entropy is told.
CLASSES = 10_000
#: Outcomes by the stage that gives them; any other is that of a rule. What looks at accepted rows together counts with votes
#: and duplicates, wherever it stands: it is no cost of the critic.
_MALFORMED, _CRITIC = "malformed", "critic"
#: Outcomes of rows that a critic has no score of (`Critic.missing`).
_UNSCORED = frozenset({"unreadable", "withheld", "unscored"})
_TOGETHER = frozenset({"votes", "order", "duplicate", "near_duplicate", "label_noise"})


def stage_diversity(folder: Path, kind: Kind) -> dict[str, Any]:
    """Diversity after each stage, from the ``part-*.parquet`` that filtering wrote. Deterministic; memory is bounded."""
    return _diversity(_batches(sorted(folder.glob("part-*.parquet")), kind), kind)


def corpus_diversity(folder: Path, kind: Kind | type[Kind]) -> dict[str, Any]:
    """The same from a corpus on disk."""
    return _diversity(_batches(sorted((folder / "data").glob("*.parquet")), kind), kind)


def compare_corpora(folders: list[Path]) -> dict[str, Any]:
    """The texts that corpora accepted, beside each other at equal numbers of rows; ``stages`` is by folder. One that
    accepted nothing has no measures, and the others are compared without it."""
    held = {str(folder): TextSample(ROWS) for folder in folders}
    for name, sample in held.items():
        folder = Path(name)
        for path in sorted((folder / "data").glob("accepted-*.parquet")):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(65_536, columns=["id", "completion_key", "text"]):
                    sample.add(candidate_hashes(batch), batch.column("text"))
    rows = min((min(sample.count, ROWS) for sample in held.values() if sample.count), default=0)
    stages = {
        name: {
            "rows": sample.count, "unique": {}, **(_on_texts(sample.first(rows)) if sample.count else {}),
        }
        for name, sample in held.items()
    }  # fmt: skip
    return {"rows_compared": rows, "stages": stages}


def _batches(files: Iterable[Path], kind: Kind | type[Kind]) -> Iterator[pa.RecordBatch]:
    columns = ["id", "completion_key", "text", "rejected_by", *kind.columns]
    for path in files:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(65_536, columns=list(dict.fromkeys(columns)))


class _Stage:
    """What is kept of the rows of one stage."""

    def __init__(self, kind: Kind | type[Kind]) -> None:
        self.sample = TextSample(ROWS)
        self.values = {column: DistinctCounter() for column in kind.columns}
        self.class_column = kind.class_column
        self.classes: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch, hashes: Any) -> None:
        self.sample.add(hashes, batch.column("text"))
        for column, distinct in self.values.items():
            distinct.add(batch.column(column))
        if self.class_column and len(self.classes) <= CLASSES:
            for item in pc.value_counts(batch.column(self.class_column)).to_pylist():
                self.classes[str(item["values"])] += item["counts"]


def _diversity(batches: Iterator[pa.RecordBatch], kind: Kind | type[Kind]) -> dict[str, Any]:
    stages = {name: _Stage(kind) for name in STAGES}
    critic = False
    for batch in batches:
        hashes, outcomes = candidate_hashes(batch), batch.column("rejected_by")
        level = _levels(outcomes)
        critic = critic or bool(pc.any(pc.equal(outcomes, _CRITIC)).as_py())
        for number, name in enumerate(STAGES):
            chosen = level >= number
            if chosen.any():
                stages[name].add(batch.filter(pa.array(chosen)), hashes[chosen])
    return _summary(stages, critic)


def _levels(outcomes: pa.Array) -> np.ndarray[Any, np.dtype[np.int8]]:
    """For each row the number of the last stage that it is in; -1 for what could not be read."""
    places = {_MALFORMED: -1, _CRITIC: STAGES.index("votes"), None: STAGES.index("accepted")}
    places |= dict.fromkeys(_TOGETHER, STAGES.index("rules"))
    places |= dict.fromkeys(_UNSCORED, STAGES.index("votes"))
    coded = outcomes.dictionary_encode(null_encoding="encode")
    # A rule's name may be anything: whatever is not named above is one.
    numbers = [places.get(name, STAGES.index("parsed")) for name in coded.dictionary.to_pylist()]
    return np.asarray(np.array(numbers, np.int8)[coded.indices.to_numpy(zero_copy_only=False)])


def _summary(stages: dict[str, _Stage], critic: bool) -> dict[str, Any]:
    held = {name: stage for name, stage in stages.items() if stage.sample.count}
    rows = min((min(stage.sample.count, ROWS) for stage in held.values()), default=0)
    summary: dict[str, Any] = {"rows_compared": rows, "stages": {}}
    for name, stage in held.items():
        summary["stages"][name] = {
            "rows": stage.sample.count,
            "unique": {column: distinct.estimate() for column, distinct in stage.values.items()},
            **({"class_entropy": _rounded(entropy(stage.classes.values()))} if _few_classes(stage) else {}),
            **_on_texts(stage.sample.first(rows)),
        }
    if critic and {"votes", "accepted"} <= set(held):
        summary["critic_cost"] = _cost(
            stages["votes"].sample.first(rows), stages["accepted"].sample.first(rows)
        )
    return summary


def _few_classes(stage: _Stage) -> bool:
    return bool(stage.class_column) and len(stage.classes) <= CLASSES


def _on_texts(texts: list[str]) -> dict[str, float]:
    cut = [word_tokens(text) for text in texts]
    return {
        name: _rounded(measure(texts[:SLOW_ROWS], cut[:SLOW_ROWS]) if name in SLOW else measure(texts, cut))
        for name, measure in ON_TEXTS.items()
    }


def _cost(before: list[str], after: list[str]) -> dict[str, dict[str, float]]:
    """After minus before, each the mean of `PARTS` disjoint parts of equal size, with a 95 % interval (Welch's, by the
    normal quantile widened for so few parts). Nothing where parts would hold fewer than ten rows."""
    size = min(len(before), len(after)) // PARTS
    if size < 10:
        return {}
    found = {}
    values = [
        [_on_texts(texts[part * size : (part + 1) * size]) for part in range(PARTS)]
        for texts in (before, after)
    ]
    for name in ON_TEXTS:
        old, new = ([part[name] for part in parts] for parts in values)
        difference = fmean(new) - fmean(old)
        # Student's quantile at 2 (PARTS - 1) = 18 degrees of freedom.
        half = 2.101 * ((stdev(old) ** 2 + stdev(new) ** 2) / PARTS) ** 0.5
        found[name] = {
            "difference": _rounded(difference), "low": _rounded(difference - half), "high": _rounded(difference + half),
        }  # fmt: skip
    return found


def _rounded(value: float) -> float:
    """Six digits: sums of floats may differ in the last ones between machines."""
    return round(value, 6) + 0.0
