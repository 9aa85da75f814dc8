"""The lineage of a corpus through its steps: every row, and the rows that it was made of."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.corpora.write import parquet_errors
from synthkd.errors import InputError
from synthkd.recipe import Recipe
from synthkd.recipe.steps import INPUTS
from synthkd.stages.places import FILTERED_ROWS
from synthkd.steps.outputs import input_parents, input_rows
from synthkd.steps.recipes import step_names, step_recipe
from synthkd.steps.tables import Parent, row_json
from synthkd.storage import TemporaryFolder

LINEAGE = "lineage.parquet"
_SCHEMA = pa.schema(
    [
        ("step", pa.string()),
        ("id", pa.string()),
        ("text", pa.string()),
        ("parents", pa.list_(pa.struct([("step", pa.string()), ("id", pa.string())]))),
    ]
)
#: Characters of a text that the lineage keeps.
_LONGEST = 400
_BATCH = 4096


def write_lineage(recipe: Recipe, path: Path) -> None:
    """Write the rows of all steps that the rows of the last one were made of.

    Args:
        recipe: The whole recipe, whose steps are finished.
        path: The Parquet file.
    """
    with (
        TemporaryFolder() as folder,
        closing(sqlite3.connect(Path(folder) / "needed.sqlite", isolation_level=None)) as needed,
        pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer,
    ):
        for pragma in ("journal_mode=OFF", "synchronous=OFF"):
            needed.execute(f"PRAGMA {pragma}")
        needed.execute("CREATE TABLE rows (step, id, PRIMARY KEY (step, id)) WITHOUT ROWID")
        needed.execute("CREATE TABLE inputs (id PRIMARY KEY, parents TEXT) WITHOUT ROWID")
        names = step_names(recipe)
        for name in reversed(names):
            _write(writer, _of_step(recipe, name, needed, is_last=name == names[-1]))
        _write(writer, _of_inputs(recipe, needed))


def _of_step(
    recipe: Recipe, name: str, needed: sqlite3.Connection, is_last: bool
) -> Iterator[dict[str, Any]]:
    """Yield the needed rows of a step, and need their parents."""
    own = step_recipe(recipe, name)
    needed.execute("BEGIN")
    pairs = ((input_id, row_json(parents)) for input_id, parents in input_parents(recipe, name))
    needed.executemany("INSERT OR REPLACE INTO inputs VALUES (?, ?)", pairs)
    for path in sorted((own.work_dir / FILTERED_ROWS).glob("part-*.parquet")):
        for row in _accepted_first(path):
            if not is_last and not _is_needed(needed, name, row["id"]):
                continue
            parents = _parents(needed, row["input_id"])
            needed.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?)", parents)
            yield _line(name, row["id"], row["text"] or "", parents)
    needed.execute("DELETE FROM inputs")
    needed.execute("COMMIT")


def _accepted_first(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a partition, in which equal rows have one id: accepted ones first."""
    columns = ["id", "input_id", "text", "rejected_by"]
    with parquet_errors(path, "run the step again"), pq.ParquetFile(path) as file:
        for chosen in (pc.is_null, pc.is_valid):
            for batch in file.iter_batches(_BATCH, columns=columns):
                yield from batch.filter(chosen(batch.column("rejected_by"))).to_pylist()


def _of_inputs(recipe: Recipe, needed: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    for row in input_rows(recipe):
        ((step, row_id),) = row.parents
        if _is_needed(needed, step, row_id):
            yield _line(step, row_id, row_json(row.values), [])


def _is_needed(needed: sqlite3.Connection, step: str, row_id: str) -> bool:
    query = "SELECT 1 FROM rows WHERE step = ? AND id = ?"
    return needed.execute(query, (step, row_id)).fetchone() is not None


def _parents(needed: sqlite3.Connection, input_id: str) -> list[Parent]:
    query = "SELECT parents FROM inputs WHERE id = ?"
    text = needed.execute(query, (input_id,)).fetchone()
    return [] if text is None else [(step, row_id) for step, row_id in json.loads(text[0])]


def _line(step: str, row_id: str, text: str, parents: Iterable[Parent]) -> dict[str, Any]:
    return {
        "step": step,
        "id": row_id,
        "text": text[:_LONGEST],
        "parents": [{"step": one, "id": other} for one, other in parents],
    }


def _write(writer: pq.ParquetWriter, lines: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH:
            writer.write_batch(pa.RecordBatch.from_pylist(batch, _SCHEMA))
            batch = []
    if batch:
        writer.write_batch(pa.RecordBatch.from_pylist(batch, _SCHEMA))


def join_lineages(paths: Iterable[Path], path: Path) -> None:
    """Write the lineages of several corpora of one recipe into one file, in their order."""
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for one in paths:
            with parquet_errors(one, "run the loop again"), pq.ParquetFile(one) as file:
                for batch in file.iter_batches(_BATCH):
                    writer.write_batch(batch)


def input_shares(recipe: Recipe) -> dict[str, dict[str, dict[str, float]]]:
    """Return, for each step and each of its inputs, the shares of the recipe's inputs behind it.

    Every parent of a row has an equal share in it. For few rows: all are held in memory.
    """
    of_rows: dict[Parent, dict[str, float]] = {}
    shares: dict[str, dict[str, dict[str, float]]] = {}
    for name in step_names(recipe):
        own: dict[str, dict[str, float]] = {}
        for input_id, parents in input_parents(recipe, name):
            mixed: dict[str, float] = defaultdict(float)
            for parent in parents:
                behind = {parent[1]: 1.0} if parent[0] == INPUTS else of_rows.get(parent, {})
                for root, share in behind.items():
                    mixed[root] += share / len(parents)
            own[input_id] = dict(mixed)
        shares[name] = own
        folder = step_recipe(recipe, name).work_dir / FILTERED_ROWS
        for path in sorted(folder.glob("part-*.parquet")):
            for row in _accepted_first(path):
                of_rows.setdefault((name, row["id"]), own.get(row["input_id"], {}))
    return shares


def chain(path: Path, row_id: str) -> list[str]:
    """Describe the rows that a row was made of, a line for each, indented by generation.

    Args:
        path: The file that `write_lineage` wrote.
        row_id: A row of the last step.

    Raises:
        InputError: The file has no such row.
    """
    table = pq.read_table(path)
    # The last step's rows stand first, and of one id the accepted one.
    last = table["step"][0].as_py() if table.num_rows else ""
    known: dict[Parent, dict[str, Any]] = {}
    wanted = {(last, row_id)}
    while wanted:
        ids = pa.array({name for _, name in wanted}, pa.string())
        for row in table.filter(pc.is_in(table["id"], ids)).to_pylist():
            if (row["step"], row["id"]) in wanted:
                known.setdefault((row["step"], row["id"]), row)
        if missing := sorted(wanted - known.keys()):
            raise InputError(f"{path}: no row {missing[0][1]!r} of the step {missing[0][0]!r}")
        parents = [parent for one in wanted for parent in known[one]["parents"]]
        wanted = {(parent["step"], parent["id"]) for parent in parents} - known.keys()
    lines: list[str] = []

    def add(row: dict[str, Any], depth: int) -> None:
        lines.append(f"{'  ' * depth}{row['step']} {row['id'][:10]}: {row['text']}")
        for parent in row["parents"]:
            add(known[parent["step"], parent["id"]], depth + 1)

    add(known[last, row_id], 0)
    return lines
