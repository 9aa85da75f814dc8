"""Benchmarks: each measures figures of RESULTS.md.

A benchmark is a folder whose `__init__.py` declares a `base.Benchmark`: its parts, its options and
the bounds that its figures must keep. The figures that were measured are in `results/NAME.json`.
"""

#: The folders of this package that declare a benchmark.
NAMES = (
<<<<<<< HEAD
    "critics", "everyday", "facts", "filter", "generate", "kills", "labelled_text", "peers", "pgkd",
    "propositions", "steps", "students",
=======
    "critics", "everyday", "filter", "generate", "kills", "labelled_text", "peers", "pgkd",
    "propositions", "spans", "steps", "students",
>>>>>>> 44161dfd (Benchmark spans: taggers on few rows, wrong labels, and rows by type)
    "verbphysics", "vllm", "votes",
)  # fmt: skip
