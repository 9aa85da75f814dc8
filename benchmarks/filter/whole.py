"""Filter a filled journal and publish the corpus; the process that `atomic10x` times.

    python -m benchmarks.filter.whole RECIPE WORKERS

Without the table of diversity. Prints the counts as JSON.
"""

from __future__ import annotations

import json
import sys

from synthkd import filter, publish


def main(recipe: str, workers: int) -> None:
    """Go from the journal to the corpus."""
    counts = filter(recipe, quiet=True, workers=workers, measure=False)
    publish(recipe)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
