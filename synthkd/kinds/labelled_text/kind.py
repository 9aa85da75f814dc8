"""The kind `labelled_text`: texts of a class, to train classifiers.

The taxonomy gives the classes; a teacher writes texts for each, in styles and lengths that are
crossed or drawn, with a class that the text must not be mistaken for. Source: Di Palo et al. 2024,
arXiv 2411.05045.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from synthkd.errors import KindError
from synthkd.keys import seed_from
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.labelled_text.answers import read_text_answers
from synthkd.kinds.labelled_text.taxonomy import (
    Resolve,
    check_source_texts,
    read_source_texts,
    read_taxonomy,
)
from synthkd.options import BaseOptions
from synthkd.text.normal_forms import normal_text

if TYPE_CHECKING:
    from synthkd.recipe import Recipe

AXES = ("style", "length")
CONTRAST = "contrast"
_NAMED = 3
#: Inputs of a class, at most.
_MOST = 100_000


class LabelledTextKind(Kind):
    """A text and its label.

    Args:
        seed: Seed of the draws.
        resolve: Resolves paths of the recipe.
    """

    name = "labelled_text"
    columns = ("text", "label")
    input_columns = ("label",)
    group_column = "text"
    class_column = "label"
    rule_column = "text"
    default_rules: tuple[str, ...] = (  # type: ignore[misc]
        "empty",
        "unfinished",
        "label_known",
        "chatter",
    )
    keeps = "winner"
    longest_answer = 4000
    details: Mapping[str, str]  # type: ignore[misc]

    class Options(BaseOptions):
        taxonomy: Any = Field(
            None, description="The classes: a list, a mapping to descriptions, or a file."
        )
        real: Any = Field(
            None,
            description="Rows that people wrote: few-shot examples, and rows that texts must not"
            " nearly repeat.",
        )
        evaluation: Any = Field(None, description="Rows that no text may repeat.")
        axes: Any = Field(AXES, description="Names and their values, which are crossed.")
        contrast: bool | int = Field(
            False,
            description="Classes that each combination is contrasted with, one after the other.",
        )
        per_class: int | None = Field(
            None,
            ge=1,
            le=_MOST,
            description="Combinations of each class that are drawn. Default: all.",
        )
        contrast_shots: int = Field(
            1, ge=0, description="Real rows of the contrast class in a prompt."
        )
        texts: int = Field(
            10,
            ge=1,
            description="Texts per answer that the template `labelled_text/json-list` asks for.",
        )
        zero_shot: bool = Field(False, description="With `real`, allow classes without a real row.")
        several: bool = Field(False, description="Read all texts of an answer.")

        @field_validator("contrast")
        @classmethod
        def _counts(cls, contrast: bool | int) -> bool | int:
            if contrast < 0:
                raise ValueError("true, false or a whole number from 0 on is needed")
            return contrast

    options: Options

    def __init__(self, *, seed: int = 0, resolve: Resolve = Path, **options: Any) -> None:
        super().__init__(**options)
        given = self.options
        self.several, self.seed = given.several, seed
        self.axes = _axes(given.axes)
        self.contrast, self.per_class = int(given.contrast), given.per_class
        self.contrast_shots, self.texts = given.contrast_shots, given.texts
        self.taxonomy = read_taxonomy(given.taxonomy, resolve)
        if self.contrast and self.taxonomy is None:
            raise ValueError("contrast: a taxonomy is needed to draw other classes from")
        self.real = read_source_texts(given.real, resolve, "real")
        self.evaluation = read_source_texts(given.evaluation, resolve, "evaluation")
        if self.taxonomy is not None:
            check_source_texts(self.taxonomy, self.real, given.zero_shot)
        self._pools: dict[str, list[dict[str, str]]] = {}
        for row in self.real:
            self._pools.setdefault(row.label, []).append({"text": row.text, "label": row.label})
        self.details = {**dict.fromkeys(self.axes, "string"), CONTRAST: "string"}
        self.optional_columns = tuple(self.details)
        if self.evaluation:
            self.default_rules = (*self.default_rules, "contaminated")
        # With one row of each class none can be left out, and nothing is known of distances.
        if len({normal_text(row.text) for row in self.real}) > len(self._pools):
            self.default_rules = (*self.default_rules, "off_topic", "label_agrees")
        self._refuse([(row.text, row.place) for row in self.real])

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> LabelledTextKind:
        """Make the kind of a recipe; an evaluation set requires the rule `contaminated`."""
        kind = cls(seed=recipe.seed, resolve=recipe.resolve, **cls.options_of(recipe))
        named = recipe.rules is None or any(rule.name == "contaminated" for rule in recipe.rules)
        if kind.evaluation and not named:
            raise ValueError("evaluation: the recipe's `rules` leave out `contaminated`; add it")
        if recipe.rules is not None and named and not kind.evaluation:
            raise ValueError(
                "rule 'contaminated': name the evaluation set in `kind.options.evaluation`"
            )
        return kind

    @property
    def answer_columns(self) -> tuple[str, ...]:
        return ("text",)

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """Expand a class to combinations of axes and contrast classes; the row's values stay."""
        label = str(row.get("label") or "")
        free = [name for name, values in self.axes.items() if values and not row.get(name)]
        # A constant of the draws: another word would give every recipe other combinations.
        rng = random.Random(seed_from("example", self.seed, label))  # noqa: S311
        expanded: list[dict[str, Any]] = []
        for values in itertools.product(*(self.axes[name] for name in free)):
            own = {**row, **dict(zip(free, values, strict=True))}
            expanded += [{**own, **unlike} for unlike in self._contrasts(row, label, rng)]
        return expanded if self.per_class is None else self._drawn(expanded, rng)

    def _contrasts(self, row: Row, label: str, rng: random.Random) -> list[dict[str, str]]:
        if not self.contrast or CONTRAST in row or self.taxonomy is None:
            return [{}]
        others = self.taxonomy.others(label)
        drawn = rng.sample(others, min(self.contrast, len(others)))
        return [{CONTRAST: other} for other in ("", *drawn)]

    def _drawn(self, rows: list[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
        """Draw ``per_class`` combinations; none is repeated before all are drawn."""
        assert self.per_class is not None
        drawn: list[dict[str, Any]] = []
        while len(drawn) < self.per_class:
            again = {"draw": len(drawn) // len(rows)} if len(drawn) >= len(rows) else {}
            drawn += [{**row, **again} for row in rng.sample(rows, len(rows))]
        return drawn[: self.per_class]

    def check(self, row: Row) -> str | None:
        if problem := super().check(row):
            # A row with a number of texts may leave the classes of a list to the teacher.
            chooses = self.several and row.get("label") == "" and row.get("texts")
            return None if chooses else problem
        label, other = str(row["label"]), str(row.get(CONTRAST) or "")
        for name in (label, other) if other else (label,):
            if self.taxonomy is not None and name not in self.taxonomy.classes:
                return f"the taxonomy has no class {name!r}{self.taxonomy.hint(name)}"
        return f"the contrast class is {label!r} itself" if other == label else None

    def own_examples(self) -> list[dict[str, Any]]:
        """Return the real rows as few-shot examples."""
        return [row for pool in self._pools.values() for row in pool]

    def check_examples(self, rows: Sequence[Row]) -> None:
        """Refuse few-shot examples of the evaluation set, or with an unknown label."""
        for number, row in enumerate(rows, 1):
            label = str(row.get("label") or "")
            if self.taxonomy is not None and label not in self.taxonomy.classes:
                raise KindError(
                    f"few-shot row {number}: the taxonomy has no class"
                    f" {label!r}{self.taxonomy.hint(label)}"
                )
        self._refuse(
            [(str(row.get("text") or ""), f"few-shot row {i}") for i, row in enumerate(rows, 1)]
        )

    def _refuse(self, rows: Sequence[tuple[str, str]]) -> None:
        evaluation = {normal_text(row.text): row for row in self.evaluation}
        repeated = [
            (text, place, evaluation[form])
            for text, place in rows
            if (form := normal_text(text)) in evaluation
        ]
        if repeated:
            shown = "; ".join(
                f"{place} {text[:60]!r} is {other.place}"
                for text, place, other in repeated[:_NAMED]
            )
            more = f" and {len(repeated) - _NAMED} more" if len(repeated) > _NAMED else ""
            raise KindError(
                f"{len(repeated)} real rows lie in the evaluation set: {shown}{more}; take them out"
                " of one"
            )

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add descriptions, labels, axes ("" without a value) and rows of the contrast class."""
        other = str(row.get(CONTRAST) or "")
        pool = self._pools.get(other, [])
        return {
            **dict.fromkeys(self.details, ""),
            "description": self._description(str(row["label"])),
            "contrast_description": self._description(other),
            "contrast_examples": rng.sample(pool, min(self.contrast_shots, len(pool))),
            "texts": self.texts,
            "labels": self.taxonomy.labels if self.taxonomy else [],
            "axes": {name: str(row.get(name) or "") for name in self.axes},
            **super().context(row, examples, rng),
            CONTRAST: other,
        }

    def _description(self, label: str) -> str:
        classes = self.taxonomy.classes if self.taxonomy else {}
        return classes[label].description if label in classes else ""

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        label = str(row.get("label") or "")
        answers = read_text_answers(text, label, self.several)
        if isinstance(answers, Malformed):
            return answers
        details = {name: str(row.get(name) or "") for name in self.details}
        return [
            {"text": one.text, "label": self._label(one.label, label), **details} for one in answers
        ]

    def _label(self, label: str, requested: str) -> str:
        """Return the teacher's label in the taxonomy's spelling; `label_known` rejects others."""
        if not label:
            return requested
        return (self.taxonomy.find(label) if self.taxonomy else None) or label

    def question(self, candidate: Row) -> dict[str, Any]:
        """Return the class, with the axes and the contrast class of the row."""
        axes = {name: str(candidate[name]) for name in self.details if candidate.get(name)}
        return {**super().question(candidate), **axes}

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write a text per line; as JSON or with a label if `read_text_answers` would alter one."""
        label, texts = str(row["label"]), [str(one["text"] or "") for one in candidates]
        plain = " " + "\n".join(texts)
        answers = read_text_answers(plain, label, self.several)
        if not isinstance(answers, Malformed) and [one.text for one in answers] == texts:
            return plain
        if not self.several:
            return f"Label: {label}\nText: {texts[0]}"
        return "\n" + json.dumps([{"text": text} for text in texts], ensure_ascii=False)

    def label_problem(self, label: str) -> str | None:
        if self.taxonomy is None or label in self.taxonomy.classes:
            return None
        return f"no class {label!r}{self.taxonomy.hint(label)}"

    def verbalize(self, candidate: Row) -> str:
        return f"Label: {candidate['label']}\nText: {candidate['text']}"

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        return normal_text(str(candidate["text"] or "")), str(candidate["label"] or "")

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        return self.normalize(candidate)[:1]

    def vote_for(self, candidate: Row) -> str:
        return str(candidate["label"] or "")


def _axes(given: Any) -> dict[str, list[str]]:
    """Return the axes with their values; a list of names takes the values from the inputs."""
    if isinstance(given, str) or not isinstance(given, Mapping | Sequence):
        raise ValueError(
            f"axes: a list of names, or names with their values, is needed, not {given!r}"
        )
    if not isinstance(given, Mapping):
        return {str(name): [] for name in given}
    for name, values in given.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ValueError(f"axes: {name}: a list of values is needed, not {values!r}")
        if name in ("text", "label", CONTRAST):
            raise ValueError(f"axes: {name!r} is reserved; use another name")
    return {str(name): [str(value) for value in values] for name, values in given.items()}
