"""The request of a pool: the JSON object of its template, parsed and checked."""

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
#: Lowest need of a class: one that the student has learned still gets some rows.
_MIN_NEED = 0.02


class PoolRequestError(Exception):
    """An invalid request for this pool, which becomes a failure with this reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class PoolRequest:
    """A request for rows.

    Attributes:
        label: The class of the rows; "" for rows of ``labels``, divided by need.
        texts: Number of rows of one sample.
        labels: Classes to choose among.
        hard: (text, label) of hard negatives: texts of a class and texts mistaken for it, most
            confident errors first.
        seen: (text, label) of rows that the student has.
        excluded: Hashes of texts that must not be returned again.
        report: The student's validation report.
        draw: Number of other requests of the round for the same rows.
        given_need: (class, need), if the request gives it.
    """

    label: str
    texts: int
    labels: tuple[str, ...] = ()
    hard: tuple[tuple[str, str], ...] = ()
    seen: tuple[tuple[str, str], ...] = ()
    excluded: frozenset[str] = frozenset()
    report: str = ""
    draw: int = 0
    given_need: tuple[tuple[str, float], ...] = ()

    def need(self, classes: Sequence[str]) -> list[float] | None:
        """Return the need of each class for rows: as given, or 1 - F1; None without either."""
        if self.given_need:
            need = dict(self.given_need)
            return [max(0.0, need.get(label, 0.0)) for label in classes]
        scores = {match[1]: _f1(match[2]) for match in _CLASS.finditer(self.report)}
        if not scores:
            return None
        others = _OTHERS.search(self.report)
        default = _f1(others[1]) if others else float(np.mean(list(scores.values())))
        return [max(_MIN_NEED, 1 - scores.get(label, default)) for label in classes]


def _f1(text: str) -> float:
    return 0.0 if text == "-" else float(text)


def parse_pool_request(prompt: str) -> PoolRequest:
    """Parse the JSON of a pool's template.

    Raises:
        PoolRequestError: The prompt is not such JSON.
    """
    try:
        fields = json.loads(prompt)
        if not isinstance(fields, dict):
            raise TypeError("no object")
        label, texts = fields["label"], fields["texts"]
        if (
            not isinstance(label, str)
            or isinstance(texts, bool)
            or not isinstance(texts, int)
            or texts < 0
        ):
            raise TypeError("`label` is a text and `texts` a number from 0")
        wrong = [*_pairs(fields, "hard"), *_pairs(fields, "incorrect")]
        need = fields.get("need") or {}
        return PoolRequest(
            label, texts,
            labels=tuple(map(str, fields.get("labels") or ())),
            hard=tuple(_pairs(fields, "hard")),
            seen=tuple(dict.fromkeys([*_pairs(fields, "correct"), *wrong])),
            excluded=frozenset(map(str, fields.get("had") or ())),
            report=str(fields.get("report") or ""),
            draw=max(0, int(fields.get("draw") or 0)),
            given_need=tuple((str(name), float(value)) for name, value in need.items()),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PoolRequestError(
            "not_a_pool_request",
            "the prompt is not the JSON that a pool reads; set `prompt.template:"
            f" labelled_text/pool` ({type(error).__name__}: {str(error)[:80]})",
        ) from None


def _pairs(fields: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """Return (text, label) of the rows of a list."""
    return [(str(row["text"]), str(row["label"])) for row in fields.get(name) or ()]


def allocate_rows(need: Sequence[float], rows: int, available: Sequence[int]) -> list[int]:
    """Divide rows among classes in proportion to need, by largest remainder.

    Args:
        need: Need of each class.
        rows: Rows to divide.
        available: Rows that each class has at most.

    Returns:
        Rows of each class; of equal remainders, the first class gets the row.
    """
    weights, limits = np.array(need, dtype=float), np.array(available, dtype=np.int64)
    given = np.zeros(len(weights), dtype=np.int64)
    while (rows_left := min(rows, int(sum(available))) - int(given.sum())) > 0:
        open_ = limits > given
        share = np.where(open_, np.maximum(weights, 1e-9), 0.0)
        wanted = rows_left * share / share.sum()
        whole = np.floor(wanted).astype(np.int64)
        order = np.lexsort((np.arange(len(whole)), -(wanted - whole), ~open_))
        whole[order[: rows_left - int(whole.sum())]] += 1
        given += np.minimum(whole, limits - given)
    return [int(number) for number in given]
