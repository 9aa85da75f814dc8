#!/usr/bin/env python3
"""Students on real rows: beside what people use, beside their teacher, and how fast they answer.

    python -m benchmarks students [--data DIR] [--only classifiers,speed] [--quick] [--seeds 3] [--json FILE]

Each part is a module of `benchmarks/students` with ``run(options)``, which gives its figures by name. Test splits are
only measured; nothing is chosen on them. `--keep DIR` keeps what the slowest peers said, so that a run that was cut short
goes on.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.base import data_folder, options, table, write
from benchmarks.encoders import default_encoder

PARTS = ("classifiers", "speed", "generators", "everyday", "rationales", "propositions")
#: Figure -> what it must come to, and whether at least or at most.
WANTED: dict[str, tuple[str, float]] = {
    "everyday_student_minus_teacher_low": ("at least", 0.0),
    "setfit_minus_ours_5shot_low": ("at most", 0.0),
    "setfit_minus_ours_10shot_low": ("at most", 0.0),
    "sklearn_minus_ours_5shot_low": ("at most", 0.0),
    "sklearn_minus_ours_10shot_low": ("at most", 0.0),
    "sklearn_embeddings_minus_ours_5shot_low": ("at most", 0.0),
    "sklearn_embeddings_minus_ours_10shot_low": ("at most", 0.0),
    "onnx_ratio_bare": ("at least", 0.9),
}


def parsed() -> Any:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, help="folder of real rows (default: SYNTHKD_DATA)")
    parser.add_argument("--only", nargs="+", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each student (default: 3)")
    parser.add_argument("--encoder", default=default_encoder(), help="folder of the sentence encoder")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what the slowest peers said")
    parser.add_argument(
        "--kept-only", action="store_true", help="of what takes minutes to train, only what is kept"
    )
    return parser.parse_args()


def main() -> None:
    args = parsed()
    names = [name for given in args.only or PARTS for name in given.split(",")]
    if unknown := {*names} - {*PARTS}:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    args.data = data_folder(args.data)
    figures: dict[str, Any] = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        # What a part brings is imported only when it is asked for.
        figures |= import_module(f"benchmarks.students.{name}").run(args)
        write(figures, args.json)
    rows = [
        (name, value if isinstance(value, int | float | None) else str(value)[:60], _kept(name, value))
        for name, value in figures.items()
    ]
    print(table([("figure", "value", "as wanted"), *rows]))


def _kept(name: str, value: Any) -> str:
    if name not in WANTED or value is None:
        return ""
    word, bound = WANTED[name]
    good = value >= bound if word == "at least" else value <= bound
    return f"{'yes' if good else 'NO'}: {word} {bound:g}"


if __name__ == "__main__":
    main()
