"""Answers and failures that a body of the OpenAI protocol is read as."""

from __future__ import annotations

from typing import Any

from support.ask_teacher import (
    request,
)
from synthkd.recipe import PricePart
from synthkd.requests import Answer
from synthkd.teachers.remote.responses import parse_answers

PRICE = PricePart(input=1.0, output=2.0)


def read(body: Any, count: int = 1, **sampling: Any) -> list[Answer]:
    return parse_answers(request(indexes=tuple(range(count)), **sampling), body, 0.1, PRICE)
