"""The rows that a loop over labelled text begins with: training, validation, test, and rows kept aside to be mined.

Rows of training that copy a validation or test row are left out, and told: with them a prompt would show what the student is
judged by, or the student would learn it by heart.
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

#: Classes or rows that a message names.
_NAMED = 5


@dataclass(frozen=True)
class LabelledRows:
    """Labelled texts, and where each stands."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    places: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> LabelledRows:
        return LabelledRows(
            *(tuple(part[i] for i in rows) for part in (self.texts, self.labels, self.places))
        )

    @property
    def rows(self) -> LabelledTexts:
        return LabelledTexts(self.texts, self.labels)

    @property
    def hash(self) -> str:
        """Content hash: of texts and labels in their order."""
        return content_hash([list(self.texts), list(self.labels)])


@dataclass(frozen=True)
class LoopSplits:
    """What a loop begins with. ``held``: texts of validation and test, which no prompt may show; ``said``: what was left out,
    in words."""

    classes: tuple[str, ...]
    start: LabelledRows
    validation: LabelledRows
    test: LabelledRows
    pool: LabelledRows
    held: EvaluationTexts
    said: tuple[str, ...] = ()


def read_splits(recipe: Recipe) -> LoopSplits:
    """Read and check all rows of a recipe's loop. Raises `StudentError` or `InputError` for what no student can be trained on
    or judged by."""
    part = recipe.loop
    assert part is not None
    start, test, pool = (_lot(recipe, rows) for rows in (part.start, part.test, part.pool))
    named = isinstance(part.validation, RowsPart)
    validation = _lot(recipe, part.validation) if isinstance(part.validation, RowsPart) else LabelledRows()
    classes = _classes(recipe, start, validation)
    for what, lot in (("start", start), ("validation", validation), ("test", test), ("pool", pool)):
        _known(what, lot, classes)
    said: list[str] = []
    if not named:
        assert isinstance(part.validation, float)
        start, validation = _cut(start, part.validation, recipe.seed, part.near)
    _each_class(validation, classes, named)
    _apart(validation, test, part.near, said)
    held = EvaluationTexts([*validation.texts, *test.texts], part.near, [*validation.places, *test.places])
    start, pool = _without(held, "start", start, said), _without(held, "pool", pool, said)
    return LoopSplits(classes, start, validation, test, pool, held, tuple(said))


def _lot(recipe: Recipe, part: RowsPart | None) -> LabelledRows:
    """The rows of one file or several."""
    found = LabelledRows()
    paths = [] if part is None else [part.path] if isinstance(part.path, str) else part.path
    for path in paths:
        assert part is not None
        rows = read_labelled_texts(Path(recipe.resolve(path)), part.text, part.label)
        places = tuple(f"{path} row {number}" for number in range(1, len(rows) + 1))
        found = LabelledRows(found.texts + rows.texts, found.labels + rows.labels, found.places + places)
    return found


def _classes(recipe: Recipe, start: LabelledRows, validation: LabelledRows) -> tuple[str, ...]:
    """Those of the taxonomy; without one, those of the rows, sorted."""
    taxonomy = read_taxonomy(recipe.kind.options.get("taxonomy"), recipe.resolve)
    classes = tuple(taxonomy.labels) if taxonomy else tuple(sorted({*start.labels, *validation.labels}))
    if len(classes) < 2:
        raise StudentError(
            f"the rows have the one class {classes[0]!r}; two are needed to tell apart"
            if classes
            else "loop: no rows and no taxonomy; name `start` and `validation`, or kind.options.taxonomy"
        )
    return classes


def _known(what: str, lot: LabelledRows, classes: Sequence[str]) -> None:
    known = set(classes)
    for label, place in zip(lot.labels, lot.places, strict=True):
        if label not in known:
            hint = nearest(label, list(classes)).split(" (known")[0]
            raise StudentError(f"loop.{what}: {place}: {label!r} is none of the {len(known)} classes{hint}")


def _each_class(validation: LabelledRows, classes: Sequence[str], named: bool) -> None:
    """Every class must be judged by something real: without a row its losses are unknown, and its errors unseen."""
    have = set(validation.labels)
    if bare := [label for label in classes if label not in have]:
        more = f" and {len(bare) - _NAMED} more" if len(bare) > _NAMED else ""
        remedy = (
            "add a row of each"
            if named
            else "two rows of `start` are needed for each (not copies of each other), or name the rows of `validation`"
        )
        raise StudentError(
            f"loop.validation: no row of the class {', '.join(map(repr, bare[:_NAMED]))}{more}; {remedy}"
        )


def _cut(lot: LabelledRows, share: float, seed: int, near: float) -> tuple[LabelledRows, LabelledRows]:
    """Training and validation rows: of each class the share, one at least where it has two; near copies stay on one side."""
    group = near_copy_groups(lot.texts, near)
    sizes = Counter(lot.labels)
    wanted = {label: max(1, round(share * count)) if count > 1 else 0 for label, count in sizes.items()}
    members: dict[int, list[int]] = {}
    for place, number in enumerate(group):
        members.setdefault(number, []).append(place)
    left = {label: len({group[i] for i, one in enumerate(lot.labels) if one == label}) for label in sizes}
    kept: set[int] = set()
    # By a hash of the text: neither the order of rows nor copies of others decide.
    for rows in sorted(members.values(), key=lambda rows: fraction(f"{seed}:{lot.texts[rows[0]]}")):
        labels = {lot.labels[row] for row in rows}
        if all(wanted[label] > 0 and left[label] > 1 for label in labels):
            kept.update(rows)
            for row in rows:
                wanted[lot.labels[row]] -= 1
            for label in labels:
                left[label] -= 1
    validation = sorted(kept)
    return lot.take([i for i in range(len(lot)) if i not in kept]), lot.take(validation)


def _apart(validation: LabelledRows, test: LabelledRows, near: float, said: list[str]) -> None:
    """Tell of test rows that copy a validation row: these chose the round, so figures on them flatter."""
    known = EvaluationTexts(validation.texts, near, validation.places)
    copies = [(i, copy) for i, text in enumerate(test.texts) if (copy := known.find(text)) is not None]
    if not copies:
        return
    shown = "; ".join(f"{test.places[i]} {known.told(copy)}" for i, copy in copies[:_NAMED])
    if len(copies) == len(test):
        raise StudentError(f"loop.test: every row copies a validation row: {shown}; name other rows")
    said.append(
        f"loop.test: {len(copies):,} of {len(test):,} rows copy validation rows, which choose the round; they stay: {shown}"
    )


def _without(held: EvaluationTexts, what: str, lot: LabelledRows, said: list[str]) -> LabelledRows:
    """Rows that copy no held one; the others are told."""
    found = [held.find(text) for text in lot.texts]
    copies = [(i, copy) for i, copy in enumerate(found) if copy is not None]
    if not copies:
        return lot
    shown = "; ".join(f"{lot.places[i]} {held.told(copy)}" for i, copy in copies[:_NAMED])
    more = f" and {len(copies) - _NAMED} more" if len(copies) > _NAMED else ""
    if len(copies) == len(lot):
        raise StudentError(
            f"loop.{what}: every one of the {len(lot):,} rows copies a validation or test row: {shown}{more}; name other rows"
        )
    said.append(
        f"loop.{what}: {len(copies):,} of {len(lot):,} rows left out, copies of validation or test rows: {shown}{more}"
    )
    return lot.take([i for i, copy in enumerate(found) if copy is None])
