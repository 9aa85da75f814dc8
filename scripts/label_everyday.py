#!/usr/bin/env python3
"""Make the everyday critic: sample raw candidates, label them by the table, train.

    python scripts/label_everyday.py
    python scripts/label_everyday.py --train-only

Runs the example recipe without its critic (what is in the journal is not asked again), takes a
uniform sample of the candidates that pass rules and duplicates, and writes critics/everyday. The
label sheet is kept beside it as everyday-labels.csv: what a person would have filled in, filled in
by the table. `--train-only` takes that sheet as it is.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from everyday.truth import Truth
from synthkd import Recipe, run
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.keys import fraction
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("head", "relation", "tail", "logprob", "tokens", "recurrence", "label")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=int, default=9000, help="rows of the label sheet")
    parser.add_argument(
        "--held-out", type=float, default=0.5, help="share of heads kept for the threshold"
    )
    parser.add_argument(
        "--train-only", action="store_true", help="train on the sheet that is there"
    )
    args = parser.parse_args()
    sheet = ROOT / "critics/everyday-labels.csv"
    if not args.train_only:
        label(sheet, args.labels)
    kind = TripleKind(load_relations("everyday"))
    trained = train_critic(
        kind,
        read_labels(sheet, kind, held_out=args.held_out),
        out=ROOT / "critics/everyday",
        kind_options={"relations": "everyday"},
    )
    print(trained.facts())
    for precision in (0.8, 0.9, 0.95):
        print(trained.threshold(precision).sentence())


def label(sheet: Path, count: int) -> None:
    """Write a sheet of raw candidates, labelled by the table."""
    recipe = Recipe.load(
        ROOT / "examples/everyday.yaml",
        ["critic=null", "corpus.path=../demo/corpora/raw", "work=../demo/runs/raw"],
    )
    rows = run(recipe).corpus.table(provenance=True).to_pylist()
    rows.sort(key=lambda row: fraction(f"label|{row['id']}"))
    chosen = sorted(rows[:count], key=lambda row: row["id"])
    truth = Truth.load()
    with sheet.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {**row, "logprob": round(row["logprob"], 4), "label": str(truth.valid(row)).lower()}
            for row in chosen
        )


if __name__ == "__main__":
    main()
