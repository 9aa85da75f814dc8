"""Steps of `synthkd segment`: gather documents, write a recipe, write rows and outcomes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from synthkd.reporting.safe_text import json_text

if TYPE_CHECKING:
    from synthkd.corpora.read import Corpus
    from synthkd.recipe import Recipe

#: Columns of what comes out.
COLUMNS = (
    "document_id",
    "sentence_index",
    "start",
    "end",
    "sentence",
    "proposition",
    "votes",
    "agreement",
)
OUT = (".jsonl", ".parquet")


_MARK = "folder of `synthkd segment`"


def _strange(folder: Path) -> str | None:
    """Name what shows that a folder is not one of `synthkd segment`; None if it is one."""
    from synthkd.storage import first_entry, has_mark

    if has_mark(folder, _MARK):
        return None
    recipe = folder / "recipe.yaml"
    # Version 0.1.0 wrote no mark.
    if recipe.is_file() and (folder / "documents.jsonl").is_file():
        with recipe.open("rb") as file:
            if b"name: segment" in file.read(1 << 20):
                return None
    return f"holds {first_entry(folder)}"


def check_output_file(path: Path | None, endings: tuple[str, ...]) -> None:
    """Refuse a file that could not be written, before anything is paid for."""
    from synthkd.errors import InputError
    from synthkd.storage import check_file, has_fields

    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise InputError(f"{path}: unknown format {path.suffix!r}; known are {', '.join(endings)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such folder {str(path.parent)!r}")
    ours = (
        has_fields("sentence", "proposition")
        if endings == OUT
        else has_fields("document_id", "outcome")
    )
    check_file(path, ours, "a file of `synthkd segment`")


def gather(files: list[Path], work: Path) -> Path:
    """Write all documents into one file of the run's folder."""
    from synthkd.errors import InputError
    from synthkd.rows import read_rows
    from synthkd.storage import FolderKind, claim_folder, replaced_file

    path = work / "documents.jsonl"
    claim_folder(work, FolderKind(_MARK, _strange, "name a folder of its own with --work"))
    seen: dict[str, str] = {}
    with replaced_file(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for file in files:
            number = 0
            for rows in read_rows(file):
                for row in rows:
                    number += 1
                    document = _document(file, number, row)
                    name = document["document_id"]
                    if name in seen:
                        raise InputError(
                            f"{file}: a second document {name!r} (the first is in {seen[name]});"
                            " rename one"
                        )
                    seen[name] = str(file)
                    out.write(json.dumps(document) + "\n")
        if not seen:
            raise InputError(f"{files[0]}: no documents")
    return path


def _document(file: Path, number: int, row: dict[str, Any]) -> dict[str, Any]:
    from synthkd.errors import InputError, nearest
    from synthkd.rows import text_cell

    place = f"{file} row {number}"
    texts = {
        key: text_cell(row.get(key), place, key) for key in ("text", "document_id", "id", "markup")
    }
    if texts["text"] is None:
        hint = nearest("text", [str(name) for name in row])
        raise InputError(f"{place}: no column 'text' with the document's text{hint}")
    name = texts["document_id"] or texts["id"] or f"{file.name}:{number}"
    markup = {"markup": texts["markup"]} if texts["markup"] else {}
    return {"document_id": name, "text": texts["text"], **markup}


def make_recipe(
    work: Path,
    documents: Path,
    model: str | None,
    base_url: str | None,
    chunk: int | None,
    samples: int,
    agreement: float,
    sentences: str,
    template: str | None,
    changes: list[str],
) -> Recipe:
    """Make the recipe of this run, and write a copy into the run's folder."""
    import yaml

    from synthkd.kinds.proposition.kind import PropositionKind
    from synthkd.recipe import Recipe
    from synthkd.storage import write_text

    sampling: dict[str, Any] = {"n": samples, "temperature": 0.7 if samples > 1 else 0.0, "seed": 0}
    if model is None:
        teacher: dict[str, Any] = {"backend": "transformers", "model": "synthkd/everyday"}
        sampling |= {"max_tokens": 160}
    else:
        local = base_url is None and Path(model).is_dir()
        teacher = {
            "backend": "transformers" if local else "openai",
            "model": str(Path(model).resolve()) if local else model,
        }
        teacher |= {"base_url": base_url} if base_url else {}
        sampling |= {"max_tokens": 1024}
    raw: dict[str, Any] = {
        "name": "segment",
        "inputs": {"path": documents.name},
        "kind": {
            "name": "proposition",
            "options": {
                "chunk_sentences": chunk or (2 if model is None else 5),
                "sentences": sentences,
            },
        },
        "prompt": {
            "template": _template(template)
            or ("proposition/everyday" if model is None else "proposition/grouped")
        },
        "teacher": {**teacher, "sampling": sampling},
        "corpus": {"path": "corpus", "title": "Propositions"},
        "work": "run",
    }
    if model is None:
        # The embedded teacher mistakes one noun for another, and never paraphrases.
        raw["rules"] = [*PropositionKind.default_rules[:-1], {"grounded": {"new_words": 0}}]
    if agreement:
        raw["votes"] = {"min_agreement": agreement}
    path = work / "recipe.yaml"
    write_text(path, yaml.safe_dump(raw, sort_keys=False))
    return Recipe.load(path, changes)


def _template(name: str | None) -> str | None:
    """Return a template file by its absolute path, since the recipe is in another folder.

    The name of a shipped template stays.
    """
    return str(Path(name).resolve()) if name and Path(name).is_file() else name


def write_rows(corpus: Corpus, out: Path | None) -> None:
    """Write accepted rows as JSON lines to stdout or a file, ordered by document and sentence."""
    from synthkd.storage import replaced_file

    keys = [("document_id", "ascending"), ("start", "ascending"), ("proposition", "ascending")]
    table = corpus.table(columns=COLUMNS).sort_by(keys)
    lines = (json_text(row) + "\n" for part in table.to_batches() for row in part.to_pylist())
    if out is None:
        sys.stdout.writelines(lines)
        return
    with replaced_file(out) as temporary:
        if out.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, temporary)
        else:
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(lines)


def report(recipe: Recipe, documents: Path, outcomes: Path | None, quiet: bool) -> None:
    """Report the outcomes: a line per document on stderr, and each sentence in a file if asked."""
    from dataclasses import asdict

    from synthkd.commands.segment_coverage import Coverage, total
    from synthkd.kinds.proposition.kind import PropositionKind
    from synthkd.rows import read_rows
    from synthkd.stages.places import FILTERED_ROWS
    from synthkd.storage import replaced_file

    coverage = Coverage(PropositionKind.from_recipe(recipe), recipe.work_dir / FILTERED_ROWS)
    reports = []
    for rows in read_rows(documents, batch=16):
        for row in rows:
            reports.append(coverage.report(row))
    if outcomes is not None:
        with replaced_file(outcomes) as temporary, temporary.open("w", encoding="utf-8") as file:
            for rows in read_rows(documents, batch=16):
                for row in rows:
                    file.writelines(
                        json_text(asdict(one)) + "\n" for one in coverage.sentences(row)
                    )
    if quiet:
        return
    for report in reports[:20]:
        typer.echo(str(report), err=True)
    if len(reports) > 1:
        typer.echo(str(total(reports)), err=True)
    typer.echo(f"journal, run and corpus: {recipe.corpus_path.parent}", err=True)
