"""Propositions on real rows: parser, alignment and rules against human corrections; documents of every length.

    python -m benchmarks propositions [--quick] [--embedded] [--json FILE]

Decompositions (FActScore: 183 biographies): what a model proposed for each sentence against what humans made of it, by
RB with named scorers and by exact match, before and after each rule; how often a proposition without its group goes to
the right sentence. Documents (41 PEPs and a novel): a recorded teacher that answers in every form, broken ones
too; places map back, every sentence has an outcome; time and memory. `--embedded` has the embedded teacher answer instead,
for as many documents as it can in a few minutes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.base import data_folder, options, table, write
from benchmarks.propositions.decompositions import agreement, alignment, planted, rule_effects
from benchmarks.propositions.documents import embedded, recorded, segmented


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--embedded", action="store_true", help="the embedded teacher over the documents")
    args = parser.parse_args()
    data = data_folder()
    figures: dict[str, Any] = {}
    rows, found = agreement(data / "factscore", args.quick)
    print(table(rows), "\n")
    figures |= found
    rows, found = rule_effects(data / "factscore")
    print(table(rows), "\n")
    figures |= found
    found = alignment(data / "factscore")
    print(table([("alignment without groups", "share"), *found.items()]), "\n")
    figures |= found
    found = planted(data / "factscore")
    print(table([("planted in human facts", ""), *found.items()]), "\n")
    figures |= found
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for step in (segmented, recorded, *([embedded] if args.embedded else [])):
            found = step(data / "documents", folder, args.quick)
            print(table([(step.__name__, "figure"), *found.items()]), "\n")
            figures |= {f"{step.__name__}_{key}": value for key, value in found.items()}
    write(figures, args.json)


if __name__ == "__main__":
    main()
