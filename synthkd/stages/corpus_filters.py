"""Corpus-level filters: the last step of filtering, over all rows that everything else accepted.

They read the filtered files a batch at a time and reject among their accepted rows: the rule
`order` for claims of more and less, then every `LastFilter` in the order of the recipe. The folder
is not in place yet, so nobody reads a file that is half written.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.errors import RecipeError
from synthkd.filters.corpus_level import LastFilter
from synthkd.filters.order import NAME as ORDER
from synthkd.filters.order import Numbers, Ordered, OrderRule, put_in_order
from synthkd.kinds.base import Kind
from synthkd.stages.components import Components
from synthkd.stages.filter_report import FilterReport

_BATCH = 8192
#: After the last rejected row.
_END = (sys.maxsize, "")
#: What a claim's strength may be computed from.
_STRENGTH = ("votes", "agreement", "margin", "score")
#: Memory of one claim: three names as hashes, its weight, its place. Sorting takes about as much
#: again.
CLAIM = np.dtype(
    [
        ("axis", "i8"),
        ("more", "i8"),
        ("less", "i8"),
        ("weight", "f4"),
        ("file", "i4"),
        ("row", "i4"),
    ]
)
BYTES = CLAIM.itemsize
#: Claims of a cycle that a reason shows.
_SHOWN = 5


def apply_corpus_filters(components: Components, folder: Path, report: FilterReport) -> None:
    """Let the corpus-level filters reject rows in the files of a folder, and count the rows."""
    files = sorted(folder.glob("part-*.parquet"))
    for rule in components.rules:
        if isinstance(rule, OrderRule):
            rejected, report.order = _apply_order(rule, components.kind, files)
            report.accepted -= rejected
            report.rejected[ORDER] = rejected
            break
    for rule in components.rules:
        if isinstance(rule, LastFilter):
            rejected = _apply(rule, components.kind, files)
            report.accepted -= rejected
            report.rejected[rule.name] = report.rejected.get(rule.name, 0) + rejected
            if findings := rule.findings():
                report.findings[rule.name] = findings


def _apply(rule: LastFilter, kind: Kind, files: list[Path]) -> int:
    """Apply a filter; returns how many rows it rejects."""
    columns = rule.columns(kind)
    places = []
    for path in files:
        of_file = [np.empty(0, np.int64)]
        for at, rows in _accepted(path, columns):
            rule.take(rows, kind)
            of_file.append(at)
        places.append(np.concatenate(of_file))
    rejected, begin = 0, 0
    reasons = _in_order(rule, kind)
    row, reason = next(reasons, _END)
    for path, at in zip(files, places, strict=True):
        of_rows = {}
        while row < begin + len(at):
            of_rows[int(at[row - begin])] = reason
            row, reason = next(reasons, _END)
        if of_rows:
            _reject(path, of_rows, rule.name)
        rejected += len(of_rows)
        begin += len(at)
    begin, changes = 0, rule.changes()
    for path, at in zip(files, places, strict=True) if changes else ():
        numbers = range(begin, begin + len(at))
        changed = {int(at[n - begin]): changes[n] for n in numbers if n in changes}
        if changed:
            _fill(path, changed)
        begin += len(at)
    return rejected


def _in_order(rule: LastFilter, kind: Kind) -> Iterator[tuple[int, str]]:
    """Yield what a filter rejects, in the order of the rows.

    A generator is read as it goes, so that its reasons are not all in memory.
    """
    found = rule.settle(kind)
    last = -1
    for row, reason in found if isinstance(found, Iterator) else sorted(dict(found).items()):
        if row <= last:
            raise RecipeError(
                f"rule {rule.name!r}: `settle` yields row {row} after row {last}; return a list, or"
                " yield each row once and in order"
            )
        last = row
        yield row, reason


def _fill(path: Path, changes: Mapping[int, Mapping[str, Any]]) -> None:
    """Write details of rows, by their place in the file."""
    table = pq.read_table(path)
    for name in sorted({name for values in changes.values() for name in values}):
        column = table.column(name)
        values = column.to_pylist()
        for place, details in changes.items():
            values[place] = details.get(name, values[place])
        field = table.schema.get_field_index(name)
        table = table.set_column(field, name, pa.array(values, column.type))
    pq.write_table(table, path, compression="zstd")


def _accepted(path: Path, columns: list[str]) -> Iterator[tuple[Numbers, pa.RecordBatch]]:
    """Yield the accepted rows of a file in batches, with their places in the file."""
    begin = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=[*columns, "rejected_by"]):
            is_open = pc.is_null(batch.column("rejected_by")).to_numpy(zero_copy_only=False)
            places = np.flatnonzero(is_open)
            if len(places):
                yield begin + places, batch.take(pa.array(places)).select(columns)
            begin += batch.num_rows


def _reject(path: Path, reasons: Mapping[int, str], name: str) -> None:
    """Write the rejection of rows, by their place in the file."""
    table = pq.read_table(path)
    for column, new in (("rejected_by", dict.fromkeys(reasons, name)), ("reason", reasons)):
        values = table.column(column).to_pylist()
        for place, value in new.items():
            values[place] = value
        table = table.set_column(
            table.schema.get_field_index(column), column, pa.array(values, pa.string())
        )
    pq.write_table(table, path, compression="zstd")


# The rule `order`: claims are rejected until no cycle is left. Whole numbers stay in memory, no
# names.


@dataclass(frozen=True)
class _Claim:
    axis: str
    more: str
    less: str
    weight: float


def _apply_order(rule: OrderRule, kind: Kind, files: list[Path]) -> tuple[int, dict[str, int]]:
    """Reject what closes a cycle; returns how many rows that is, and the counts of the report."""
    parts = [
        part for number, path in enumerate(files) for part in _claims(path, number, kind, rule)
    ]
    claims = np.concatenate(parts) if parts else np.empty(0, CLAIM)
    ordered = put_in_order(
        claims["more"], claims["less"], claims["weight"], claims["axis"], rule.against
    )
    names = _named_claims(files, claims, ordered, kind)
    for number in np.unique(claims["file"][ordered.rejected]).tolist():
        edges = np.flatnonzero(ordered.rejected & (claims["file"] == number))
        reasons = {int(claims["row"][i]): _order_reason(int(i), ordered, names) for i in edges}
        _reject(files[number], reasons, ORDER)
    rejected = int(ordered.rejected.sum())
    tangled = ordered.tangle >= 0
    return rejected, {
        "claims": len(claims),
        "axes": len(np.unique(claims["axis"])),
        "on_cycles": int(tangled.sum()),
        "tangles": ordered.tangles,
        "largest": int(np.bincount(ordered.tangle[tangled]).max()) if tangled.any() else 0,
        "closing": len(ordered.cycles),
        "against": rejected - len(ordered.cycles),
    }


def _claims(path: Path, number: int, kind: Kind, rule: OrderRule) -> Iterator[Numbers]:
    """Yield the accepted claims of a file as whole numbers."""
    claim_of: Any = kind.claim
    for at, rows in _accepted(path, [*kind.columns, *_STRENGTH]):
        found = [claim_of(row) for row in rows.select(list(kind.columns)).to_pylist()]
        strength = [
            rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
            for name in _STRENGTH
        ]
        is_claim = np.array([one is not None for one in found], dtype=bool)
        claims = [one for one in found if one is not None]
        numbers = np.empty(len(claims), CLAIM)
        for i, field in enumerate(("axis", "more", "less")):
            numbers[field] = [_name_hash(one[i]) for one in claims]
        numbers["weight"] = rule.strength(*strength)[is_claim]
        numbers["file"], numbers["row"] = number, at[is_claim]
        yield numbers


def _named_claims(
    files: list[Path], claims: Numbers, ordered: Ordered, kind: Kind
) -> dict[int, _Claim]:
    """Read the names of the claims that reasons show."""
    shown = {edge for cycle in ordered.cycles.values() for edge in cycle[: _SHOWN + 1]}
    shown.update(np.flatnonzero(ordered.rejected).tolist())
    by_place = {(int(claims["file"][i]), int(claims["row"][i])): i for i in shown}
    names: dict[int, _Claim] = {}
    for number in sorted({file for file, _ in by_place}):
        for at, rows in _accepted(files[number], list(kind.columns)):
            for place, row in zip(at.tolist(), rows.to_pylist(), strict=True):
                if (edge := by_place.get((number, place))) is not None:
                    claim = kind.claim(row)
                    assert claim is not None
                    names[edge] = _Claim(*claim, float(claims["weight"][edge]))
    return names


def _order_reason(edge: int, ordered: Ordered, names: dict[int, _Claim]) -> str:
    own = names[edge]
    claim = f"{own.more} > {own.less} on {own.axis} (strength {own.weight:g})"
    cycle = ordered.cycles.get(edge)
    if cycle is None:
        return f"{claim} lies on a cycle and says the opposite of the ranks of all claims"
    others = [
        f"{names[i].more} > {names[i].less} ({names[i].weight:g})" for i in cycle[1 : _SHOWN + 1]
    ]
    more = f" and {len(cycle) - 1 - _SHOWN} more" if len(cycle) - 1 > _SHOWN else ""
    return f"{claim} closes a cycle of {len(cycle)} with {', '.join(others)}{more}"


def _name_hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
