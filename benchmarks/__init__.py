"""Benchmarks: each measures figures of RESULTS.md.

A benchmark is a folder whose `__init__.py` declares a `base.Benchmark`: its parts, its options and
the bounds that its figures must keep. The figures that were measured are in `results/NAME.json`.
"""

#: The folders of this package that declare a benchmark.
NAMES = (
    "cluster", "critics", "everyday", "facts", "filter", "generate", "kills", "labelled_text",
    "local_speed", "near_duplicates", "peers", "pgkd", "propositions", "real_teacher", "spans",
    "steps", "students", "usability", "verbphysics", "vllm", "votes",
)  # fmt: skip
