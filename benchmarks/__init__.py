"""Benchmarks: each reproduces figures of RESULTS.md."""
