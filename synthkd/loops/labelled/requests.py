"""What a round over labelled text asks for: rows of inputs, from what the student got wrong.

Each input has `label` ("": the teacher chooses), `texts` (how many), `report`, `correct`, `incorrect`, `hard`, `shots`, `contrast` (a
class it must not be mistaken for), `had` (short hashes of texts that are there) and `round`, and the kind's axes.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthkd.errors import RecipeError
from synthkd.keys import fraction
from synthkd.kinds.labelled_text.kind import AXES, LabelledTextKind
from synthkd.loops.labelled.allocate import by_label, own, uniform
from synthkd.loops.labelled.mining import MinedExamples, mine_examples
from synthkd.loops.labelled.supply import classes_to_retry, estimate_supply, unresponsive_classes
from synthkd.loops.labelled.validation_report import validation_report
from synthkd.loops.task import Row
from synthkd.recipe import Recipe
from synthkd.students.base import Floats, LabelledTexts
from synthkd.students.metrics import ClassifierEvaluation

#: Classes that a text is told apart from, at most.
_CONTRASTS = 3

Had = Mapping[str, set[str]]


@dataclass(frozen=True)
class ClassAllocation:
    """Rows of a round by class, and what held the allocation back, as JSON for the round's record: `ended` (classes that bring
    nothing any more), `short` (rows that a class which brings few may be asked for), `unmoved` (classes held to an equal share)."""

    wanted: Mapping[str, int]
    notes: Mapping[str, Any] = field(default_factory=dict)


class RoundInputs:
    """Makes the inputs of a recipe's rounds. ``real``: so many of the first rows are people's; they are shown before others."""

    def __init__(self, recipe: Recipe, classes: Sequence[str], real: int = 0) -> None:
        assert recipe.loop is not None
        self.part, self.seed, self.classes, self.real = recipe.loop, recipe.seed, tuple(classes), real
        self.samples, self.several = recipe.teacher.sampling.n, recipe.kind.several
        try:
            axes = LabelledTextKind(axes=recipe.kind.options.get("axes") or AXES).axes
        except (TypeError, ValueError) as error:
            raise RecipeError(f"kind.options.axes: names, or names with their values: {error}") from None
        self._axes = {name: values for name, values in axes.items() if values}
        self.axis_names = list(axes)

    def even(self, rows: int, have: Mapping[str, int]) -> dict[str, int]:
        """Equally many rows of each class."""
        counts = uniform(len(self.classes), rows, [have.get(label, 0) for label in self.classes])
        return by_label(self.classes, counts)

    def allocation(
        self, measured: ClassifierEvaluation, have: Mapping[str, int], before: Sequence[Mapping[str, Any]]
    ) -> ClassAllocation:
        """Allocate a round's rows; ``before`` are the records of the rounds so far, ``have`` the training rows of each class."""
        asked, came = ([one["told"].get(name, {}) for one in before] for name in ("asked", "came"))
        supply = estimate_supply(asked, came, self.classes)
        again = classes_to_retry(asked, supply.ended)
        if len(supply.ended) == len(self.classes):
            again = supply.ended  # Whatever it was, it may be over: patience ends the loop, not a guess.
        room, there = supply.of(self.classes, again), [have.get(label, 0) for label in self.classes]
        notes: dict[str, Any] = {
            "ended": [label for label in supply.ended if label not in again],
            "short": {label: rows for label, rows in supply.room.items() if rows},
        }
        if self.part.allocate == "uniform":
            numbers = uniform(len(self.classes), self.part.rows, there, room)
        else:
            options = self.part.allocation
            losses = [_losses(one["figures"]["details"].get("validation") or {}) for one in before]
            notes["unmoved"] = unresponsive_classes(losses, asked, self.classes, options.unmoved)
            numbers = own(
                [math.nan if one.loss is None else one.loss for one in measured.per_class],
                [one.rows for one in measured.per_class], self.part.rows, there, room=room,
                held=[label in notes["unmoved"] for label in self.classes], most=options.most, trust=options.trust,
            )  # fmt: skip
        return ClassAllocation(
            by_label(self.classes, numbers), {name: note for name, note in notes.items() if note}
        )

    def of_round(
        self,
        number: int,
        measured: ClassifierEvaluation,
        mined: LabelledTexts,
        probabilities: Floats | None,
        rows: Sequence[Row],
        had: Had,
        wanted: Mapping[str, int],
    ) -> list[Row]:
        """Inputs of a round: ``measured`` on validation rows; ``mined`` rows with what the student says of them, (n, C);
        ``wanted`` rows of each class, which a teacher that chooses the classes itself is not told."""

        def shown(label: str | None) -> MinedExamples:
            if probabilities is None:
                return MinedExamples()
            return mine_examples(
                mined, probabilities, self.classes, self.part.mine, self.seed + number, label
            )

        if self.part.allocate == "teacher":
            return self._open(number, measured, shown(None), rows, had)
        reports = {
            label: validation_report(measured, focus=label) if self.part.report else "" for label in wanted
        }
        return self.of_classes(number, wanted, rows, had, {label: shown(label) for label in wanted}, reports)

    def of_classes(
        self,
        number: int,
        wanted: Mapping[str, int],
        rows: Sequence[Row],
        had: Had,
        mined: Mapping[str, MinedExamples] | None = None,
        reports: Mapping[str, str] | None = None,
        before: Mapping[str, int] | None = None,
    ) -> list[Row]:
        """One input for each class that gets rows; more where a prompt holds too few texts. ``before``: inputs of each class
        that the round asked already."""
        found: list[Row] = []
        for label in [one for one in self.classes if wanted.get(one, 0) > 0]:
            shown = (mined or {}).get(label, MinedExamples())
            first = (before or {}).get(label, 0)
            for draw, texts in enumerate(self._portions(wanted[label]), first):
                found.append(
                    {
                        "label": label,
                        "texts": texts,
                        "round": number,
                        "draw": draw,
                        "report": (reports or {}).get(label, ""),
                        **shown.as_dict(),
                        "shots": self._shots(number, draw, label, rows, shown),
                        "contrast": self._contrast(shown, label, draw),
                        **self._values(number, label, draw),
                        "had": sorted(had[label]),
                    }
                )
        return found

    def _open(
        self, number: int, measured: ClassifierEvaluation, shown: MinedExamples, rows: Sequence[Row], had: Had
    ) -> list[Row]:
        """Inputs in which the teacher chooses the classes, from the report."""
        need = (
            {one.label: round(one.loss or 0.0, 4) for one in measured.per_class} if self.part.report else {}
        )
        report = validation_report(measured) if self.part.report else ""
        return [
            {
                "label": "",
                "texts": texts,
                "round": number,
                "draw": draw,
                "report": report,
                **shown.as_dict(),
                "shots": self._shots(number, draw, None, rows, shown),
                "contrast": "",
                **dict.fromkeys(self.axis_names, ""),
                "need": need,
                "had": sorted(set().union(*had.values())),
            }
            for draw, texts in enumerate(self._portions(self.part.rows))
        ]

    def _portions(self, rows: int) -> list[int]:
        """Texts of each prompt; each is answered by so many samples as the recipe has."""
        left = math.ceil(rows / self.samples)
        if not self.several:
            return [1] * left
        prompts = math.ceil(left / self.part.texts)
        return [left // prompts + (i < left % prompts) for i in range(prompts)]

    def _shots(
        self, number: int, draw: int, label: str | None, rows: Sequence[Row], shown: MinedExamples
    ) -> list[Row]:
        """Labelled rows that the prompt does not show anyway, real ones first, drawn anew for each round and prompt; of all
        classes in turn where the teacher chooses."""
        there = {one.text for one in (*shown.correct, *shown.incorrect, *shown.hard)}
        own_rows = [
            (i >= self.real, row)
            for i, row in enumerate(rows)
            if label in (None, row["label"]) and row["text"] not in there
        ]
        salt = f"{self.seed}:{number}:{draw}"
        order = sorted(own_rows, key=lambda one: (one[0], fraction(f"{salt}:{one[1]['text']}")))
        turn, seen = list[tuple[int, int]](), Counter[str]()
        for place, (_, row) in enumerate(order):
            turn.append((seen[row["label"]], place))
            seen[row["label"]] += 1
        chosen = [order[place][1] for _, place in sorted(turn)[: self.part.mine.shots]]
        return [{"text": row["text"], "label": row["label"]} for row in chosen]

    def _contrast(self, shown: MinedExamples, label: str, draw: int) -> str:
        """For templates that ask for one text: now alone, now told apart from a class it is confused with."""
        others = Counter(one.predicted if one.label == label else one.label for one in shown.hard)
        ranked = [name for name, _ in sorted(others.items(), key=lambda one: (-one[1], one[0]))]
        turns = ["", *ranked[:_CONTRASTS]] if not self.several else [*ranked[:1], ""]
        return turns[draw % len(turns)]

    def _values(self, number: int, label: str, draw: int) -> dict[str, str]:
        """Values of the axes, one combination after the other."""
        if not self._axes:
            return dict.fromkeys(self.axis_names, "")
        combinations = list(itertools.product(*self._axes.values()))
        start = int(fraction(f"{self.seed}:{label}") * len(combinations))
        chosen = combinations[(start + number + draw) % len(combinations)]
        return {name: str(value) for name, value in zip(self._axes, chosen, strict=True)}


def _losses(validation: Mapping[str, Any]) -> dict[str, float | None]:
    """Validation losses by class, of the details in a round's record."""
    return {one["label"]: one["loss"] for one in validation.get("per_class", [])}
