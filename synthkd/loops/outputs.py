"""The outputs of a loop: best student, corpus and rows of all rounds, report, curve and manifest.

They are written whenever a loop ends, also early; the manifest `distill.json` last.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthkd import plugins
from synthkd._version import __version__
from synthkd.corpora.addresses import store_corpus
from synthkd.corpora.diversity import stage_diversity
from synthkd.corpora.write import write_corpus
from synthkd.errors import UserError
from synthkd.keys import content_hash, file_hash
from synthkd.kinds.factory import kind_of_recipe
from synthkd.loops.report import loop_report
from synthkd.loops.result import rounds_curve
from synthkd.loops.round_counts import total_counts
from synthkd.loops.round_steps import joined_steps, task_recipe
from synthkd.loops.rounds import Round, folder_hash
from synthkd.loops.task import LoopTask
from synthkd.recipe import KindPart, Recipe
from synthkd.rows import CorpusFile
from synthkd.stages.manifest import published_recipe
from synthkd.storage import (
    STUDENT_FOLDER,
    TemporaryFolder,
    check_file,
    has_columns,
    has_text,
    is_address,
    read_json,
    replaced_file,
    replaced_folder,
    write_json,
    write_text,
)

MANIFEST, ROWS, REPORT, CURVE = "distill.json", "rows.parquet", "report.md", "curve.svg"
_FORMAT = 1


def write_results(
    recipe: Recipe,
    task: LoopTask[Any],
    facts: dict[str, Any],
    rounds: Sequence[Round],
    best: int,
    ended: str,
) -> dict[str, Any]:
    """Write all outputs of a loop.

    Args:
        facts: The facts that determine the rounds, for the manifest.
        best: Number of the best round.
        ended: Why the loop ended.

    Returns:
        The manifest.
    """
    work = recipe.work_dir
    copy_student(rounds[best].student, recipe.student_path)
    corpus = join_corpora(recipe, rounds)
    write_row_table(work / ROWS, task, _columns(recipe, rounds), rounds, best)
    write_text(work / CURVE, rounds_curve(rounds, task.metrics, task.lower_is_better, best))
    manifest: dict[str, Any] = {
        "format": _FORMAT,
        "synthkd": __version__,
        **facts,
        "ended": recipe.published(ended),
        "best": best,
        "rounds": [_short_record(one) for one in rounds],
        "kept": {"round": best, "student": folder_hash(recipe.student_path)},
        "corpus": None
        if corpus is None
        else {"hash": corpus["corpus_hash"], "manifest": corpus["manifest_hash"]},
        "files": {name: file_hash(work / name) for name in (ROWS, CURVE)},
    }
    manifest["manifest_hash"] = content_hash(manifest)
    write_text(work / REPORT, loop_report(recipe, task, rounds, manifest))
    write_json(work / MANIFEST, manifest)
    return manifest


def _short_record(one: Round) -> dict[str, Any]:
    """Return a round's record without what `round.json` alone holds."""
    figures = {name: one.record["figures"][name] for name in ("score", "shown")}
    return {
        **{name: value for name, value in one.record.items() if name != "facts"},
        "figures": figures,
    }


def check_output_files(work: Path) -> None:
    """Refuse to replace files that a loop did not write, before anything is bought."""
    check_file(work / ROWS, has_columns("round", "origin", "in_best"), "the rows of a loop")
    check_file(work / REPORT, has_text("(curve.svg)"), "the report of a loop")
    check_file(work / CURVE, has_text("<svg"), "the curve of a loop")
    check_file(work / MANIFEST, has_text('"manifest_hash"'), "the record of a loop")


def copy_student(source: Path, place: Path) -> None:
    """Copy the student of a round to the student folder of the recipe."""
    with replaced_folder(place, STUDENT_FOLDER) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)


def join_corpora(recipe: Recipe, rounds: Sequence[Round]) -> dict[str, Any] | None:
    """Write one corpus of all rounds to `corpus.path`.

    Returns its manifest; None without any rows.
    """
    folders = [folder for one in rounds for folder in one.corpora]
    if not folders:
        return None
    manifests = [read_json(folder / "manifest.json") for folder in folders]
    last = manifests[-1]
    write_more = None
    kind = _kind(recipe, last)
    with TemporaryFolder() as name:
        parts = Path(name)
        schema = _write_parts(folders, parts)
        names = ("manifest_version", "synthkd", "kind", "prompt", "teacher", "seed", "columns")
        manifest = {
            **{key: last[key] for key in names if key in last},
            "critic": _critic([one["critic"] for one in manifests]),
            "recipe": published_recipe(recipe),
            "recipe_hash": recipe.fingerprint(),
            "inputs": {
                "rounds": {str(one.number): one.record["inputs"] for one in rounds if one.corpora}
            },
            "counts": total_counts([one.record["counts"] for one in rounds]),
            "diversity": stage_diversity(parts, kind),
            "rounds": {str(one.number): one.record["corpora"] for one in rounds if one.corpora},
        }
        if recipe.steps is not None:
            # Those of rounds are sums over all steps, and a corpus is that of the last.
            manifest["counts"] = total_counts([one["counts"] for one in manifests])
            manifest["steps"], write_more = joined_steps(recipe, manifests, folders)
        written = write_corpus(
            recipe.corpus_path, parts, schema, manifest, recipe.corpus.rows_per_file, write_more
        )
    if is_address(recipe.corpus.path):
        store_corpus(recipe.corpus_path, recipe.corpus.path)
    return written


