#!/usr/bin/env python3
"""Make the everyday critic: sample raw candidates, label them by the table, train.

    python scripts/label_everyday.py

Runs the example recipe without its critic (what is in the journal is not asked again), takes a uniform sample
of the candidates that pass rules and duplicates, and writes critics/everyday. The label sheet is kept beside it
as everyday-labels.csv: what a person would have filled in, filled in by the table.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from synthkd import Recipe, run
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.everyday.truth import Truth
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
    parser.add_argument("--held-out", type=float, default=0.5, help="share of heads kept for the threshold")
    args = parser.parse_args()
    recipe = Recipe.load(
        ROOT / "examples/everyday.yaml",
        ["critic=null", "corpus.path=../demo/corpora/raw", "work=../demo/runs/raw"],
    )
    rows = run(recipe).corpus.accepted.to_pylist()
    rows.sort(key=lambda row: fraction(f"label|{row['id']}"))
    chosen = sorted(rows[: args.labels], key=lambda row: row["id"])
    truth = Truth.load()
    out = ROOT / "critics/everyday"
    sheet = ROOT / "critics/everyday-labels.csv"
    with sheet.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {**row, "logprob": round(row["logprob"], 4), "label": str(truth.valid(row)).lower()}
            for row in chosen
        )
    kind = TripleKind(load_relations("everyday"))
    trained = train_critic(kind, read_labels(sheet, kind, held_out=args.held_out), out=out)
    print(trained.facts())
    for precision in (0.8, 0.9, 0.95):
        print(trained.threshold(precision).sentence())


if __name__ == "__main__":
    main()
