"""Rows to be labelled elsewhere, and the answers that come back. They are joined by id, never by position.

An exported row bears all that its line in a label sheet needs. What comes back and fits no exported row, or says
something that is no verdict, is a problem with a name; nothing is dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthkd.errors import InputError, nearest
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SOURCES, CandidatePool, candidate_sentence, sheet_text
from synthkd.labels.sampling_design import SamplingDesign
from synthkd.labels.sheet import META, Record, Sheet
from synthkd.labels.verdicts import verdict_of

#: Columns of a sheet that an answer fills; the others describe the row.
ANSWERED = ("verdict", "annotator", "time", "why")


@dataclass(frozen=True)
class Answer:
    """What one annotator said of a row."""

    id: str
    verdict: str
    annotator: str = ""
    time: str = ""
    why: str = ""
    where: str = ""


@dataclass(frozen=True)
class Item:
    """A row to be labelled: its id, the candidate in words, its source, the sheet's other columns, answers so far."""

    id: str
    text: str
    source: str
    row: dict[str, str]
    answers: list[Answer] = field(default_factory=list)


def drawn_items(pool: CandidatePool, kind: Kind, design: SamplingDesign, name: str, count: int) -> list[Item]:
    """The first rows of a design; their weights hold when all of them are labelled."""
    taken = design.taken(count)
    items = []
    for place, how, p, weight in zip(taken.rows, taken.chosen, taken.probability, taken.weights, strict=True):
        row = pool.rows[place]
        kept = {column: sheet_text(row.get(column)) for column in pool.kept}
        kept |= {"chosen": how, "probability": f"{p:.9g}", "weight": f"{weight:.9g}", "design": name}
        items.append(Item(row["id"], candidate_sentence(kind, row), _source(row, kind.columns), kept))
    return items


def sheet_items(records: Iterable[Record], kind: Kind) -> list[Item]:
    """The rows of a label sheet with the answers that they have."""
    items: dict[str, Item] = {}
    for record in records:
        row = {name: value for name, value in record.items() if name not in (*ANSWERED, "id")}
        item = items.setdefault(
            record["id"],
            Item(record["id"], candidate_sentence(kind, record), _source(record, kind.columns), row),
        )
        item.answers.append(Answer(record["id"], *(record[name] for name in ANSWERED)))
    return list(items.values())


def _source(row: dict[str, Any], columns: Sequence[str]) -> str:
    return "\n\n".join(sheet_text(row[name]) for name in SOURCES if row.get(name) and name not in columns)


def take_in(answers: Iterable[Answer], items: Sequence[Item], sheet: Sheet) -> tuple[int, list[str]]:
    """Add answers to a sheet. Returns how many were added, and a line for each that was not."""
    known = {item.id: item for item in items}
    there = {(record["id"], record["annotator"]): record["verdict"] for record in sheet.records}
    added, problems = 0, []
    for answer in answers:
        verdict = verdict_of(answer.verdict)
        key = (answer.id, answer.annotator)
        if answer.id not in known:
            problems.append(f"{answer.where}: id {answer.id!r} was not among the exported rows")
        elif not verdict:
            problems.append(
                f"{answer.where}: id {answer.id!r} has the verdict {answer.verdict!r}, which is none"
            )
        elif key in there:
            again = "again" if there[key] == verdict else f"before {there[key]}, now {verdict}"
            problems.append(
                f"{answer.where}: id {answer.id!r} by {answer.annotator!r} is in the sheet already ({again})"
            )
        else:
            said = {"verdict": verdict, "annotator": answer.annotator, "time": answer.time, "why": answer.why}
            sheet.append(known[answer.id].row | {"id": answer.id} | said)
            there[key] = verdict
            added += 1
    return added, problems


def sheet_columns(items: Sequence[Item]) -> list[str]:
    """The columns that describe a row, for a new sheet."""
    return [name for name in items[0].row if name not in META]


def read_list(path: Path, what: str) -> list[dict[str, Any]]:
    """A JSON file that holds a list of objects."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror or error}") from None
    except RecursionError:
        raise InputError(f"{path}: not {what}: its lists and objects are nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputError(f"{path}: not {what}: a JSON list of objects is needed")
    return found


def format_of(name: str) -> Format:
    """How to write and read one tool's files."""
    from synthkd.labels import argilla, label_studio

    formats = {
        "label-studio": Format(label_studio.write, label_studio.items, label_studio.answers),
        "argilla": Format(argilla.write, argilla.items, argilla.answers),
    }
    if name not in formats:
        raise InputError(f"unknown format {name!r}{nearest(name, list(formats))}")
    return formats[name]


@dataclass(frozen=True)
class Format:
    """``write(items, path)`` returns the files written; ``items`` reads back what was written; ``answers`` reads
    what the tool exported, with a line for each entry that holds no answer."""

    write: Callable[[Sequence[Item], Path], list[Path]]
    items: Callable[[Path], list[Item]]
    answers: Callable[[Path], tuple[list[Answer], list[str]]]
