"""Equal scores in a run and in `synthkd critic score`, for every critic and sheet.

A server that answers by chance is asked once. Each critic is trained in a run on a sheet of each
shape (numeric columns present, missing, partly missing or constant; CSV, JSONL, Parquet). The rows
of the run's corpus are then scored with the critic that the run saved, in another order and from
files of three formats. `run_score_max_difference` is the largest difference of all.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from synthkd import Recipe, load_corpus, run
from synthkd.critics.score import score_file
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind
from synthkd.testing import FakeServer

HEADS, ROWS = 60, 240
KIND = TripleKind(load_relations("everyday"))
WORDS = ("cutting", "eating", "sitting", "reading", "cooking", "washing", "driving", "writing")
#: Numeric columns of a sheet, and its format.
SHAPES = {
    "texts alone": "csv",
    "recurrence": "jsonl",
    "logprob and tokens": "parquet",
    "all": "csv",
    "partly missing": "jsonl",
    "constant": "parquet",
    "empty and more columns": "csv",
}
FORMATS = ("parquet", "csv", "jsonl")


def critics(encoder: str | None, reference: Path) -> dict[str, dict[str, Any]]:
    """Return every critic that needs no teacher, as the `critic` part of a recipe, by name."""
    knowledge_base = {"name": "knowledge-base", "options": {"reference": str(reference)}}
    by_name: dict[str, dict[str, Any]] = {
        "linear": {"name": "linear"},
        "text": {"name": "text"},
        "knowledge-base": knowledge_base,
        "stack": {"name": "stack", "options": {"critics": ["linear", "text"], "folds": 2}},
        "bag": {
            "name": "stack",
            "options": {"critics": ["linear", "text"], "folds": 2, "refit": False},
        },
    }
    if encoder is None:
        return by_name
    tuned = {"model": encoder, "epochs": 1, "validation": 0.0}
    frozen = {"model": encoder, "frozen": True}
    return by_name | {
        "encoder": {"name": "encoder", "options": tuned},
        "frozen encoder": {"name": "encoder", "options": frozen},
        "knowledge-base, embedder": {
            "name": "knowledge-base",
            "options": {"reference": str(reference), "embedder": encoder},
        },
        "stack, encoders": {
            "name": "stack",
            "options": {"critics": ["linear", {"encoder": tuned}, {"encoder": frozen}], "folds": 2,
            "refit": False},
        },
    }  # fmt: skip


def answer(prompt: str, index: int, seed: int) -> str:
    """Draw a tail at random; some tails are frequent."""
    rng = np.random.default_rng([index, seed % 1000, sum(map(ord, prompt))])
    tail = [rng.choice(("good", "bad")), *rng.choice(WORDS, int(rng.integers(1, 3)))]
    return " ".join(tail)


def sheet_rows(shape: str) -> Iterator[dict[str, Any]]:
    """Yield labelled rows with the numeric columns of a shape."""
    rng = np.random.default_rng(0)
    for i in range(ROWS):
        good = i % 2 == 0
        row = {
            "head": f"h{i // 2}", "relation": "UsedFor",
            "tail": " ".join(["good" if good else "bad", *rng.choice(WORDS, int(rng.integers(1,
            3)))]), "label": good,
        }  # fmt: skip
        numbers = {
            "logprob": float(rng.normal(-2 if good else -4)),
            "tokens": int(rng.integers(1, 5)),
            "recurrence": int(rng.integers(1, 4)),
        }
        if shape == "recurrence":
            row |= {"recurrence": numbers["recurrence"]}
        elif shape == "logprob and tokens":
            row |= {name: numbers[name] for name in ("logprob", "tokens")}
        elif shape == "all":
            row |= numbers
        elif shape == "partly missing":
            row |= {name: value if rng.random() < 0.7 else None for name, value in numbers.items()}
        elif shape == "constant":
            row |= {"logprob": None, "tokens": 1, "recurrence": 1}
        elif shape == "empty and more columns":
            row |= {"logprob": "", "source": "elsewhere", "score": 0.5, "id": f"{i}"}
        yield row


def write_rows(rows: list[Mapping[str, Any]], path: Path) -> Path:
    """Write rows as CSV, JSONL or Parquet, by the suffix of the path."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def difference(folder: Path, url: str, critic: dict[str, Any], shape: str) -> float:
    """Measure the largest difference between the scores of a run and those of its saved critic."""
    sheet = write_rows(list(sheet_rows(shape)), folder / f"sheet-{shape}.{SHAPES[shape]}")
    inputs = folder / "inputs.csv"
    write_rows([{"head": f"thing {i}", "relation": "UsedFor"} for i in range(HEADS)], inputs)
    recipe = Recipe.from_dict(
        {
            "name": "agreement", "inputs": {"path": str(inputs)},
            "kind": {"name": "triple", "relations": "everyday"},
            "prompt": {"template": "triple/everyday-plain"},
            "teacher": {
                "backend": "openai", "model": "fake", "base_url": url, "sampling": {"n": 3,
                "logprobs": True},
            },
            "critic": critic | {"labels": str(sheet), "precision": 0.5, "publish_anyway": True},
            "corpus": {"path": "corpus"}, "work": "work", "journal": "journal.sqlite",
        },
        folder=folder,
    )  # fmt: skip
    run(recipe, quiet=True)
    corpus = load_corpus(folder / "corpus")
    rows = pa.concat_tables(
        [corpus.table(split, provenance=True) for split in ("accepted", "rejected")],
        promote_options="default",
    )
    rows = rows.filter(pa.compute.is_valid(rows.column("score")))
    rows = rows.take(pa.array(np.random.default_rng(1).permutation(rows.num_rows)))
    greatest = 0.0
    for form in FORMATS:
        names = [name for name in rows.schema.names if name != "score"]
        file = write_rows(rows.select(names).to_pylist(), folder / f"rows.{form}")
        score_file(folder / "work" / "critic", file, folder / "scored.parquet", KIND)
        scores = pq.read_table(folder / "scored.parquet").column("score").to_numpy()
        greatest = max(greatest, float(np.abs(scores - rows.column("score").to_numpy()).max()))
    return greatest


def figures(options: Options) -> Figures:
    """Measure the largest difference over all critics, and that of each critic."""
    shapes = list(SHAPES)[: 3 if options.quick else None]
    encoder = None if options.quick else options.encoder
    largest: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary, FakeServer(answer=answer) as server:
        folder = Path(temporary)
        true = [row for row in sheet_rows("texts alone") if row["label"]]
        reference = write_rows(true, folder / "reference.csv")
        for name, critic in critics(encoder, reference).items():
            largest[name] = max(difference(folder, server.url, critic, shape) for shape in shapes)
            print(f"{name}: {largest[name]}", file=sys.stderr, flush=True)
    return {"run_score_max_difference": max(largest.values())} | {
        f"run_score_difference_{name.replace(', ', '_').replace(' ', '_').replace('-', '_')}": value
        for name, value in largest.items()
    }
