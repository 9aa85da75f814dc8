"""The rows of a loop over labelled text: training, validation and test rows, and a pool to mine.

Training rows that copy a validation or test row are left out with a notice, since a prompt would
show, or the student memorise, a row of its own evaluation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthkd.errors import StudentError, nearest
from synthkd.keys import content_hash, fraction
from synthkd.kinds.labelled_text.taxonomy import read_taxonomy
from synthkd.loops.labelled.contamination import EvaluationTexts
from synthkd.recipe import Recipe, RowsPart
from synthkd.students.base import LabelledTexts
from synthkd.students.rows import read_labelled_texts
from synthkd.text.near_duplicates import near_copy_groups

#: Classes or rows that a message names at most.
_NAMED = 5


@dataclass(frozen=True)
class SplitRows:
    """Labelled texts, with file and row of each."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    places: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> SplitRows:
        return SplitRows(
            *(tuple(part[i] for i in rows) for part in (self.texts, self.labels, self.places))
        )

    @property
    def texts_and_labels(self) -> LabelledTexts:
        """The rows as a student takes them."""
        return LabelledTexts(self.texts, self.labels)

    @property
    def hash(self) -> str:
        """Hash of texts and labels, in order."""
        return content_hash([list(self.texts), list(self.labels)])


@dataclass(frozen=True)
class LoopSplits:
    """The rows of a loop.

    Attributes:
        start: Training rows.
        pool: Rows that examples are mined from.
        evaluation: Texts of validation and test rows, which no prompt may show.
        notices: Rows that were left out, in words.
    """

    classes: tuple[str, ...]
    start: SplitRows
    validation: SplitRows
    test: SplitRows
    pool: SplitRows
    evaluation: EvaluationTexts
    notices: tuple[str, ...] = ()


def read_splits(recipe: Recipe) -> LoopSplits:
    """Read and check all rows of a recipe's loop.

    Raises:
        InputError: If a file cannot be read.
        StudentError: If the rows cannot train or evaluate a student.
    """
    part = recipe.loop
    assert part is not None
    start, test, pool = (_read(recipe, rows) for rows in (part.start, part.test, part.pool))
    named = isinstance(part.validation, RowsPart)
    validation = (
        _read(recipe, part.validation) if isinstance(part.validation, RowsPart) else SplitRows()
    )
    classes = _classes(recipe, start, validation)
    splits = {"start": start, "validation": validation, "test": test, "pool": pool}
    for name, rows_of_split in splits.items():
        _check_labels(name, rows_of_split, classes)
    notices: list[str] = []
    if not named:
        assert isinstance(part.validation, float)
        start, validation = _split_validation(start, part.validation, recipe.seed, part.near)
    _check_each_class(validation, classes, named)
    _notice_test_copies(validation, test, part.near, notices)
    evaluation = EvaluationTexts(
        [*validation.texts, *test.texts], part.near, [*validation.places, *test.places]
    )
    start = _without_copies(evaluation, "start", start, notices)
    pool = _without_copies(evaluation, "pool", pool, notices)
    return LoopSplits(classes, start, validation, test, pool, evaluation, tuple(notices))


def _read(recipe: Recipe, part: RowsPart | None) -> SplitRows:
    """Read the rows of one file or several."""
    all_rows = SplitRows()
    paths = [] if part is None else [part.path] if isinstance(part.path, str) else part.path
    for path in paths:
        assert part is not None
        rows = read_labelled_texts(Path(recipe.resolve(path)), part.text, part.label)
        places = tuple(f"{path} row {number}" for number in range(1, len(rows) + 1))
        all_rows = SplitRows(
            all_rows.texts + rows.texts, all_rows.labels + rows.labels, all_rows.places + places
        )
    return all_rows


def _classes(recipe: Recipe, start: SplitRows, validation: SplitRows) -> tuple[str, ...]:
    """Return the classes of the taxonomy, or the sorted labels if there is none."""
    taxonomy = read_taxonomy(recipe.kind.options.get("taxonomy"), recipe.resolve)
    classes = (
        tuple(taxonomy.labels) if taxonomy else tuple(sorted({*start.labels, *validation.labels}))
    )
    if len(classes) < 2:
        raise StudentError(
            f"the rows have the one class {classes[0]!r}; two are needed to tell apart"
            if classes
            else "loop: no rows and no taxonomy; name `start` and `validation`, or"
            " kind.options.taxonomy"
        )
    return classes


