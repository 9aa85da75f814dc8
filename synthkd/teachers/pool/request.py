"""What a pool is asked: the JSON object of the template `labelled_text/pool`, read and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Lines of a report (`synthkd.loops.labelled.validation_report`).
_CLASS = re.compile(r"^- (.+): precision \S+, recall \S+, F1 (\S+) \(\d+ rows\)$", re.MULTILINE)
_OTHERS = re.compile(r"^- \d+ other classes: .*mean (\S+)$", re.MULTILINE)
#: Need of a class that the student has learned: never nothing.
_LEAST = 0.02


class BadRequest(Exception):
    """A request that a pool cannot read or has no rows for: a failure with a reason, never an end of the run."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Asked:
    """``texts`` rows of the class ``label`` ("": of classes that the pool chooses among ``labels``). ``hard``: texts of a class
    and those taken for it, which the student got wrong, the surest first; ``seen``: texts that the student has, by class;
    ``had``: hashes of what must not come again; ``draw``: so many other requests of the round ask for the same."""

    label: str
    texts: int
    labels: tuple[str, ...] = ()
    hard: tuple[tuple[str, str], ...] = ()
    seen: tuple[tuple[str, str], ...] = ()
    had: frozenset[str] = frozenset()
    report: str = ""
    draw: int = 0
    given_need: tuple[tuple[str, float], ...] = ()

    def need(self, classes: Sequence[str]) -> list[float] | None:
        """How much each class needs rows: as given, or 1 - F1 where the report tells it; None where nothing is told."""
        if self.given_need:
            told = dict(self.given_need)
            return [max(0.0, told.get(label, 0.0)) for label in classes]
        told = {match[1]: _f1(match[2]) for match in _CLASS.finditer(self.report)}
        if not told:
            return None
        others = _OTHERS.search(self.report)
        rest = _f1(others[1]) if others else float(np.mean(list(told.values())))
        return [max(_LEAST, 1 - told.get(label, rest)) for label in classes]


def _f1(shown: str) -> float:
    return 0.0 if shown == "-" else float(shown)


def read_request(prompt: str) -> Asked:
    """Raises `BadRequest` for what is not the template's JSON."""
    try:
        found = json.loads(prompt)
        if not isinstance(found, dict):
            raise TypeError("no object")
        label, texts = found["label"], found["texts"]
        if not isinstance(label, str) or isinstance(texts, bool) or not isinstance(texts, int) or texts < 0:
            raise TypeError("`label` is a text and `texts` a number from 0")
        wrong = [*_pairs(found, "hard"), *_pairs(found, "incorrect")]
        need = found.get("need") or {}
        return Asked(
            label, texts,
            labels=tuple(map(str, found.get("labels") or ())),
            hard=tuple(_pairs(found, "hard")),
            seen=tuple(dict.fromkeys([*_pairs(found, "correct"), *wrong])),
            had=frozenset(map(str, found.get("had") or ())),
            report=str(found.get("report") or ""),
            draw=max(0, int(found.get("draw") or 0)),
            given_need=tuple((str(name), float(value)) for name, value in need.items()),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadRequest(
            "not_a_pool_request",
            "the prompt is not the JSON that a pool reads; set `prompt.template: labelled_text/pool`"
            f" ({type(error).__name__}: {str(error)[:80]})",
        ) from None


def _pairs(found: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """(text, label) of the rows of a list."""
    return [(str(row["text"]), str(row["label"])) for row in found.get(name) or ()]


def dealt(need: Sequence[float], rows: int, most: Sequence[int]) -> list[int]:
    """``rows`` in proportion to need, no class more than it has; largest remainder, the first of equal ones."""
    weights, left = np.array(need, dtype=float), np.array(most, dtype=np.int64)
    given = np.zeros(len(weights), dtype=np.int64)
    while (rows_left := min(rows, int(sum(most))) - int(given.sum())) > 0:
        open_ = left > given
        share = np.where(open_, np.maximum(weights, 1e-9), 0.0)
        wanted = rows_left * share / share.sum()
        whole = np.floor(wanted).astype(np.int64)
        order = np.lexsort((np.arange(len(whole)), -(wanted - whole), ~open_))
        whole[order[: rows_left - int(whole.sum())]] += 1
        given += np.minimum(whole, left - given)
    return [int(number) for number in given]
