"""Held-out questions of the everyday world, and the rows that may be learnt without them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synthkd.keys import fraction

Question = tuple[str, str]
Row = Mapping[str, Any]
#: The seed of the heads on which settings were chosen; they are test heads of no other seed.
TUNING = "tune"
_TUNED_ON, _HEADS, _QUESTIONS = 0.3, 0.4, 0.15


@dataclass(frozen=True)
class Split:
    """Held-out heads and questions.

    ``heads``: heads of which nothing is learnt. ``questions``: single relations of other heads of
    which nothing is learnt.
    """

    heads: frozenset[str]
    of_heads: tuple[Question, ...]
    questions: tuple[Question, ...]

    @property
    def held_out(self) -> tuple[Question, ...]:
        """Every held-out question."""
        return self.of_heads + self.questions

    def learnt(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows without held-out facts: neither as their head nor as their tail."""
        single = frozenset(self.questions)
        return [
            row
            for row in rows
            if not {row["head"], row["tail"]} & self.heads
            and (row["head"], row["relation"]) not in single
        ]


def split(questions: Iterable[Question], seed: int | str, answers: Container[str] = ()) -> Split:
    """Divide questions by hash, so that their order does not matter.

    The seed `TUNING` gives the heads to choose settings on; any other seed draws from the others:
    four of ten heads, and 15 % of the questions of all other heads.

    ``answers`` are names that are never held out. Most questions about an animal are answered by
    names such as *bird* or *wing*; a corpus without every row that names them would teach not to
    give them.
    """
    every = sorted(set(questions))
    names = {head for head, _ in every if head not in answers}
    tuned_on = {head for head in names if fraction(f"{TUNING}|{head}") < _TUNED_ON}
    if seed == TUNING:
        heads = tuned_on
    else:
        heads = {head for head in names - tuned_on if fraction(f"held|{seed}|{head}") < _HEADS}
    single = tuple(
        (head, relation)
        for head, relation in every
        if head not in heads and fraction(f"held|{seed}|{head}|{relation}") < _QUESTIONS
    )
    return Split(frozenset(heads), tuple(one for one in every if one[0] in heads), single)
