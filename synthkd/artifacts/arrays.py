"""Arrays (safetensors) and tables (Parquet) of an artefact: names, types, shapes and bounds as its settings say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.folder import Artifact

Arrays = dict[str, np.ndarray[Any, Any]]
#: No learnt number is larger.
LARGEST = 1e12
#: Rows and bytes (in memory) of a table at most, and rows that are read at a time.
ROWS, BYTES, _BATCH = 20_000_000, 1 << 31, 1024


@dataclass(frozen=True)
class Array:
    """Schema of an array: its type (such as ``float32``), its shape, and bounds of its values.

    A shape holds sizes, and names that stand for the same size in all arrays of a file. ``infinite``: minus infinity may
    stand in it. ``optional``: it may be missing.
    """

    dtype: str
    shape: tuple[int | str, ...]
    least: float = -LARGEST
    most: float = LARGEST
    infinite: bool = False
    optional: bool = False


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays as safetensors."""
    from safetensors.numpy import save

    # A view of another array would be written as the whole of it.
    path.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def read_arrays(path: Path, artifact: Artifact) -> Arrays:
    """Read named arrays. They take the memory that the file has on disk: safetensors compares the two."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except OSError:
        raise artifact.refuse(path, "missing") from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise artifact.refuse(path, f"cut or altered ({error})") from None


def check_arrays(
    path: Path, arrays: Arrays, expected: Mapping[str, Array], artifact: Artifact, **sizes: int
) -> dict[str, int]:
    """Refuse arrays that are missing, unknown, of another type or shape, or hold what no training gives.

    ``sizes`` are named sizes that are known already. Returns all named sizes.
    """
    for name in sorted({*arrays} - {*expected}):
        raise artifact.refuse(path, f"{name}: an array that is not known here")
    found = dict(sizes)
    for name, wanted in expected.items():
        if name not in arrays:
            if wanted.optional:
                continue
            raise artifact.refuse(path, f"{name}: missing")
        array = arrays[name]
        if array.dtype != np.dtype(wanted.dtype):
            raise artifact.refuse(path, f"{name}: {array.dtype} where {wanted.dtype} is needed")
        _check_shape(path, name, array, wanted, found, artifact)
        if problem := _problem(array, wanted):
            raise artifact.refuse(path, f"{name}: {problem}")
    return found


def _check_shape(
    path: Path, name: str, array: Any, wanted: Array, sizes: dict[str, int], artifact: Artifact
) -> None:
    if array.ndim == len(wanted.shape):
        for size, given in zip(wanted.shape, array.shape, strict=True):
            if isinstance(size, str):
                sizes.setdefault(size, int(given))
    shape = tuple(sizes.get(size, -1) if isinstance(size, str) else size for size in wanted.shape)
    if array.shape != shape:
        said = " x ".join(map(str, array.shape)) or "a single number"
        needed = " x ".join("?" if size < 0 else str(size) for size in shape)
        raise artifact.refuse(path, f"{name}: of the shape {said} where {needed} is needed")


def _problem(array: Any, wanted: Array) -> str:
    if not array.size:
        return ""
    values = array
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            return "a value is no number (NaN)"
        values = array[~np.isneginf(array)] if wanted.infinite else array
        if not np.isfinite(values).all():
            return "a value is infinite"
    if not values.size or array.dtype.kind == "u":
        return ""
    low, high = values.min(), values.max()
    if low < wanted.least or high > wanted.most:
        return f"values from {low:g} to {high:g} where {wanted.least:g} to {wanted.most:g} can be"
    return ""


def read_table(path: Path, artifact: Artifact) -> Any:
    """Read a Parquet file, a thousand rows at a time, up to a bound: a small file can say that it holds billions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > ROWS:
                raise artifact.refuse(path, f"{file.metadata.num_rows:,} rows, more than {ROWS:,}")
            batches, size = [], 0
            for batch in file.iter_batches(_BATCH):
                size += batch.nbytes
                if size > BYTES:
                    raise artifact.refuse(path, f"larger than {BYTES:,} bytes in memory")
                batches.append(batch)
            return pa.Table.from_batches(batches, file.schema_arrow).combine_chunks()
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise artifact.refuse(path, f"missing, cut or altered ({reason[:200]})") from None
