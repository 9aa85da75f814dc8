"""The vLLM backend: who it is, and what its engine is asked in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from support.vllm import CHAT, PLAIN, ask, completed, part, request
from support.vllm_engine import Dead, Engine, Failed, client

from synthkd.errors import MissingExtraError, RecipeError, RequestError, TeacherError
from synthkd.recipe import Recipe
from synthkd.requests import Failure, Request
from synthkd.teachers.base import Teacher
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.transformers import EMBEDDED
from synthkd.teachers.vllm import VllmTeacher

# Who it is


def test_it_is_a_teacher() -> None:
    assert isinstance(VllmTeacher(part()), Teacher)


def test_a_recipe_makes_one() -> None:
    recipe = Recipe.from_dict(
        {
            "name": "test",
            "inputs": {"count": 3},
            "teacher": {"backend": "vllm", "model": EMBEDDED, "concurrency": 7},
            "corpus": {"path": "corpus"},
        }
    )
    made = VllmTeacher.from_recipe(recipe)
    assert (made.policy.concurrency, made.policy.adaptive) == (7, False)


@pytest.mark.slow
def test_making_one_imports_neither_vllm_nor_torch() -> None:
    code = (
        "import sys; from synthkd.recipe import TeacherPart; from synthkd.teachers.vllm import"
        " VllmTeacher;"
        f"VllmTeacher(TeacherPart(model={EMBEDDED!r})).identity;"
        "sys.exit(bool({'vllm', 'torch', 'aiohttp'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.model"):
        VllmTeacher(part(model=None))


def test_it_is_the_same_teacher_in_process_and_served() -> None:
    served = VllmTeacher(part(options={"serve": True, "python": "/elsewhere/python", "startup": 5}))
    assert VllmTeacher(part()).identity == served.identity
    assert served.identity.startswith(f"vllm:{EMBEDDED}@")
    assert served.identity.endswith(":auto")


@pytest.mark.parametrize(
    ("args", "same"),
    [
        ({"max_num_seqs": 8, "enforce_eager": True, "gpu_memory_utilization": 0.5}, True),
        ({"quantization": "fp8"}, False),
        ({"unheard_of": 1}, False),
        ({"dtype": "bfloat16"}, False),
    ],
)
def test_arguments_that_change_what_is_said_are_part_of_who_answers(
    args: dict[str, Any], same: bool
) -> None:
    assert (
        VllmTeacher(part()).identity == VllmTeacher(part(options={"args": args})).identity
    ) is same


def test_the_number_type_is_the_checkpoints_own_unless_one_is_named() -> None:
    assert VllmTeacher(part(dtype="float32")).identity.endswith(":float32")
    assert VllmTeacher(part()).identity.endswith(":auto")


def test_a_hub_name_is_known_by_its_revision() -> None:
    assert VllmTeacher(part(model="who/what", revision="v2")).identity == "vllm:who/what@v2:auto"
    assert VllmTeacher(part(model="who/what")).identity == "vllm:who/what@main:auto"


def test_an_identity_that_the_recipe_names_counts() -> None:
    assert VllmTeacher(part(identity="ours")).identity == "ours"


# Without vllm


@pytest.fixture
def no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synthkd.errors.find_spec", lambda name: None)


@pytest.mark.usefixtures("no_vllm")
@pytest.mark.parametrize("served", [False, True])
def test_a_missing_vllm_names_the_extra(served: bool) -> None:
    with pytest.raises(MissingExtraError, match=r"vllm backend.*synthkd\[vllm\]"):
        ask(VllmTeacher(part(options={"serve": served})), request())


@pytest.mark.usefixtures("no_vllm")
def test_where_nothing_is_asked_nothing_is_started() -> None:
    assert ask(VllmTeacher(part())) == []


# What the engine is asked, in this process


def test_each_sample_has_a_seed_of_its_own_also_over_a_gap() -> None:
    made = Engine()
    answers = completed(asyncio.run(client(made).send(request(indexes=(0, 1, 5), seed=7))))
    assert [(params.seed, params.n) for _, params, _ in made.asked] == [(7, 2), (12, 1)]
    assert [answer.text for answer in answers] == ["text 7 0", "text 7 1", "text 12 0"]
    assert [answer.sample_index for answer in answers] == [0, 1, 5]
    assert len({name for *_, name in made.asked}) == 2


def test_without_a_seed_a_gap_costs_no_further_request() -> None:
    made = Engine()
    asyncio.run(client(made).send(request(indexes=(0, 5), seed=None)))
    assert [params.n for _, params, _ in made.asked] == [2]


def test_tokens_price_and_logprob_are_filled_in() -> None:
    first, second = completed(
        asyncio.run(client(Engine()).send(request(indexes=(0, 1), logprobs=True)))
    )
    assert (first.prompt_tokens, first.completion_tokens, first.tokens, second.tokens) == (
        3,
        2,
        5,
        2,
    )
    assert (first.logprob, first.finish_reason, first.price) == (-1.5, "stop", 0.0)
    (answer,) = completed(asyncio.run(client(Engine(), price={"output": 1e6}).send(request())))
    assert (answer.price, answer.logprob) == (2.0, None)


def test_parameters_reach_the_engine_by_its_names() -> None:
    made = Engine()
    schema = {"type": "object"}
    asked = request(
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        extra_body={"min_p": 0.05},
    )
    asyncio.run(client(made).send(asked))
    assert vars(made.asked[0][1]) == {
        **{
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
        },
        **{"n": 1, "max_tokens": 12, "stop": ["\n"], "seed": 0, "logprobs": 0, "min_p": 0.05},
        **{"output_kind": "final", "structured_outputs": SimpleNamespace(json=schema)},
    }


def test_a_chat_goes_through_the_template_and_a_prompt_does_not() -> None:
    made = Engine()
    options = {"chat_template_kwargs": {"think": False}}
    asyncio.run(client(made).send(request(CHAT, extra_body=options)))
    asyncio.run(client(made).send(request(PLAIN)))
    asyncio.run(client(made, chat=True).send(request(PLAIN)))
    assert [ids for ids, *_ in made.asked] == [[3, 3, 3], [0, 3, 3], [3, 3, 2]]


def test_a_prompt_that_does_not_fit_is_refused_for_good() -> None:
    with pytest.raises(RequestError) as raised:
        asyncio.run(client(Engine()).send(request(({"role": "prompt", "content": "a " * 20},))))
    assert raised.value.reason == "context_too_long"


@pytest.mark.parametrize(
    ("error", "becomes", "says"),
    [
        (Dead(), TeacherError, "has died"),
        (Failed("once"), TransientError, "once"),
        (ValueError("temperature"), RequestError, "refused: ValueError: temperature"),
    ],
)
def test_what_goes_wrong_in_the_engine_is_told_apart(
    error: Exception, becomes: type[TeacherError], says: str
) -> None:
    with pytest.raises(becomes, match=says) as raised:
        asyncio.run(client(Engine(error)).send(request()))
    assert type(raised.value) is becomes


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (request(extra_body={"guided": 1}), r"extra_body\.guided"),
        (request(response_format={"type": "grammar"}), "'grammar'"),
        (
            request(({"role": "system", "content": "x"},)),
            r"does not take these messages.*teacher\.chat: false",
        ),
    ],
)
def test_what_no_request_can_be_asked_with_ends_the_run(asked: Request, says: str) -> None:
    with pytest.raises(TeacherError, match=says) as raised:
        asyncio.run(client(Engine()).send(asked))
    assert type(raised.value) is TeacherError


def test_a_sample_that_the_engine_gave_up_may_be_asked_again() -> None:
    (answer,) = asyncio.run(client(Engine(finish="abort")).send(request()))
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.permanent) == ("aborted", False)
