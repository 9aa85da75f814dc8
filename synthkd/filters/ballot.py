"""Votes of a partition: weights, the columns that votes fill, and reasons of rejections.

`synthkd.filters.votes` counts; here are the options of a recipe and what becomes of each row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd import plugins
from synthkd.errors import RecipeError, SynthKDError
from synthkd.filters.vote_weights import ANSWER, QUESTION, SOURCE, Count, VoteWeight
from synthkd.filters.votes import SAME, Numbers, Tally, codes, tally
from synthkd.kinds.base import Kind, Row
from synthkd.recipe import Recipe
from synthkd.recipe.parts import VotesPart

FIELDS = [pa.field(name, pa.string()) for name in (QUESTION, ANSWER, SOURCE)]
#: Letters of an answer, and how many answers, that a reason shows.
_SHOWN, _LISTED = 40, 4


@dataclass(frozen=True)
class Ballot:
    """The way votes are counted, and what they keep; without a `part` nothing is rejected."""

    part: VotesPart | None = None
    keep: str = "all"
    weight: VoteWeight = field(default_factory=Count)

    @classmethod
    def of(cls, recipe: Recipe, kind: Kind) -> Ballot:
        """Make the ballot of a recipe; its weight has observed nothing yet."""
        part = recipe.votes
        if part is None:
            return cls(keep=kind.keeps)
        plugin = plugins.find("votes", part.by, recipe.folder)
        options = plugin.located(part.options, recipe.resolve)
        weight: VoteWeight = plugins.make("votes", part.by, options, recipe.folder)
        weight.prepare(kind)
        return cls(part, part.keep or kind.keeps, weight)

    def count(
        self, table: pa.Table, is_open: Numbers, scores: Numbers | None = None
    ) -> CountedVotes:
        """Count the votes of open rows; a completion whose rows are all rejected has no vote."""
        who = codes(self.weight.voters(table))
        ask, say = codes(table.column(QUESTION)), codes(table.column(ANSWER))
        say[~is_open] = -1
        weights = None if self.weight.all_equal else self._weights(table, say >= 0, scores)
        votes = tally(ask, say, who, weights)
        return CountedVotes(self, votes, table.column(ANSWER), self.weight.tallied(table, votes))

    def observe(self, table: pa.Table, is_open: Numbers) -> None:
        """Let a weight that looks ahead take in the votes of open rows."""
        with self._errors_of_weight():
            self.weight.observe(table, is_open & table.column(ANSWER).is_valid().to_numpy())

    @contextmanager
    def _errors_of_weight(self) -> Iterator[None]:
        """Name the plug-in in what it raises."""
        try:
            yield
        except SynthKDError:
            raise
        except Exception as problem:
            raise RecipeError(
                f"vote {self.weight.name!r} raised {type(problem).__name__}: {problem}"
            ) from problem

    def _weights(self, table: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        with self._errors_of_weight():
            weights: Numbers = np.asarray(
                self.weight.weigh(table, votes, scores), dtype=np.float64
            ).reshape(-1)
        if len(weights) != len(votes):
            raise RecipeError(
                f"vote {self.weight.name!r}: {len(weights)} weights for {len(votes)} rows"
            )
        unfit = np.flatnonzero(votes & ~((weights >= 0) & np.isfinite(weights)))
        if len(unfit):
            key = table.column("completion_key")[int(unfit[0])].as_py()
            raise RecipeError(
                f"vote {self.weight.name!r}: the completion {key} weighs"
                f" {float(weights[unfit[0]])}; a weight is a finite number from 0 on"
            )
        return weights


@dataclass(frozen=True)
class CountedVotes:
    """The votes of a partition."""

    ballot: Ballot
    tally: Tally
    answers: Any
    #: Counts of the weight itself.
    further: dict[str, int] = field(default_factory=dict)

    def columns(self) -> Iterator[tuple[str, pa.Array]]:
        """Yield votes, agreement, margin and entropy; null for rows without an answer."""
        hidden = ~self.tally.says
        yield "votes", pa.array(self.tally.votes, pa.int32(), mask=hidden)
        for name in ("agreement", "margin", "entropy"):
            yield name, pa.array(getattr(self.tally, name), pa.float64(), mask=hidden)

    def reasons(self, is_open: Numbers) -> list[str | None]:
        """Return why each open row is rejected; None if it is not."""
        reasons: list[str | None] = [None] * len(is_open)
        part = self.ballot.part
        if part is None:
            return reasons
        for i in np.flatnonzero(is_open & ~self._kept(part)).tolist():
            reasons[i] = self._reason(i, part)
        return reasons

    def _kept(self, part: VotesPart) -> Numbers:
        t = self.tally
        with np.errstate(invalid="ignore"):
            # Shares of weights may lack their last bit to what is asked for.
            kept = t.says & (t.votes >= part.min_votes) & (t.agreement >= part.min_agreement - SAME)
            if self.ballot.keep == "winner":
                kept &= t.leads & ~self._drawn() & (t.margin >= part.min_margin - SAME)
        result: Numbers = kept
        return result

    def _drawn(self) -> Numbers:
        """Return which rows are of a question whose lead is shared."""
        drawn: Numbers = (self.tally.first >= 0) & self.tally.tied[self.tally.first]
        return drawn

    def _reason(self, i: int, part: VotesPart) -> str:
        t = self.tally
        votes, asked = int(t.votes[i]), int(t.asked[i])
        if not t.says[i]:
            return "gives no answer to vote for"
        if self.ballot.keep == "winner":
            first = int(t.first[i])
            if t.tied[first]:
                most = (
                    f"{int(t.votes[first])} of {asked} each"
                    if self.ballot.weight.all_equal
                    else self._share(first)
                )
                return f"tie between {self._tied[first]}, {most}"
            if not t.leads[i]:
                shares = "" if self.ballot.weight.all_equal else self._shares(i, first)
                own, leader = _quoted([self._answers[i], self._answers[first]])
                return (
                    f"outvoted: {votes} of {asked} for {own}, {int(t.votes[first])} for"
                    f" {leader}{shares}"
                )
        if votes < part.min_votes:
            return f"too few votes: {votes}, asked {part.min_votes}"
        if t.agreement[i] < part.min_agreement - SAME:
            return "agreement {}, below {}".format(
                *_distinct_numbers(t.agreement[i], part.min_agreement)
            )
        return "lead {}, below {}".format(*_distinct_numbers(t.margin[i], part.min_margin))

    @cached_property
    def _tied(self) -> dict[int, str]:
        """Answers that share the lead, by the place of the first row that gives one of them."""
        places = np.flatnonzero(self.tally.tied).tolist()
        said: dict[int, set[str]] = {}
        for i in places:
            said.setdefault(int(self.tally.first[i]), set()).add(self._answers[i])
        return {first: _listed(_quoted(sorted(names))) for first, names in said.items()}

    def _share(self, i: int) -> str:
        return f"share {float(self.tally.agreement[i]):.2f} by {self.ballot.weight.name}"

    def _shares(self, i: int, first: int) -> str:
        shares = _distinct_numbers(self.tally.agreement[i], self.tally.agreement[first])
        return " ({})".format(
            ", ".join(f"share {share} by {self.ballot.weight.name}" for share in shares)
        )

    @cached_property
    def _answers(self) -> list[str]:
        answers: list[str] = self.answers.to_pylist()
        return answers

    def counts(self) -> Counter[str]:
        """Count the questions with answers, and the unanimous, led and tied ones of them."""
        t = self.tally
        first = np.unique(t.first[t.first >= 0])
        several, tied = t.contested[first], t.tied[first]
        return Counter(
            questions=len(first),
            unanimous=int((~several).sum()),
            led=int((several & ~tied).sum()),
            tied=int(tied.sum()),
            **self.further,
        )


def _quoted(answers: list[str]) -> list[str]:
    """Quote answers to one question, without the first lines that all of them share."""
    parts = [answer.split("\n") for answer in answers]
    common = 0
    while common < min(map(len, parts)) - 1 and len({lines[common] for lines in parts}) == 1:
        common += 1
    texts = [" | ".join(lines[common:]) for lines in parts]
    return [f'"{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"}"' for text in texts]


def _distinct_numbers(one: float, other: float) -> tuple[str, str]:
    """Format two numbers with two digits, or with as many as make them differ."""
    for digits in range(2, 10):
        texts = f"{one:.{digits}f}", f"{other:.{digits}f}"
        if texts[0] != texts[1]:
            break
    return texts


def _listed(names: list[str]) -> str:
    shown = (
        names
        if len(names) <= _LISTED
        else [*names[: _LISTED - 1], f"{len(names) - _LISTED + 1} more"]
    )
    return ", ".join(shown[:-1]) + f" and {shown[-1]}"


def question_of(kind: Kind, row: Row) -> tuple[str, ...] | None:
    """Return what completions of an input vote on; None if that depends on the answer."""
    try:
        one, other = (
            kind.vote_on({**row, **dict.fromkeys(kind.answer_columns, word)})
            for word in ("one", "other")
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        # A kind may need more of a candidate than its columns.
        return None
    return tuple(one) if one == other else None


def check_votes(recipe: Recipe, kind: Kind, logprobs: bool) -> None:
    """Refuse votes that cannot be counted.

    Args:
        recipe: The recipe.
        kind: Its kind.
        logprobs: True if completions come with log-probabilities.

    Raises:
        RecipeError: An unknown weight, a wrong option, or numbers that the recipe does not get.
    """
    part = recipe.votes
    if part is None:
        return
    weight = Ballot.of(recipe, kind).weight
    if part.adaptive is not None and not weight.all_equal:
        raise RecipeError(
            f"votes: `adaptive` needs votes that are counted; `by: {part.by}` weighs them"
            " afterwards"
        )
    if part.adaptive is not None and not weight.counts_completions:
        raise RecipeError(
            f"votes: `adaptive` stops the samples of one input; `by: {part.by}` counts other voters"
            " than its completions"
        )
    if weight.looks_ahead and type(weight).observe is VoteWeight.observe:
        raise RecipeError(
            f"vote {weight.name!r} looks ahead and has no method `observe`; `state` and `merge` are"
            " needed too"
        )
    if weight.needs_critic and recipe.critic is None:
        raise RecipeError(
            f"votes.by: `{part.by}` weighs votes by the critic's score, and the recipe has no"
            " critic"
        )
    if weight.needs_logprobs and not logprobs:
        raise RecipeError(
            f"votes.by: `{part.by}` needs log-probabilities; set `teacher.sampling.logprobs: true`"
        )
    if part.min_margin and (part.keep or kind.keeps) == "all":
        raise RecipeError(
            "votes.min_margin: only a winner has a lead; set `votes.keep: winner`, or use"
            " votes.min_agreement"
        )
