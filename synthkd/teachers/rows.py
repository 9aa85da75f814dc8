"""The backend `rows`: nobody is asked; the prompt of an input is its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from synthkd.requests import Answer, Completion, Request
from synthkd.teachers.base import Teacher

#: Answers that are yielded together.
_GROUP = 256


class RowsTeacher(Teacher):
    """Answers each request with its own prompt.

    Without a template that is the input row as JSON, so that rows pass through rules, votes and a
    critic as they are; with one, the text that the template makes of a row.
    """

    name = "rows"
    needs_template = False
    asks = False

    @property
    def identity(self) -> str:
        return "rows"

    async def stream(self, requests: AsyncIterator[Request]) -> AsyncGenerator[list[Answer], None]:
        answers: list[Answer] = []
        async for request in requests:
            answers += [
                Completion(request.request_id, index, request.prompt, "stop", 0, 0)
                for index in request.sample_indexes
            ]
            if len(answers) >= _GROUP:
                yield answers
                answers = []
        if answers:
            yield answers
