"""Adaptive sampling: stop asking a question once its vote is decided.

    first samples of all ──► votes ──► decided? ──► some more of the others ──► votes ──► … up to n

The samples that are wanted follow from the journal alone: a killed run continues with its round, a
finished run sends nothing, and `filter` reads the samples that `generate` asked for, whatever else
the journal holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synthkd.errors import RecipeError
from synthkd.filters.base import GlobalFilter, reasons_of
from synthkd.filters.stopping import Stopping, lengths
from synthkd.kinds.base import Malformed, readable

if TYPE_CHECKING:
    from synthkd.journal import Journal
    from synthkd.kinds.base import Row
    from synthkd.recipe.parts import AdaptivePart
    from synthkd.requests import Completion
    from synthkd.stages.components import Components
    from synthkd.stages.input_requests import InputRequest, RequestBuilder


def adaptive_sampling(requests: RequestBuilder, journal: Journal) -> AdaptiveSampling | None:
    """Return how a recipe asks in rounds; None if all samples are asked for at once."""
    votes = requests.components.recipe.votes
    if votes is None or votes.adaptive is None:
        return None
    return AdaptiveSampling(requests, journal, votes.adaptive, votes.min_votes)


def check_adaptive(components: Components, row: Row) -> None:
    """Refuse a recipe whose votes cannot be counted between rounds.

    Args:
        components: The recipe's components.
        row: Its first input.

    Raises:
        RecipeError: Votes that keep all answers, a rule on all rows, or no common question.
    """
    votes, kind = components.recipe.votes, components.kind
    if votes is None or votes.adaptive is None:
        return
    if (votes.keep or kind.keeps) != "winner":
        raise RecipeError(
            "votes.adaptive: only a winner can be decided early; set `votes.keep: winner`"
        )
    for rule in components.rules:
        if isinstance(rule, GlobalFilter):
            raise RecipeError(
                f"votes.adaptive: the rule {rule.name!r} looks at all rows, so nobody knows while"
                " asking what it will"
                " reject; leave it out, or ask for all samples at once"
            )
    # Imported here, as pyarrow below: a run that asks for all samples at once does without.
    from synthkd.filters.ballot import question_of

    if question_of(kind, row) is None:
        raise RecipeError(
            f"votes.adaptive: completions of the kind {kind.name!r} have no question in common"
            " before they are read"
        )


class AdaptiveSampling:
    """Chooses the samples of each input that are wanted in the next round.

    Attributes:
        saved: Samples of the recipe's n that `narrow` left out.
    """

    def __init__(
        self, requests: RequestBuilder, journal: Journal, part: AdaptivePart, min_votes: int = 1
    ) -> None:
        self.components, self.requests, self.journal = requests.components, requests, journal
        self.lengths = lengths(part.first, part.step, self.components.sampling.n)
        self.stopping = Stopping(part.confidence, part.rule, min_votes)
        self.saved = 0

    @property
    def rounds(self) -> int:
        """The most rounds that a question can take."""
        return len(self.lengths)

    def narrow(self, batch: list[InputRequest]) -> list[InputRequest]:
        """Return the batch with the samples that each input wants, by what the journal holds."""
        narrowed = []
        for one, (length, _) in zip(batch, self._all_wanted(batch), strict=True):
            self.saved += len(one.request.sample_indexes) - length
            narrowed.append(one.first(length))
        return narrowed

    def at_most(self, batch: list[InputRequest]) -> list[InputRequest]:
        """Return the batch with all samples that an input may come to want."""
        wanted = zip(batch, self._all_wanted(batch), strict=True)
        return [one.first(length) if is_decided else one for one, (length, is_decided) in wanted]

    def _all_wanted(self, batch: list[InputRequest]) -> Iterator[tuple[int, bool]]:
        ids = [one.request.request_id for one in batch]
        completions, failures = self.journal.completions(ids), self.journal.failures(ids)
        for one, name in zip(batch, ids, strict=True):
            yield self._wanted(one, completions.get(name, {}), set(failures.get(name, ())))

    def _wanted(
        self, one: InputRequest, completions: dict[int, Completion], failed: set[int]
    ) -> tuple[int, bool]:
        """Return how many samples an input wants, and whether its question is decided."""
        votes: Counter[str] = Counter()
        read = 0
        for length in self.lengths:
            if any(i not in completions and i not in failed for i in range(read, length)):
                return length, False
            for index in range(read, length):
                if index in completions:
                    votes.update(self._votes(completions[index], one))
            read = length
            if self.stopping.decided(votes.values(), self.lengths[-1] - length):
                return length, True
        return self.lengths[-1], True

    def _votes(self, completion: Completion, one: InputRequest) -> set[str]:
        """Return the answers that a completion votes for, after the rules."""
        components, kind = self.components, self.components.kind
        part = components.part_of(completion.text)
        completion = replace(completion, finish_reason=part.finish(completion.finish_reason))
        if not part.alone:
            completion = replace(completion, logprob=None, completion_tokens=None)
        if components.why_incomplete(completion.finish_reason):
            return set()
        candidates = readable(components.read_part(part.text, one.row)[0])
        if isinstance(candidates, Malformed):
            return set()
        passed = self._passed([self._candidate(row, completion, one) for row in candidates])
        return {vote for row in passed if (vote := kind.vote_for(row))}

    def _candidate(self, row: Row, completion: Completion, one: InputRequest) -> dict[str, Any]:
        """Return a candidate with the columns that rules may read."""
        kind, prompt = self.components.kind, self.components.prompt
        return {
            "kind": kind.name,
            "id": kind.identity(row),
            "text": kind.verbalize(row),
            "input_id": one.input_id,
            "completion_key": completion.key,
            "sample_index": completion.sample_index,
            "logprob": completion.logprob,
            "tokens": completion.completion_tokens,
            "finish_reason": completion.finish_reason,
            "raw": completion.text,
            "prompt": prompt.name if prompt else None,
            "teacher": completion.model or self.requests.identity,
            # Last: a kind may have a column of its own by such a name.
            **row,
        }

    def _passed(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        kind, rules = self.components.kind, self.components.rules
        if not rules:
            yield from rows
            return
        import pyarrow as pa

        from synthkd.corpora.schema import candidate_schema

        batch = pa.RecordBatch.from_pylist(rows, schema=candidate_schema(kind))
        verdicts = [reasons_of(rule, batch, kind) for rule in rules]
        for row, *objections in zip(rows, *verdicts, strict=True):
            if all(objection is None for objection in objections):
                yield row
