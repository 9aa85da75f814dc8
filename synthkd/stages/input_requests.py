"""Make the request of an input: the rendered prompt with its sampling and the hash of both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

from synthkd.errors import KindError, PromptError
from synthkd.requests import Request
from synthkd.stages.components import Components
from synthkd.stages.input_ids import row_content
from synthkd.stages.inputs import InputRow, Row


@dataclass(frozen=True)
class InputRequest:
    """One input and its request, whose ``sample_indexes`` are the samples that are wanted."""

    input_id: str
    row: Row
    request: Request

    def first(self, samples: int) -> InputRequest:
        """Return the same with its first samples alone."""
        return replace(
            self, request=self.request.with_samples(self.request.sample_indexes[:samples])
        )

    def with_samples(self, samples: int) -> InputRequest:
        """Return the same with so many samples, more than the recipe's n or fewer."""
        return replace(self, request=self.request.with_samples(tuple(range(samples))))


@dataclass(frozen=True, eq=False)
class RequestBuilder:
    """Builds the requests of a recipe's inputs.

    Attributes:
        file: The name of the inputs' file in messages.
        known_identity: The teacher's identity if it is known already: a backend may have to read a
            large file for it.
    """

    components: Components
    file: str = "inputs"
    known_identity: str | None = None

    @cached_property
    def identity(self) -> str:
        """Who answers: a part of every request's key."""
        return self.known_identity or self.components.teacher.identity

    @cached_property
    def _samples(self) -> tuple[int, ...]:
        return tuple(range(self.components.sampling.n))

    def build(self, input_row: InputRow) -> InputRequest:
        """Render the prompt of an input.

        Raises:
            PromptError: The template cannot be rendered with this row.
            KindError: The kind cannot describe this row.
        """
        number, input_id, row = input_row
        prompt = self.components.prompt
        if prompt:
            try:
                messages = prompt.render(
                    row, self.components.kind, input_id, self.components.recipe.seed
                )
            except (PromptError, KindError) as error:
                raise type(error)(f"{self.file} row {number}: {error}") from None
        else:
            messages = ({"role": "prompt", "content": row_content(row).decode()},)
        sampling = self.components.sampling
        request = Request(self.identity, messages, sampling, self._samples, input_id)
        return InputRequest(input_id, row, request)

    def missing_examples(self, row: Row) -> str | None:
        """Return the value by which few-shot rows are drawn if no row has that of this input."""
        prompt = self.components.prompt
        if prompt and prompt.by and prompt.shots and prompt.examples and not prompt.pool(row):
            return str(row.get(prompt.by))
        return None

    def warnings(self, without_examples: Counter[str]) -> list[str]:
        """Return what should be known before anything is sent, a line for each.

        Args:
            without_examples: Inputs without few-shot rows, by `missing_examples`.
        """
        lines = list(self.components.schema_warnings)
        if without_examples and self.components.prompt:
            (value, _), *others = without_examples.most_common()
            more = f" and {len(others):,} more" if others else ""
            lines.append(
                f"{without_examples.total():,} inputs have no few-shot example: none is of"
                f" {self.components.prompt.by} {value!r}{more}"
            )
        return lines
