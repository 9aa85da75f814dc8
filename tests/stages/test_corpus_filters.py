"""Corpus-level filters: which rows of which file they reject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkd.errors import RecipeError
from synthkd.filters.corpus_level import LastFilter
from synthkd.kinds.base import Kind
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.stages.corpus_filters import _apply

KIND = LabelledTextKind()


class Named(LastFilter):
    """Reject rows of these numbers."""

    name: ClassVar[str] = "named"

    def __init__(self, numbers: list[int], listed: bool) -> None:
        super().__init__()
        self.numbers, self.listed = numbers, listed
        self.texts: list[str] = []

    def columns(self, kind: Kind) -> list[str]:
        return ["text"]

    def take(self, batch: pa.RecordBatch, kind: Kind) -> None:
        self.texts += batch.column("text").to_pylist()

    def settle(self, kind: Kind) -> Iterable[tuple[int, str]]:
        found = [(number, f"number {number}") for number in self.numbers]
        return found if self.listed else self._yielded(found)

    def _yielded(self, found: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        yield from found


def files(folder: Path) -> list[Path]:
    """Write three files of four rows; the second row of each is rejected already."""
    paths = []
    for part in range(3):
        rows: list[dict[str, Any]] = [
            {"text": f"{part}-{i}", "rejected_by": "empty" if i == 1 else None, "reason": None}
            for i in range(4)
        ]
        schema = pa.schema([(name, pa.string()) for name in ("text", "rejected_by", "reason")])
        paths.append(folder / f"part-{part}.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema), paths[-1])
    return paths


def rejected(paths: list[Path]) -> dict[str, str]:
    tables = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return {row["text"]: row["reason"] for row in tables if row["rejected_by"] == "named"}


@pytest.mark.parametrize(("numbers", "listed"), [([0, 5, 8], False), ([8, 0, 5], True)])
def test_numbers_count_the_open_rows_over_all_files(
    tmp_path: Path, numbers: list[int], listed: bool
) -> None:
    paths = files(tmp_path)
    rule = Named(numbers, listed)
    assert _apply(rule, KIND, paths) == 3
    assert len(rule.texts) == 9
    assert rejected(paths) == {"0-0": "number 0", "1-3": "number 5", "2-3": "number 8"}


@pytest.mark.parametrize("numbers", [[5, 0], [3, 3]])
def test_rows_that_are_yielded_out_of_order_are_refused(tmp_path: Path, numbers: list[int]) -> None:
    with pytest.raises(RecipeError, match="rule 'named': `settle` yields row"):
        _apply(Named(numbers, listed=False), KIND, files(tmp_path))
