"""The parts of `benchmarks/generate.py`, one file each."""
