"""Write a corpus: filtered rows as Parquet, with manifest and dataset card, atomically."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.corpora.card import dataset_card
from synthkd.errors import StorageError
from synthkd.keys import content_hash, file_hash
from synthkd.storage import CORPUS_FOLDER, replaced_folder, write_json, write_text

MANIFEST = "manifest.json"
#: The picture of the steps of a corpus that was made in several.
PICTURE = "steps.svg"
#: Rows, and bytes of them, of a row group at most, about; rows of which it is made up.
_ROW_GROUP, _GROUP_BYTES, _BLOCK = 65_536, 16 << 20, 4_096


def write_corpus(
    folder: Path,
    filtered: Path,
    schema: pa.Schema,
    manifest: dict[str, Any],
    rows_per_file: int,
    write_more: Callable[[Path], dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Replace a folder by a corpus of filtered rows.

    Rows keep their order, by the hashes of their questions, then by their ids, so that equal rows
    give equal files. The footer of each file repeats the manifest's hash.

    Args:
        folder: Folder of the corpus.
        filtered: Folder of the filtered rows, ``part-*.parquet``.
        schema: Schema of the rows.
        manifest: The manifest, without hashes.
        rows_per_file: Maximum rows of a file.
        write_more: Writes further files into the folder, and returns their hashes by name.

    Returns:
        The manifest with the hashes of files and corpus.

    Raises:
        StorageError: If ``folder`` holds anything but a corpus, or a part is damaged.
    """
    manifest = {**manifest, "manifest_hash": content_hash(manifest)}
    footer = {b"synthkd.manifest": manifest["manifest_hash"].encode()}
    with replaced_folder(folder, CORPUS_FOLDER) as temporary:
        (temporary / "data").mkdir()
        for name, accepted in (("accepted", True), ("rejected", False)):
            rows = _row_groups(filtered, accepted)
            _write_split(
                temporary / "data", name, rows, schema.with_metadata(footer), rows_per_file
            )
        files = sorted((temporary / "data").glob("*.parquet"))
        manifest["files"] = {f"data/{path.name}": file_hash(path) for path in files}
        manifest["corpus_hash"] = content_hash(manifest["files"])
        if write_more is not None:
            manifest["further_files"] = write_more(temporary)
        write_json(temporary / MANIFEST, manifest)
        accepted_rows = pq.ParquetFile(files[0]).metadata.num_rows
        sample = (
            next(iter(pq.ParquetFile(files[0]).iter_batches(1000))).to_pylist()
            if accepted_rows
            else []
        )
        write_text(temporary / "README.md", dataset_card(manifest, sample))
    return manifest


@contextmanager
def parquet_errors(path: Path, remedy: str) -> Iterator[None]:
    """Raise errors of a Parquet file as `StorageError`, with its path and a remedy."""
    try:
        yield
    except FileNotFoundError:
        raise StorageError(f"{path}: missing; {remedy}") from None
    except (OSError, pa.ArrowException, KeyError) as error:
        # An OSError with a number is one of the system, such as a full disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StorageError(
            f"{path}: cut or altered since it was written ({reason}); {remedy}"
        ) from None


def _row_groups(filtered: Path, accepted: bool) -> Iterator[pa.Table]:
    """Yield row groups that are cut by their rows alone, so that files do not depend on parts."""
    group: list[pa.Table] = []
    rows = size = 0
    for block in _blocks(filtered, accepted):
        group.append(block)
        rows += block.num_rows
        size += block.nbytes
        if rows >= _ROW_GROUP or size >= _GROUP_BYTES:
            yield pa.concat_tables(group).combine_chunks()
            group, rows, size = [], 0, 0
    if group:
        yield pa.concat_tables(group).combine_chunks()


def _blocks(filtered: Path, accepted: bool) -> Iterator[pa.Table]:
    """Yield tables of `_BLOCK` rows, the last of fewer."""
    batches: list[pa.RecordBatch] = []
    count = 0
    for batch in _chosen(filtered, accepted):
        batches.append(batch)
        count += batch.num_rows
        if count < _BLOCK:
            continue
        table = pa.Table.from_batches(batches).combine_chunks()
        whole = count - count % _BLOCK
        for start in range(0, whole, _BLOCK):
            yield table.slice(start, _BLOCK)
        batches = table.slice(whole).to_batches() if count > whole else []
        count -= whole
    if count:
        yield pa.Table.from_batches(batches).combine_chunks()


def _chosen(filtered: Path, accepted: bool) -> Iterator[pa.RecordBatch]:
    for part in sorted(filtered.glob("part-*.parquet")):
        with (
            parquet_errors(part, "filter the rows again (`synthkd filter`)"),
            pq.ParquetFile(part) as file,
        ):
            for batch in file.iter_batches(2 * _BLOCK):
                outcome = batch.column("rejected_by")
                keep = pc.is_null(outcome) if accepted else pc.is_valid(outcome)
                chosen = batch.filter(keep)
                if chosen.num_rows:
                    yield chosen


def _write_split(
    folder: Path,
    name: str,
    tables: Iterator[pa.Table],
    schema: pa.Schema,
    rows_per_file: int,
) -> None:
    """Write files of at most ``rows_per_file`` rows; an empty split has one file too."""
    number, room, writer = 0, rows_per_file, _open(folder, name, 0, schema)
    try:
        for table in tables:
            start = 0
            while start < table.num_rows:
                if room == 0:
                    writer.close()
                    number, room = number + 1, rows_per_file
                    writer = _open(folder, name, number, schema)
                piece = table.slice(start, room)
                writer.write_table(piece.cast(schema))
                start, room = start + piece.num_rows, room - piece.num_rows
    finally:
        writer.close()


def _open(folder: Path, name: str, number: int, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(folder / f"{name}-{number:05d}.parquet", schema, compression="zstd")
