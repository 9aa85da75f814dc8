"""The classes of labelled texts, and the files that name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkd.errors import KindError, nearest
from synthkd.kinds.base import SourceText
from synthkd.rows import read_rows, text_cell
from synthkd.text.normal_forms import normal_text

Resolve = Callable[[str], Path]
#: Labels that an error message names.
_NAMED = 5


@dataclass(frozen=True)
class TaxonomyClass:
    """A class, its description, and the labels of classes that are easily confused with it."""

    label: str
    description: str = ""
    near: tuple[str, ...] = ()


class Taxonomy:
    """The classes of a corpus, by label, in order.

    Attributes:
        classes: The classes by label.

    Raises:
        KindError: There are fewer than ``least`` classes, a label is empty, or two labels differ in
            case or punctuation only.
    """

    def __init__(
        self, classes: Sequence[TaxonomyClass], source: str = "taxonomy", least: int = 2
    ) -> None:
        self.classes: dict[str, TaxonomyClass] = {}
        self._forms: dict[str, str] = {}
        for number, one in enumerate(classes, 1):
            form = label_form(one.label)
            if not form:
                raise KindError(f"{source} row {number}: a class has no label")
            if form in self._forms:
                before = self._forms[form]
                how = "stands twice" if before == one.label else f"reads the same as {before!r}"
                raise KindError(
                    f"{source} row {number}: the class {one.label!r} {how}; leave one out"
                )
            self.classes[one.label] = one
            self._forms[form] = one.label
        if not self.classes:
            raise KindError(
                f"{source}: no classes in it; give each a row with `label` and `description`"
            )
        if len(self.classes) < least:
            raise KindError(
                f"{source}: {self.labels[0]!r} is the only class; two are needed to tell apart"
            )
        for one in self.classes.values():
            for other in one.near:
                if other not in self.classes:
                    raise KindError(
                        f"{source}: {one.label!r} is near {other!r}, which is no"
                        f" class{self.hint(other)}"
                    )

    @property
    def labels(self) -> list[str]:
        """The labels, in order."""
        return list(self.classes)

    def find(self, label: str) -> str | None:
        """Return a label as the taxonomy writes it, ignoring case and punctuation, or None."""
        return label if label in self.classes else self._forms.get(label_form(label))

    def hint(self, label: str) -> str:
        """Return the part of an error message that names the nearest label."""
        if len(self.classes) > 2 * _NAMED:
            return (
                nearest(label, self.labels).split(" (known")[0]
                or f" ({len(self.classes)} classes are known)"
            )
        return nearest(label, self.labels)

    def others(self, label: str) -> list[str]:
        """Return the labels to contrast a class with: its ``near`` classes, or all others."""
        near = self.classes[label].near if label in self.classes else ()
        return [each for each in near or self.labels if each != label]


def label_form(label: str) -> str:
    """Return a label without case, underscores and punctuation."""
    return normal_text(label.replace("_", " ").replace("-", " "))


def read_taxonomy(
    given: Any, resolve: Resolve, option: str = "taxonomy", column: str = "label", least: int = 2
) -> Taxonomy | None:
    """Read a taxonomy.

    Args:
        given: A file (YAML, CSV, JSONL, Parquet), ``{path, label}`` with the column of its labels,
            a list of rows or labels, or a mapping of labels to descriptions.
        resolve: Resolves paths of the recipe.
        option: Name of the option, for messages.
        column: Column of the labels, unless ``given`` names one.
        least: Classes that are needed.
    """
    if given is None:
        return None
    source, rows = option, given
    if isinstance(given, str) or (isinstance(given, Mapping) and "path" in given):
        part = {"path": given} if isinstance(given, str) else given
        source, column = str(part["path"]), str(part.get("label", column))
        rows = read_all_rows(resolve(source))
    elif isinstance(given, Mapping):
        rows = [{column: label, "description": text} for label, text in given.items()]
    elif not isinstance(given, Sequence):
        raise ValueError(f"{option}: a file, a list or a mapping is needed, not {given!r}")
    return Taxonomy(
        [_class(row, source, number, column) for number, row in enumerate(rows, 1)], source, least
    )


def _class(row: Any, source: str, number: int, column: str = "label") -> TaxonomyClass:
    place = f"{source} row {number}"
    if not isinstance(row, Mapping):
        return TaxonomyClass(_label(row, place, column))
    if column not in row:
        raise KindError(f"{source}: no column {column!r}{nearest(column, list(map(str, row)))}")
    near = row.get("near") or ()
    if isinstance(near, str):
        near = [part.strip() for part in near.split("|") if part.strip()]
    if not isinstance(near, list | tuple):
        raise KindError(f"{source}: `near` of {row[column]!r} is {near!r}; labels are needed")
    description = text_cell(row.get("description"), place, "description") or ""
    return TaxonomyClass(
        _label(row[column], place, column),
        description,
        tuple(_label(one, place, "near") for one in near),
    )


def _label(value: Any, place: str, column: str) -> str:
    if isinstance(value, bool):
        # YAML reads yes, no, on and off as truth values.
        raise KindError(
            f"{place}: {column!r} is {'true' if value else 'false'}; quote the word if it is a"
            " label"
        )
    return (text_cell(value, place, column) or "").strip()


def read_all_rows(path: Path) -> list[dict[str, Any]]:
    """Return all rows of a file."""
    return [row for rows in read_rows(path) for row in rows]


def read_source_texts(given: Any, resolve: Resolve, option: str) -> list[SourceText]:
    """Read the rows that people wrote.

    Args:
        given: A file or a list of files; each a path, or ``{path, text, label}`` with its columns.
        resolve: Resolves paths of the recipe.
        option: Name of the option, for messages.
    """
    texts: list[SourceText] = []
    for one in given if isinstance(given, list) else [given] if given else []:
        part = {"path": one} if isinstance(one, str) else one
        if (
            not isinstance(part, Mapping)
            or not set(part) <= {"path", "text", "label"}
            or "path" not in part
        ):
            raise ValueError(f"{option}: a path is needed, or {{path, text, label}}, not {one!r}")
        column, label, path = (
            str(part.get("text", "text")),
            str(part.get("label", "label")),
            str(part["path"]),
        )
        for number, row in enumerate(read_all_rows(resolve(path)), 1):
            if column not in row:
                raise KindError(
                    f"{path}: no column {column!r}{nearest(column, list(row))} (named by {option})"
                )
            place = f"{path} row {number}"
            texts.append(
                SourceText(
                    text_cell(row[column], place, column) or "",
                    text_cell(row.get(label), place, label) or "",
                    place,
                )
            )
    return texts


def check_source_texts(taxonomy: Taxonomy, real: Sequence[SourceText], zero_shot: bool) -> None:
    """Check real rows against the taxonomy.

    Raises:
        KindError: A row has an unknown label or no text, or a class has no row and ``zero_shot`` is
            not
            set.
    """
    for row in real:
        if row.label not in taxonomy.classes:
            raise KindError(
                f"{row.place}: the taxonomy has no class {row.label!r}{taxonomy.hint(row.label)}"
            )
        if not row.text.strip():
            raise KindError(f"{row.place}: 'text' is empty")
    bare = [label for label in taxonomy.labels if label not in {row.label for row in real}]
    if real and bare and not zero_shot:
        shown = ", ".join(map(repr, bare[:_NAMED])) + (
            f" and {len(bare) - _NAMED} more" if len(bare) > _NAMED else ""
        )
        raise KindError(f"no real row of the class {shown}: add one, or set `zero_shot: true`")