def _check_labels(name: str, rows: SplitRows, classes: Sequence[str]) -> None:
    names = set(classes)
    for label, place in zip(rows.labels, rows.places, strict=True):
        if label not in names:
            hint = nearest(label, list(classes)).split(" (known")[0]
            raise StudentError(
                f"loop.{name}: {place}: {label!r} is none of the {len(names)} classes{hint}"
            )


def _check_each_class(validation: SplitRows, classes: Sequence[str], named: bool) -> None:
    """Refuse a class without a validation row, whose loss would be unknown."""
    present = set(validation.labels)
    if missing := [label for label in classes if label not in present]:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        remedy = (
            "add a row of each"
            if named
            else "two rows of `start` are needed for each (not copies of each other), or name the"
            " rows of `validation`"
        )
        raise StudentError(
            f"loop.validation: no row of the class {', '.join(map(repr, missing[:_NAMED]))}{more};"
            f" {remedy}"
        )


def _split_validation(
    rows: SplitRows, share: float, seed: int, near: float
) -> tuple[SplitRows, SplitRows]:
    """Return training and validation rows.

    The share is that of each class, but at least one row of a class with two; near copies stay
    together.
    """
    group = near_copy_groups(rows.texts, near)
    sizes = Counter(rows.labels)
    wanted = {
        label: max(1, round(share * count)) if count > 1 else 0 for label, count in sizes.items()
    }
    members: dict[int, list[int]] = {}
    for place, number in enumerate(group):
        members.setdefault(number, []).append(place)
    left = {
        label: len({group[i] for i, one in enumerate(rows.labels) if one == label})
        for label in sizes
    }
    kept: set[int] = set()
    # By a hash of the text, so that the order of rows has no effect.
    for copies in sorted(
        members.values(), key=lambda copies: fraction(f"{seed}:{rows.texts[copies[0]]}")
    ):
        labels = {rows.labels[row] for row in copies}
        if all(wanted[label] > 0 and left[label] > 1 for label in labels):
            kept.update(copies)
            for row in copies:
                wanted[rows.labels[row]] -= 1
            for label in labels:
                left[label] -= 1
    validation = sorted(kept)
    return rows.take([i for i in range(len(rows)) if i not in kept]), rows.take(validation)


def _notice_test_copies(
    validation: SplitRows, test: SplitRows, near: float, notices: list[str]
) -> None:
    """Add a notice of test rows that copy validation rows, which select the round."""
    evaluation = EvaluationTexts(validation.texts, near, validation.places)
    copies = [
        (i, copy)
        for i, text in enumerate(test.texts)
        if (copy := evaluation.find(text)) is not None
    ]
    if not copies:
        return
    shown = "; ".join(
        f"{test.places[i]} {evaluation.describe(copy)}" for i, copy in copies[:_NAMED]
    )
    if len(copies) == len(test):
        raise StudentError(
            f"loop.test: every row copies a validation row: {shown}; name other rows"
        )
    notices.append(
        f"loop.test: {len(copies):,} of {len(test):,} rows copy validation rows, which choose the"
        f" round; they stay: {shown}"
    )


def _without_copies(
    evaluation: EvaluationTexts, name: str, rows: SplitRows, notices: list[str]
) -> SplitRows:
    """Return the rows that copy no validation or test row; add a notice of the others."""
    matches = [evaluation.find(text) for text in rows.texts]
    copies = [(i, copy) for i, copy in enumerate(matches) if copy is not None]
    if not copies:
        return rows
    shown = "; ".join(
        f"{rows.places[i]} {evaluation.describe(copy)}" for i, copy in copies[:_NAMED]
    )
    more = f" and {len(copies) - _NAMED} more" if len(copies) > _NAMED else ""
    if len(copies) == len(rows):
        raise StudentError(
            f"loop.{name}: every one of the {len(rows):,} rows copies a validation or test row:"
            f" {shown}{more}; name other rows"
        )
    notices.append(
        f"loop.{name}: {len(copies):,} of {len(rows):,} rows left out, copies of validation or test"
        f" rows: {shown}{more}"
    )
    return rows.take([i for i, copy in enumerate(matches) if copy is None])
