"""Samples of streams of rows that depend on what rows say, not on their order."""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

Row = TypeVar("Row")


class RowSample(Generic[Row]):
    """The rows of a stream with the smallest draws, and some of each class at least.

    Rows beyond twice the size are forgotten on the way, so that the memory does not grow with the
    stream.

    Args:
        size: Rows of the sample, or more if the classes need more.
        least: Rows of each class that stay, if it has so many.
    """

    def __init__(self, size: int, least: int = 0) -> None:
        self.size, self.least = size, least
        #: Rows so far.
        self.seen = 0
        self._rows: list[tuple[float, int, str, Row]] = []
        self._room = 2 * size + 1024

    def add(self, row: Row, draw: float, label: str = "") -> None:
        """Take in a row; equal rows have equal draws."""
        self._rows.append((draw, self.seen, label, row))
        self.seen += 1
        if len(self._rows) >= self._room:
            self._forget(self.size)
            # With very many classes more rows stay; twice as many again have room.
            self._room = max(2 * self.size + 1024, 2 * len(self._rows))

    def rows(self) -> list[Row]:
        """Return the sample, in the order in which its rows came."""
        if len(self._rows) > self.size:
            of_classes = len(self._first_of_classes()) if self.least else 0
            self._forget(max(0, self.size - of_classes))
        return [row for _, _, _, row in sorted(self._rows, key=lambda one: one[1])]

    def _forget(self, count: int) -> None:
        """Keep the first rows of each class, and a number of the others with the smallest draws."""
        first = self._first_of_classes()
        others = [one for one in self._rows if one[1] not in first]
        self._rows = [one for one in self._rows if one[1] in first] + others[:count]

    def _first_of_classes(self) -> set[int]:
        """Order the rows by their draws, and return the numbers of the first ones of each class."""
        self._rows.sort(key=lambda one: one[:2])
        counts, first = Counter[str](), set[int]()
        for _, number, label, _ in self._rows:
            if counts[label] < self.least:
                counts[label] += 1
                first.add(number)
        return first
