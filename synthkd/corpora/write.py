"""Write a corpus: filtered rows as Parquet, with manifest and dataset card, atomically."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthkd.corpora.card import CARD, dataset_card
from synthkd.corpora.croissant import CROISSANT, croissant
from synthkd.corpora.flow import FLOW, flow_picture
from synthkd.corpora.layout import FileSet
from synthkd.corpora.prompt_files import prompt_files
from synthkd.corpora.schema import NORMAL, ordered_columns
from synthkd.errors import StorageError
from synthkd.keys import content_hash, file_hash, sha256_hash
from synthkd.rows.corpus_files import OUTCOME
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
    normalize: Callable[[dict[str, Any]], Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Replace a folder by a corpus of filtered rows.

    Rows keep their order, by the hashes of their questions, then by their ids, so that equal rows
    give equal files. The footer of each file repeats the manifest's hash.

    Args:
        folder: Folder of the corpus.
        filtered: Folder of the filtered rows, ``part-*.parquet``.
        schema: Schema of the rows.
        manifest: The manifest, without hashes; its ``columns`` are those of the content.
        rows_per_file: Maximum rows of a file.
        write_more: Writes further files into the folder, and returns their hashes by name.
        normalize: Returns the normal form of a row's columns, to be written with the content.

    Returns:
        The manifest with the hashes of files and corpus.

    Raises:
        StorageError: If ``folder`` holds anything but a corpus, or a part is damaged.
    """
    manifest = {**manifest, "manifest_hash": content_hash(manifest)}
    footer = {b"synthkd.manifest": manifest["manifest_hash"].encode()}
    kind_columns = manifest["kind"]["columns"]
    wanted = manifest.get("columns") or [*kind_columns, "score", "id"]
    content, provenance = ordered_columns(schema.names, wanted)
    outcome = [name for name in OUTCOME if name in schema.names]
    whole = [*content, *outcome, *provenance[1:]]
    if normalize is not None:
        names = [f"{NORMAL}{name}" for name in kind_columns]
        schema = pa.schema([*schema, *(pa.field(name, pa.string()) for name in names)])
        content, _ = ordered_columns(schema.names, wanted)
    schema = schema.with_metadata(footer)
    accepted = [
        FileSet.accepted(_chosen_fields(schema, content)),
        FileSet.provenance(_chosen_fields(schema, provenance)),
    ]
    rejected = [FileSet.rejected(_chosen_fields(schema, whole))]
    with replaced_folder(folder, CORPUS_FOLDER) as temporary:
        for sets, is_accepted in ((accepted, True), (rejected, False)):
            rows = _row_groups(filtered, is_accepted)
            if normalize is not None and is_accepted:
                rows = _with_normal_forms(rows, normalize, kind_columns)
            _write_sets(temporary, sets, rows, rows_per_file)
        sets = [accepted[0], *rejected, accepted[1]]
        names = [name for one in sets for name in sorted(one.hashes)]
        manifest["files"] = {name: file_hash(temporary / name) for name in sorted(names)}
        manifest["corpus_hash"] = content_hash(manifest["files"])
        further = {} if write_more is None else write_more(temporary)
        manifest["further_files"] = further | _write_described(temporary, manifest, sets)
        write_json(temporary / MANIFEST, manifest)
        write_text(temporary / CARD, dataset_card(manifest, sets, _sample(temporary, sets[0])))
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


def _with_normal_forms(
    tables: Iterator[pa.Table],
    normalize: Callable[[dict[str, Any]], Sequence[str]],
    columns: Sequence[str],
) -> Iterator[pa.Table]:
    """Append the normal form of each column."""
    for table in tables:
        forms = [tuple(normalize(row)) for row in table.select(list(columns)).to_pylist()]
        for name, values in zip(columns, zip(*forms, strict=True), strict=True):
            table = table.append_column(f"{NORMAL}{name}", pa.array(values, pa.string()))
        yield table


def _write_described(
    corpus: Path, manifest: dict[str, Any], sets: Sequence[FileSet]
) -> dict[str, str]:
    """Write what is made of the manifest alone, and return the hashes by name."""
    texts = prompt_files(manifest)
    texts[FLOW] = flow_picture(manifest)
    texts[CROISSANT] = json.dumps(croissant(manifest, sets), indent=1, ensure_ascii=False) + "\n"
    for name, text in texts.items():
        write_text(corpus / name, text)
    return {name: file_hash(corpus / name) for name in texts}


def _sample(corpus: Path, accepted: FileSet) -> list[dict[str, Any]]:
    """Return the first accepted rows."""
    if not accepted.rows:
        return []
    with pq.ParquetFile(corpus / min(accepted.hashes)) as file:
        rows: list[dict[str, Any]] = next(file.iter_batches(1000)).to_pylist()
    return rows


def _chosen_fields(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names], schema.metadata)


def _write_sets(
    corpus: Path,
    sets: Sequence[FileSet],
    tables: Iterator[pa.Table],
    rows_per_file: int,
) -> None:
    """Write rows into files of at most ``rows_per_file`` rows; no rows give one file too.

    The files of several sets hold the same rows in the same row groups, each its own columns.
    """
    for one in sets:
        (corpus / one.folder).mkdir(exist_ok=True)

    def opened(number: int) -> list[pq.ParquetWriter]:
        names = [f"{one.folder}/{one.name}-{number:05d}.parquet" for one in sets]
        for one, name in zip(sets, names, strict=True):
            one.hashes[name] = ""
        return [
            pq.ParquetWriter(corpus / name, one.schema, compression="zstd")
            for one, name in zip(sets, names, strict=True)
        ]

    number, room, writers = 0, rows_per_file, opened(0)
    try:
        for table in tables:
            start = 0
            while start < table.num_rows:
                if room == 0:
                    for writer in writers:
                        writer.close()
                    number, room = number + 1, rows_per_file
                    writers = opened(number)
                piece = table.slice(start, room)
                for one, writer in zip(sets, writers, strict=True):
                    part = piece.select(one.schema.names).cast(one.schema)
                    writer.write_table(part)
                    one.rows, one.size = one.rows + part.num_rows, one.size + part.nbytes
                start, room = start + piece.num_rows, room - piece.num_rows
    finally:
        for writer in writers:
            writer.close()
    for one in sets:
        one.hashes = {name: sha256_hash(corpus / name) for name in one.hashes}
        one.stored = sum((corpus / name).stat().st_size for name in one.hashes)
