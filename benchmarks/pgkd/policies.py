#!/usr/bin/env python3
"""The loop's policy on real rows: BANKING77, a teacher made of rows, the loop as users run it (`synthkd distill`).

    python -m benchmarks pgkd --data DIR [--quick] [--seeds N] [--only headline,skewed] [--jobs N] [--json FILE]

5 and 10 rows a class at the start and 5 for validation, all cut from train; the rest of train is the pool. Ten rounds of 77
rows. The test rows draw the curve and decide nothing. What is compared is the area under the curve of test accuracy (its mean
over the rounds), paired by seed, with the 95 % interval of Student's t.

    headline   PGKD against rows that are drawn, equally many of each class; with the same rows of the pool for both, too
    ablations  without hard negatives, with other allocations, without the report; what each part does alone
    skewed     a start of 1 to 16 rows a class: there the allocation has something to even out
    noise      a teacher whose labels are wrong by 0, 10 and 20 %, with and without the rule `label_noise`
    tfidf      the headline with a student on TF-IDF
    allocation own against uniform allocation on BANKING77 and two other sets, in memory; intervals of a paired bootstrap over
               test rows and seeds
    triples    the loop for triples on the everyday world: questions by yield and need against drawn ones

About half an hour on two cores, the headline seven minutes. `--dev` measures on rows cut from train: for choosing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.base import data_folder, options, table, write
from benchmarks.pgkd.cuts import minilm
from benchmarks.pgkd.loops import Gain, Outcome, Setting, Task, compared, gain, run_all

Found = dict[Task, Outcome]
Figures = dict[str, Any]


def headline(seeds: range, setting: Setting, student: str, quick: bool) -> Figures:
    figures: Figures = {}
    for shots in (5,) if quick else (5, 10):
        arms = {
            name: Task(name, 0, shots, student)
            for name in ("uniform", "typical rows alone", "pgkd, uniform allocation", "pgkd")
        }
        found = _run(arms, seeds, setting)
        _show(f"{shots} rows a class at the start, student {student}", found, arms, "uniform", seeds)
        figures |= _gain(f"banking77_area_gain_{shots}", found, arms["pgkd"], arms["uniform"], seeds)
        same = _gain(
            f"banking77_area_gain_same_rows_{shots}", found, arms["pgkd"], arms["typical rows alone"], seeds
        )
        figures |= same
    figures["banking77_area_gain_low"] = min(
        value for name, value in figures.items() if name.endswith(("gain_5_low", "gain_10_low"))
    )
    return figures


def ablations(seeds: range, setting: Setting, student: str, quick: bool) -> Figures:
    from benchmarks.pgkd.arms import ARMS

    arms = {name: Task(name, 0, 5, student) for name in ARMS}
    found = _run(arms, seeds, setting)
    _show("What each part does, 5 rows a class at the start", found, arms, "uniform", seeds)
    figures: Figures = {}
    for name in arms:
        if name != "pgkd":
            short = name.replace(",", "").replace(" ", "_")
            figures |= _gain(f"banking77_pgkd_minus_{short}", found, arms["pgkd"], arms[name], seeds)
    return figures


def skewed(seeds: range, setting: Setting, student: str, quick: bool) -> Figures:
    names = ("uniform", "own allocation alone", "typical rows alone", "pgkd, uniform allocation", "pgkd")
    arms = {name: Task(name, 0, 0, student) for name in names}
    found = _run(arms, seeds, setting)
    _show("1 to 16 rows a class at the start", found, arms, "uniform", seeds)
    return {
        **_gain(
            "banking77_skewed_own_allocation", found, arms["own allocation alone"], arms["uniform"], seeds
        ),
        **_gain("banking77_skewed_own_in_pgkd", found, arms["pgkd"], arms["pgkd, uniform allocation"], seeds),
        **_gain("banking77_skewed_area_gain", found, arms["pgkd"], arms["uniform"], seeds),
    }


def noise(seeds: range, setting: Setting, student: str, quick: bool) -> Figures:
    arms = {
        f"{arm}, {round(100 * share)} % wrong{', label_noise' * rule}": Task(arm, 0, 5, student, share, rule)
        for arm in ("uniform", "pgkd")
        for share, rule in ((0.0, False), (0.0, True), (0.1, False), (0.1, True), (0.2, False), (0.2, True))
        if arm == "pgkd" or not rule
    }
    found = _run(arms, seeds, setting)
    _show("Wrong labels from the teacher, 5 rows a class at the start", found, arms, "pgkd, 0 % wrong", seeds)
    figures: Figures = {}
    for share in (0, 10, 20):
        name = f"pgkd, {share} % wrong"
        figures |= _gain(
            f"banking77_label_noise_rule_{share}", found, arms[f"{name}, label_noise"], arms[name], seeds
        )
        base = arms[f"uniform, {share} % wrong"]
        figures |= _gain(f"banking77_area_gain_at_{share}_noise", found, arms[name], base, seeds)
    return figures


def tfidf(seeds: range, setting: Setting, student: str, quick: bool) -> Figures:
    arms = {name: Task(name, 0, 5, "tfidf") for name in ("uniform", "typical rows alone", "pgkd")}
    found = _run(arms, seeds, setting)
    _show("5 rows a class at the start, student tfidf", found, arms, "uniform", seeds)
    return {
        **_gain("banking77_tfidf_area_gain", found, arms["pgkd"], arms["uniform"], seeds),
        **_gain(
            "banking77_tfidf_area_gain_same_rows", found, arms["pgkd"], arms["typical rows alone"], seeds
        ),
    }


def allocation(seeds: range, setting: Setting, student: str, quick: bool) -> Figures:
    from benchmarks.pgkd.allocation import run

    return run(setting.data, seeds, setting.rounds, minilm(), setting.dev, quick)


def triples(seeds: range, setting: Setting, student: str, quick: bool) -> Figures:
    from benchmarks.pgkd.triples import run

    return run(quick, len(seeds))


PARTS: dict[str, Callable[[range, Setting, str, bool], Figures]] = {
    "headline": headline, "ablations": ablations, "skewed": skewed, "noise": noise, "tfidf": tfidf,
    "allocation": allocation, "triples": triples,
}  # fmt: skip


#: Outcomes so far: parts share loops.
_DONE: Found = {}


def _run(arms: dict[str, Task], seeds: range, setting: Setting) -> Found:
    wanted = [task._replace(seed=seed) for task in arms.values() for seed in seeds]
    _DONE.update(run_all([task for task in wanted if task not in _DONE], setting))
    return _DONE


def _show(title: str, found: Found, arms: dict[str, Task], base: str, seeds: range) -> None:
    print(f"\n{title} (gains over: {base})\n{table(compared(found, arms[base], arms, seeds))}", flush=True)


def _gain(name: str, found: Found, better: Task, base: Task, seeds: range) -> Figures:
    values: Gain = gain(
        *([found[task._replace(seed=seed)].area for seed in seeds] for task in (better, base))
    )
    return {name: values.mean, f"{name}_low": values.low, f"{name}_high": values.high}


def parsed() -> Any:
    parser = options(__doc__ or "")
    parser.add_argument("--data", type=Path, help="folder of real rows (default: SYNTHKD_DATA)")
    parser.add_argument("--only", metavar="NAMES", help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--seeds", type=int, help="draws of start, validation and pool (default: 5; 2 with --quick)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="loops at a time (default: 2)")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="keep each loop's outcome there, and take up those it has"
    )
    parser.add_argument("--dev", action="store_true", help="rows of train stand for the test rows")
    return parser.parse_args()


def main() -> None:
    args = parsed()
    names = (
        args.only.split(",")
        if args.only
        else [name for name in PARTS if not args.quick or name == "headline"]
    )
    if unknown := {*names} - {*PARTS}:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    seeds = range(args.seeds or (2 if args.quick else 5))
    setting = Setting(data_folder(args.data), 4 if args.quick else 10, args.jobs, args.dev, args.keep)
    student = "minilm" if minilm() else "tfidf"
    figures: Figures = {"student": student, "seeds": len(seeds), "rounds": setting.rounds}
    for name in names:
        start = time.perf_counter()
        figures |= PARTS[name](seeds, setting, student, args.quick)
        figures[f"{name}_seconds"] = round(time.perf_counter() - start, 1)
        write(figures, args.json)
    print(f"\n{table([('figure', 'value'), *figures.items()])}")


if __name__ == "__main__":
    main()
