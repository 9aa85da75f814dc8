#!/usr/bin/env python3
"""Write what is derived from the everyday table: seed inputs and few-shot examples.

    python scripts/make_everyday.py

Inputs are all pairs of a head and a relation that the table knows a tail for. Examples are facts that the
embedded teacher was trained on, so that a prompt never tells it one that was kept out.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from synthkd.everyday.table import RELATIONS, Table
from synthkd.everyday.text import was_seen
from synthkd.keys import fraction

ROOT = Path(__file__).resolve().parent.parent
#: Examples of each relation.
EXAMPLES = 24


def main() -> None:
    table = Table.load()
    with (ROOT / "corpora/everyday/inputs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["head", "relation"])
        writer.writerows(sorted(table.tails))
    with (ROOT / "prompts/triple/everyday-examples.jsonl").open("w", encoding="utf-8") as file:
        for relation in RELATIONS:
            facts = [fact for fact in table.facts if fact[1] == relation and was_seen(fact)]
            facts.sort(key=lambda fact: fraction("example|" + "|".join(fact)))
            # One fact of a head, so that the examples are of many kinds.
            heads: set[str] = set()
            for head, _, tail in facts:
                if head not in heads and len(heads) < EXAMPLES:
                    heads.add(head)
                    file.write(json.dumps({"head": head, "relation": relation, "tail": tail}) + "\n")
    print(f"{len(table.tails):,} inputs, {len(table.facts):,} facts")


if __name__ == "__main__":
    main()
