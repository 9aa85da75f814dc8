"""Tokens a second of the backend `transformers`, beside `generate()` on the same prompts.

    python -m benchmarks.local_speed.tokens SIDE FILE    (a process that `figures` starts)

Both sides load the checkpoint that the backend makes of the GGUF file. `generate()` gets batches of
prompts padded on the left, sorted by length, with all samples of a prompt as its return sequences.
A token counts up to the end of its text; what is computed after it does not.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.base import ROOT, Figures, Options
from benchmarks.local_speed.prompts import MAX_TOKENS, read_job, write_job
from synthkd.requests import Completion, Request

_SIDES = ("synthkd", "generate")


def figures(options: Options) -> Figures:
    """Time both sides in interleaved rounds; medians of ratios."""
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as temporary:
        folder = Path(temporary)
        job = write_job(options, folder)
        results: dict[str, list[dict[str, Any]]] = {side: [] for side in _SIDES}
        for number in range(1 if options.quick else options.rounds):
            for side in _SIDES[:: -1 if number % 2 else 1]:
                results[side].append(run(side, job))
    ours, theirs = results["synthkd"], results["generate"]
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "local_tokens_ratio": statistics.median(a["rate"] / b["rate"] for a, b in pairs),
        "local_tokens_cpu_ratio": statistics.median(
            (b["cpu"] / b["tokens"]) / (a["cpu"] / a["tokens"]) for a, b in pairs
        ),
        "local_tokens_per_second": statistics.median(one["rate"] for one in ours),
        "local_tokens_per_second_generate": statistics.median(one["rate"] for one in theirs),
        "local_cpu_ms_per_token": statistics.median(1000 * a["cpu"] / a["tokens"] for a in ours),
        "local_tokens": ours[0]["tokens"],
        "local_megabytes": ours[0]["megabytes"],
        "local_megabytes_generate": theirs[0]["megabytes"],
        "local_dtype": ours[0]["dtype"],
    }


def run(side: str, job: Path) -> dict[str, Any]:
    """Time one side in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.local_speed.tokens", side, str(job)],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main(side: str, job: Path) -> None:
    """Generate, then print tokens, seconds, processor time and memory as JSON."""
    wanted, part = read_job(job)
    from synthkd.teachers.transformers import TransformersTeacher

    teacher = TransformersTeacher(part)
    sampler = teacher._load()
    begin, before = time.perf_counter(), time.process_time()
    count = _synthkd(teacher, wanted) if side == "synthkd" else _generate(sampler, wanted)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - before
    record = {
        "tokens": count,
        "rate": count / seconds,
        "seconds": seconds,
        "cpu": cpu,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "dtype": str(sampler.model.dtype).removeprefix("torch."),
    }
    print(json.dumps(record))


def _synthkd(teacher: Any, wanted: list[Request]) -> int:
    async def source() -> AsyncIterator[Request]:
        for request in wanted:
            yield request

    async def total() -> int:
        count = 0
        async for answers in teacher.stream(source()):
            for answer in answers:
                assert isinstance(answer, Completion), answer
                count += answer.completion_tokens or 0
        return count

    return asyncio.run(total())


def _generate(sampler: Any, wanted: list[Request]) -> int:
    import torch

    prompts = sorted(
        ((sampler.encode(request.messages), request) for request in wanted),
        key=lambda pair: len(pair[0]),
    )
    ends = torch.tensor(sorted(sampler.ends))
    count = 0
    for start in range(0, len(prompts), sampler.batch_size):
        batch = prompts[start : start + sampler.batch_size]
        width = max(len(ids) for ids, _ in batch)
        padding = [width - len(ids) for ids, _ in batch]
        ids = torch.tensor(
            [[sampler.pad] * pad + one for pad, (one, _) in zip(padding, batch, strict=True)]
        )
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding])
        with torch.inference_mode():
            out = sampler.model.generate(
                input_ids=ids, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0,
                top_p=1.0, max_new_tokens=MAX_TOKENS, pad_token_id=sampler.pad,
                num_return_sequences=len(batch[0][1].sample_indexes),
            )  # fmt: skip
        new = out[:, width:]
        ended = torch.isin(new, ends)
        places = torch.where(ended.any(1), ended.int().argmax(1) + 1, new.shape[1])
        count += int(places.sum())
    return count


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
