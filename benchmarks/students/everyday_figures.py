"""Tables and figures of the students of the everyday world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.students.everyday_right import Right, by_head, interval
from benchmarks.students.everyday_split import Question, Split
from benchmarks.students.everyday_training import ARMS, BEST, UNMET, name_of

Row = Mapping[str, Any]
#: The teacher at a lower temperature than the recipe's: the cheap way to be right more often.
COOLER = "teacher at 0.7"
WHO = ("teacher", COOLER, "base", *map(name_of, ARMS), UNMET)
#: The two sides of each difference; the first one is the headline.
PAIRS = {
    "student_minus_teacher": (name_of(BEST), "teacher"),
    "filtered_80_minus_teacher": (name_of(0.8), "teacher"),
    "filtered_90_minus_teacher": (name_of(0.9), "teacher"),
    "raw_student_minus_teacher": ("raw", "teacher"),
    "student_minus_raw_student": (name_of(BEST), "raw"),
    "student_minus_cooler_teacher": (name_of(BEST), COOLER),
}
HOW = ("sampled", "greedy")


@dataclass
class Outcome:
    """Outcome of a seed.

    Args:
        answers: sampled and greedy, by who answers.
        corpora: distinct rows of a training corpus, and the share that is true.
        kept: of the teacher's samples that the critic keeps, the share that is right, and different
            right ones a
            question, by target precision and part.
        parameters: size of each student.
    """

    split: Split
    answers: dict[str, tuple[Right, Right]] = field(default_factory=dict)
    corpora: dict[str, tuple[int, float]] = field(default_factory=dict)
    kept: dict[tuple[float, str], tuple[float, float]] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, tuple[Question, ...]]:
        """Held-out questions: of whole heads, and single ones of heads known from others."""
        return {"heads": self.split.of_heads, "questions": self.split.questions}

    def note_kept(self, arm: float, rows: Iterable[Row], valid: Callable[[Row], bool]) -> None:
        """Measure those of the teacher's samples that the critic keeps."""
        answers = [(row["head"], row["relation"], row["id"], valid(row)) for row in rows]
        for part, questions in self.parts.items():
            asked = set(questions)
            of_part = [
                (name, good) for head, relation, name, good in answers if (head, relation) in asked
            ]
            share = sum(good for _, good in of_part) / len(of_part) if of_part else 0.0
            self.kept[arm, part] = (
                share,
                len({name for name, good in of_part if good}) / len(questions),
            )


def lines_of(results: Sequence[Outcome], part: str) -> list[tuple[Any, ...]]:
    """Return a table of one part: means over the seeds."""
    lines: list[tuple[Any, ...]] = [
        (
            "who",
            "right, sampled",
            "different right",
            "right, greedy",
            "rows learnt",
            "of these true",
        )
    ]
    for who in WHO:
        sampled, different, greedy = shares(results, who, part)
        learnt = (
            np.mean([one.corpora[who] for one in results], 0) if who in results[0].corpora else None
        )
        corpus = ("", "") if learnt is None else (round(float(learnt[0])), float(learnt[1]))
        lines.append((who, sampled, different, greedy, *corpus))
    for arm in ARMS[1:]:
        share, different = np.mean([one.kept[arm, part] for one in results], 0)
        lines.append(
            (f"teacher's samples kept at {arm}", float(share), float(different), "", "", "")
        )
    return lines


def shares(results: Sequence[Outcome], who: str, part: str) -> tuple[float, float, float]:
    """Return three shares of answers: right when sampled, different right tails, right when greedy.

    Means over all questions of all seeds.
    """
    sampled = [one.answers[who][0].share[q] for one in results for q in one.parts[part]]
    different = [one.answers[who][0].different[q] for one in results for q in one.parts[part]]
    greedy = [one.answers[who][1].share[q] for one in results for q in one.parts[part]]
    return float(np.mean(sampled)), float(np.mean(different)), float(np.mean(greedy))


def difference(
    results: Sequence[Outcome], who: str, other: str, part: str, how: int
) -> tuple[float, float, float]:
    """Return how much more often one is right than the other, with its 95 % interval."""
    return interval(
        [
            by_head(one.answers[who][how], one.answers[other][how], one.parts[part])
            for one in results
        ]
    )


def differences(results: Sequence[Outcome]) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Return a table of the differences, and their figures.

    Sampled answers on whole heads have the plain names.
    """
    lines: list[tuple[Any, ...]] = [
        ("difference", "of", "how", "right", "low", "high", "seed by seed")
    ]
    figures: dict[str, Any] = {}
    for name, (who, other) in PAIRS.items():
        for part in ("heads", "questions"):
            for how, word in enumerate(HOW):
                value = difference(results, who, other, part, how)
                each = [difference([one], who, other, part, how)[0] for one in results]
                lines.append((name, part, word, *value, " ".join(f"{one:+.3f}" for one in each)))
                key = (
                    f"everyday_{name}"
                    + ("" if part == "heads" else "_questions")
                    + ("_greedy" if how else "")
                )
                figures |= {key: value[0], f"{key}_low": value[1], f"{key}_high": value[2]}
    return lines, figures


def levels(results: Sequence[Outcome]) -> dict[str, Any]:
    """Return every cell of the tables by name."""
    figures: dict[str, Any] = {}
    for part in ("heads", "questions"):
        for who in WHO:
            key = f"everyday_{who.replace(', ', '_').replace(' ', '_').replace('0.', '')}_{part}"
            sampled, different, greedy = shares(results, who, part)
            figures |= {
                f"{key}_right": sampled,
                f"{key}_different": different,
                f"{key}_greedy": greedy,
            }
    return figures | {
        "everyday_parameters": max(size for one in results for size in one.parameters.values())
    }
