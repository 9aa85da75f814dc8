"""Votes: what the completions of one question say together.

Self-consistency (Wang et al. 2022, arXiv 2203.11171) takes the answer that most completions give.
Here a completion has one vote for each answer that it gives, however often it gives it, and a vote
may weigh more or less than 1. Nothing here depends on the order of rows: sums run over sorted
weights, so that they are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "votes"
Numbers = np.ndarray[Any, Any]
#: Two weights that differ by a smaller share are a tie: sums of equal weights may differ in their
#: last bits.
SAME = 1e-9


@dataclass(frozen=True)
class Tally:
    """The votes, one value for each row; ``says`` is False for rows that give no answer.

    ``votes`` distinct completions give the row's answer, of ``asked`` that came for its question.
    ``agreement`` is their share of the weight of those; ``margin`` the lead of a winner's share
    over the next, and what another answer's share lacks to the winner's, below zero. ``entropy`` is
    that of the question's answers, in nats. ``tied`` rows share the lead, ``leads`` rows have it or
    share it. ``first`` is the place of a row that gives a leading answer, -1 where no row gives an
    answer.
    """

    says: Numbers
    votes: Numbers
    asked: Numbers
    agreement: Numbers
    margin: Numbers
    entropy: Numbers
    leads: Numbers
    tied: Numbers
    contested: Numbers
    first: Numbers


def tally(
    question: Any, answer: Any, completion: Any, weight: Sequence[float] | Numbers | None = None
) -> Tally:
    """Count the votes of each row's question.

    An answer that is None is no vote, but its completion counts among those that were asked.

    The weight of a completion is the largest of its rows' weights (of those that give the answer,
    for a vote).
    """
    ask, say, who = codes(question), codes(answer), codes(completion)
    heavy = np.ones(len(ask)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(ask):
        empty = np.zeros(0)
        flags, counts = empty.astype(bool), empty.astype(np.int64)
        return Tally(flags, counts, counts, empty, empty, empty, flags, flags, flags, counts)
    questions = int(ask.max()) + 1
    asked, total = _asked(ask, who, heavy, questions)
    says = say >= 0
    places = np.flatnonzero(says)
    group, of, votes, weights = _answers(ask[places], say[places], who[places], heavy[places])
    whole = np.where(total[of] > 0, total[of], 1.0)
    top, second, leaders = _lead(of, weights, questions)
    leads = weights >= top[of] * (1 - SAME)
    tied = leads & (leaders[of] > 1)
    # A difference of weights, not of shares: 7 - 4 of 10 is then 0.3 and no less.
    margin = (weights - np.where(leads & ~tied, second[of], top[of])) / whole
    first = np.full(questions, len(ask), dtype=np.int64)
    np.minimum.at(first, of[group[leads[group]]], places[leads[group]])
    first[first == len(ask)] = -1
    entropy, several = _entropy(of, weights, questions), np.bincount(of, minlength=questions) > 1
    spread = _Spread(len(ask), places, group)
    return Tally(
        says=says,
        votes=spread(votes, 0),
        asked=asked[ask],
        agreement=spread(weights / whole, np.nan),
        margin=spread(np.where(tied, 0.0, margin), np.nan),
        entropy=np.where(says, entropy[ask], np.nan),
        leads=spread(leads, False),
        tied=spread(tied, False),
        contested=says & several[ask],
        first=first[ask],
    )


class _Spread:
    """Put the value of each answer to the rows that give it."""

    def __init__(self, rows: int, places: Numbers, group: Numbers) -> None:
        self.rows, self.places, self.group = rows, places, group

    def __call__(self, values: Numbers, missing: Any) -> Numbers:
        out = np.full(self.rows, missing, dtype=values.dtype)
        out[self.places] = values[self.group]
        return out


def codes(values: Any) -> Numbers:
    """Encode values as whole numbers, equal if and only if the values are; -1 for None."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "i":
        return values.astype(np.int64)
    import pyarrow as pa

    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    indices: Numbers = (
        array.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    )
    return indices.astype(np.int64)


def runs(values: pa.ChunkedArray) -> Numbers:
    """Number the runs of equal neighbours, from 0 on; nulls are equal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values.combine_chunks()
    if isinstance(array, pa.ChunkedArray) or not len(array):
        array = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    differ = pc.fill_null(pc.not_equal(array[1:], array[:-1]), False).to_numpy(zero_copy_only=False)
    if array.null_count:
        absent = array.is_null().to_numpy(zero_copy_only=False)
        differ = differ | (absent[1:] != absent[:-1])
    numbers = np.zeros(len(array), np.int64)
    np.cumsum(differ, out=numbers[1:])
    return numbers


def begins(*keys: Numbers) -> Numbers:
    """Return True for each sorted row that differs from the one before it in any key."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return new


def _asked(ask: Numbers, who: Numbers, heavy: Numbers, questions: int) -> tuple[Numbers, Numbers]:
    """For each question its distinct completions, and their weight."""
    order = np.lexsort((-heavy, who, ask))
    ones = order[begins(ask[order], who[order])]
    ones = ones[np.lexsort((heavy[ones], ask[ones]))]
    return (
        np.bincount(ask[ones], minlength=questions),
        np.bincount(ask[ones], weights=heavy[ones], minlength=questions),
    )


def _answers(
    ask: Numbers, say: Numbers, who: Numbers, heavy: Numbers
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return the number of each row's answer, and the question, votes and weight of each answer."""
    order = np.lexsort((-heavy, who, say, ask))
    numbers = np.cumsum(begins(ask[order], say[order])) - 1
    group = np.empty(len(ask), dtype=np.int64)
    group[order] = numbers
    count = int(numbers[-1]) + 1 if len(numbers) else 0
    ones = order[begins(ask[order], say[order], who[order])] if len(order) else order
    ones = ones[np.lexsort((heavy[ones], group[ones]))]
    of = np.zeros(count, dtype=np.int64)
    of[group] = ask
    votes = np.bincount(group[ones], minlength=count)
    return group, of, votes, np.bincount(group[ones], weights=heavy[ones], minlength=count)


def _lead(of: Numbers, weights: Numbers, questions: int) -> tuple[Numbers, Numbers, Numbers]:
    """For each question the largest weight, the next one, and how many answers have the largest."""
    order = np.lexsort((-weights, of))
    firsts = order[begins(of[order])] if len(order) else order
    top, second = np.zeros(questions), np.zeros(questions)
    top[of[firsts]] = weights[firsts]
    rest = np.setdiff1d(np.arange(len(of)), firsts, assume_unique=True)
    np.maximum.at(second, of[rest], weights[rest])
    return top, second, np.bincount(of[weights >= top[of] * (1 - SAME)], minlength=questions)


def _entropy(of: Numbers, weights: Numbers, questions: int) -> Numbers:
    """Return the entropy of the answers' shares among all votes that were given."""
    order = np.lexsort((weights, of))
    of, weights = of[order], weights[order]
    whole = np.bincount(of, weights=weights, minlength=questions)[of]
    share = weights / np.where(whole > 0, whole, 1.0)
    parts = -share * np.log(np.where(share > 0, share, 1.0))
    return np.maximum(np.bincount(of, weights=parts, minlength=questions), 0.0)
