"""Diversity of the rows that are left after each stage of filtering, at equal numbers of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthkd.corpora.diversity.measures import ON_TEXTS, entropy, word_tokens
from synthkd.corpora.diversity.sketch import DistinctCounter, TextSample, candidate_hashes
from synthkd.kinds.base import Kind
from synthkd.rows import CorpusFile

#: Stages in order; a row is in a stage unless that stage or an earlier one rejected it.
STAGES = ("parsed", "rules", "votes", "accepted")
#: Rows of the sample of texts; slow measures use the first `SLOW_ROWS` of it.
ROWS, SLOW_ROWS = 2000, 400
SLOW = frozenset({"self_bleu", "soft_unique"})
#: Disjoint parts of a sample, for intervals of differences.
PARTS = 10
#: Maximum number of classes whose entropy is measured.
CLASSES = 10_000
#: Outcomes of other stages than rules. Filters of whole corpora count with votes and duplicates,
#: since they are no cost of the critic.
_MALFORMED, _CRITIC = "malformed", "critic"
#: Outcomes of rows that a critic has no score of (`CriticModel.missing`).
_UNSCORED = frozenset({"unreadable", "withheld", "unscored"})
_TOGETHER = frozenset({"votes", "order", "duplicate", "near_duplicate", "label_noise", "alias"})


def stage_diversity(folder: Path, kind: Kind) -> dict[str, Any]:
    """Return the diversity after each stage of the filtered rows, ``part-*.parquet``.

    The result is deterministic, and memory is bounded.
    """
    return _diversity(_batches(sorted(folder.glob("part-*.parquet")), kind), kind)


def corpus_diversity(folder: Path, kind: Kind | type[Kind]) -> dict[str, Any]:
    """Return the diversity after each stage of a corpus on disk."""
    return _diversity(_batches(sorted((folder / "data").glob("*.parquet")), kind), kind)


def compare_corpora(folders: Sequence[str | Path]) -> dict[str, Any]:
    """Return the diversity of the accepted texts of corpora, at equal numbers of rows.

    ``stages`` of the result is by folder. A corpus without accepted rows has no measures.
    """
    samples = {str(folder): TextSample(ROWS) for folder in folders}
    for name, sample in samples.items():
        folder = Path(name)
        for path in sorted((folder / "data").glob("accepted-*.parquet")):
            with CorpusFile.open(path) as file:
                for batch in file.batches(["id", "completion_key", "text"]):
                    sample.add(candidate_hashes(batch), batch.column("text"))
    rows = min((min(sample.count, ROWS) for sample in samples.values() if sample.count), default=0)
    stages = {
        name: {
            "rows": sample.count, "unique": {},
            **(_on_texts(sample.first(rows)) if sample.count else {}),
        }
        for name, sample in samples.items()
    }  # fmt: skip
    return {"rows_compared": rows, "stages": stages}


def _batches(files: Iterable[Path], kind: Kind | type[Kind]) -> Iterator[pa.RecordBatch]:
    columns = ["id", "completion_key", "text", "rejected_by", *kind.columns]
    for path in files:
        with CorpusFile.open(path) as file:
            yield from file.batches(list(dict.fromkeys(columns)))


class _Stage:
    """Sketches of the rows of one stage."""

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
        level = stage_numbers(outcomes)
        critic = critic or bool(pc.any(pc.equal(outcomes, _CRITIC)).as_py())
        for number, name in enumerate(STAGES):
            chosen = level >= number
            if chosen.any():
                stages[name].add(batch.filter(pa.array(chosen)), hashes[chosen])
    return _summary(stages, critic)


def stage_numbers(outcomes: pa.Array) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Return the number of the last stage of each row; -1 for malformed completions."""
    places = {_MALFORMED: -1, _CRITIC: STAGES.index("votes"), None: STAGES.index("accepted")}
    places |= dict.fromkeys(_TOGETHER, STAGES.index("rules"))
    places |= dict.fromkeys(_UNSCORED, STAGES.index("votes"))
    coded = outcomes.dictionary_encode(null_encoding="encode")
    # Any other outcome is the name of a rule.
    numbers = [places.get(name, STAGES.index("parsed")) for name in coded.dictionary.to_pylist()]
    return np.asarray(np.array(numbers, np.int8)[coded.indices.to_numpy(zero_copy_only=False)])


def _summary(stages: dict[str, _Stage], critic: bool) -> dict[str, Any]:
    filled = {name: stage for name, stage in stages.items() if stage.sample.count}
    rows = min((min(stage.sample.count, ROWS) for stage in filled.values()), default=0)
    summary: dict[str, Any] = {"rows_compared": rows, "stages": {}}
    for name, stage in filled.items():
        summary["stages"][name] = {
            "rows": stage.sample.count,
            "unique": {column: distinct.estimate() for column, distinct in stage.values.items()},
            **(
                {"class_entropy": _rounded(entropy(stage.classes.values()))}
                if _few_classes(stage)
                else {}
            ),
            **_on_texts(stage.sample.first(rows)),
        }
    if critic and {"votes", "accepted"} <= set(filled):
        summary["critic_cost"] = _cost(
            stages["votes"].sample.first(rows), stages["accepted"].sample.first(rows)
        )
    return summary


def _few_classes(stage: _Stage) -> bool:
    return bool(stage.class_column) and len(stage.classes) <= CLASSES


def _on_texts(texts: list[str]) -> dict[str, float]:
    cut = [word_tokens(text) for text in texts]
    return {
        name: _rounded(
            measure(texts[:SLOW_ROWS], cut[:SLOW_ROWS]) if name in SLOW else measure(texts, cut)
        )
        for name, measure in ON_TEXTS.items()
    }


def _cost(before: list[str], after: list[str]) -> dict[str, dict[str, float]]:
    """Return differences after minus before, with Welch's 95 % intervals over disjoint parts.

    {} if parts had fewer than ten rows.
    """
    size = min(len(before), len(after)) // PARTS
    if size < 10:
        return {}
    differences = {}
    values = [
        [_on_texts(texts[part * size : (part + 1) * size]) for part in range(PARTS)]
        for texts in (before, after)
    ]
    for name in ON_TEXTS:
        old, new = ([part[name] for part in parts] for parts in values)
        difference = fmean(new) - fmean(old)
        # Student's quantile at 2 (PARTS - 1) = 18 degrees of freedom.
        half = 2.101 * ((stdev(old) ** 2 + stdev(new) ** 2) / PARTS) ** 0.5
        differences[name] = {
            "difference": _rounded(difference), "low": _rounded(difference - half),
            "high": _rounded(difference + half),
        }  # fmt: skip
    return differences


def _rounded(value: float) -> float:
    """Round to six digits, as the last digits of sums differ between machines."""
    return round(value, 6) + 0.0
