"""The vLLM backend on the real engine, where vllm is installed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from support.files import ROOT
from support.recipes import Make
from support.vllm import PLAIN, ask, completed, gone, hear, part, request, wait_until

from synthkd import pipeline
from synthkd.errors import RecipeError
from synthkd.requests import Answer, Failure, Request
from synthkd.teachers.transformers import EMBEDDED
from synthkd.teachers.vllm import VllmTeacher

real = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        find_spec("vllm") is None,
        reason="vllm is not installed; scripts/test-vllm makes an environment that has it",
    ),
]
#: A small model likes to write blanks between the parts of an object, without end.
COMPACT = {"backend": "xgrammar", "disable_any_whitespace": True}
SMALL: dict[str, Any] = {
    "max_model_len": 256,
    "enforce_eager": True,
    "structured_outputs_config": COMPACT,
}
#: What a small machine needs, and no network.
MACHINE = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
HEADS = ("dog", "knife", "oak", "lemon", "bread", "car", "river", "cup", "cat", "lamp")
RELATIONS = ("can", "is a kind of", "is used for", "is often", "has")
SCHEMA = {
    "type": "object",
    "properties": {"word": {"enum": ["yes", "no"]}, "number": {"type": "integer"}},
    "required": ["word", "number"],
    "additionalProperties": False,
}


def prompts(n: int) -> list[str]:
    pairs = [f"{head} {relation}" for head in HEADS for relation in RELATIONS]
    return [f"{i}\n{pairs[i % len(pairs)]}" for i in range(n)]


@pytest.fixture(scope="module")
def machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in MACHINE.items():
            patch.setenv(name, os.environ.get(name, value))
        yield


@pytest.fixture(scope="module", params=["in-process", "served"])
def heard(request: pytest.FixtureRequest, machine: None) -> dict[str, list[Answer]]:
    """Return all that is asked of one engine: it takes long to start."""
    ask_for = globals()["request"]
    many = [
        ask_for(({"role": "prompt", "content": p},), (0, 1), logprobs=True, seed=3)
        for p in prompts(200)
    ]
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    shaped = {"stop": (), "max_tokens": 100, "temperature": 0.7, "response_format": shape}
    questions: dict[str, list[Request]] = {
        "many": many,
        "again": many,
        "other seed": [ask_for(one.messages, (0, 1), seed=4) for one in many[:50]],
        "later": [ask_for(one.messages, (1,), logprobs=True, seed=3) for one in many],
        "json": [ask_for(PLAIN, (0, 1, 2), **shaped)],
        "long": [ask_for(({"role": "prompt", "content": "dog can " * 400},), (0, 1))],
        "cut": [ask_for(PLAIN, max_tokens=1, stop=())],
    }
    chosen = {"serve": request.param == "served", "args": SMALL}
    who = VllmTeacher(part(dtype="float32", concurrency=128, options=chosen))

    async def work() -> dict[str, list[Answer]]:
        try:
            return {name: await hear(who, *asked) for name, asked in questions.items()}
        finally:
            await who.close()

    return asyncio.run(asyncio.wait_for(work(), 500))


def texts(answers: list[Answer]) -> dict[str, str]:
    return {answer.key: answer.text for answer in completed(answers)}


class TestReal:
    pytestmark = real

    def test_every_sample_of_200_requests_is_completed(
        self, heard: dict[str, list[Answer]]
    ) -> None:
        answers = completed(heard["many"])
        assert len({answer.key for answer in answers}) == 400
        assert {answer.finish_reason for answer in answers} <= {"stop", "length"}
        assert all(answer.prompt_tokens and answer.completion_tokens for answer in answers)
        assert {answer.model for answer in answers} == {EMBEDDED}

    def test_the_logprob_is_a_negative_number_of_nats(self, heard: dict[str, list[Answer]]) -> None:
        assert all(
            answer.logprob is not None and answer.logprob < 0 for answer in completed(heard["many"])
        )

    def test_one_seed_gives_the_same_texts_and_another_gives_others(
        self, heard: dict[str, list[Answer]]
    ) -> None:
        assert texts(heard["again"]) == texts(heard["many"])
        assert set(texts(heard["other seed"]).values()) != set(texts(heard["many"][:100]).values())

    def test_the_samples_of_a_request_differ(self, heard: dict[str, list[Answer]]) -> None:
        found = texts(heard["many"])
        pairs = [(found[key], found[f"{key[:-1]}1"]) for key in found if key.endswith("-0")]
        assert sum(one != other for one, other in pairs) > len(pairs) / 2

    def test_a_sample_that_is_bought_later_is_the_one_that_would_have_come_at_once(
        self, heard: dict[str, list[Answer]]
    ) -> None:
        at_once = texts(heard["many"])
        later = texts(heard["later"])
        assert len(later) == 200
        assert later.items() <= at_once.items()

    def test_a_schema_is_kept(self, heard: dict[str, list[Answer]]) -> None:
        for answer in completed(heard["json"]):
            found = json.loads(answer.text)
            assert found["word"] in ("yes", "no")
            assert isinstance(found["number"], int)

    def test_a_prompt_that_does_not_fit_is_a_failure(self, heard: dict[str, list[Answer]]) -> None:
        assert [
            (a.reason, a.permanent) if isinstance(a, Failure) else a for a in heard["long"]
        ] == [("context_too_long", True)] * 2  # fmt: skip

    def test_a_text_that_is_cut_by_the_limit_says_so(self, heard: dict[str, list[Answer]]) -> None:
        (answer,) = completed(heard["cut"])
        assert (answer.finish_reason, answer.completion_tokens) == ("length", 1)

    @pytest.mark.parametrize("served", [False, True])
    def test_a_recipe_ends_in_a_corpus(
        self, make_recipe: Make, machine: None, served: bool
    ) -> None:
        teacher = {
            **{"backend": "vllm", "model": EMBEDDED, "dtype": "float32"},
            "options": {"serve": served, "args": SMALL},
            "sampling": {"n": 2, "logprobs": True},
        }
        result = pipeline.run(make_recipe(heads=20, teacher=teacher), quiet=True)
        assert (result.generated.completed, result.generated.failed) == (40, 0)
        assert result.counts["candidates"] > 0
        assert result.manifest["counts"] == result.counts

    def test_an_unknown_engine_argument_is_named(self) -> None:
        with pytest.raises(RecipeError, match=r"max_model_lenght.*did you mean 'max_model_len'"):
            ask(
                VllmTeacher(part(options={"args": {"max_model_lenght": 1}})), request(), seconds=120
            )

    @pytest.mark.parametrize("served", [False, True])
    def test_nothing_is_left_of_an_engine_whose_parent_is_killed(
        self, machine: None, served: bool
    ) -> None:
        code = (
            "import asyncio, sys; sys.path[:0] = sys.argv[1:3]; from support import vllm as t\n"
            "async def work():\n"
            f"    who = t.VllmTeacher(t.part(dtype='float32', options={{'serve': {served}, 'args':"
            f" {SMALL}}}))\n"
            "    await t.hear(who, t.request()); print('answered', flush=True); await"
            " asyncio.sleep(600)\n"
            "if __name__ == '__main__':\n"
            "    asyncio.run(work())"
        )
        folders = [str(ROOT / "tests"), str(ROOT / "tests" / "teachers")]
        parent = subprocess.Popen([sys.executable, "-c", code, *folders], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        assert b"answered" in parent.stdout.readline()
        family = descendants(parent.pid)
        assert len(family) >= 3
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
        assert all(wait_until(lambda pid=pid: gone(pid), 30) for pid in family)


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process."""
    table = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = [pid]
    for one in found:
        found += [child for child, parent in pairs if parent == one]
    return found[1:]
