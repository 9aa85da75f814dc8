"""Tests of the answers' regular expression: the parser reads every match, local models obey."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from synthkd.kinds.comparative.grammar import lexicon_comparatives, regex_of
from synthkd.kinds.comparative.kind import ComparativeKind
from synthkd.recipe import TeacherPart
from synthkd.requests import Request, Sampling

ROW = {"left": "elephant", "right": "cat"}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (" typically much heavier.", True),
        (" often more dangerous.", True),
        (" usually less fluffy.", True),
        (" heavier.", False),
        (" much typically heavier.", False),
        (" typically heavier than cats.", False),
        (" typically heavier", False),
        (" typically other.", False),
    ],
)
def test_the_sets_come_in_their_order(text: str, fits: bool) -> None:
    assert bool(re.fullmatch(regex_of(), text)) == fits


def test_auxiliaries_are_part_of_the_answer_if_the_prompt_has_none() -> None:
    kind = ComparativeKind(auxiliaries=["are", "can"], comparatives=["heavier"], adverbs=["often"])
    assert re.fullmatch(kind.answer_regex, " are often much heavier.")
    assert kind.context(ROW, [], __import__("random").Random(0))["auxiliary"] == ""
    (found,) = kind.parse(" are often much heavier.", ROW)
    assert found["auxiliary"] == "are"


def test_a_point_or_bar_in_a_set_is_escaped() -> None:
    assert re.fullmatch(regex_of(["x.y|z"], [], []), " x.y|z.")
    assert not re.fullmatch(regex_of(["x.y|z"], [], []), " xay.")


def test_every_comparative_of_the_expression_is_read() -> None:
    kind = ComparativeKind()
    for word in lexicon_comparatives():
        assert isinstance(kind.parse(f" typically {word}.", ROW), list), word


@pytest.mark.slow
def test_a_local_model_keeps_to_the_sets_and_every_answer_is_read() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("llguidance")
    from synthkd.teachers.transformers import EMBEDDED, TransformersTeacher

    kind = ComparativeKind(comparatives=["heavier", "more expensive"])
    teacher = TransformersTeacher(TeacherPart(backend="transformers", model=EMBEDDED))
    sampling = Sampling(n=12, max_tokens=40, stop=("\n",), regex=kind.answer_regex)
    message = {"role": "prompt", "content": "Compared to cats, elephants are"}

    async def requests() -> AsyncIterator[Request]:
        yield Request(teacher.identity, (message,), sampling, tuple(range(12)), "one")

    async def collect() -> list[Any]:
        return [answer async for group in teacher.stream(requests()) for answer in group]

    texts = [answer.text for answer in asyncio.run(collect())]
    assert len(texts) == 12
    assert all(re.fullmatch(kind.answer_regex, text) for text in texts)
    assert all(isinstance(kind.parse(text, ROW), list) for text in texts)
