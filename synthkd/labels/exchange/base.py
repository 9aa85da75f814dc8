"""The contract of another labelling tool's file format, and the rows and annotations in such files.

An exported row holds everything that its line in a label sheet needs. An annotation that matches no
exported row, or has no known verdict, becomes a line of the problem list; none is dropped silently.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthkd.errors import InputError


@dataclass(frozen=True)
class Annotation:
    """One annotator's verdict on one row.

    Attributes:
        id: Id of the row.
        verdict: The verdict as the file spells it.
        place: File and entry, for messages.
    """

    id: str
    verdict: str
    annotator: str = ""
    time: str = ""
    why: str = ""
    place: str = ""


@dataclass(frozen=True)
class ExportedRow:
    """A row to be labelled elsewhere.

    Attributes:
        text: The candidate as a sentence.
        source: The text that the candidate was made from; "" if there is none.
        columns: The other columns of its line in a label sheet.
        annotations: The annotations that the row has already.
    """

    id: str
    text: str
    source: str
    columns: dict[str, str]
    annotations: list[Annotation] = field(default_factory=list)


class ExchangeFormat(ABC):
    """Write rows for one labelling tool, and read the tool's export."""

    @abstractmethod
    def write(self, rows: Sequence[ExportedRow], path: Path) -> list[Path]:
        """Write rows as the tool imports them. Returns the files written."""

    @abstractmethod
    def read_rows(self, path: Path) -> list[ExportedRow]:
        """Read rows from a file of `write`, or from the tool's export of it."""

    @abstractmethod
    def read_annotations(self, path: Path) -> tuple[list[Annotation], list[str]]:
        """Read the tool's export. Returns annotations, and a line for each entry without one."""


def read_objects(path: Path, description: str) -> list[dict[str, Any]]:
    """Read a JSON file that holds a list of objects.

    Raises:
        InputError: If the file is missing, unreadable, or holds anything else than ``description``.
    """
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror or error}") from None
    except RecursionError:
        raise InputError(
            f"{path}: not {description}: its lists and objects are nested too deeply"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InputError(f"{path}: not {description}: a JSON list of objects is needed")
    return value
