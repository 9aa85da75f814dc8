"""As many recorded triples as ATOMIC-10x has: from the journal to the corpus.

West et al. 2022 (arXiv 2110.07178) keep 6.5 million triples of seven relations. Heads and tails are
made of words here; every third row is distinct, and a tenth is no good.
"""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from benchmarks.base import Figures, Options
from benchmarks.filter.processes import run_measured
from synthkd import Recipe
from synthkd.journal import Journal
from synthkd.stages.plan import plan_run

ROWS, SAMPLES = 6_500_000, 10
RELATIONS = ("xWant", "xAttr", "xEffect", "xIntent", "xNeed", "xReact", "HinderedBy")
_VERBS = (
    "buy", "find", "keep", "lose", "make", "move", "open", "paint", "bring", "carry", "clean",
    "close", "cook", "count", "cut", "draw", "drive", "drop", "fix", "fold", "give", "hide",
    "hold", "leave", "lend", "lift", "mend", "pack", "plant", "pull", "push", "read", "sell",
    "send", "share", "show", "sort", "store", "study", "take", "teach", "throw", "tie", "try",
    "turn", "use", "visit", "wash", "watch", "wear", "write",
)  # fmt: skip
_THINGS = (
    "apple", "bag", "ball", "basket", "bed", "bell", "bike", "boat", "book", "bottle", "box",
    "bread", "bridge", "brush", "bucket", "cake", "camera", "candle", "car", "card", "chair",
    "clock", "coat", "coin", "cup", "desk", "dish", "door", "dress", "drum", "fence", "flag",
    "flower", "fork", "game", "garden", "gate", "gift", "glass", "guitar", "hammer", "hat",
    "horse", "house", "jar", "kettle", "key", "kite", "knife", "ladder", "lamp", "letter",
    "map", "meal", "mirror", "money", "needle", "newspaper", "paper", "pen", "photo", "piano",
    "picture", "plate", "pocket", "radio", "ring", "road", "rope", "ruler", "shelf", "ship",
    "shirt", "shoe", "song", "spoon", "stamp", "stone", "story", "table", "tent", "ticket",
    "tool", "toy", "train", "tree", "truck", "wall", "watch", "wheel", "window",
)  # fmt: skip
_MORE = (
    "again", "today", "alone", "quickly", "slowly", "carefully", "at", "home", "outside", "in",
    "the", "park", "for", "a", "friend", "with", "help", "before", "lunch", "after", "work",
    "at", "night", "by", "hand", "as", "a", "gift", "for", "fun", "in", "secret", "on", "time",
)  # fmt: skip
_INSERT = (
    "INSERT INTO completions (request_id, sample_index, text, finish_reason, completion_tokens,"
    " logprob, created) VALUES (?,?,?,'stop',?,?,0)"
)


def inputs(count: int) -> Iterator[dict[str, str]]:
    """Yield distinct events, each with the seven relations."""
    for number in range(count):
        event, relation = divmod(number, len(RELATIONS))
        rest, verb = divmod(event, len(_VERBS))
        rest, thing = divmod(rest, len(_THINGS))
        other = _THINGS[rest % len(_THINGS)]
        head = f"PersonX {_VERBS[verb]}s PersonY's {_THINGS[thing]} near the {other}"
        yield {"input_id": f"i{number}", "head": head, "relation": RELATIONS[relation]}


def answers(head: str, rng: random.Random) -> Iterator[str]:
    """Yield the samples of one input: few tails come often, and a tenth is no good."""
    tails = [
        f"to {rng.choice(_VERBS)} the {rng.choice(_THINGS)} {rng.choice(_MORE)}" for _ in range(6)
    ]
    for _ in range(SAMPLES):
        tail = tails[min(int(rng.expovariate(0.6)), 5)]
        if rng.random() < 0.1:
            bad = (" ... ", "", f" {tail} the", f" {head}", f" {tail} {tail} {tail} {tail}", " x_y")
            yield rng.choice(bad)
        else:
            yield f" {tail}."


def fill(folder: Path, rows: int) -> Path:
    """Write a recipe with its inputs and a journal that has all samples."""
    path = folder / "recipe.yaml"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "inputs.jsonl").open("w") as lines:
        for row in inputs(rows // SAMPLES):
            lines.write(json.dumps(row) + "\n")
    (folder / "nothing.jsonl").write_text("")
    recipe = {
        "name": "atomic10x",
        "inputs": {"path": "inputs.jsonl", "id": "input_id", "columns": ["head", "relation"]},
        "kind": {"name": "triple", "relations": "events"},
        "teacher": {
            "backend": "recorded", "path": "nothing.jsonl", "identity": "made",
            "sampling": {"n": SAMPLES},
        },
        "corpus": {"path": "corpus"},
    }  # fmt: skip
    write_completions(Recipe.from_dict(recipe, folder))
    path.write_text(yaml.safe_dump(recipe))
    return path


def write_completions(recipe: Recipe) -> None:
    """Write the completions of all requests, without the waits of a durable journal."""
    rng = random.Random(0)
    Journal(recipe.journal_path).close()
    with closing(sqlite3.connect(recipe.journal_path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN")
        for batch in plan_run(recipe).batches():
            db.executemany(
                _INSERT,
                [
                    (one.request.request_id, index, text, len(text.split()) + 1, -rng.random() * 9)
                    for one in batch
                    for index, text in enumerate(answers(one.row["head"], rng))
                ],
            )
        db.execute("COMMIT")


def figures(options: Options) -> Figures:
    """Filter and publish all rows, in a temporary folder or in that of `--keep`."""
    rows = options.rows or (65_000 if options.quick else ROWS)
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        folder = options.keep or Path(temporary)
        return measure(folder / f"atomic-{rows}", rows, min(options.workers, 2))


def measure(folder: Path, rows: int, workers: int) -> Figures:
    """Measure one run, with the processor time of all processes and the peak of their memory."""
    recipe = fill(folder, rows)
    begin = time.perf_counter()
    done = run_measured("benchmarks.filter.whole", str(recipe), str(workers))
    seconds = time.perf_counter() - begin
    counts: dict[str, Any] = done.printed
    outcomes = counts["accepted"] + sum(counts["rejected"].values()) + counts["malformed"]
    return {
        "atomic10x_rows": rows,
        "atomic10x_seconds": seconds,
        "atomic10x_cpu_seconds": done.cpu,
        "atomic10x_cores_got": done.cpu / seconds,
        "atomic10x_megabytes": done.megabytes,
        "atomic10x_accepted": counts["accepted"],
        "atomic10x_rows_without_an_outcome": counts["completed"] - outcomes,
    }
