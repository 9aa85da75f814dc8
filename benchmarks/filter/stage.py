"""Run the filter stage over a filled journal; the process that `throughput` times.

    python -m benchmarks.filter.stage RECIPE WORKERS

Prints processor seconds, peak memory, counts and the hashes of the filtered files as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from synthkd import Recipe
from synthkd.journal import Journal
from synthkd.keys import file_hash
from synthkd.progress import Progress
from synthkd.stages.critic import Decision
from synthkd.stages.filter import filter_candidates
from synthkd.stages.plan import plan_run


def main(path: Path, workers: int) -> None:
    """Filter, then print what the process used."""
    recipe = Recipe.load(path)
    folder = recipe.work_dir / "judged"
    with (
        Journal(recipe.journal_path, must_exist=True) as journal,
        Progress("filter", quiet=True) as progress,
    ):
        counts = filter_candidates(
            plan_run(recipe), journal, Decision(), folder, progress, workers
        ).as_dict()
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    record = {
        "cpu": sum(use.ru_utime + use.ru_stime for use in usage),
        "megabytes": max(use.ru_maxrss for use in usage) / 1024,
        "counts": counts,
        "hashes": [file_hash(part) for part in sorted(folder.iterdir())],
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
