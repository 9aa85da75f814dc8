"""Which questions of the everyday world are kept from the students, and what may be learnt then."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synthkd.keys import fraction

Question = tuple[str, str]
Row = Mapping[str, Any]
#: Heads on which settings were chosen; no seed's test heads are among them.
TUNING = "tune"
_TUNED_ON, _HEADS, _QUESTIONS = 0.3, 0.4, 0.15


@dataclass(frozen=True)
class Split:
    """``heads``: nothing is learnt of them. ``questions``: of other heads, single relations of which nothing is learnt."""

    heads: frozenset[str]
    of_heads: tuple[Question, ...]
    questions: tuple[Question, ...]

    @property
    def asked(self) -> tuple[Question, ...]:
        """Every question that is kept out."""
        return self.of_heads + self.questions

    def learnt(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that say nothing of what is kept out: neither as their head nor, as its part say, as their tail."""
        single = frozenset(self.questions)
        return [
            row
            for row in rows
            if not {row["head"], row["tail"]} & self.heads and (row["head"], row["relation"]) not in single
        ]


def split(questions: Iterable[Question], seed: int | str, answers: Container[str] = ()) -> Split:
    """By hash, so that no order matters. The seed `TUNING` gives the heads to choose settings on; any other one draws from
    the rest: four of ten heads, and of all other heads 15 % of their questions.

    ``answers``: names that are kept out never. Most questions about an animal are answered by names such as *bird* or *wing*;
    a corpus without every row that names them would teach not to say them.
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
