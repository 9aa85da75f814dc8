"""`synthkd show`: a corpus, a run, a loop, a recipe, or one candidate with its whole lineage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkd.commands.export import RowChoice
from synthkd.corpora.read import Corpus, load_corpus
from synthkd.corpora.schema import COMMON_FIELDS, FILTER_FIELDS
from synthkd.corpora.target_table import target_rows
from synthkd.corpora.write import MANIFEST, parquet_errors
from synthkd.errors import InputError, StorageError
from synthkd.journal import Journal
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import clean, clean_lines
from synthkd.reporting.tables import text_table
from synthkd.stages.places import (
    FILTERED_ROWS,
    GENERATED,
    LOOP,
    REPORT,
    ROUNDS,
    STEPS,
    GeneratedShape,
    LoopShape,
    ReportShape,
)
from synthkd.stages.run_report import vote_rows
from synthkd.steps import step_names
from synthkd.steps.lineage import LINEAGE, chain
from synthkd.storage import read_json

#: Reasons that are shown, and that are counted at a time: reasons may be as many as rows.
_REASONS_SHOWN, _MOST_REASONS = 5, 20_000


def show_path(path: Path) -> str:
    """Describe a path: a corpus, the folder of a run or a loop, or the latest of a recipe.

    Raises:
        InputError: For anything else, or a recipe without a run.
    """
    if (path / MANIFEST).is_file():
        return _corpus(load_corpus(path))
    if _loop_rounds(path):
        return _loop(path)
    if (path / GENERATED).is_file() or (path / REPORT).is_file():
        return _run(path)
    if (path / STEPS).is_dir():
        return _steps(path)
    if recipe := _recipe(path):
        if _loop_rounds(recipe.work_dir):
            return _loop(recipe.work_dir)
        if (recipe.corpus_path / MANIFEST).is_file():
            return _corpus(load_corpus(recipe.corpus_path))
        if recipe.steps is not None and (recipe.work_dir / STEPS).is_dir():
            return _steps(recipe.work_dir, step_names(recipe))
        if recipe.work_dir.is_dir():
            return _run(recipe.work_dir)
        raise InputError(f"{path}: this recipe has not been run; run it with `synthkd run {path}`")
    raise InputError(f"{path}: neither a corpus, nor the folder of a run or a loop, nor a recipe")


def _recipe(path: Path) -> Recipe | None:
    return Recipe.load(path) if path.suffix in (".yaml", ".yml") and path.is_file() else None


def _corpus(corpus: Corpus) -> str:
    manifest = corpus.manifest
    columns = manifest["kind"]["columns"]
    rows = corpus.head(10, [*columns, "score", "id"])
    lines = [
        repr(corpus)[1:-1],
        clean(f"corpus hash {corpus.hash}, teacher {manifest['teacher']['identity']}"),
    ]
    if malformed := manifest["counts"]["malformed"]:
        lines.append(f"  malformed: {malformed:,}")
    lines += [
        f"  rejected by {clean(name)}: {count:,}"
        for name, count in manifest["counts"]["rejected"].items()
    ]
    lines += [
        f"  {name.strip()} {clean(value)}"
        for name, value in vote_rows(manifest["counts"].get("votes"))
    ]
    lines += [
        f"  {name.strip()} {clean(value)}" for name, value in target_rows(manifest.get("target"))
    ]
    lines += ["", *(_line(row, columns) for row in rows)]
    lines.append(f"\nsynthkd show {clean(corpus.path)} ID shows where a row comes from")
    return "\n".join(lines)


def _line(row: dict[str, Any], columns: list[str]) -> str:
    score = "" if row["score"] is None else f"  {row['score']:.3f}"
    return f"{clean(row['id'][:10])}  " + " | ".join(clean(row[name]) for name in columns) + score


def rows_text(corpus: Corpus, choice: RowChoice, rows: Sequence[dict[str, Any]]) -> str:
    """Return chosen rows as a table: the kind's columns, score and id unless others are named."""
    if not rows:
        return "no rows: change --where, or choose --accepted or --rejected"
    kind_columns = corpus.manifest["kind"]["columns"]
    outcome = ["rejected_by", "reason"] if "rejected" in choice.splits else []
    columns = choice.columns or [*kind_columns, "score", *outcome, "id"]
    return text_table(
        [columns, *([_cell(row.get(name)) for name in columns] for row in rows)], left=len(columns)
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else clean(value, 100)


def _run(folder: Path) -> str:
    lines = [f"run in {clean(folder)}"]
    for name, shape in ((GENERATED, GeneratedShape), (REPORT, ReportShape)):
        if (folder / name).is_file():
            manifest = read_json(folder / name, shape)
            counts = manifest.get("counts", manifest)
            lines.append(f"{name.removesuffix('.json')}:")
            lines += [clean(f"  {key}: {value}") for key, value in counts.items()]
            lines += [
                f"  {name.strip()} {clean(value)}"
                for name, value in target_rows(manifest.get("target"))
            ]
    if reasons := _reasons(folder):
        lines.append("most frequent reasons:")
        lines += [f"  {count:,} {clean(reason)}" for reason, count in reasons]
    return "\n".join(lines)


def _steps(folder: Path, names: Sequence[str] = ()) -> str:
    """Describe the steps of a run, of which the last has not written the corpus yet."""
    names = names or sorted(path.name for path in (folder / STEPS).iterdir() if path.is_dir())
    folders = [folder / STEPS / name for name in names]
    return "\n\n".join(_run(one) for one in folders if one.is_dir())


def _reasons(folder: Path) -> list[tuple[str, int]]:
    """Return the most frequent reasons of rejected rows, with their numbers."""
    import pyarrow.parquet as pq

    counts: Counter[str] = Counter()
    for path in sorted((folder / FILTERED_ROWS).glob("part-*.parquet")):
        with parquet_errors(path, "run `synthkd filter` again"), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["rejected_by", "reason"]):
                for row in batch.to_pylist():
                    if row["rejected_by"] is not None:
                        counts[f"{row['rejected_by']}: {row['reason']}"] += 1
                if len(counts) > _MOST_REASONS:
                    counts = Counter(dict(counts.most_common(_MOST_REASONS // 2)))
    return counts.most_common(_REASONS_SHOWN)


def _loop_rounds(folder: Path) -> list[Path]:
    """List the folders of a loop's finished rounds in order; empty for a plain run."""
    return sorted(path.parent for path in (folder / ROUNDS).glob("*/round.json"))


def _loop(folder: Path) -> str:
    """Put the rounds of a loop in words, whether it has ended or not."""
    from synthkd.loops.rounds import read_round_records
    from synthkd.loops.summary import round_table, round_table_text

    rounds = read_round_records(_loop_rounds(folder))
    ended = read_json(folder / LOOP, LoopShape) if (folder / LOOP).is_file() else None
    columns = list(dict.fromkeys(name for one in rounds for name in one.record["figures"]["shown"]))
    lines = [
        f"loop in {clean(folder)}",
        round_table_text(round_table(rounds, columns), ended["best"] if ended else -1),
    ]
    if ended is None:
        lines.append("not finished: the same `synthkd distill` resumes it")
    else:
        lines.append(f"ended: {clean(ended['ended'])}; report: {clean(folder / 'report.md')}")
    lines.append(f"synthkd show {clean(folder)} ID shows where a row comes from")
    return "\n".join(lines)


def show_candidate(path: Path, candidate: str) -> str:
    """Describe every row with an id: content, outcome, completion and prompt.

    Args:
        path: A corpus, the folder of a run or a loop, or a recipe.
        candidate: The id, or its beginning.

    Raises:
        InputError: If no row has such an id, or rows of several ids begin so.
    """
    recipe = _recipe(path)
    if recipe:
        path = recipe.corpus_path if (recipe.corpus_path / MANIFEST).is_file() else recipe.work_dir
    if (path / MANIFEST).is_file():
        matches = _in_corpora([path], candidate)
    elif rounds := _loop_rounds(path):
        corpora = [
            manifest.parent for one in rounds for manifest in sorted(one.glob(f"*/{MANIFEST}"))
        ]
        matches = _in_corpora(corpora, candidate, path)
    elif (path / FILTERED_ROWS).is_dir():
        matches = _in_run(path, candidate)
    else:
        raise InputError(f"{path}: neither a corpus, nor a folder of filtered rows, nor a recipe")
    if not matches:
        raise InputError(f"{path}: no candidate whose id begins with {candidate!r}")
    if len({row["id"] for row, _, _ in matches}) > 1:
        raise InputError(
            f"{path}: {candidate!r} is the beginning of several ids; give more characters"
        )
    journal = recipe.journal_path if recipe else None
    shown = "\n\n".join(
        _lineage(row, columns, _journals(place, journal)) for row, columns, place in matches
    )
    if (path / LINEAGE).is_file():
        steps = "\n".join(
            f"  {clean_lines(line)}" for line in chain(path / LINEAGE, matches[0][0]["id"])
        )
        shown += f"\nmade of, step by step:\n{steps}"
    return shown


#: Folders above a corpus or a run in which its journal is looked for.
_LEVELS = 5
#: Journals of a folder that are looked into at most.
_JOURNALS = 8
#: A row, the columns of its kind, and its place: the folder beside or below which its journal lies.
_Match = tuple[dict[str, Any], list[str], "Path | tuple[Path, str]"]


def _in_corpora(paths: list[Path], candidate: str, above: Path | None = None) -> list[_Match]:
    """Find rows in corpora; ``above``: the folder of the loop that they are of."""
    matches: list[_Match] = []
    for corpus in map(load_corpus, paths):
        place = above or corpus.path, Path(corpus.manifest["recipe"]["journal"]).name
        matches += [
            (row, corpus.manifest["kind"]["columns"], place) for row in corpus.find(candidate)
        ]
    return matches


def _in_run(folder: Path, candidate: str) -> list[_Match]:
    """Find rows among the rows that `filter` wrote, before anything is published."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    matches: list[_Match] = []
    for path in sorted((folder / FILTERED_ROWS).glob("part-*.parquet")):
        with parquet_errors(path, "run `synthkd filter` again"):
            table = pq.read_table(path)
            rows = table.filter(pc.starts_with(table["id"], candidate)).to_pylist()
        common = {field.name for field in (*COMMON_FIELDS, *FILTER_FIELDS)}
        columns = [name for name in table.schema.names if name not in common]
        matches += [(row, columns, folder) for row in rows]
    return matches


_NUMBERS = (
    "score", "recurrence", "votes", "agreement", "margin", "entropy", "logprob", "tokens",
    "finish_reason",
)  # fmt: skip


def _lineage(row: dict[str, Any], columns: list[str], journals: list[Path]) -> str:
    outcome = (
        "accepted"
        if row["rejected_by"] is None
        else f"rejected by {row['rejected_by']}: {row['reason']}"
    )
    numbers = {name: row[name] for name in _NUMBERS if name in row}
    lines = [
        f"{row['id']}  {outcome}",
        *(f"  {name}: {row[name]}" for name in columns),
        "  " + ", ".join(f"{name} {value}" for name, value in numbers.items() if value is not None),
        f"  completion {row['completion_key']}: {row['raw']!r}",
        f"  input {row['input_id']}, template {row['prompt']}, teacher {row['teacher']}",
    ]
    lines = [clean(line) for line in lines]
    sent = _sent(journals, row["completion_key"].rpartition("-")[0])
    if sent:
        text = "\n".join(
            f"    {clean(m['role'])}: {clean_lines(m['content'], ' ' * 6)}"
            for m in sent["messages"]
        )
        lines.append(f"  sent to {clean(sent['identity'])}:\n{text}")
    else:
        lines.append("  the journal is not here, so the prompt cannot be shown")
    return "\n".join(lines)


def _journals(place: Path | tuple[Path, str], recorded: Path | None) -> list[Path]:
    """List files that may be a row's journal: the recipe's, or those beside or above the row.

    A corpus knows its journal's name; above the folder of a run any SQLite file may be the journal.
    """
    if recorded is not None:
        return [recorded]
    folder, name = place if isinstance(place, tuple) else (place, "*.sqlite")
    above = list(folder.resolve().parents)[:_LEVELS]
    return [
        path for parent in above for path in sorted(parent.glob(name))[:_JOURNALS] if path.is_file()
    ]


def _sent(journals: list[Path], request: str) -> dict[str, Any] | None:
    """Return what was sent, from the first journal that has the request."""
    for path in journals:
        try:
            with Journal(path, read_only=True) as journal:
                if recorded := journal.request(request):
                    return recorded
        except StorageError:
            continue
    return None
