"""Self-training on BOND's distant labels of Wikigold, measured on the gold sentences of dev."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.intervals import students_t
from benchmarks.spans.kept import keep, read_kept
from benchmarks.spans.rows import bond, draw, shorter_encoder
from benchmarks.text_table import table
from synthkd.students import TaggerStudent, count_spans, paired_span_bootstrap
from synthkd.students.taggers.options import TaggerOptions
from synthkd.students.taggers.self_training import go_on, train_pair

#: Learning rate, epochs that are tried, and the share of distant rows that chooses among them.
LR, MOST_EPOCHS, HELD_OUT = 2e-4, 4, 0.2
#: Epochs of self-training.
SELF_EPOCHS = 2
ARMS: dict[str, dict[str, Any]] = {"self_training": {}, "prototypes": {"prototypes": True}}


#: The parts that measure the arms.
PARTS = ("distant", "prototypes")


def figures(options: Options) -> Figures:
    """Train on the distant labels alone, and go on from there by self-training."""
    import torch

    torch.set_num_threads(1)
    train, dev = bond(options.data_folder)
    if options.quick:
        train, dev = train.take(range(24)), dev.take(range(24))
    arms = [arm for arm, part in zip(ARMS, PARTS, strict=True) if part in options.only]
    counts: dict[str, list[Any]] = {arm: [] for arm in ("distant", *arms)}
    with shorter_encoder(options.encoder, options.layers) as base:
        epochs = _epochs(options, base, train)
        for seed in range(1 if options.quick else options.seeds):
            settings = [seed, arms, epochs, LR, SELF_EPOCHS, len(train), len(dev), options.layers]
            if kept := read_kept(options.keep, f"distant-{seed}", settings):
                for arm in counts:
                    counts[arm].append(np.array(kept[arm]))
                continue
            plain = TaggerOptions(base=base, epochs=epochs, lr=LR)
            pair = train_pair(plain, train, train.types, None, seed, "cpu")
            counts["distant"].append(count_spans(dev.spans, pair[0].spans(dev.texts)))
            for arm in arms:
                chosen = TaggerOptions(
                    base=base, epochs=epochs, lr=LR, self_training=True,
                    self_epochs=SELF_EPOCHS, **ARMS[arm],
                )  # fmt: skip
                taught = go_on(chosen, train, copy.deepcopy(pair), None, seed, "cpu")
                counts[arm].append(count_spans(dev.spans, taught.spans(dev.texts)))
            shown = ", ".join(f"{arm} {_scores(rows[-1])[2]:.3f}" for arm, rows in counts.items())
            print(f"distant, seed {seed}: {shown}", flush=True)
            last = {arm: rows[-1].tolist() for arm, rows in counts.items()}
            keep(options.keep, f"distant-{seed}", settings, last)
    return _results(counts, epochs)


def _epochs(options: Options, base: str, train: Any) -> int:
    """Choose the number of epochs by distant labels that were held out."""
    most = 1 if options.quick else MOST_EPOCHS
    settings = [most, LR, HELD_OUT, len(train), options.layers]
    if kept := read_kept(options.keep, "distant-epochs", settings):
        return int(kept["epochs"])
    order = draw(train, len(train), 0)
    count = int(len(order) * HELD_OUT)
    numbers = np.random.default_rng(0).permutation(len(order))
    held_out, rest = order.take(numbers[:count]), order.take(numbers[count:])
    student = TaggerStudent(
        train.types, 0, base=base, epochs=most, lr=LR, patience=2
    ).fit(rest, held_out)  # fmt: skip
    keep(options.keep, "distant-epochs", settings, {"epochs": student.kept_epoch})
    return student.kept_epoch


def _scores(counts: Any) -> tuple[float, float, float]:
    right, predicted, true = np.asarray(counts).sum(0)
    precision, recall = right / max(predicted, 1), right / max(true, 1)
    return float(precision), float(recall), float(2 * right / max(predicted + true, 1))


def _results(counts: dict[str, list[Any]], epochs: int) -> Figures:
    results: Figures = {"distant_epochs": epochs}
    lines: list[tuple[Any, ...]] = [("trained on", "precision", "recall", "F1", "half")]
    for arm, rows in counts.items():
        scores = [_scores(one) for one in rows]
        values = [students_t([one[i] for one in scores]) for i in range(3)]
        for name, (mean, half) in zip(("precision", "recall", "f1"), values, strict=True):
            results[f"distant_{arm}_{name}"] = {"value": mean, "half": half}
        lines.append((arm, *(mean for mean, _ in values), values[2][1]))
    for arm in list(counts)[1:]:
        stacked = (np.stack(counts[arm]), np.stack(counts["distant"]))
        gain, low, high = paired_span_bootstrap(*stacked, draws=4000)
        name = "distant_f1_gain" if arm == "self_training" else f"distant_{arm}_f1_gain"
        results |= {name: gain, f"{name}_low": low, f"{name}_high": high}
        lines.append((f"{arm} - distant", "", "", gain, f"{low:.3f} to {high:.3f}"))
    print(table(lines), "\n", flush=True)
    return results
