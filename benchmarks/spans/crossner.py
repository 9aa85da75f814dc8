"""The tagger on CrossNER, beside a plain fine-tune of its encoder and spaCy's trainer."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.intervals import students_t
from benchmarks.spans.kept import keep, read_kept
from benchmarks.spans.peers import plain_fine_tune, spacy_trainer
from benchmarks.spans.rows import DOMAINS, crossner, draw, shorter_encoder
from benchmarks.text_table import table
from synthkd.students import TaggerStudent, count_spans, paired_span_bootstrap

#: Rows of `few_shot`; epochs and rows of a batch of both fine-tunes; epochs of spaCy's trainer.
FEW, EPOCHS, SIZE, SPACY_EPOCHS = 30, {"full": 12, "few_shot": 24}, 8, 15
#: Learning rates. That of the plain fine-tune is the best of `RATES` on dev of `ai`, as
#: `--only plain_rates` measures it.
LR, PLAIN_LR = 5e-4, 5e-4
RATES = (5e-4, 1e-3, 2e-3)
#: Epochs that `plain_rates` tries.
TRIED_EPOCHS = {"full": (6, 12, 20), "few_shot": (12, 24, 40)}
ARMS = ("tagger", "plain", "spacy")


def full(options: Options) -> Figures:
    """Train on all rows of a domain."""
    return _figures(options, "full")


def few_shot(options: Options) -> Figures:
    """Train on a draw of rows, another one for each seed."""
    return _figures(options, "few_shot")


def plain_rates(options: Options) -> Figures:
    """Measure the plain fine-tune by epochs and rate, on dev of `ai` with seed 0."""
    import torch

    torch.set_num_threads(1)
    train, dev = crossner(options.data_folder, "ai")
    types = sorted({*train.types, *dev.types})
    results: Figures = {}
    with shorter_encoder(options.encoder, options.layers) as base:
        for part, tried in TRIED_EPOCHS.items():
            rows = draw(train, FEW, 0) if part == "few_shot" else train
            if options.quick:
                rows, dev, tried = rows.take(range(12)), dev.take(range(12)), (1,)
            for epochs in tried:
                for lr in RATES:
                    spans = plain_fine_tune(base, rows, dev.texts, types, 0, epochs, lr, SIZE)
                    f1 = _f1(count_spans(dev.spans, spans))
                    results[f"plain_{part}_{epochs}_{lr:g}_f1"] = f1
                    print(f"{part}, {epochs} epochs, rate {lr:g}: {f1:.3f}", flush=True)
    return results


def _figures(options: Options, part: str) -> Figures:
    """Return the F1 of each arm and domain, and the differences over the texts of all domains."""
    import torch

    torch.set_num_threads(1)
    domains = DOMAINS[:1] if options.quick else DOMAINS
    seeds = range(1 if options.quick else options.seeds)
    counts: dict[str, list[list[Any]]] = {arm: [] for arm in ARMS}
    results: Figures = {}
    lines: list[tuple[Any, ...]] = [("domain", "arm", "F1", "half")]
    with shorter_encoder(options.encoder, options.layers) as base:
        for domain in domains:
            of_domain = _domain(options, part, domain, seeds, base)
            for arm in ARMS:
                counts[arm].append(of_domain[arm])
                mean, half = students_t([_f1(one) for one in of_domain[arm]])
                results[f"{part}_{domain}_{arm}_f1"] = {"value": mean, "half": half}
                lines.append((domain, arm, mean, half))
    pooled = {arm: np.concatenate(counts[arm], axis=1) for arm in ARMS}
    for arm in ARMS:
        mean, half = students_t([_f1(one) for one in pooled[arm]])
        results[f"{part}_{arm}_f1"] = {"value": mean, "half": half}
        lines.append(("all", arm, mean, half))
    for other in ARMS[1:]:
        gain, low, high = paired_span_bootstrap(pooled["tagger"], pooled[other], draws=2000)
        name = f"{part}_over_{other}"
        results |= {name: gain, f"{name}_low": low, f"{name}_high": high}
        lines.append(("all", f"tagger - {other}", gain, f"{low:.3f} to {high:.3f}"))
    print(table(lines), "\n", flush=True)
    return results


def _domain(
    options: Options, part: str, domain: str, seeds: range, base: str
) -> dict[str, list[Any]]:
    """Return the (n, 3) counts of each arm and seed on dev."""
    train, dev = crossner(options.data_folder, domain)
    types = sorted({*train.types, *dev.types})
    epochs, spacy_epochs = EPOCHS[part], SPACY_EPOCHS
    if options.quick:
        train, dev, epochs, spacy_epochs = train.take(range(12)), dev.take(range(12)), 1, 1
    counts: dict[str, list[Any]] = {arm: [] for arm in ARMS}
    for seed in seeds:
        settings = [part, domain, seed, FEW, epochs, LR, PLAIN_LR, SIZE, spacy_epochs, len(dev),
                    options.layers]  # fmt: skip
        name = f"{part}-{domain}-{seed}"
        if kept := read_kept(options.keep, name, settings):
            for arm in ARMS:
                counts[arm].append(np.array(kept[arm]))
            continue
        rows = draw(train, FEW, seed) if part == "few_shot" else train
        tagger = TaggerStudent(types, seed, base=base, epochs=epochs, lr=LR, batch_size=SIZE)
        tagger.fit(rows)
        found = {
            "tagger": tagger.spans(dev.texts),
            "plain": plain_fine_tune(base, rows, dev.texts, types, seed, epochs, PLAIN_LR, SIZE),
            "spacy": spacy_trainer(rows, dev.texts, types, seed, spacy_epochs),
        }
        for arm, spans in found.items():
            counts[arm].append(count_spans(dev.spans, spans))
        shown = ", ".join(f"{arm} {_f1(counts[arm][-1]):.3f}" for arm in ARMS)
        print(f"{part}, {domain}, seed {seed}: {shown}", flush=True)
        keep(options.keep, name, settings, {arm: counts[arm][-1].tolist() for arm in ARMS})
    return counts


def _f1(counts: Any) -> float:
    right, predicted, true = np.asarray(counts).sum(0)
    return float(2 * right / max(predicted + true, 1))
