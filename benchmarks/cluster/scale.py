"""Cost of a row on this machine, as a slope between sizes, and the cost of larger runs.

Processor time and bytes, which other work on the machine hardly changes. A row is one sample of
one short prompt with an answer of two words; longer texts cost more bytes, as given in the figures.
"""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.base import Figures
from benchmarks.generate.job import Ended, run, server, write_job
from synthkd.cluster.parts import import_parts
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.journal import Journal
from synthkd.journal.parts import export_completions
from synthkd.pipeline import publish
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.stages.filter import count_partitions
from synthkd.stages.filter_steps import Steps
from synthkd.stages.plan import plan_run

#: Runs that are worked out, and samples a second of teachers.
_RUNS, _TEACHERS = (10**8, 10**9), (100, 1_000, 10_000)
_EXPORT = 50_000
#: Microseconds and bytes of a row, by what it is spent on.
_SLOPES = (
    "client_us", "filter_us", "import_us", "journal_bytes", "export_bytes", "shuffle_bytes",
    "corpus_bytes",
)  # fmt: skip


def figures(sizes: list[int]) -> Figures:
    """Measure at each size; work out larger runs from the slope between the two largest."""
    sizes = sorted(sizes)
    found: Figures = {}
    costs: dict[int, dict[str, float]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            costs[size] = _measure(Path(folder), size)
        found |= {f"scale_{name}_{size}": round(cost) for name, cost in costs[size].items()}
    slopes = [
        {name: (costs[b][name] - costs[a][name]) / (b - a) for name in _SLOPES}
        for a, b in pairwise(sizes)
    ]
    found |= {f"scale_{name}_per_row": round(slopes[-1][name], 1) for name in _SLOPES}
    if len(slopes) > 1:
        # 1 if a row of the larger runs costs what one of the smaller does.
        found |= {
            f"scale_linearity_{name}": round(slopes[-1][name] / slopes[0][name], 3)
            for name in _SLOPES
        }
    return found | _worked_out(slopes[-1])


def _measure(folder: Path, size: int) -> dict[str, float]:
    with server(latency=0.02) as url:
        recipe_path = write_job(folder, url, size, concurrency=256)
        generated = _well(run(recipe_path, "generate"))
    filtered = _well(run(recipe_path, "filter"))
    recipe = Recipe.load(recipe_path)
    publish(recipe)
    with Journal(recipe.journal_path) as journal:
        exported = _export(journal, folder)
        shuffled = _shuffle(recipe, journal, folder)
    return {
        "client_us": generated.cpu * 1e6,
        "filter_us": filtered.cpu * 1e6,
        "import_us": _import(folder) * 1e6,
        "generate_megabytes": generated.megabytes,
        "filter_megabytes": filtered.megabytes,
        "journal_bytes": recipe.journal_path.stat().st_size,
        "export_bytes": exported,
        "shuffle_bytes": shuffled,
        "corpus_bytes": _bytes_below(recipe.corpus_path),
    }


def _well(ended: Ended) -> Ended:
    assert ended.status == 0, ended.output
    return ended


def _export(journal: Journal, folder: Path) -> int:
    """Export all completions as a cluster does; their bytes."""
    shared, after, number = SharedFolder(str(folder / "shared")), 0, 0
    while True:
        after, rows = export_completions(journal, after, folder / "part.parquet", _EXPORT)
        if not rows:
            return _bytes_below(folder / "shared")
        number += 1
        shared.put(folder / "part.parquet", f"shards/completions-{number:06d}.parquet")


def _import(folder: Path) -> float:
    """Import all exports as a shard that goes on elsewhere does; processor seconds."""
    begin = time.process_time()
    import_parts(SharedFolder(str(folder / "shared")), "shards", folder / "imported.sqlite")
    return time.process_time() - begin


def _shuffle(recipe: Recipe, journal: Journal, folder: Path) -> int:
    """Parse all rows; bytes that go from shards to partitions."""
    plan = plan_run(recipe)
    steps = Steps(plan, folder / "steps")
    steps.parse(journal, count_partitions(plan, journal), Progress("filter", quiet=True))
    return _bytes_below(folder / "steps")


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _worked_out(row: dict[str, float]) -> Figures:
    """Work out what larger runs take from what a row takes."""
    found: Figures = {}
    for rows in _RUNS:
        name = f"scale_1e{len(str(rows)) - 1}"
        found |= {
            f"{name}_client_core_hours": round(rows * row["client_us"] / 3.6e9, 1),
            f"{name}_filter_core_hours": round(rows * row["filter_us"] / 3.6e9, 1),
            f"{name}_import_core_hours": round(rows * row["import_us"] / 3.6e9, 1),
        }
        for what in ("journal", "export", "shuffle", "corpus"):
            found[f"{name}_{what}_gigabytes"] = round(rows * row[f"{what}_bytes"] / 1e9, 1)
        for rate in _TEACHERS:
            found[f"{name}_hours_at_{rate}"] = round(rows / rate / 3600, 1)
    return found
