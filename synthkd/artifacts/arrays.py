"""Arrays (safetensors) and tables (Parquet) of an artefact, checked by schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.folder import Artifact

Arrays = dict[str, np.ndarray[Any, Any]]
#: Bound of the magnitude of learnt numbers.
LARGEST = 1e12
#: Rows of a table at most, its bytes in memory, and rows to read at a time.
_MOST_ROWS, _MOST_BYTES, _BATCH = 20_000_000, 1 << 31, 1024


@dataclass(frozen=True)
class Array:
    """Schema of an array.

    Attributes:
        dtype: Type, such as ``float32``.
        shape: Sizes, and names that stand for the same size in all arrays of a file.
        least: Smallest value.
        most: Largest value.
        infinite: Whether minus infinity is a valid value.
        optional: Whether the array may be missing.
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

    # Of a view, safetensors would write the whole underlying array.
    path.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def read_arrays(path: Path, artifact: Artifact) -> Arrays:
    """Read named arrays.

    Their memory is bounded by the size of the file, which safetensors compares.
    """
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
    """Refuse arrays that are missing or unknown, or do not fit their schema.

    Args:
        path: The file, for messages.
        arrays: Arrays of the file.
        expected: Schema of each array.
        artifact: Kind of artefact, for messages.
        sizes: Named sizes that are known already.

    Returns:
        All named sizes.
    """
    for name in sorted({*arrays} - {*expected}):
        raise artifact.refuse(path, f"{name}: an unknown array")
    all_sizes = dict(sizes)
    for name, wanted in expected.items():
        if name not in arrays:
            if wanted.optional:
                continue
            raise artifact.refuse(path, f"{name}: missing")
        array = arrays[name]
        if array.dtype != np.dtype(wanted.dtype):
            raise artifact.refuse(path, f"{name}: {array.dtype}, but {wanted.dtype} is needed")
        _check_shape(path, name, array, wanted, all_sizes, artifact)
        if problem := _value_problem(array, wanted):
            raise artifact.refuse(path, f"{name}: {problem}")
    return all_sizes


def _check_shape(
    path: Path, name: str, array: Any, wanted: Array, sizes: dict[str, int], artifact: Artifact
) -> None:
    if array.ndim == len(wanted.shape):
        for size, given in zip(wanted.shape, array.shape, strict=True):
            if isinstance(size, str):
                sizes.setdefault(size, int(given))
    shape = tuple(sizes.get(size, -1) if isinstance(size, str) else size for size in wanted.shape)
    if array.shape != shape:
        actual = " x ".join(map(str, array.shape)) or "a single number"
        needed = " x ".join("?" if size < 0 else str(size) for size in shape)
        raise artifact.refuse(path, f"{name}: of the shape {actual}, but {needed} is needed")


def _value_problem(array: Any, wanted: Array) -> str:
    if not array.size:
        return ""
    values = array
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            return "a value is not a number (NaN)"
        values = array[~np.isneginf(array)] if wanted.infinite else array
        if not np.isfinite(values).all():
            return "a value is infinite"
    if not values.size or array.dtype.kind == "u":
        return ""
    low, high = values.min(), values.max()
    if low < wanted.least or high > wanted.most:
        return f"values from {low:g} to {high:g}, outside of {wanted.least:g} to {wanted.most:g}"
    return ""


def read_table(path: Path, artifact: Artifact) -> Any:
    """Read a Parquet file up to a bound: a small file can claim billions of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > _MOST_ROWS:
                raise artifact.refuse(
                    path, f"{file.metadata.num_rows:,} rows, more than {_MOST_ROWS:,}"
                )
            batches, size = [], 0
            for batch in file.iter_batches(_BATCH):
                size += batch.nbytes
                if size > _MOST_BYTES:
                    raise artifact.refuse(path, f"larger than {_MOST_BYTES:,} bytes in memory")
                batches.append(batch)
            return pa.Table.from_batches(batches, file.schema_arrow).combine_chunks()
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise artifact.refuse(path, f"missing, cut or altered ({reason[:200]})") from None