def _write_parts(folders: Sequence[Path], parts: Path) -> pa.Schema:
    """Write the whole rows of several corpora as files ``part-*.parquet``; return their schema."""
    schema = None
    for number, file in enumerate(_corpus_files(folders)):
        with CorpusFile.open(file) as rows:
            schema = schema or rows.schema.remove_metadata()
            names = schema.names
            path = parts / f"part-{number:06d}.parquet"
            with pq.ParquetWriter(path, schema, compression="zstd") as out:
                for batch in rows.batches():
                    out.write_batch(batch.select(names).cast(schema))
    assert schema is not None
    return schema


def _corpus_files(folders: Sequence[Path]) -> list[Path]:
    """List the files of the rows of corpora, which `CorpusFile` joins with their provenance."""
    return [file for folder in folders for file in sorted((folder / "data").glob("*.parquet"))]


def _kind(recipe: Recipe, manifest: dict[str, Any]) -> Any:
    """Return the kind of a round's rows; its class if a file that its options name is not here."""
    part = KindPart.model_validate(manifest["recipe"]["kind"])
    try:
        return kind_of_recipe(task_recipe(recipe).with_parts(kind=part, rules=None))
    except (UserError, OSError):
        return plugins.find("kinds", part.name, recipe.folder)


def _columns(recipe: Recipe, rounds: Sequence[Round]) -> dict[str, pa.DataType]:
    """Return the columns of the kind with their types, as the rows of the rounds have them."""
    folder = next((folder for one in rounds for folder in one.corpora), None)
    if folder is None:
        kind = plugins.find("kinds", task_recipe(recipe).kind.name, recipe.folder)
        return dict.fromkeys(kind.columns, pa.string())
    names = read_json(folder / "manifest.json")["kind"]["columns"]
    schema = pq.read_schema(next((folder / "data").glob("*.parquet")))
    return {name: schema.field(name).type for name in names}


def _critic(records: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return the first record with a withdrawn guarantee, else the last record."""
    withdrawn = (one for one in records if one and one.get("guarantee") == "withdrawn")
    return next(withdrawn, records[-1])


def write_row_table(
    path: Path,
    task: LoopTask[Any],
    columns: Mapping[str, pa.DataType],
    rounds: Sequence[Round],
    best: int,
) -> None:
    """Write the table of the rows of all rounds.

    The table has `round`, `origin` (start or teacher), ``columns`` of the kind, `id`, `rejected_by`
    and `reason` (null for accepted rows), and `in_best`: whether the best student was trained on
    the row.
    """
    types = {**columns, **dict.fromkeys(("id", "rejected_by", "reason"), pa.string())}
    schema = pa.schema(
        [
            pa.field("round", pa.int32()),
            pa.field("origin", pa.string()),
            *(pa.field(name, one) for name, one in types.items()),
            pa.field("in_best", pa.bool_()),
        ]
    )
    with replaced_file(path) as new, pq.ParquetWriter(new, schema, compression="zstd") as out:
        excluded = task.excluded_ids(rounds[best].student)
        for rows in _rows(task, rounds, list(columns)):
            for row in rows:
                trained = row["rejected_by"] is None and row["round"] <= best
                row["in_best"] = trained and row.get("id") not in excluded
            out.write_table(pa.Table.from_pylist(rows, schema=schema))


def _rows(
    task: LoopTask[Any], rounds: Sequence[Round], columns: list[str]
) -> Iterator[list[dict[str, Any]]]:
    yield [
        {**{c: row.get(c) for c in columns}, "round": 0, "origin": "start", "rejected_by": None}
        for row in task.initial_rows()
    ]
    for one in rounds:
        for file in _corpus_files(one.corpora):
            with CorpusFile.open(file) as opened:
                for batch in opened.batches([*columns, "id", "rejected_by", "reason"]):
                    yield [
                        {**row, "round": one.number, "origin": "teacher"}
                        for row in batch.to_pylist()
                    ]
