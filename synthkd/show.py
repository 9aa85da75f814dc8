"""`synthkd show`: a corpus, a run, a recipe, or one candidate with its whole lineage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthkd.corpora.read import Corpus, load_corpus
from synthkd.corpora.write import MANIFEST
from synthkd.display import clean, clean_lines
from synthkd.errors import InputError, StorageError
from synthkd.journal import Journal
from synthkd.recipe import Recipe
from synthkd.report import vote_rows
from synthkd.stages.places import GENERATED, REPORT, GeneratedShape, ReportShape
from synthkd.storage import read_json


def show_path(path: Path) -> str:
    """What stands at a path, in words."""
    if (path / MANIFEST).is_file():
        return _corpus(load_corpus(path))
    if (path / GENERATED).is_file() or (path / REPORT).is_file():
        return _run(path)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        recipe = Recipe.load(path)
        if (recipe.corpus_path / MANIFEST).is_file():
            return _corpus(load_corpus(recipe.corpus_path))
        if recipe.work_dir.is_dir():
            return _run(recipe.work_dir)
        raise InputError(f"{path}: this recipe was not run yet; `synthkd run {path}` does it")
    raise InputError(f"{path}: neither a corpus, nor a run's folder, nor a recipe")


def _corpus(corpus: Corpus) -> str:
    manifest = corpus.manifest
    columns = manifest["kind"]["columns"]
    rows = corpus.head(10, [*columns, "score", "id"])
    lines = [
        repr(corpus)[1:-1],
        clean(f"corpus hash {corpus.hash}, teacher {manifest['teacher']['identity']}"),
    ]
    lines += [
        f"  rejected by {clean(name)}: {count:,}" for name, count in manifest["counts"]["rejected"].items()
    ]
    lines += [
        f"  {name.strip()} {clean(value)}" for name, value in vote_rows(manifest["counts"].get("votes"))
    ]
    lines += ["", *(_line(row, columns) for row in rows)]
    lines.append(f"\nsynthkd show {clean(corpus.path)} ID shows where a row comes from")
    return "\n".join(lines)


def _line(row: dict[str, Any], columns: list[str]) -> str:
    score = "" if row["score"] is None else f"  {row['score']:.3f}"
    return f"{clean(row['id'][:10])}  " + " | ".join(clean(row[name]) for name in columns) + score


def _run(folder: Path) -> str:
    lines = [f"run in {clean(folder)}"]
    for name, shape in ((GENERATED, GeneratedShape), (REPORT, ReportShape)):
        if (folder / name).is_file():
            found = read_json(folder / name, shape)
            counts = found.get("counts", found)
            lines.append(f"{name.removesuffix('.json')}:")
            lines += [clean(f"  {key}: {value}") for key, value in counts.items()]
    return "\n".join(lines)


def show_candidate(path: Path, candidate: str) -> str:
    """Every row with this id: content, fate, the completion it was parsed from, and what was asked."""
    if path.suffix in (".yaml", ".yml") and path.is_file():
        path = Recipe.load(path).corpus_path
    corpus = load_corpus(path)
    rows = list(corpus.find(candidate))
    if not rows:
        raise InputError(f"{path}: no candidate whose id begins with {candidate!r}")
    if len({row["id"] for row in rows}) > 1:
        raise InputError(f"{path}: {candidate!r} begins several ids; write more of it")
    return "\n\n".join(_lineage(row, corpus) for row in rows)


_NUMBERS = (
    "score", "recurrence", "votes", "agreement", "margin", "entropy", "logprob", "tokens", "finish_reason",
)  # fmt: skip


def _lineage(row: dict[str, Any], corpus: Corpus) -> str:
    columns = corpus.manifest["kind"]["columns"]
    fate = "accepted" if row["rejected_by"] is None else f"rejected by {row['rejected_by']}: {row['reason']}"
    numbers = {name: row[name] for name in _NUMBERS if name in row}
    lines = [
        f"{row['id']}  {fate}",
        *(f"  {name}: {row[name]}" for name in columns),
        "  " + ", ".join(f"{name} {value}" for name, value in numbers.items() if value is not None),
        f"  completion {row['completion_key']}: {row['raw']!r}",
        f"  input {row['input_id']}, template {row['prompt']}, teacher {row['teacher']}",
    ]
    lines = [clean(line) for line in lines]
    sent = _sent(corpus, row["completion_key"].rpartition("-")[0])
    if sent:
        text = "\n".join(
            f"    {clean(m['role'])}: {clean_lines(m['content'], ' ' * 6)}" for m in sent["messages"]
        )
        lines.append(f"  sent to {clean(sent['identity'])}:\n{text}")
    else:
        lines.append("  the journal is not here, so the prompt cannot be shown")
    return "\n".join(lines)


def _sent(corpus: Corpus, request: str) -> dict[str, Any] | None:
    """What was sent, from a journal beside or above the corpus under the name that the recipe gave it."""
    name = Path(corpus.manifest["recipe"]["journal"]).name
    for folder in list(corpus.path.resolve().parents)[:4]:
        if (folder / name).is_file():
            try:
                with Journal(folder / name, read_only=True) as journal:
                    if found := journal.request(request):
                        return found
            except StorageError:
                continue
    return None
