"""Samples a second of vLLM and of the `transformers` backend."""

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

from benchmarks.base import Figures, Options
from synthkd.journal import Journal, JournalWriter
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Request, Sampling
from synthkd.teachers.transformers import TransformersTeacher
from synthkd.teachers.vllm import VllmTeacher

#: The lines that all prompts share, for prefix caching.
SHOTS = "dog can bark\nknife is used for cutting\noak is a kind of tree\n" * 24
HEADS = ("dog", "knife", "oak", "lemon", "bread", "car", "river", "cup", "cat", "lamp")
RELATIONS = ("can", "is a kind of", "is used for", "is often", "has")


def requests(count: int, shared: bool, start: int) -> list[Request]:
    """Return distinct prompts: one line, or seventy-two shared lines and one that differs."""
    requests = []
    for number in range(start, start + count):
        line = f"{HEADS[number % 10]} {RELATIONS[number // 10 % 5]}"
        prompt = f"{SHOTS if shared else ''}{number}\n{line}"
        sampling = Sampling(n=2, max_tokens=12, stop=("\n",), logprobs=True, seed=3)
        requests.append(
            Request(
                "bench", ({"role": "prompt", "content": prompt},), sampling, (0, 1), str(number)
            )
        )
    return requests


def figures(options: Options) -> Figures:
    """Measure every way of asking."""
    count, repeats = (200, 1) if options.quick else (500, 3)
    results: Figures = {}
    with tempfile.TemporaryDirectory(prefix="synthkd-bench-") as folder:
        for name, teacher in teachers(options).items():
            print(f"{name} …", file=sys.stderr, flush=True)
            home = Path(folder) / name
            home.mkdir()
            for figure, value in asyncio.run(measure(teacher, count, repeats, home)).items():
                results[f"{name}_{figure}"] = value
    return results


def teachers(options: Options) -> dict[str, Any]:
    """Return each way of asking the same checkpoint."""
    extra = {"max_model_len": 512, **json.loads(options.args)}
    part = {
        "model": options.model,
        "dtype": options.dtype,
        "concurrency": options.in_flight,
        "batch_size": 64,
    }

    def vllm(serve: bool, **more: Any) -> VllmTeacher:
        chosen = {"serve": serve, "args": extra | more}
        return VllmTeacher(TeacherPart.model_validate(part | {"backend": "vllm", "vllm": chosen}))

    return {
        "in_process": vllm(False),
        "in_process_no_prefix_cache": vllm(False, enable_prefix_caching=False),
        "served": vllm(True),
        "transformers": TransformersTeacher(
            TeacherPart.model_validate(part | {"backend": "transformers"})
        ),
    }


async def time_samples(teacher: Any, asked: list[Request], journal: Journal) -> float:
    """Return the seconds until every sample is committed."""

    async def departed() -> AsyncIterator[Request]:
        for start in range(0, len(asked), 64):
            for request in (await writer.reserve(asked[start : start + 64], [])).granted:
                yield request

    begin, accepted = time.perf_counter(), 0
    async with (
        JournalWriter(journal, "bench") as writer,
        aclosing(teacher.stream(departed())) as groups,
    ):
        async for answers in groups:
            await writer.store_answers(answers)
            accepted += sum(isinstance(answer, Completion) for answer in answers)
    assert accepted == 2 * len(asked), accepted
    return time.perf_counter() - begin


async def measure(teacher: Any, count: int, repeats: int, folder: Path) -> dict[str, float]:
    results: dict[str, float] = {}
    with Journal(folder / "journal.sqlite") as journal:
        try:
            results["start_seconds"] = await time_samples(
                teacher, requests(1, False, 10**6), journal
            )
            for name, shared in (("", False), ("_shared", True)):
                rates = []
                for number in range(repeats):
                    first = (number + repeats * shared) * count
                    seconds = await time_samples(teacher, requests(count, shared, first), journal)
                    rates.append(2 * count / seconds)
                results[f"samples_per_second{name}"] = statistics.median(rates)
        finally:
            await teacher.close()
    return results
