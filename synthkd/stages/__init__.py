"""The stages of a run: plan, generate, parse, filter, decide; processes, places, report."""
