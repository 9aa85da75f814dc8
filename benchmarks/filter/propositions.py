"""Memory of the filter stage over propositions: ten times the text of the documents."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import yaml

from benchmarks.base import Figures, Options
from benchmarks.filter.processes import run_measured
from synthkd import Recipe
from synthkd.journal import Journal
from synthkd.stages.plan import plan_run

#: Bytes of text of the two corpora, sentences of a document, completions of an input.
SIZES, QUICK_SIZES, SENTENCES, SAMPLES = (2_500_000, 25_000_000), (100_000, 1_000_000), 60, 1
_SUBJECTS = (
    "river", "bridge", "garden", "school", "museum", "market", "harbour", "forest", "tower",
    "library",
)  # fmt: skip
_VERBS = (
    "opened", "closed", "grew", "moved", "burned", "changed", "helped", "paid", "fed", "saved",
)  # fmt: skip
_PLACES = (
    "town", "valley", "island", "capital", "district", "coast", "north", "south", "province",
    "country",
)  # fmt: skip


def documents(size: int) -> list[dict[str, str]]:
    """Return documents of plain sentences, of so many bytes together."""
    rng = random.Random(0)
    found: list[dict[str, str]] = []
    while size > 0:
        sentences = [
            f"The {rng.choice(_SUBJECTS)} of number {rng.randrange(10**6)} {rng.choice(_VERBS)} in"
            f" the {rng.choice(_PLACES)} in {rng.randrange(1500, 2000)}."
            for _ in range(SENTENCES)
        ]
        text = " ".join(sentences)
        found.append({"document_id": f"d{len(found)}", "text": text})
        size -= len(text)
    return found


def fill(folder: Path, size: int) -> Path:
    """Write a recipe over documents, and a journal with the segmentations of each input."""
    path = folder / "recipe.yaml"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "documents.jsonl").open("w") as lines:
        for row in documents(size):
            lines.write(json.dumps(row) + "\n")
    (folder / "nothing.jsonl").write_text("")
    recipe = {
        "name": "judged",
        "inputs": {"path": "documents.jsonl"},
        "kind": {"name": "proposition"},
        "teacher": {
            "backend": "recorded", "path": "nothing.jsonl", "identity": "made",
            "sampling": {"n": SAMPLES, "max_tokens": 4096},
        },
        "rules": ["has_proposition", "empty", "not_copy"],
        "votes": {"min_votes": 1, "keep": "all"},
        "corpus": {"path": "corpus"},
    }  # fmt: skip
    made = Recipe.from_dict(recipe, folder)
    rng = random.Random(1)
    Journal(made.journal_path).close()
    with closing(sqlite3.connect(made.journal_path, isolation_level=None)) as db:
        db.execute("BEGIN")
        for batch in plan_run(made).batches():
            for one in batch:
                sentences = one.row["text"].split(". ")
                for index in range(SAMPLES):
                    text = "\n".join(
                        f"<s>\n- {sentence.rstrip('.')}.\n- Something {rng.choice(_VERBS)}.\n</s>"
                        for sentence in sentences
                    )
                    db.execute(
                        "INSERT INTO completions (request_id, sample_index, text, finish_reason,"
                        " created) VALUES (?,?,?,'stop',0)",
                        (one.request.request_id, index, text),
                    )
        db.execute("COMMIT")
    path.write_text(yaml.safe_dump(recipe))
    return path


def figures(options: Options) -> Figures:
    """Measure both sizes, one process each."""
    sizes = QUICK_SIZES if options.quick else SIZES
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        folder = options.keep or Path(temporary)
        few, many = (
            run_measured(
                "benchmarks.filter.stage", str(fill(folder / f"propositions-{size}", size)), "1",
                tree=options.tree,
            )
            for size in sizes
        )  # fmt: skip
    counts = many.printed["counts"]
    return {
        "propositions_memory_ratio": many.megabytes / few.megabytes,
        "propositions_megabytes": many.megabytes,
        "propositions_megabytes_of_a_tenth": few.megabytes,
        "propositions_candidates": counts["candidates"],
        "propositions_cpu_microseconds": 1e6 * many.cpu / max(1, counts["candidates"]),
    }
