"""The contract of a vote plug-in, which weighs votes, and the weights of synthkd."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from synthkd.errors import RecipeError
from synthkd.filters.dawid_skene import Pattern, Reliability, patterns, reliabilities
from synthkd.filters.votes import Numbers, Tally, codes
from synthkd.plugins import Plugin
from synthkd.returned_values import Check, check_json
from synthkd.row_functions import RowFunction

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.kinds.base import Kind

#: Columns that stand in partitions only: the question that a row's completion was asked, and the
#: answer that the completion gives.
QUESTION, ANSWER = "vote_on", "vote_for"
#: Likewise, the source of a row, if votes are counted over sources.
SOURCE = "vote_source"


class VoteWeight(Plugin, ABC):
    """The weight of a completion's vote. ``name`` is the recipe's ``votes.by``.

    Attributes:
        all_equal: Each vote weighs 1, so that a winner can be known before every sample is bought
            (``votes.adaptive``).
        counts_completions: Who votes are completions; False if `voters` names others.
        needs_critic: The weights are made of the scores of the recipe's critic.
        needs_logprobs: The weights are made of the completions' log-probabilities.
        looks_ahead: All rows are observed before the first is weighed.
    """

    returns: ClassVar[Mapping[str, Check]] = {
        "state": check_json,
        "findings": check_json,
        "summary": check_json,
    }
    all_equal: ClassVar[bool] = False
    counts_completions: ClassVar[bool] = True
    needs_critic: ClassVar[bool] = False
    needs_logprobs: ClassVar[bool] = False
    looks_ahead: ClassVar[bool] = False

    @abstractmethod
    def weigh(self, rows: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        """Weigh the vote of each row's completion for the row's answer.

        Args:
            rows: A partition: the kind's columns, ``completion_key``, ``teacher``, ``logprob``,
                ``tokens``, ``raw``, `QUESTION` and `ANSWER` among others.
            votes: True for each row that votes; the weights of other rows are not read.
            scores: The critic's score of each row if ``needs_critic``, NaN for rows without one.

        Returns:
            A finite number from 0 on for each row.
        """

    #: The column that names the source of a row, if `voters` are sources: one of candidates or of
    #: the inputs. Its values stand in the column `SOURCE`.
    source_column: str | None = None

    def prepare(self, kind: Kind) -> None:
        """Take in the recipe's kind, before any row.

        Raises:
            UserError: A file that cannot be read.
        """

    def voters(self, rows: pa.Table) -> Any:
        """Return who votes by each row: equal names have one vote for an answer together.

        Default: the completion.
        """
        return rows.column("completion_key")

    def tallied(self, rows: pa.Table, votes: Tally) -> dict[str, int]:
        """Return counts of a partition, which are added up and given to `summary`."""
        return {}

    def summary(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """Return what report and manifest say of these counts, as JSON can hold it."""
        return {}

    def observe(self, rows: pa.Table, votes: Numbers) -> None:
        """Take in a partition, if ``looks_ahead``. The order of partitions must not matter."""
        raise NotImplementedError

    def state(self) -> Any:
        """Return what was observed, as JSON can hold it."""
        raise NotImplementedError

    def merge(self, states: list[Any]) -> None:
        """Replace the own observations by those of several processes, each as its `state` says."""
        raise NotImplementedError

    def findings(self) -> dict[str, Any]:
        """Return what the report and the manifest say of the weights, as JSON can hold it."""
        return {}

    @classmethod
    def of_function(cls, function: Callable[..., Any], name: str) -> type[Plugin]:
        """Make a weight of a function from a row to a number.

        Keyword-only parameters are the options.
        """
        return FunctionWeight.of_function(function, name)


class FunctionWeight(RowFunction, VoteWeight):
    """A weight made of a plain function."""

    word = "vote"
    signature = "def weight(row, *, option: int = 3) -> float"

    def weigh(self, rows: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        weights = np.zeros(len(votes))
        voting = np.flatnonzero(votes)
        for i, row in zip(voting.tolist(), rows.take(voting).to_pylist(), strict=True):
            weight = self.value_of(row)
            if isinstance(weight, bool) or not isinstance(weight, Real):
                raise RecipeError(
                    f"vote {self.name!r} returned {weight!r:.60}; a weight is a number from 0 on"
                )
            weights[i] = float(weight)
        return weights


class Count(VoteWeight):
    """Weigh each vote as 1."""

    name = "count"
    all_equal = True

    def weigh(self, rows: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        return np.ones(len(votes))


class Likelihood(VoteWeight):
    """Weigh a vote by exp of the mean log-probability of its completion's tokens.

    Wang et al. 2022, arXiv 2203.11171. Words stand in for tokens if tokens were not counted.
    """

    name = "likelihood"
    needs_logprobs = True

    def weigh(self, rows: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        logprobs = rows.column("logprob").to_numpy()
        bare = np.flatnonzero(votes & np.isnan(logprobs))
        if len(bare):
            key = rows.column("completion_key")[int(bare[0])].as_py()
            raise RecipeError(
                f"votes.by: the completion {key} has no log-probability to weigh its vote by; ask"
                " for them with `teacher.sampling.logprobs: true` (recorded rows need the column"
                " `logprob`), or vote by count"
            )
        tokens = rows.column("tokens").to_numpy().astype(np.float64)
        for i in np.flatnonzero(np.isnan(tokens)):
            tokens[i] = len((rows.column("raw")[int(i)].as_py() or "").split())
        weights: Numbers = np.where(
            np.isnan(logprobs), 0.0, np.exp(np.nan_to_num(logprobs) / np.maximum(tokens, 1))
        )
        return weights


class CriticScore(VoteWeight):
    """Weigh a vote by the critic's score of the row; a row without a score weighs 0."""

    name = "critic"
    needs_critic = True

    def weigh(self, rows: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        return np.nan_to_num(np.zeros(len(votes)) if scores is None else scores)


class TeacherReliability(VoteWeight):
    """Weigh a vote by the log-odds that its teacher is right, estimated from all votes.

    Dawid and Skene 1979, with one number for each teacher.
    """

    name = "teacher"
    looks_ahead = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._patterns: Counter[Pattern] = Counter()

    def observe(self, rows: pa.Table, votes: Numbers) -> None:
        answers = codes(rows.column(ANSWER))
        answers[~votes] = -1
        self._patterns.update(
            patterns(
                codes(rows.column(QUESTION)),
                answers,
                codes(rows.column("completion_key")),
                rows.column("teacher").to_pylist(),
            )
        )

    def state(self) -> Any:
        return list(self._patterns.items())

    def merge(self, states: list[Any]) -> None:
        self._patterns = Counter()
        for state in states:
            for pattern, times in state:
                votes = tuple(tuple((name, count) for name, count in one) for one in pattern)
                self._patterns[votes] += times
        self.__dict__.pop("reliability", None)

    @cached_property
    def reliability(self) -> Reliability:
        """The reliability of each teacher; empty for fewer than three teachers."""
        return reliabilities(self._patterns)

    def findings(self) -> dict[str, Any]:
        return {"teachers": self.reliability.sure} if self.reliability.sure else {}

    def weigh(self, rows: pa.Table, votes: Numbers, scores: Numbers | None) -> Numbers:
        weight = self.reliability.weight
        return np.array([weight(name) for name in rows.column("teacher").to_pylist()])
