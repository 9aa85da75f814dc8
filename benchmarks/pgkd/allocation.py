"""Allocation of rows to classes: allocations of the loop on three sets in four shapes.

    banking77   messages to a bank, 77 intents
    names       names by type (CrossNER), of unequal supply
    pairs       pairs of names by relation (ParaRel)

    even        5 rows of each class at the start
    uneven      1 to 16 rows of each class
    scarce      5 rows; half of the classes have 6 in the pool
    judged      5 rows, and 20 for validation instead of 5

A round is made in memory with the loop's own parts: `RoundInputs.allocation`, the pool's typical
rows, the linear student on the vectors of a frozen encoder, calibrated on the validation rows.
There is no prompt and no journal: only the allocation is compared. Area: mean test accuracy along
the curve of ten rounds of as many rows as there are classes. Differences to uniform allocation by a
paired bootstrap over test rows and seeds. With `--dev` rows cut from train replace the test rows
(other rows for each seed, so the interval is Student's t over seeds).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.pgkd.cuts import cut
from benchmarks.pgkd.loops import gain
from benchmarks.text_table import table
from synthkd.loops.labelled.round_inputs import RoundInputs
from synthkd.recipe import Recipe
from synthkd.students.base import LabelledTexts
from synthkd.students.classifiers.linear import LinearStudent
from synthkd.students.metrics import evaluate_classifier, paired_bootstrap
from synthkd.teachers.pool.selection import select_typical

#: The `loop` part of each arm; the others are compared with the first.
ARMS: dict[str, dict[str, Any]] = {
    "uniform": {"allocate": "uniform"},
    "own": {"allocate": "own"},
    "own, no losses": {"allocate": "own", "allocation": {"trust": 0.0}},
}
#: Rows of a class at the start, whether the pool is scarce, and validation rows of a class.
SHAPES = {
    "even": (5, False, 5),
    "uneven": (0, False, 5),
    "scarce": (5, True, 5),
    "judged": (5, False, 20),
}
SOURCES = ("banking77", "names", "pairs")


def run(
    data: Path, seeds: Sequence[int], rounds: int, encoder: str | None, dev: bool, quick: bool
) -> dict[str, Any]:
    """Compare the allocations; figures by name."""
    figures: dict[str, Any] = {}
    lines: list[tuple[Any, ...]] = [
        ("set", "shape", "allocation", "area", "minus uniform", "low", "high", "end", "rows")
    ]
    for source in SOURCES[1:2] if quick else SOURCES:
        for shape, (shots, scarce, judged) in SHAPES.items():
            curves: dict[str, list[Curve]] = {name: [] for name in ARMS}
            for seed in seeds:
                with tempfile.TemporaryDirectory(prefix="pgkd-allocation-") as name:
                    place = cut(data, Path(name), seed, shots, dev, source, scarce, judged)
                    world = World(place.folder, place.classes, encoder, seed)
                    for arm in ARMS:
                        curves[arm].append(world.curve(arm, rounds))
            for arm in ARMS:
                row = _compared(curves[arm], curves["uniform"], dev)
                lines.append((source, shape, arm, *row))
                key = f"allocation_{source}_{shape}_{arm.replace(', ', '_').replace(' ', '_')}"
                figures |= {f"{key}_area": row[0]}
                if arm != "uniform":
                    figures |= dict(
                        zip(
                            (f"{key}_minus_uniform{end}" for end in ("", "_low", "_high")),
                            row[1:4],
                            strict=True,
                        )
                    )
            print(table([lines[0], *lines[-len(ARMS) :]]), flush=True)
    print(f"\n{table(lines)}\n")
    return figures


class Curve:
    """Correct answers on the test rows along a loop, (rounds + 1, n).

    ``rows`` is the number of training rows at the end.
    """

    def __init__(self, right: Any, rows: int) -> None:
        self.right, self.rows = np.asarray(right, dtype=float), rows

    @property
    def by_row(self) -> Any:
        """Share of the curve (trapezoids) along which each test row is answered right, (n,)."""
        return ((self.right[1:] + self.right[:-1]) / 2).mean(0)


def _compared(better: Sequence[Curve], base: Sequence[Curve], dev: bool) -> tuple[float, ...]:
    """Return the area, the gain with its interval, and accuracy and rows at the end."""
    sides = [[one.by_row for one in side] for side in (better, base)]
    if dev:
        interval = tuple(gain(*([float(row.mean()) for row in side] for side in sides)))
    else:
        interval = paired_bootstrap(*(np.stack(side) for side in sides))
    areas, ends = (
        [float(row.mean()) for row in sides[0]],
        [float(one.right[-1].mean()) for one in better],
    )
    return (
        float(np.mean(areas)),
        *interval,
        float(np.mean(ends)),
        round(float(np.mean([one.rows for one in better]))),
    )


class World:
    """The rows of a cut, and a pool that gives out typical rows of a class, each once."""

    def __init__(
        self, folder: Path, classes: Sequence[str], encoder: str | None, seed: int
    ) -> None:
        self.folder, self.classes, self.seed = folder, tuple(classes), seed
        self.start, self.validation, self.pool, self.test = (
            _read(folder / f"{name}.parquet") for name in ("start", "validation", "pool", "test")
        )
        self.options: dict[str, Any] = (
            {"features": "embeddings", "encoder": encoder} if encoder else {}
        )

    def curve(self, arm: str, rounds: int) -> Curve:
        """Run a loop of rounds of as many rows as there are classes."""
        requests = RoundInputs(self._recipe(arm), self.classes)
        train, free = (
            list(zip(self.start.texts, self.start.labels, strict=True)),
            self._classes(self.pool),
        )
        right, records = [], list[Mapping[str, Any]]()
        requested: Mapping[str, int] = {}
        accepted: Counter[str] = Counter()
        for number in range(rounds + 1):
            student = self._student(train)
            right.append(np.array(student.predict(self.test.texts)) == np.array(self.test.labels))
            measured = evaluate_classifier(
                student.probabilities(self.validation.texts),
                self.validation.labels,
                self.classes,
                draws=0,
            )
            details = {"validation": {"per_class": [asdict(one) for one in measured.per_class]}}
            records.append(
                {
                    "facts": {"requested": dict(requested), "accepted": dict(accepted)},
                    "figures": {"details": details},
                }
            )
            if number == rounds:
                break
            requested = requests.allocation(
                measured, Counter(label for _, label in train), records
            ).wanted
            accepted = Counter()
            for label, wanted in requested.items():
                texts = self._typical(
                    free[label], [text for text, of in train if of == label], wanted
                )
                train += [(text, label) for text in texts]
                free[label] = [text for text in free[label] if text not in set(texts)]
                accepted[label] = len(texts)
        return Curve(right, len(train))

    def _student(self, train: Sequence[tuple[str, str]]) -> LinearStudent:
        texts, labels = zip(*train, strict=True)
        return LinearStudent(self.classes, self.seed, **self.options).fit(
            LabelledTexts(texts, labels), self.validation
        )

    def _typical(self, free: Sequence[str], seen: Sequence[str], most: int) -> list[str]:
        """Return typical rows of a class that the student does not have."""
        if not free:
            return []
        a, b = (
            _vectors(free, self.options.get("encoder")),
            _vectors(seen, self.options.get("encoder")),
        )
        return [
            free[place]
            for place in select_typical(a @ a.T, a @ b.T, np.zeros((len(free), 0)), 1.0, most)
        ]

    def _classes(self, rows: LabelledTexts) -> dict[str, list[str]]:
        results: dict[str, list[str]] = {label: [] for label in self.classes}
        for text, label in zip(rows.texts, rows.labels, strict=True):
            results[label].append(text)
        return results

    def _recipe(self, arm: str) -> Recipe:
        loop = {
            "start": {"path": "start.parquet"},
            "validation": {"path": "validation.parquet"},
            "rows": len(self.classes),
        }
        return Recipe.from_dict(
            {
                "name": "allocation",
                "seed": self.seed,
                "inputs": {"path": "start.parquet"},
                "kind": {"name": "labelled_text", "several": True},
                "prompt": {"template": "labelled_text/pool"},
                "teacher": {"backend": "pool", "path": "pool.parquet"},
                "loop": {**loop, **ARMS[arm]},
                "corpus": {"path": "corpus"},
            },
            folder=self.folder,
        )


def _read(file: Path) -> LabelledTexts:
    rows = pq.read_table(file)
    return LabelledTexts(
        tuple(rows.column("text").to_pylist()), tuple(rows.column("label").to_pylist())
    )


def _vectors(texts: Sequence[str], encoder: str | None) -> Any:
    """Return unit vectors (n, d) of the encoder, or of hashed words without one."""
    if encoder:
        from synthkd.encoders.frozen import load_frozen_encoder

        return load_frozen_encoder(encoder, None, None).embed(texts)
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=1 << 12, ngram_range=(1, 2)).transform(texts).toarray()
