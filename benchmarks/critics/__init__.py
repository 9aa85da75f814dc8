#!/usr/bin/env python3
"""Critics on real rows: how well they tell valid from invalid, whether the promise is kept, how fast they score.

    python -m benchmarks critics --data DIR [--quick] [--only promise,cskb] [--json FILE]

Each part is a script of `benchmarks/critics` and can be run by itself. Test splits are read where they are
there; nothing is chosen on them. The full run takes about an hour on two cores; `--quick` minutes.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.base import data_folder, options, table, write

PARTS = (
    "default_rules", "linear_speed", "encoder_speed", "stack_speed", "agreement", "cskb_linear", "cskb", "explanations",
    "conceptnet", "judges", "guarantee", "labelling", "guarantee_simulation",
)  # fmt: skip
#: Figure -> what it must come to, and whether at least or at most.
WANTED: dict[str, tuple[str, float]] = {
    "default_rules_costly_count": ("at most", 0),
    "linear_speed_ratio_sklearn": ("at least", 0.7),
    "encoder_speed_ratio": ("at least", 0.9),
    "cn100k_dev2_accuracy": ("at least", 0.925),
    "run_score_max_difference": ("at most", 0.0),
    "cskb_linear_minus_tfidf_auc": ("at least", 0.0),
    "cskb_dev_auc": ("at least", 0.90),
    "gpt3_explanations_auc": ("at least", 0.76),
    "promise_broken_share_max": ("at most", 0.1),
    "guarantee_broken_share_max": ("at most", 0.12),
    "perfect_critic_pass_share": ("at least", 0.9),
}


def parsed() -> Any:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, help="folder of real rows (default: SYNTHKD_DATA)")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(PARTS)}")
    return parser.parse_args()


def main() -> None:
    args = parsed()
    names = args.only.split(",") if args.only else list(PARTS)
    if unknown := {*names} - {*PARTS}:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    data = data_folder(args.data)
    figures: dict[str, Any] = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures |= import_module(f"benchmarks.critics.{name}").figures(data, args.quick)
    # Lists and tables are in the JSON.
    rows = [
        (name, value if isinstance(value, int | float | None) else str(value)[:60], _kept(name, value))
        for name, value in figures.items()
    ]
    print(table([("figure", "value", "as wanted"), *rows]))
    write(figures, args.json)


def _kept(name: str, value: Any) -> str:
    if name not in WANTED or value is None:
        return ""
    word, bound = WANTED[name]
    good = value >= bound if word == "at least" else value <= bound
    return f"{'yes' if good else 'NO'}: {word} {bound:g}"


if __name__ == "__main__":
    main()
