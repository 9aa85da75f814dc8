#!/usr/bin/env python3
"""vLLM on the embedded teacher: in this process, as a server of the run, and beside the `transformers` backend.

    SYNTHKD_VLLM_VENV/bin/python -m benchmarks vllm [--quick] [--json FILE] [--model FOLDER] [--args JSON]

Whole runs of `synthkd generate`'s stage with the journal on, samples a second from the first request to the last
answer (the time in which the engine starts is told by itself). Needs an environment that has vLLM: scripts/test-vllm
makes one.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from benchmarks.base import options, table, write
from synthkd.journal import Journal, Writer
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Request, Sampling
from synthkd.teachers.transformers.teacher import EMBEDDED, TransformersTeacher
from synthkd.teachers.vllm import VllmTeacher

#: Each prompt begins with these: what prefix caching is for.
SHOTS = "dog can bark\nknife is used for cutting\noak is a kind of tree\n" * 24
HEADS = ("dog", "knife", "oak", "lemon", "bread", "car", "river", "cup", "cat", "lamp")
RELATIONS = ("can", "is a kind of", "is used for", "is often", "has")


def requests(count: int, shared: bool, start: int) -> list[Request]:
    """Distinct prompts of one line, or of seventy-two lines that all share and one that differs."""
    made = []
    for number in range(start, start + count):
        line = f"{HEADS[number % 10]} {RELATIONS[number // 10 % 5]}"
        prompt = f"{SHOTS if shared else ''}{number}\n{line}"
        sampling = Sampling(n=2, max_tokens=12, stop=("\n",), logprobs=True, seed=3)
        made.append(Request("bench", ({"role": "prompt", "content": prompt},), sampling, (0, 1), str(number)))
    return made


def teachers(args: Any) -> dict[str, Any]:
    """Each way of asking the same checkpoint."""
    extra = {"max_model_len": 512, **json.loads(args.args)}
    part = {"model": args.model, "dtype": args.dtype, "concurrency": args.in_flight, "batch_size": 64}

    def vllm(serve: bool, **more: Any) -> VllmTeacher:
        chosen = {"serve": serve, "args": extra | more}
        return VllmTeacher(TeacherPart.model_validate(part | {"backend": "vllm", "vllm": chosen}))

    return {
        "in_process": vllm(False),
        "in_process_no_prefix_cache": vllm(False, enable_prefix_caching=False),
        "served": vllm(True),
        "transformers": TransformersTeacher(TeacherPart.model_validate(part | {"backend": "transformers"})),
    }


async def timed(teacher: Any, asked: list[Request], journal: Journal) -> float:
    """Seconds until every sample is committed."""

    async def departed() -> AsyncIterator[Request]:
        for start in range(0, len(asked), 64):
            for request in (await writer.depart(asked[start : start + 64], [])).go:
                yield request

    begin, came = time.perf_counter(), 0
    async with (
        Writer(journal, "bench", None, False) as writer,
        aclosing(teacher.stream(departed())) as groups,
    ):
        async for answers in groups:
            await writer.arrive(answers)
            came += sum(isinstance(answer, Completion) for answer in answers)
    assert came == 2 * len(asked), came
    return time.perf_counter() - begin


async def measure(teacher: Any, count: int, repeats: int, folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    with Journal(folder / "journal.sqlite") as journal:
        try:
            found["start_seconds"] = await timed(teacher, requests(1, False, 10**6), journal)
            for name, shared in (("", False), ("_shared", True)):
                rates = []
                for number in range(repeats):
                    first = (number + repeats * shared) * count
                    seconds = await timed(teacher, requests(count, shared, first), journal)
                    rates.append(2 * count / seconds)
                found[f"samples_per_second{name}"] = statistics.median(rates)
        finally:
            await teacher.close()
    return found


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--model", default=EMBEDDED)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--args", default="{}", help="further arguments of the engine, as JSON")
    args = parser.parse_args()
    count, repeats = (200, 1) if args.quick else (500, 3)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as folder:
        for name, teacher in teachers(args).items():
            print(f"{name} …", file=sys.stderr, flush=True)
            home = Path(folder) / name
            home.mkdir()
            for figure, value in asyncio.run(measure(teacher, count, repeats, home)).items():
                figures[f"{name}_{figure}"] = value
    print(table([("figure", "value"), *figures.items()]))
    write(figures, args.json)


if __name__ == "__main__":
    main()
