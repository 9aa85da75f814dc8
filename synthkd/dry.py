"""A dry run: render everything, send nothing."""

from __future__ import annotations

from dataclasses import dataclass

from synthkd.journal import Journal
from synthkd.recipe import Recipe
from synthkd.stages.plan import InputCounts, Plan

#: Characters of a token, about: only for the estimate below.
_CHARACTERS = 3.6


@dataclass(frozen=True)
class DryRun:
    """``prompts`` are whole; ``tokens`` is an estimate of what would be read."""

    inputs: int
    repeated: int
    samples: int
    held: int
    tokens: int
    prompts: list[str]

    def __str__(self) -> str:
        shown = "\n".join(f"--- prompt {i} ---\n{text}" for i, text in enumerate(self.prompts, 1))
        return (
            f"{shown}\n---\n{self.inputs:,} inputs ({self.repeated:,} repeated rows), {self.samples:,} samples wanted,"
            f" {self.held:,} in the journal; {self.samples - self.held:,} would be asked for, about {self.tokens:,}"
            " prompt tokens (at 3.6 characters each); nothing was sent"
        )


def dry_run(recipe: Recipe, shown: int = 3) -> DryRun:
    """Render every prompt of a recipe and count what would be sent."""
    plan = Plan(recipe)
    counts = InputCounts()
    prompts: list[str] = []
    samples = held = characters = 0
    journal = Journal(recipe.journal_path) if recipe.journal_path.exists() else None
    try:
        for batch in plan.asked(counts):
            ids = [asked.request.request_id for asked in batch]
            known = journal.held(ids) if journal else {}
            for asked, name in zip(batch, ids, strict=True):
                here = len(known.get(name, set()).intersection(asked.request.sample_indexes))
                samples += len(asked.request.sample_indexes)
                held += here
                if here < len(asked.request.sample_indexes):
                    characters += len(asked.request.prompt)
                if len(prompts) < shown:
                    prompts.append(asked.request.prompt)
    finally:
        if journal:
            journal.close()
    return DryRun(counts.distinct, counts.repeated, samples, held, round(characters / _CHARACTERS), prompts)
