"""A contrastive start for few rows: texts of one class are drawn together, those of others apart.

As in SetFit (Tunstall et al. 2022, arXiv 2209.11055) the encoder is tuned by comparing texts, and a logistic head learns
from the tuned vectors. SetFit encodes two texts for each pair. Here a batch holds some texts of each of many classes, and
every pair in it counts: 32 texts are 496 pairs. The loss is the supervised contrastive one (Khosla et al. 2020, arXiv
2004.11362, equation 2) on unit vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from synthkd.encoders.load import autocast_bf16
from synthkd.errors import TrainingError
from synthkd.students.base import Ints
from synthkd.students.classifiers.tuning import REMEDY, BestEpoch, TuningRows, TuningSchedule, warmup_factor

#: Texts of one class that meet in a batch.
TOGETHER = 2
#: Cosines are divided by this.
TAU = 0.1


def contrastive_start(
    module: Any,
    rows: TuningRows,
    schedule: TuningSchedule,
    device: str,
    best: BestEpoch,
    note: Callable[[float], None] | None = None,
) -> None:
    """Tune the module's encoder in place, down the contrastive loss; its head is not touched.

    Raises `TrainingError` for a loss that is no number; the encoder then has the weights of the epoch before.
    """
    import torch

    parameters = [value for value in module.encoder.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.lr, weight_decay=schedule.weight_decay)
    rng = np.random.default_rng(schedule.seed)
    places = torch.from_numpy(rows.places).to(device)
    weights = torch.from_numpy(rows.weights).float().to(device)
    total = schedule.epochs * sum(
        1 for _ in class_batches(rows.places, schedule.batch_size, np.random.default_rng(0))
    )
    step = 0
    try:
        for epoch in range(1, schedule.epochs + 1):
            module.train(True)
            seen = []
            for chosen in class_batches(rows.places, schedule.batch_size, rng):
                for group in optimizer.param_groups:
                    group["lr"] = schedule.lr * warmup_factor(step, total, schedule.warmup)
                with autocast_bf16(device, schedule.bf16):
                    vectors = module.vectors(**rows.encoded.batch(chosen, device))
                value = supervised_contrastive(vectors.float(), places[chosen], weights[chosen])
                step += 1
                if not torch.isfinite(value):
                    raise TrainingError(
                        f"step {step} of the contrastive start: the loss is {value.item()}; {REMEDY};"
                        " the weights of the best epoch before are kept"
                    )
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                seen.append(float(value.detach()))
            if not best.after(epoch, float(np.mean(seen)) if seen else math.nan):
                break
    finally:
        best.restore()
        module.train(False)


def supervised_contrastive(vectors: Any, places: Any, weights: Any, tau: float = TAU) -> Any:
    """Weighted mean over the texts i that have others P(i) of their class in the batch, of
    -1/|P(i)| sum_p ln( exp(u_i u_p / tau) / sum_{a != i} exp(u_i u_a / tau) ).

    ``vectors`` (B, d) of length 1, ``places`` (B,), ``weights`` (B,); in nats. 0 where no class has two texts.
    """
    import torch

    itself = torch.eye(len(places), dtype=torch.bool, device=vectors.device)
    cosines = (vectors @ vectors.T / tau).masked_fill(itself, -math.inf)
    logs = torch.log_softmax(cosines, 1).masked_fill(itself, 0.0)
    same = (places[:, None] == places[None, :]) & ~itself
    others = same.sum(1)
    each = -(logs * same).sum(1) / others.clamp_min(1)
    weight = weights * (others > 0)
    return (each * weight).sum() / weight.sum().clamp_min(1e-12)


def class_batches(places: Ints, size: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Rows of each batch: some texts of each of size / 2 classes, every text once in an epoch.

    A class of an odd number has one lot of three; one with a single row stands alone, against all others.
    """
    lots: list[Ints] = []
    for place in np.unique(places):
        rows = rng.permutation(np.flatnonzero(places == place))
        lots += np.array_split(rows, max(1, len(rows) // TOGETHER))
    batch: list[Ints] = []
    left = len(places)
    for at in rng.permutation(len(lots)):
        batch.append(lots[at])
        left -= len(lots[at])
        # What is too little for a batch of its own goes with the last one.
        if sum(len(part) for part in batch) >= size and (left >= size / 2 or not left):
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)
