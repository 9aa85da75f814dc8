"""Documents through three steps without a teacher: rows a second, and memory that does not grow."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.base import ROOT, Figures, Options
from benchmarks.text_table import table

#: Words of a document, and documents of the two sizes.
WORDS, SIZES, QUICK_SIZES = 1_000, (1_000, 10_000), (20, 200)
_VOCABULARY = [
    "stone",
    "river",
    "garden",
    "paper",
    "glass",
    "bread",
    "water",
    "wood",
    "house",
    "bird",
    "light",
    "heavy",
    "open",
    "carry",
    "hold",
    "cut",
    "near",
    "under",
    "grows",
    "keeps",
    "finds",
    "holds",
    "moves",
    "turns",
]

_REWRITE = """---
kind: record
---
{"plain": {{ text | tojson }}}
"""
_ENTITIES = """---
kind: record
---
[{% for word in text.split() if word[0] == "N" %}{% if not loop.first %}, {% endif %}\
{"entity": "{{ word }}", "type": "name"}{% endfor %}]
"""
_FACTS = """---
kind: fact
---
{% for entity in entities %}
{% if not loop.first %}
{{ entities[0].entity }} | goes with | {{ entity.entity }}
{% endif %}
{% endfor %}
"""


def figures(options: Options) -> Figures:
    """Run both sizes as processes of their own; the memory is the peak of each."""
    sizes = QUICK_SIZES if options.quick else SIZES
    results = []
    for size in sizes:
        with TemporaryDirectory(prefix="synthkd-bench-") as folder:
            command = [sys.executable, "-m", "benchmarks.steps.documents", folder, str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
            results.append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{size:,} documents: {results[-1]}", file=sys.stderr, flush=True)
    few, many = results
    rows = [("documents", "chunks", "accepted facts", "seconds", "completions/s", "peak MB")]
    for size, one in zip(sizes, results, strict=True):
        rows.append(
            (
                f"{size:,}",
                f"{one['chunks']:,}",
                f"{one['accepted']:,}",
                f"{one['seconds']:.0f}",
                f"{one['completions'] / one['seconds']:,.0f}",
                f"{one['megabytes']:.0f}",
            )
        )
    print(table(rows))
    return {
        "documents": sizes[1],
        "documents_completions": many["completions"],
        "documents_completions_per_second": many["completions"] / many["seconds"],
        "documents_accepted_facts": many["accepted"],
        "documents_megabytes": many["megabytes"],
        "documents_megabytes_few": few["megabytes"],
        "documents_memory_ratio": many["megabytes"] / few["megabytes"],
    }


def _document(number: int) -> str:
    """Return a text in sentences of 25 words, each with a name of its own."""
    rng = random.Random(number)
    sentences = []
    for place in range(WORDS // 25):
        words = rng.choices(_VOCABULARY, k=24)
        sentences.append(f"N{number}x{place} {' '.join(words)}.")
    return " ".join(sentences)


def _recipe(folder: Path, documents: int) -> dict[str, Any]:
    with (folder / "documents.jsonl").open("w") as file:
        for number in range(documents):
            file.write(json.dumps({"document_id": f"d{number}", "text": _document(number)}) + "\n")
    for name, text in (("rewrite", _REWRITE), ("entities", _ENTITIES), ("facts", _FACTS)):
        (folder / f"{name}.j2").write_text(text)
    part = {"document_id": "text", "part": "int", "text": "text"}
    return {
        "name": "documents",
        "inputs": {"path": "documents.jsonl"},
        "teacher": {"backend": "rows"},
        "steps": {
            "rewrite": {
                "inputs": {"from": "inputs", "apply": [{"cut": {"words": 200}}]},
                "kind": {
                    "name": "record",
                    "options": {"inputs": list(part), "columns": {**part, "plain": "text"}},
                },
                "prompt": {"template": "rewrite.j2"},
                "rules": ["empty", {"rouge": {"source": "text", "column": "plain"}}],
            },
            "entities": {
                "kind": {
                    "name": "record",
                    "options": {
                        "inputs": list(part),
                        "columns": {**part, "entity": "text", "type": "text"},
                        "key": ["document_id", "part", "entity"],
                        "several": True,
                    },
                },
                "prompt": {"template": "entities.j2"},
                "rules": ["empty", {"in_text": {"source": "text", "columns": "entity"}}],
            },
            "facts": {
                "inputs": {
                    "from": "entities",
                    "apply": [
                        {"group": {"by": ["document_id", "part"], "rows": "entities"}},
                        {"keep": ["document_id", "text", "entities"]},
                    ],
                },
                "kind": {"name": "fact"},
                "prompt": {"template": "facts.j2"},
            },
        },
        "corpus": {"path": "corpus"},
    }


def _main(folder: Path, documents: int) -> None:
    from synthkd.pipeline import run
    from synthkd.recipe import Recipe

    recipe = Recipe.from_dict(_recipe(folder, documents), folder)
    start = time.perf_counter()
    result = run(recipe, quiet=True, measure=False)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "chunks": result.steps["rewrite"].counts["asked"],
                "completions": sum(one.counts["completed"] for one in result.steps.values()),
                "accepted": result.counts["accepted"],
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
