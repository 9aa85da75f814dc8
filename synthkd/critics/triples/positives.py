"""A label sheet for those who have true triples only: each with negatives that are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synthkd.critics.triples.negatives import SLOTS, Known, corrupt
from synthkd.critics.triples.reference import COLUMNS, enough, read_known
from synthkd.critics.triples.similar import Similar
from synthkd.errors import CriticError, MissingExtraError
from synthkd.reporting.safe_text import csv_line, to_cell
from synthkd.storage.ownership import check_file, has_text
from synthkd.storage.write import write_text


@dataclass(frozen=True)
class Counts:
    """Distinct true triples and negatives, and how many negatives no draw gave: all was known to be true or drawn."""

    true: int
    made: int
    missing: int


def write_sheet(
    positives: Path,
    out: Path,
    each: int = 1,
    hard: float = 0.0,
    seed: int = 0,
    known: Path | None = None,
    formulas: bool = False,
) -> Counts:
    """Write a CSV: head, relation, tail, label, and in ``made`` which slot was replaced.

    ``known``: more true triples, none of which may be made a negative. ``hard``: share of the replaced heads and
    tails that are drawn from phrases near to the true one. ``formulas``: texts that a spreadsheet takes for formulas
    stay as they are.
    """
    if each < 1 or not 0 <= hard <= 1:
        raise CriticError(
            f"negatives: `each` is {each} and `hard` {hard}; 1 or more, and a share from 0 to 1"
        )
    if out.suffix != ".csv":
        raise CriticError(f"{out}: the sheet is a CSV file; name it so")
    check_file(out, has_text("head,relation,tail,label,made"), "a sheet of made negatives")
    true = enough(read_known(positives), str(positives))
    others = read_known(known) if known else []
    made = corrupt(true, Known([*true, *others]), each, seed, similar=_similar(true, hard, seed), hard=hard)
    slots = dict(zip(made.triples, made.slot, strict=True))
    rows = [[*COLUMNS, "label", "made"]]
    rows += [[*triple, "true", ""] for triple in true]
    rows += [[*triple, "false", SLOTS[slot]] for triple, slot in slots.items()]
    write_text(out, "".join(csv_line(to_cell(cell, formulas) for cell in row) for row in rows))
    return Counts(len(true), len(slots), len(true) * each - len(slots))


def _similar(true: list[tuple[str, str, str]], hard: float, seed: int) -> Similar | None:
    if not hard:
        return None
    try:
        return Similar.of(true, seed)
    except ImportError:
        raise MissingExtraError("negatives by similarity", "critics") from None
