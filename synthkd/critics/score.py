"""Score a file of rows with a critic, part by part.

An interrupted scoring resumes with the next part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthkd.critics.base import Scores
from synthkd.critics.columns import cast_columns
from synthkd.critics.folder import load_critic
from synthkd.critics.labels import NUMBERS, SOURCE
from synthkd.critics.trained_critic import TrainedCritic
from synthkd.errors import CriticError, InputError
from synthkd.keys import content_hash, file_hash
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SIBLINGS
from synthkd.rows import read_tables
from synthkd.storage import (
    MARK,
    FolderKind,
    check_file,
    check_place,
    claim_folder,
    has_columns,
    has_mark,
    is_temporary_folder,
    remove_folder,
    replaced_file,
    storage_errors,
    unlisted_file,
    write_text,
)

#: Rows of a part: at most so many are scored again after an interruption.
PART = 65_536


def _strange(folder: Path) -> str | None:
    """Return what a folder of parts holds beside them; None if nothing."""
    if not has_mark(folder, PARTS.name):
        return f"has no mark of ours ({MARK})"
    ours = {MARK, "of.txt"}
    for path in folder.iterdir():
        if path.suffix == ".parquet" and path.stem.isdigit():
            ours.add(path.name)
        elif path.is_dir() and is_temporary_folder(path):
            ours |= {f"{path.name}/{file.name}" for file in path.iterdir()}
    return unlisted_file(folder, ours)


#: Column of the reasons of rows without a score.
UNSCORED = "unscored"
#: The folder of finished parts.
PARTS = FolderKind("folder of scored parts", _strange)


def score_file(
    critic: Path,
    rows: Path,
    out: Path,
    kind: Kind,
    part: int = PART,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Write rows and their ``score`` to a Parquet file.

    Finished parts lie beside ``out`` until all are, and are reused for the same critic and rows
    only.

    Args:
        critic: Folder of the critic.
        rows: File or corpus of rows.
        out: Parquet file to write.
        kind: Kind of the rows.
        part: Rows of a part.
        options: As for `load_critic`.

    Returns:
        Number of rows.
    """
    _check(critic, rows, out)
    trained = load_critic(critic, kind, options)
    work = out.with_name(f".{out.name}.parts")
    with storage_errors(out):
        _clear_others(work, f"{trained.fingerprint} {_hash(rows)} {part}")
        parts = list(_scored(trained, rows, kind, work, part))
        if not parts:
            raise InputError(f"{rows}: no rows")
        count = _joined(parts, out)
        remove_folder(work, PARTS)
    return count


def count_unscored(out: Path) -> dict[str, int]:
    """Count rows without a score in a scored file, by outcome and reason."""
    if UNSCORED not in pq.read_schema(out).names:
        return {}
    column = pq.read_table(out, columns=[UNSCORED]).column(0).drop_null().to_pylist()
    # The judge's reply follows the reason.
    return dict(Counter(": ".join(why.split(": ")[:2]) for why in column).most_common())


def _check(critic: Path, rows: Path, out: Path) -> None:
    """Refuse, before scoring, an output that would replace something else."""
    if out.suffix.lower() != ".parquet":
        raise InputError(f"{out}: the output is Parquet; name a file that ends in .parquet")
    if out.is_dir():
        raise InputError(f"{out}: a folder; name a file")
    for taken in (rows, critic):
        if out.resolve() == taken.resolve() or taken.resolve() in out.resolve().parents:
            raise InputError(f"{out}: inside the input {taken}; name another file")
    check_place(out.parent)
    check_file(out, has_columns("score"), "a file of scored rows")


def _clear_others(work: Path, key: str) -> None:
    """Keep parts of the same critic, rows and part size only."""
    owner = work / "of.txt"
    if not has_mark(work, PARTS.name) or not owner.is_file() or owner.read_text("utf-8") != key:
        remove_folder(work, PARTS)
        claim_folder(work, PARTS)
        write_text(owner, key)


def _scored(
    trained: TrainedCritic, rows: Path, kind: Kind, work: Path, part: int
) -> Iterator[Path]:
    """Yield the files of all parts in order; existing ones are not scored again."""
    begin = 0
    for number, table in enumerate(
        read_tables(rows, list(kind.columns), part, (*NUMBERS, *SIBLINGS, SOURCE))
    ):
        file = work / f"{number:06}.parquet"
        if not file.exists():
            scores = _scores_of(trained, rows, table, kind, begin)
            # Columns of an earlier scoring: Parquet readers refuse two columns of one name.
            table = table.drop_columns(
                [name for name in ("score", UNSCORED) if name in table.schema.names]
            )
            with replaced_file(file) as temporary:
                pq.write_table(_with_scores(trained, table, scores), temporary, compression="zstd")
        begin += table.num_rows
        yield file


def read_scores(trained: TrainedCritic, rows: Path, kind: Kind, part: int = PART) -> Scores:
    """Return the score of each row of a file, in its order; NaN for a row without one.

    Raises:
        InputError: A column or a cell is missing, or there are no rows.
    """
    parts, begin = list[Scores](), 0
    for table in read_tables(rows, list(kind.columns), part, (*NUMBERS, *SIBLINGS, SOURCE)):
        parts.append(_scores_of(trained, rows, table, kind, begin))
        begin += table.num_rows
    if not begin:
        raise InputError(f"{rows}: no rows")
    return np.concatenate(parts)


def _scores_of(
    trained: TrainedCritic, rows: Path, table: pa.Table, kind: Kind, begin: int
) -> Scores:
    """Return the scores of a part of a file that begins after ``begin`` rows."""
    _refuse_empty(rows, table, kind, begin)
    try:
        read = cast_columns(table, kind, begin)
    except CriticError as error:
        raise InputError(f"{rows} {error}") from None
    return trained.score(read)


def _with_scores(trained: TrainedCritic, table: pa.Table, scores: Scores) -> pa.Table:
    """Append scores and, if the critic `asks`, the reasons of rows without one."""
    lost = np.isnan(scores)
    scored = table.append_column("score", pa.array(scores, pa.float64(), mask=lost))
    if not trained.critic.asks:
        return scored
    reasons: list[str | None] = [None] * len(scores)
    places = np.flatnonzero(lost)
    missing = trained.critic.missing(table.take(pa.array(places))) if len(places) else []
    for place, why in zip(places.tolist(), missing, strict=True):
        reasons[place] = f"{why.outcome}: {why.reason}"
    return scored.append_column(UNSCORED, pa.array(reasons, pa.string()))


def _refuse_empty(rows: Path, table: pa.Table, kind: Kind, begin: int) -> None:
    for name in kind.columns:
        if table.column(name).null_count:
            first = begin + table.column(name).is_null().to_pylist().index(True) + 1
            raise InputError(
                f"{rows} row {first:,}: {name!r} is missing; give it, or leave the row out"
            )


def _joined(parts: list[Path], out: Path) -> int:
    count = 0
    with (
        replaced_file(out) as temporary,
        pq.ParquetWriter(temporary, pq.read_schema(parts[0]), compression="zstd") as writer,
    ):
        for file in parts:
            table = pq.read_table(file)
            writer.write_table(table)
            count += table.num_rows
    return count


def _hash(rows: Path) -> str:
    if not rows.is_dir():
        return file_hash(rows) if rows.exists() else ""
    return content_hash({str(file): file_hash(file) for file in sorted(rows.rglob("*.parquet"))})
