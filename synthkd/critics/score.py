"""Score a file of rows with a critic, a part at a time; a scoring that was cut short goes on with the next part."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.critics.train import TrainedCritic, load_critic
from synthkd.errors import InputError
from synthkd.keys import content_hash, file_hash
from synthkd.kinds.base import Kind
from synthkd.rows import read_tables
from synthkd.storage import storage_errors, write_text

#: Rows of a part: what is done again, at most, after a scoring was cut short.
PART = 65_536


def score_file(critic: Path, rows: Path, out: Path, kind: Kind, part: int = PART) -> int:
    """Write the rows and their ``score`` to a Parquet file. Returns how many.

    Parts that are done lie beside ``out`` until all are; they are used again for the same critic and rows only.
    """
    _check(critic, rows, out)
    trained = load_critic(critic, kind)
    work = out.with_name(f".{out.name}.parts")
    with storage_errors(out):
        _clear_others(work, f"{trained.fingerprint} {_hash(rows)} {part}")
        parts = list(_scored(trained, rows, kind, work, part))
        if not parts:
            raise InputError(f"{rows}: no rows")
        count = _joined(parts, out)
        shutil.rmtree(work)
    return count


def _check(critic: Path, rows: Path, out: Path) -> None:
    """Refuse an output that would take the place of something else, before anything is scored."""
    if out.suffix.lower() != ".parquet":
        raise InputError(f"{out}: what is written is Parquet; name a file that ends in .parquet")
    if out.is_dir():
        raise InputError(f"{out}: a folder; name a file")
    for taken in (rows, critic):
        if out.resolve() == taken.resolve() or taken.resolve() in out.resolve().parents:
            raise InputError(f"{out}: this is (in) what is read, {taken}; name another file")


def _clear_others(work: Path, key: str) -> None:
    """Keep what was begun for the same critic, rows and size of parts; nothing else."""
    said = work / "of.txt"
    if not said.exists() or said.read_text("utf-8") != key:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        write_text(said, key)


def _scored(trained: TrainedCritic, rows: Path, kind: Kind, work: Path, part: int) -> Iterator[Path]:
    """Files of the parts, in order; those that are there are not scored again."""
    begin = 0
    for number, table in enumerate(read_tables(rows, list(kind.columns), part)):
        file = work / f"{number:06}.parquet"
        if not file.exists():
            _refuse_empty(rows, table, kind, begin)
            scores = pa.array(trained.score(table), pa.float64())
            if "score" in table.schema.names:
                # Of another critic, or an earlier scoring: one column of a name is all that can be read again.
                table = table.drop_columns(["score"])
            temporary = file.with_suffix(".new")
            pq.write_table(table.append_column("score", scores), temporary, compression="zstd")
            temporary.replace(file)
        begin += table.num_rows
        yield file


def _refuse_empty(rows: Path, table: pa.Table, kind: Kind, begin: int) -> None:
    for name in kind.columns:
        if table.column(name).null_count:
            first = begin + table.column(name).is_null().to_pylist().index(True) + 1
            raise InputError(f"{rows} row {first:,}: {name!r} is missing; give it, or leave the row out")


def _joined(parts: list[Path], out: Path) -> int:
    temporary = out.with_name(f".{out.name}.new")
    count = 0
    try:
        with pq.ParquetWriter(temporary, pq.read_schema(parts[0]), compression="zstd") as writer:
            for file in parts:
                table = pq.read_table(file)
                writer.write_table(table)
                count += table.num_rows
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _hash(rows: Path) -> str:
    if not rows.is_dir():
        return file_hash(rows) if rows.exists() else ""
    return content_hash({str(file): file_hash(file) for file in sorted(rows.rglob("*.parquet"))})
