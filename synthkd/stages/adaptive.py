"""Ask in rounds, and stop asking a question once its vote is decided.

    first samples of all ──► votes ──► decided? ──► some more of the rest ──► votes ──► … up to n

What is asked follows from the journal alone: a killed run goes on where it was, a finished one sends nothing, and `filter`
reads the very samples that `generate` asked for, whatever else the journal holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError
from synthkd.filters.base import GlobalFilter
from synthkd.filters.stopping import Stopping, lengths
from synthkd.kinds.base import Malformed
from synthkd.kinds.structured_answers import read_answer

if TYPE_CHECKING:
    from synthkd.journal import Journal
    from synthkd.kinds.base import Row
    from synthkd.recipe.parts import AdaptivePart
    from synthkd.requests import Completion
    from synthkd.stages.plan import Asked, Plan


def adaptive_of(plan: Plan, journal: Journal) -> Adaptive | None:
    """How a recipe's samples are asked for in rounds; None where it asks for all at once."""
    votes = plan.recipe.votes
    if votes is None or votes.adaptive is None:
        return None
    return Adaptive(plan, journal, votes.adaptive, votes.min_votes)


def check_adaptive(plan: Plan, row: Row) -> None:
    """Refuse a recipe whose votes cannot be counted while asking; ``row`` is its first input. Raises `RecipeError`."""
    votes = plan.recipe.votes
    if votes is None or votes.adaptive is None:
        return
    if (votes.keep or plan.kind.keeps) != "winner":
        raise RecipeError("votes.adaptive: only a winner can be decided early; set `votes.keep: winner`")
    for rule in plan.rules:
        if isinstance(rule, GlobalFilter):
            raise RecipeError(
                f"votes.adaptive: the rule {rule.name!r} looks at all rows, so nobody knows while asking what it will reject;"
                " leave it out, or ask for all samples at once"
            )
    # Imported here, as pyarrow below: a run that asks for all at once does without.
    from synthkd.stages.votes import question_of

    if question_of(plan.kind, row) is None:
        raise RecipeError(
            f"votes.adaptive: completions of the kind {plan.kind.name!r} have no question in common before they are read"
        )


class Adaptive:
    """Narrows requests to the samples that are wanted now. ``saved`` counts those of the recipe's n that are not."""

    def __init__(self, plan: Plan, journal: Journal, part: AdaptivePart, min_votes: int = 1) -> None:
        self.plan, self.journal = plan, journal
        self.lengths = lengths(part.first, part.step, plan.sampling.n)
        self.stopping = Stopping(part.confidence, part.rule, min_votes)
        self.saved = 0

    @property
    def rounds(self) -> int:
        """The most rounds that a question can take."""
        return len(self.lengths)

    def __call__(self, batch: list[Asked]) -> list[Asked]:
        """The batch with the samples that each input wants, by what the journal holds."""
        out = []
        for asked, (length, _) in zip(batch, self._all_wanted(batch), strict=True):
            self.saved += len(asked.request.sample_indexes) - length
            out.append(_first(asked, length))
        return out

    def at_most(self, batch: list[Asked]) -> list[Asked]:
        """The batch with the samples that each input may come to want: all, unless it is decided."""
        wanted = zip(batch, self._all_wanted(batch), strict=True)
        return [_first(asked, length) if decided else asked for asked, (length, decided) in wanted]

    def _all_wanted(self, batch: list[Asked]) -> Iterator[tuple[int, bool]]:
        ids = [asked.request.request_id for asked in batch]
        held, failed = self.journal.completions(ids), self.journal.failures(ids)
        for asked, name in zip(batch, ids, strict=True):
            yield self._wanted(asked, held.get(name, {}), set(failed.get(name, ())))

    def _wanted(self, asked: Asked, held: dict[int, Completion], failed: set[int]) -> tuple[int, bool]:
        """How many samples a question has when its next round has come, or when it is decided; and whether it is."""
        votes: Counter[str] = Counter()
        read = 0
        for length in self.lengths:
            if any(index not in held and index not in failed for index in range(read, length)):
                return length, False
            for index in range(read, length):
                if index in held:
                    votes.update(self._votes(held[index], asked))
            read = length
            if self.stopping.decided(votes.values(), self.lengths[-1] - length):
                return length, True
        return self.lengths[-1], True

    def _votes(self, completion: Completion, asked: Asked) -> set[str]:
        """The answers for which a completion votes, once the rules have looked at it."""
        kind = self.plan.kind
        if self.plan.not_whole(completion.finish_reason):
            return set()
        found = self._read(completion.text, asked.row)
        if isinstance(found, Malformed):
            return set()
        passed = self._passed([self._row(candidate, completion, asked) for candidate in found])
        return {vote for candidate in passed if (vote := kind.vote_for(candidate))}

    def _read(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        if self.plan.answer is None:
            return self.plan.kind.parse(text, row)
        answer = read_answer(text, self.plan.answer)
        return answer if isinstance(answer, Malformed) else self.plan.kind.read(answer.value, row)

    def _row(self, candidate: Row, completion: Completion, asked: Asked) -> dict[str, Any]:
        """A candidate with what rules may look at beside it."""
        prompt = self.plan.prompt
        return {
            "kind": self.plan.kind.name,
            "id": self.plan.kind.identity(candidate),
            "text": self.plan.kind.verbalize(candidate),
            "input_id": asked.input_id,
            "completion_key": completion.key,
            "sample_index": completion.sample_index,
            "logprob": completion.logprob,
            "tokens": completion.completion_tokens,
            "finish_reason": completion.finish_reason,
            "raw": completion.text,
            "prompt": prompt.name if prompt else None,
            "teacher": completion.model or self.plan.identity,
            # Last: a kind may have a column of its own by such a name.
            **candidate,
        }

    def _passed(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        if not self.plan.rules:
            yield from rows
            return
        import pyarrow as pa

        from synthkd.corpora.schema import candidate_schema

        batch = pa.RecordBatch.from_pylist(rows, schema=candidate_schema(self.plan.kind))
        verdicts = [rule.reject(batch, self.plan.kind) for rule in self.plan.rules]
        for row, *objections in zip(rows, *verdicts, strict=True):
            if all(objection is None for objection in objections):
                yield row


def _first(asked: Asked, length: int) -> Asked:
    return replace(asked, request=asked.request.only(asked.request.sample_indexes[:length]))
