"""Constrained decoding: what a local model and a server are asked to keep to."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.recipes import Make

from synthkd import generate
from synthkd.errors import RecipeError, TeacherError
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Request, Sampling
from synthkd.stages.plan import plan_run
from synthkd.teachers.openai.request_body import build_body
from synthkd.teachers.remote.parameter_support import ParameterSupport
from synthkd.testing import FakeServer

pytest.importorskip("torch")
pytest.importorskip("llguidance")

from transformers import AutoTokenizer

from synthkd.teachers.constrained_decoding import Constraints, requested_form
from synthkd.teachers.transformers import EMBEDDED, TransformersTeacher
from synthkd.teachers.transformers.checkpoint import resolve_model

pytestmark = pytest.mark.slow

REGEX = r" (?:typically|often) (?:heavier|lighter)\."


def ask(sampling: Sampling, prompts: tuple[str, ...] = ("A cat is",)) -> list[Completion]:
    teacher = TransformersTeacher(TeacherPart(backend="transformers", model=EMBEDDED))

    async def requests() -> AsyncIterator[Request]:
        for prompt in prompts:
            message = {"role": "prompt", "content": prompt}
            yield Request(teacher.identity, (message,), sampling, tuple(range(sampling.n)), prompt)

    async def collect() -> list[Any]:
        return [answer async for group in teacher.stream(requests()) for answer in group]

    return asyncio.run(collect())


def test_every_sample_of_a_constrained_model_matches_the_expression() -> None:
    found = ask(Sampling(n=8, max_tokens=40, regex=REGEX), ("A cat is", "An elephant is"))
    assert len(found) == 16
    assert all(re.fullmatch(REGEX, answer.text) for answer in found)
    assert {answer.finish_reason for answer in found} == {"stop"}


def test_a_stop_text_may_end_a_constrained_answer_and_is_cut() -> None:
    found = ask(Sampling(n=8, max_tokens=40, regex=r"[a-z ]+", stop=("\n",)))
    assert all(re.fullmatch(r"[a-z ]+", answer.text) for answer in found)
    assert any(answer.finish_reason == "stop" for answer in found)


def test_the_log_probability_is_the_models_own_and_not_of_what_the_mask_leaves() -> None:
    (only,) = ask(Sampling(n=1, max_tokens=20, regex=" zebra"))
    assert only.text == " zebra"
    assert only.logprob is not None
    assert only.logprob < -1


def test_a_sample_does_not_depend_on_constrained_ones_beside_it() -> None:
    free = Sampling(n=2, max_tokens=12, stop=("\n",))
    assert [a.text for a in ask(free)] == [a.text for a in ask(free, ("A cat is",))]


def test_a_json_schema_is_kept_by_a_local_model() -> None:
    schema = {
        "type": "object",
        "properties": {"tail": {"enum": ["animal", "plant"]}},
        "required": ["tail"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    for answer in ask(Sampling(n=4, max_tokens=60, response_format=form)):
        assert json.loads(answer.text)["tail"] in ("animal", "plant")


def test_a_grammar_is_kept_by_a_local_model() -> None:
    lark = 'start: " " WORD "."\nWORD: "big" | "small"'
    assert {a.text for a in ask(Sampling(n=6, max_tokens=20, grammar=lark))} <= {" big.", " small."}


@pytest.mark.parametrize("shape", [{"regex": "a(b"}, {"grammar": "start: x"}])
def test_a_form_that_cannot_be_read_is_named(shape: dict[str, str]) -> None:
    with pytest.raises(RecipeError, match=f"teacher.sampling.{next(iter(shape))}: not valid"):
        ask(Sampling(**shape))


def test_an_answer_that_leaves_its_form_is_an_error_and_no_shorter_answer() -> None:
    tokenizer = AutoTokenizer.from_pretrained(resolve_model(EMBEDDED, Path()))
    matcher = Constraints(tokenizer, len(tokenizer)).matcher(Sampling(regex="a+"))
    assert matcher is not None
    with pytest.raises(TeacherError, match="could not be kept to its form"):
        matcher.take(tokenizer("z")["input_ids"][-1])


def test_two_forms_at_once_are_refused() -> None:
    with pytest.raises(RecipeError, match="regex and grammar exclude each other"):
        requested_form(Sampling(regex="a", grammar="start: x"))


@pytest.mark.parametrize("schema", [{}, {"json_schema": {"name": "answer"}}])
def test_a_json_schema_that_is_not_there_is_named(schema: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="response_format: no schema"):
        requested_form(Sampling(response_format={"type": "json_schema", **schema}))


def test_a_server_is_sent_the_expression_as_structured_outputs() -> None:
    request = Request("who", ({"role": "user", "content": "x"},), Sampling(regex="a|b"), (0,), "i")
    assert build_body(request, TeacherPart(backend="openai", model="m"), True, ParameterSupport())[
        "structured_outputs"
    ] == {"regex": "a|b"}


def test_a_run_sends_it_over_the_wire(make_recipe: Make, server: FakeServer) -> None:
    recipe = make_recipe(server.url, heads=2)
    teacher = recipe.teacher.model_copy(
        update={"sampling": recipe.teacher.sampling.model_copy(update={"regex": "a|b"})}
    )
    generate(recipe.with_parts(teacher=teacher), quiet=True)
    assert [body["structured_outputs"] for body in server.bodies] == [{"regex": "a|b"}] * len(
        server.bodies
    )


def test_a_kind_without_an_expression_cannot_constrain(make_recipe: Make) -> None:
    recipe = make_recipe()
    recipe = recipe.with_parts(teacher=recipe.teacher.model_copy(update={"constrained": True}))
    with pytest.raises(RecipeError, match="'triple' has no regular expression"):
        plan_run(recipe)
