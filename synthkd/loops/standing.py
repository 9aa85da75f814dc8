"""How the rounds of a loop stand to each other."""

from __future__ import annotations

from collections.abc import Sequence

from synthkd.loops.rounds import Round


def best_round(rounds: Sequence[Round]) -> int:
    """Number of the round with the best figure; of equal ones the first."""
    return max(rounds, key=lambda one: (one.score, -one.number)).number


def bad_rounds(rounds: Sequence[Round]) -> int:
    """Rounds since the best one."""
    return rounds[-1].number - best_round(rounds)


def refused_rounds(rounds: Sequence[Round]) -> int:
    """Rounds in a row, up to the last, of which every request failed."""
    count = 0
    for one in reversed(rounds):
        if not one.record["refused"]:
            break
        count += 1
    return count
