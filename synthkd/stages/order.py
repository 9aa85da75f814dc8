"""The last step of filtering, where a recipe has the rule `order`: accepted claims of more and less, from the whole corpus,
are rejected until no cycle is left.

It reads the filtered files one at a time. What stays in memory is `BYTES` a claim: whole numbers, no names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.filters.order import NAME, Numbers, Ordered, OrderRule, put_in_order
from synthkd.stages.components import Components
from synthkd.stages.filter_report import FilterReport

_NUMBERS = ("votes", "agreement", "margin", "score")
#: Memory of one claim: three names as hashes, its weight, where it stands. Sorting takes about as much again.
CLAIM = np.dtype(
    [("axis", "i8"), ("more", "i8"), ("less", "i8"), ("weight", "f4"), ("file", "i4"), ("row", "i4")]
)
BYTES = CLAIM.itemsize
#: Claims of a cycle that a reason shows.
_SHOWN = 5


@dataclass(frozen=True)
class _Named:
    axis: str
    more: str
    less: str
    weight: float


def order(components: Components, folder: Path, done: FilterReport) -> None:
    """Reject what closes a cycle, in the filtered files of a folder, and count it."""
    rule = next((rule for rule in components.rules if isinstance(rule, OrderRule)), None)
    if rule is None:
        return
    files = sorted(folder.glob("part-*.parquet"))
    parts = [part for number, path in enumerate(files) for part in _claims(path, number, components, rule)]
    claims = np.concatenate(parts) if parts else np.empty(0, CLAIM)
    found = put_in_order(claims["more"], claims["less"], claims["weight"], claims["axis"], rule.against)
    names = _names(files, claims, found, components)
    for number in np.unique(claims["file"][found.rejected]).tolist():
        here = np.flatnonzero(found.rejected & (claims["file"] == number))
        _reject(files[number], {int(claims["row"][i]): _reason(int(i), found, names) for i in here})
    rejected = int(found.rejected.sum())
    done.accepted -= rejected
    done.rejected[NAME] = rejected
    tangled = found.tangle >= 0
    done.order = {
        "claims": len(claims),
        "axes": len(np.unique(claims["axis"])),
        "on_cycles": int(tangled.sum()),
        "tangles": found.tangles,
        "largest": int(np.bincount(found.tangle[tangled]).max()) if tangled.any() else 0,
        "closing": len(found.cycles),
        "against": rejected - len(found.cycles),
    }


def _claims(path: Path, number: int, components: Components, rule: OrderRule) -> Iterator[Numbers]:
    """The accepted claims of a filtered file."""
    claim: Any = components.kind.claim
    for at, rows, numbers in _accepted(path, components):
        found = [claim(row) for row in rows]
        said = np.array([one is not None for one in found], dtype=bool)
        out = np.empty(int(said.sum()), CLAIM)
        told = [one for one in found if one is not None]
        for i, field in enumerate(("axis", "more", "less")):
            out[field] = [_hash(one[i]) for one in told]
        out["weight"] = rule.strength(*numbers)[said]
        out["file"], out["row"] = number, at[said]
        yield out


def _accepted(
    path: Path, components: Components
) -> Iterator[tuple[Numbers, list[dict[str, Any]], list[Numbers]]]:
    """Accepted rows, some thousand at a time: their places in the file, the kind's columns, and what strength goes by."""
    begin = 0
    columns = [*components.kind.columns, *_NUMBERS, "rejected_by"]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(16_384, columns=columns):
            places = np.flatnonzero(pc.is_null(batch.column("rejected_by")).to_numpy(zero_copy_only=False))
            rows = batch.take(pa.array(places))
            numbers = [
                rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False) for name in _NUMBERS
            ]
            yield begin + places, rows.select(list(components.kind.columns)).to_pylist(), numbers
            begin += batch.num_rows


def _names(files: list[Path], claims: Numbers, found: Ordered, components: Components) -> dict[int, _Named]:
    """The words of the claims that reasons tell of."""
    told = {edge for cycle in found.cycles.values() for edge in cycle[: _SHOWN + 1]}
    told.update(np.flatnonzero(found.rejected).tolist())
    by_place = {(int(claims["file"][i]), int(claims["row"][i])): i for i in told}
    names: dict[int, _Named] = {}
    for number in sorted({file for file, _ in by_place}):
        for at, rows, _ in _accepted(files[number], components):
            for place, row in zip(at.tolist(), rows, strict=True):
                if (edge := by_place.get((number, place))) is not None:
                    axis, more, less = components.kind.claim(row)  # type: ignore[misc]
                    names[edge] = _Named(axis, more, less, float(claims["weight"][edge]))
    return names


def _reason(edge: int, found: Ordered, names: dict[int, _Named]) -> str:
    own = names[edge]
    said = f"{own.more} > {own.less} on {own.axis} (strength {own.weight:g})"
    cycle = found.cycles.get(edge)
    if cycle is None:
        return f"{said} lies on a cycle and says the opposite of the ranks of all claims"
    others = [f"{names[i].more} > {names[i].less} ({names[i].weight:g})" for i in cycle[1 : _SHOWN + 1]]
    more = f" and {len(cycle) - 1 - _SHOWN} more" if len(cycle) - 1 > _SHOWN else ""
    return f"{said} closes a cycle of {len(cycle)} with {', '.join(others)}{more}"


def _reject(path: Path, reasons: dict[int, str]) -> None:
    """Write outcomes into a filtered file. The folder is not in place yet, so nobody reads it half written."""
    table = pq.read_table(path)
    for name, new in (("rejected_by", dict.fromkeys(reasons, NAME)), ("reason", reasons)):
        values = table.column(name).to_pylist()
        for row in reasons:
            values[row] = new[row]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    pq.write_table(table, path, compression="zstd")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
