"""The parts of `benchmarks/kills.py`, one file each."""
