"""The end of filtering: filters that look at all accepted rows. They read the filtered files a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.filters.corpus_level import LastFilter
from synthkd.stages.components import Components
from synthkd.stages.filter_report import FilterReport

_BATCH = 8192


def decide_last(components: Components, folder: Path, done: FilterReport) -> None:
    """Let them reject, in the order of the recipe, in the filtered files of a folder; count it."""
    files = sorted(folder.glob("part-*.parquet"))
    for rule in components.rules:
        if isinstance(rule, LastFilter):
            rejected = _decide(rule, components, files)
            done.accepted -= rejected
            done.rejected[rule.name] = done.rejected.get(rule.name, 0) + rejected


def _decide(rule: LastFilter, components: Components, files: list[Path]) -> int:
    counts = []
    for path in files:
        count = 0
        for batch in _accepted(path, rule.columns(components.kind)):
            rule.take(batch, components.kind)
            count += batch.num_rows
        counts.append(count)
    reasons = dict(rule.settle(components.kind))
    begin = 0
    for path, count in zip(files, counts, strict=True):
        here = {
            number - begin: reasons[number] for number in range(begin, begin + count) if number in reasons
        }
        if here:
            _reject(path, here, rule.name)
        begin += count
    return len(reasons)


def _accepted(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=[*columns, "rejected_by"]):
            rows = batch.filter(pc.is_null(batch.column("rejected_by")))
            if rows.num_rows:
                yield rows.select(columns)


def _reject(path: Path, reasons: dict[int, str], name: str) -> None:
    """Write outcomes, by the row's number among the accepted ones. The folder is not in place yet: nobody reads it."""
    table = pq.read_table(path)
    places = np.flatnonzero(pc.is_null(table.column("rejected_by")).to_numpy())
    for column, new in (("rejected_by", dict.fromkeys(reasons, name)), ("reason", reasons)):
        values = table.column(column).to_pylist()
        for number, value in new.items():
            values[int(places[number])] = value
        table = table.set_column(table.schema.get_field_index(column), column, pa.array(values, pa.string()))
    pq.write_table(table, path, compression="zstd")
