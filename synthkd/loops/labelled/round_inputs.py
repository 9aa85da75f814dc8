"""Inputs of a round over labelled text, from the errors of the student.

An input has the columns `label` ("": the teacher chooses), `texts` (their number), `report`,
`correct`, `incorrect`, `hard`, `shots`, `contrast` (a class that the texts must not be mistaken
for), `had` (short hashes of earlier texts), `round`, and the kind's axes.
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
from synthkd.loops.allocation import even_rows, rows_by_need, rows_of_classes
from synthkd.loops.labelled.mining import MinedExamples, mine_examples
from synthkd.loops.labelled.supply import classes_to_retry, estimate_supply, unresponsive_classes
from synthkd.loops.labelled.validation_report import validation_report
from synthkd.loops.task import Row
from synthkd.recipe import Recipe
from synthkd.students.base import Floats, LabelledTexts
from synthkd.students.metrics import ClassifierEvaluation

#: Maximum number of classes that texts are contrasted with.
_CONTRASTS = 3

#: Class -> short hashes of its earlier texts.
TextHashes = Mapping[str, set[str]]


@dataclass(frozen=True)
class ClassAllocation:
    """The rows of a round by class.

    Attributes:
        wanted: Class -> rows.
        notes: Limits of the allocation, as JSON for the record: `ended` (classes without supply),
            `short` (maximum rows of classes that fall short), `unmoved` (classes limited to an
            equal share).
    """

    wanted: Mapping[str, int]
    notes: Mapping[str, Any] = field(default_factory=dict)


class RoundInputs:
    """Make the inputs of the rounds of a recipe."""

    def __init__(self, recipe: Recipe, classes: Sequence[str], real: int = 0) -> None:
        """Read the options of the recipe.

        Args:
            recipe: A recipe with a loop.
            classes: The classes.
            real: Number of the first training rows that are real; prompts show them before others.
        """
        assert recipe.loop is not None
        self.part, self.seed, self.classes, self.real = (
            recipe.loop,
            recipe.seed,
            tuple(classes),
            real,
        )
        self.samples, self.several = recipe.teacher.sampling.n, recipe.kind.several
        try:
            axes = LabelledTextKind(axes=recipe.kind.options.get("axes") or AXES).axes
        except (TypeError, ValueError) as error:
            raise RecipeError(
                f"kind.options.axes: names, or names with their values: {error}"
            ) from None
        self._axes = {name: values for name, values in axes.items() if values}
        self.axis_names = list(axes)

    def even(self, rows: int, have: Mapping[str, int]) -> dict[str, int]:
        """Return equally many rows of each class."""
        counts = even_rows(len(self.classes), rows, [have.get(label, 0) for label in self.classes])
        return rows_of_classes(self.classes, counts)

    def allocation(
        self,
        evaluation: ClassifierEvaluation,
        have: Mapping[str, int],
        records: Sequence[Mapping[str, Any]],
    ) -> ClassAllocation:
        """Allocate the rows of a round to the classes.

        Args:
            evaluation: The last student on validation rows.
            have: Training rows of each class.
            records: Records of the rounds so far.
        """
        requested, accepted = (
            [one["facts"].get(name, {}) for one in records] for name in ("requested", "accepted")
        )
        supply = estimate_supply(requested, accepted, self.classes)
        retried = classes_to_retry(requested, supply.ended)
        if len(supply.ended) == len(self.classes):
            # The cause may be over: `patience` ends the loop, not a missing supply.
            retried = supply.ended
        room = supply.limits(self.classes, retried)
        counts = [have.get(label, 0) for label in self.classes]
        notes: dict[str, Any] = {
            "ended": [label for label in supply.ended if label not in retried],
            "short": {label: rows for label, rows in supply.room.items() if rows},
        }
        if self.part.allocate == "uniform":
            numbers = even_rows(len(self.classes), self.part.rows, counts, room)
        else:
            options = self.part.allocation
            losses = [_losses(one["figures"]["details"].get("validation") or {}) for one in records]
            notes["unmoved"] = unresponsive_classes(
                losses, requested, self.classes, options.unmoved
            )
            numbers = rows_by_need(
                [math.nan if one.loss is None else one.loss for one in evaluation.per_class],
                [one.rows for one in evaluation.per_class],
                self.part.rows,
                counts,
                room=room,
                capped=[label in notes["unmoved"] for label in self.classes],
                most=options.most,
                trust=options.trust,
            )
        return ClassAllocation(
            rows_of_classes(self.classes, numbers),
            {name: note for name, note in notes.items() if note},
        )

    def of_round(
        self,
        number: int,
        evaluation: ClassifierEvaluation,
        mined: LabelledTexts,
        probabilities: Floats | None,
        rows: Sequence[Row],
        had: TextHashes,
        wanted: Mapping[str, int],
    ) -> list[Row]:
        """Return the inputs of a round.

        Args:
            number: Number of the round.
            evaluation: The last student on validation rows.
            mined: Rows that examples are mined from.
            probabilities: (n, C) of these; None shows no mined examples.
            rows: Training rows that prompts may show.
            had: Hashes of earlier texts.
            wanted: Rows of each class; unused if the teacher chooses the classes.
        """

        def examples(label: str | None) -> MinedExamples:
            if probabilities is None:
                return MinedExamples()
            return mine_examples(
                mined, probabilities, self.classes, self.part.mine, self.seed + number, label
            )

        if self.part.allocate == "teacher":
            return self._open_inputs(number, evaluation, examples(None), rows, had)
        reports = {
            label: validation_report(evaluation, focus=label) if self.part.report else ""
            for label in wanted
        }
        return self.of_classes(
            number, wanted, rows, had, {label: examples(label) for label in wanted}, reports
        )

    def of_classes(
        self,
        number: int,
        wanted: Mapping[str, int],
        rows: Sequence[Row],
        had: TextHashes,
        mined: Mapping[str, MinedExamples] | None = None,
        reports: Mapping[str, str] | None = None,
        before: Mapping[str, int] | None = None,
    ) -> list[Row]:
        """Return an input for each class that gets rows; several if a prompt holds too few texts.

        Args:
            before: Number of earlier inputs of each class in the round.
        """
        inputs: list[Row] = []
        for label in [one for one in self.classes if wanted.get(one, 0) > 0]:
            shown = (mined or {}).get(label, MinedExamples())
            first = (before or {}).get(label, 0)
            for draw, texts in enumerate(self._portions(wanted[label]), first):
                inputs.append(
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
        return inputs

    def _open_inputs(
        self,
        number: int,
        evaluation: ClassifierEvaluation,
        shown: MinedExamples,
        rows: Sequence[Row],
        had: TextHashes,
    ) -> list[Row]:
        """Return inputs for which the teacher chooses the classes from the report."""
        need = (
            {one.label: round(one.loss or 0.0, 4) for one in evaluation.per_class}
            if self.part.report
            else {}
        )
        report = validation_report(evaluation) if self.part.report else ""
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
        """Return the number of texts of each prompt, given the samples of a prompt."""
        left = math.ceil(rows / self.samples)
        if not self.several:
            return [1] * left
        prompts = math.ceil(left / self.part.texts)
        return [left // prompts + (i < left % prompts) for i in range(prompts)]

    def _shots(
        self, number: int, draw: int, label: str | None, rows: Sequence[Row], shown: MinedExamples
    ) -> list[Row]:
        """Draw labelled rows for a prompt: real ones first, none that it shows already.

        If the teacher chooses the classes (``label`` is None), all classes take turns.
        """
        visible = {one.text for one in (*shown.correct, *shown.incorrect, *shown.hard)}
        candidates = [
            (i >= self.real, row)
            for i, row in enumerate(rows)
            if label in (None, row["label"]) and row["text"] not in visible
        ]
        salt = f"{self.seed}:{number}:{draw}"
        order = sorted(candidates, key=lambda one: (one[0], fraction(f"{salt}:{one[1]['text']}")))
        turn, seen = list[tuple[int, int]](), Counter[str]()
        for place, (_, row) in enumerate(order):
            turn.append((seen[row["label"]], place))
            seen[row["label"]] += 1
        chosen = [order[place][1] for _, place in sorted(turn)[: self.part.mine.shots]]
        return [{"text": row["text"], "label": row["label"]} for row in chosen]

    def _contrast(self, shown: MinedExamples, label: str, draw: int) -> str:
        """Return a class to contrast with, from the confusions.

        "" in turn, for templates of one text.
        """
        others = Counter(one.predicted if one.label == label else one.label for one in shown.hard)
        ranked = [name for name, _ in sorted(others.items(), key=lambda one: (-one[1], one[0]))]
        turns = ["", *ranked[:_CONTRASTS]] if not self.several else [*ranked[:1], ""]
        return turns[draw % len(turns)]

    def _values(self, number: int, label: str, draw: int) -> dict[str, str]:
        """Return values of the axes; prompts take the combinations in turn."""
        if not self._axes:
            return dict.fromkeys(self.axis_names, "")
        combinations = list(itertools.product(*self._axes.values()))
        start = int(fraction(f"{self.seed}:{label}") * len(combinations))
        chosen = combinations[(start + number + draw) % len(combinations)]
        return {name: str(value) for name, value in zip(self._axes, chosen, strict=True)}


def _losses(validation: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the validation losses by class from the details of a record."""
    return {one["label"]: one["loss"] for one in validation.get("per_class", [])}
