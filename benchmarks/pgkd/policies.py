"""Gains of each policy of the loop over others, by the area under the curve."""

from __future__ import annotations

import time

from benchmarks.base import Figures, Options
from benchmarks.pgkd.loops import Outcome, Setting, Task, comparison, gain, run_all
from benchmarks.text_table import table

#: Outcomes so far: parts share loops.
_DONE: dict[Task, Outcome] = {}


def headline(options: Options) -> Figures:
    """Compare PGKD with random rows and the same choice of the pool, from 5 and 10 rows."""
    study = Study(options)
    figures = study.settings()
    for shots in (5,) if options.quick else (5, 10):
        names = ("uniform", "typical rows alone", "pgkd, uniform allocation", "pgkd")
        arms = {name: Task(name, 0, shots, study.student) for name in names}
        study.run(arms)
        study.show(f"{shots} rows a class at the start, student {study.student}", arms, "uniform")
        figures |= study.gain(f"banking77_area_gain_{shots}", arms["pgkd"], arms["uniform"])
        figures |= study.gain(
            f"banking77_area_gain_same_rows_{shots}", arms["pgkd"], arms["typical rows alone"]
        )
    figures["banking77_area_gain_low"] = min(
        value for name, value in figures.items() if name.endswith(("gain_5_low", "gain_10_low"))
    )
    return figures | study.seconds("headline")


def ablations(options: Options) -> Figures:
    """Compare PGKD with itself without one thing each, and with one thing alone."""
    from benchmarks.pgkd.arms import ARMS

    study = Study(options)
    arms = {name: Task(name, 0, 5, study.student) for name in ARMS}
    study.run(arms)
    study.show("The effect of each thing, 5 rows a class at the start", arms, "uniform")
    figures = study.settings()
    for name in arms:
        if name != "pgkd":
            short = name.replace(",", "").replace(" ", "_")
            figures |= study.gain(f"banking77_pgkd_minus_{short}", arms["pgkd"], arms[name])
    return figures | study.seconds("ablations")


def skewed(options: Options) -> Figures:
    """Compare policies from a start of 1 to 16 rows a class."""
    study = Study(options)
    names = (
        "uniform",
        "own allocation alone",
        "typical rows alone",
        "pgkd, uniform allocation",
        "pgkd",
    )
    arms = {name: Task(name, 0, 0, study.student) for name in names}
    study.run(arms)
    study.show("1 to 16 rows a class at the start", arms, "uniform")
    return {
        **study.settings(),
        **study.gain(
            "banking77_skewed_own_allocation", arms["own allocation alone"], arms["uniform"]
        ),
        **study.gain(
            "banking77_skewed_own_in_pgkd", arms["pgkd"], arms["pgkd, uniform allocation"]
        ),
        **study.gain("banking77_skewed_area_gain", arms["pgkd"], arms["uniform"]),
        **study.seconds("skewed"),
    }


def noise(options: Options) -> Figures:
    """Run PGKD with wrong labels from the teacher, with the rule `label_noise` and without."""
    study = Study(options)
    arms = {
        f"{arm}, {round(100 * share)} % wrong{', label_noise' * rule}": Task(
            arm, 0, 5, study.student, share, rule
        )
        for arm in ("uniform", "pgkd")
        for share, rule in (
            (0.0, False),
            (0.0, True),
            (0.1, False),
            (0.1, True),
            (0.2, False),
            (0.2, True),
        )
        if arm == "pgkd" or not rule
    }
    study.run(arms)
    study.show(
        "Wrong labels from the teacher, 5 rows a class at the start", arms, "pgkd, 0 % wrong"
    )
    figures = study.settings()
    for share in (0, 10, 20):
        name = f"pgkd, {share} % wrong"
        figures |= study.gain(
            f"banking77_label_noise_rule_{share}", arms[f"{name}, label_noise"], arms[name]
        )
        figures |= study.gain(
            f"banking77_area_gain_at_{share}_noise", arms[name], arms[f"uniform, {share} % wrong"]
        )
    return figures | study.seconds("noise")


def tfidf(options: Options) -> Figures:
    """Repeat the headline with a student on TF-IDF, from 5 rows a class."""
    study = Study(options)
    arms = {name: Task(name, 0, 5, "tfidf") for name in ("uniform", "typical rows alone", "pgkd")}
    study.run(arms)
    study.show("5 rows a class at the start, student tfidf", arms, "uniform")
    return {
        **study.settings(),
        **study.gain("banking77_tfidf_area_gain", arms["pgkd"], arms["uniform"]),
        **study.gain(
            "banking77_tfidf_area_gain_same_rows", arms["pgkd"], arms["typical rows alone"]
        ),
        **study.seconds("tfidf"),
    }


def allocation(options: Options) -> Figures:
    """Own against uniform allocation on three sets, in memory."""
    from benchmarks.pgkd.allocation import run

    study = Study(options)
    setting = study.setting
    figures = run(
        setting.data, study.seeds, setting.rounds, options.encoder, setting.dev, options.quick
    )
    return study.settings() | figures | study.seconds("allocation")


def triples(options: Options) -> Figures:
    """Run the loop for triples on the everyday world."""
    from benchmarks.pgkd.triples import run

    study = Study(options)
    return study.settings() | run(options.quick, len(study.seeds))


class Study:
    """Seeds, settings and student of a part, and its comparisons."""

    def __init__(self, options: Options) -> None:
        self.seeds = range(options.seeds or (2 if options.quick else 5))
        rounds = 4 if options.quick else 10
        self.setting = Setting(options.data_folder, rounds, options.jobs, options.dev, options.keep)
        self.student = "minilm" if options.encoder else "tfidf"
        self._start = time.perf_counter()

    def run(self, arms: dict[str, Task]) -> None:
        """Run the loops of all arms and seeds that no part has run yet."""
        tasks = [task._replace(seed=seed) for task in arms.values() for seed in self.seeds]
        _DONE.update(run_all([task for task in tasks if task not in _DONE], self.setting))

    def show(self, title: str, arms: dict[str, Task], base: str) -> None:
        """Print a table of the arms, with their gains over one of them."""
        lines = comparison(_DONE, arms[base], arms, self.seeds)
        print(f"\n{title} (gains over: {base})\n{table(lines)}", flush=True)

    def gain(self, name: str, better: Task, base: Task) -> Figures:
        """Return the gain of an arm over another, with its interval."""
        areas = (
            [_DONE[task._replace(seed=seed)].area for seed in self.seeds] for task in (better, base)
        )
        value = gain(*areas)
        return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}

    def settings(self) -> Figures:
        """Return the settings that all figures of the part depend on."""
        return {"student": self.student, "seeds": len(self.seeds), "rounds": self.setting.rounds}

    def seconds(self, part: str) -> Figures:
        """Return seconds since the beginning of the part."""
        return {f"{part}_seconds": round(time.perf_counter() - self._start, 1)}
