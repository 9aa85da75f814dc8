"""Whole documents: segmentation, recorded answers, the embedded teacher."""

from __future__ import annotations

import json
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from synthkd import Recipe, run
from synthkd.commands.segment_coverage import Coverage, total
from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.rows import read_rows
from synthkd.stages.places import FILTERED_ROWS
from synthkd.stages.plan import plan_run


def documents(data: Path, quick: bool) -> list[dict[str, Any]]:
    """Read 41 PEPs and a novel; a quick run takes eight of them."""
    rows = pq.read_table(
        data / "documents" / "documents.parquet", columns=["id", "text", "markup"]
    ).to_pylist()
    rows = [
        {"document_id": row["id"], "text": row["text"], "markup": row["markup"]} for row in rows
    ]
    return rows[:8] if quick else rows


def segmented(options: Options) -> Figures:
    """Cut all documents to sentences and chunks; count what is lost or doubled."""
    kind, counts, lost = PropositionKind(), Counter[str](), 0
    list(kind.splitter.spans("Warm."))
    rows = documents(options.data_folder, options.quick)
    before, start = _memory(), time.perf_counter()
    for row in rows:
        chunks = kind.expand(row)
        counts["chunks"] += len(chunks)
    seconds = time.perf_counter() - start
    for row in rows:
        place = 0
        for unit in kind.units(row):
            lost += (
                sum(not ch.isspace() for ch in row["text"][place : unit.start])
                + (unit.start < place) * 10**6
            )
            counts[unit.kind] += 1
            counts["characters skipped"] += (unit.index < 0) * (unit.end - unit.start)
            place = unit.end
        lost += sum(not ch.isspace() for ch in row["text"][place:])
    size = sum(len(row["text"]) for row in rows) / 1e6
    return _prefixed("segmented", {
        "documents": len(rows), "megacharacters": size, **counts, "characters between units (list"
            " marks)": lost,
        "seconds per MB": seconds / size, "MB of memory more": _memory() - before,
    })  # fmt: skip


def recorded(options: Options) -> Figures:
    """Run a recorded teacher that copies sentences as propositions, whole and in broken forms."""
    rng, rows = random.Random(0), documents(options.data_folder, options.quick)
    with TemporaryDirectory() as name:
        out = Path(name)
        recipe = _recipe(out, rows, {"backend": "recorded", "path": "recorded.jsonl"}, 5)
        (out / "recorded.jsonl").write_text('{"input_id": "x", "text": ""}\n')
        with (out / "answers.jsonl").open("w", encoding="utf-8") as file:
            for group in plan_run(recipe).batches():
                for request in group:
                    text = _broken(request.row["sentences"], rng)
                    file.write(json.dumps({"input_id": request.input_id, "text": text}) + "\n")
        (out / "answers.jsonl").replace(out / "recorded.jsonl")
        return _prefixed("recorded", _run(recipe))


def embedded(options: Options) -> Figures:
    """Segment some documents with the embedded teacher.

    The teacher never read such text, so its propositions are worth nothing, but every sentence must
    have an outcome.
    """
    by_length = sorted(documents(options.data_folder, False), key=lambda row: len(row["text"]))
    rows = by_length[: 4 if options.quick else 20]
    teacher = {"backend": "transformers", "model": "synthkd/everyday", "threads": 1}
    sampling = {"max_tokens": 160, "temperature": 0.0}
    with TemporaryDirectory() as name:
        recipe = _recipe(Path(name), rows, teacher, 2, "proposition/everyday", **sampling)
        return _prefixed("embedded", _run(recipe))


def _prefixed(part: str, figures: Figures) -> Figures:
    return {f"{part}_{name}": value for name, value in figures.items()}


def _recipe(
    out: Path,
    rows: list[dict[str, Any]],
    teacher: dict[str, Any],
    chunk: int,
    template: str | None = None,
    **sampling: Any,
) -> Recipe:
    (out / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (out / "recorded.jsonl").write_text('{"input_id": "x", "text": ""}\n')
    raw = {
        "name": str(teacher["backend"]),
        "inputs": {"path": "documents.jsonl"},
        "kind": {"name": "proposition", "options": {"chunk_sentences": chunk}},
        "prompt": {"template": template} if template else {},
        "teacher": {**teacher, "sampling": sampling},
        "corpus": {"path": f"corpus-{teacher['backend']}"},
    }
    return Recipe.from_dict(raw, out)


def _broken(sentences: list[str], rng: random.Random) -> str:
    """Write an answer with a group for each sentence, sometimes broken.

    Tags or groups are missing, groups are doubled or reordered, or the end is cut off.
    """
    groups = [f"<s>\n- {sentence}\n</s>" for sentence in sentences]
    harm = rng.random()
    if harm < 0.5:
        pass
    elif harm < 0.58:
        groups = [group.replace("</s>", "") for group in groups]
    elif harm < 0.66:
        groups.pop(rng.randrange(len(groups)))
    elif harm < 0.72:
        groups.insert(rng.randrange(len(groups)), "<s>\n- Something quite different.\n</s>")
    elif harm < 0.78:
        rng.shuffle(groups)
    elif harm < 0.84:
        groups = [f"- {sentence}" for sentence in sentences]
    elif harm < 0.88:
        groups = [""]
    elif harm < 0.92:
        groups = ["I cannot do that."]
    text = "\n".join(groups)
    return text[: rng.randrange(len(text) + 1)] if harm > 0.92 else text


def _run(recipe: Recipe) -> Figures:
    start = time.perf_counter()
    result = run(recipe, quiet=True)
    seconds = time.perf_counter() - start
    rows = list(_documents(recipe))
    texts = {row["document_id"]: row["text"] for row in rows}
    wrong = 0
    for split in ("accepted", "rejected"):
        for row in result.corpus.table(split, provenance=True).to_pylist():
            if row["start"] is not None:
                wrong += texts[row["document_id"]][row["start"] : row["end"]] != row["sentence"]
    coverage = Coverage(PropositionKind.from_recipe(recipe), recipe.work_dir / FILTERED_ROWS)
    whole = total(coverage.report(row) for row in rows)
    counts = result.counts
    size = sum(map(len, texts.values())) / 1e6
    return {
        "documents": len(rows), "chunks": whole.chunks, "completed": counts["completed"],
        "failed": counts["failed"],
        "candidates": counts["candidates"], "accepted": counts["accepted"],
        "rejected": sum(counts["rejected"].values()),
        "sentences": whole.sentences, "with propositions": whole.with_propositions,
        **{f"without: {name}": count for name, count in sorted(whole.without.items())},
        "sentences without a fate": whole.sentences
        - whole.with_propositions
        - whole.without.total(),
        "places that do not map back": wrong,
        "seconds per MB": seconds / size, "most MB of memory": _memory(),
    }  # fmt: skip


def _documents(recipe: Recipe) -> Iterator[dict[str, Any]]:
    for rows in read_rows(recipe.resolve(str(recipe.inputs.path))):
        yield from rows


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
