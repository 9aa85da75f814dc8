"""Training speed of a generator student, beside a bare torch loop.

A decoder of 0.5 million parameters on triples of the everyday table, one thread, in processor time
(wall time depends on what else the machine does). The bare loop shuffles rows, pads each batch to
its longest and takes the model's own loss over all logits in float32, as a first script does; both
train the same weights with AdamW and clipped gradients.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.base import Figures, Options

ROWS, BATCH, TURNS = 8000, 64, 3


def figures(options: Options) -> Figures:
    """Measure tokens a second of processor time, medians of turns that alternate."""
    import torch

    from everyday.table import Table
    from synthkd.kinds.triple import TripleKind
    from synthkd.prompts import load_prompt
    from synthkd.students.generators.examples import ExampleBuilder
    from synthkd.students.generators.untrained import new_checkpoint

    torch.set_num_threads(1)
    facts = sorted(Table.load().facts)[: ROWS // 8 if options.quick else ROWS]
    rows = [dict(zip(("head", "relation", "tail"), fact, strict=True)) for fact in facts]
    writer = ExampleBuilder(TripleKind(), load_prompt("triple/student"))
    seconds, (examples, _) = cpu_time(lambda: writer.examples(rows))
    results: Figures = {"generator_examples_per_second": len(examples) / seconds}
    texts = [text for example in examples for text in (example.prompt, example.completion)]
    with tempfile.TemporaryDirectory() as folder:
        base = new_checkpoint(Path(folder) / "base", texts, layers=2, width=128, vocabulary=1024)
        turns = [
            (_ours(base, examples), _bare(base, examples))
            for _ in range(1 if options.quick else TURNS)
        ]
    results["generator_coded_per_second"] = len(examples) / median(ours[1] for ours, _ in turns)
    ours, bare = median(ours[0] for ours, _ in turns), median(bare for _, bare in turns)
    return results | {
        "generator_tokens_per_second": ours,
        "generator_tokens_per_second_bare": bare,
        "generator_ratio_bare": ours / bare,
    }


def cpu_time(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds of a call, and its result."""
    start = time.process_time()
    results = work()
    return time.process_time() - start, results


def _ours(base: Path, examples: list[Any]) -> tuple[float, float]:
    """Return tokens a second of training, and seconds of coding."""
    from synthkd.students.generators.checkpoint import load_checkpoint
    from synthkd.students.generators.options import GeneratorOptions
    from synthkd.students.generators.tokens import ExampleTokenizer
    from synthkd.students.generators.training import GeneratorTraining

    model, tokenizer = load_checkpoint(str(base), device="cpu")
    coder = ExampleTokenizer(tokenizer, False)
    coding, (coded, _) = cpu_time(lambda: coder.examples(examples, 512))
    work = GeneratorTraining(
        model,
        coder.pad,
        coded,
        examples,
        GeneratorOptions(epochs=1, batch_size=BATCH, device="cpu"),
    )
    seconds, trained = cpu_time(lambda: work.run(1e-3))
    return trained.tokens / seconds, coding


def _bare(base: Path, examples: list[Any]) -> float:
    """Return tokens a second of a bare loop."""
    import numpy as np
    import torch

    from synthkd.students.generators.checkpoint import load_checkpoint
    from synthkd.students.generators.tokens import ExampleTokenizer

    model, tokenizer = load_checkpoint(str(base), device="cpu")
    coded, _ = ExampleTokenizer(tokenizer, False).examples(examples, 512)
    pieces = [
        torch.tensor(coded.ids[a:b].astype(np.int64))
        for a, b in zip(coded.starts[:-1], coded.starts[1:], strict=True)
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    order = np.random.default_rng(0).permutation(len(pieces))
    model.train()

    def epoch() -> int:
        tokens = 0
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            width = max(len(pieces[i]) for i in rows)
            ids = torch.zeros((len(rows), width), dtype=torch.long)
            labels = torch.full((len(rows), width), -100)
            for place, i in enumerate(rows):
                ids[place, : len(pieces[i])] = pieces[i]
                labels[place, coded.prompt_lengths[i] : len(pieces[i])] = pieces[i][
                    coded.prompt_lengths[i] :
                ]
            mask = (labels >= 0) | (ids > 0)
            model(
                input_ids=ids, attention_mask=mask.long(), labels=labels, use_cache=False
            ).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            tokens += int(mask.sum())
        return tokens

    seconds, tokens = cpu_time(epoch)
    return tokens / seconds
