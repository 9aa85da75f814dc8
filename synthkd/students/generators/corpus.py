"""What a student takes from a corpus: its kind, its rows, and its own template."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthkd import plugins
from synthkd.corpora.read import Corpus, load_corpus
from synthkd.errors import StudentError, SynthKDError
from synthkd.kinds.base import Kind, Row
from synthkd.prompts import Prompt, load_prompt
from synthkd.recipe import Recipe
from synthkd.students.generators.contrastive_groups import NOT_NEGATIVES
from synthkd.students.generators.options import GeneratorOptions


def kind_from_record(record: dict[str, Any], where: Path) -> Kind:
    """A kind as the part `kind` of a recipe asks for it. Files that it names are looked for from the working folder, then
    in ``where``, then beside it."""
    made = plugins.find("kinds", record["name"])
    problem: Exception | None = None
    for folder in (Path(), where, where.parent):
        raw = {
            "name": "student",
            "inputs": {"count": 1},
            "kind": record,
            "teacher": {},
            "corpus": {"path": "."},
        }
        try:
            recipe = Recipe.from_dict(raw, folder)
            found: Kind = made.from_recipe(recipe)
        except (SynthKDError, TypeError, ValueError, OSError) as error:
            problem = problem or error
            continue
        return found
    raise StudentError(f"{where}: its kind {record['name']!r} cannot be made: {problem}; give it as `kind`")


def kind_record(kind: Kind) -> dict[str, Any] | None:
    """The part of a recipe that asks for such a kind; None where that cannot be told from the kind itself."""
    known = inspect.signature(type(kind).__init__).parameters
    options = {
        name: list(value) if isinstance(value, tuple) else value
        for name in known
        if name not in ("self", "relations", "several", "resolve", "seed")
        and _is_plain(value := getattr(kind, name, None))
    }
    record: dict[str, Any] = {"name": kind.name, "several": bool(kind.several), "options": options}
    if kind.relations:
        record["relations"] = list(kind.relations)
    for options_tried in (options, {}):
        record["options"] = options_tried
        try:
            if _same(kind_from_record(record, Path()), kind):
                return record
        except SynthKDError:
            continue
    return None


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | float | bool)


def _same(one: Any, other: Any) -> bool:
    """Whether two objects are made of equal parts."""
    if type(one) is not type(other):
        return False
    if one == other:
        return True
    return hasattr(one, "__dict__") and one.__dict__.keys() == other.__dict__.keys() and all(
        _same(value, other.__dict__[name]) for name, value in one.__dict__.items()
    )  # fmt: skip


#: Columns beside the kind's that grouping, ordering or weighing may need.
_BESIDE = ("id", "rejected_by", "raw", "agreement", "votes", "recurrence", "score", "logprob", "weight")


@dataclass(frozen=True)
class CorpusRows:
    """Rows of a corpus, and what they are."""

    kind: Kind
    kind_record: dict[str, Any]
    rows: list[Row]
    negatives: list[Row] = field(default_factory=list)
    prompt: Prompt | None = None


def read_corpus_rows(
    path: Path, options: GeneratorOptions, kind: Kind | None, limit: int | None
) -> CorpusRows:
    """The accepted rows of a corpus; the rejected ones too where the objective learns from what is wrong."""
    corpus = load_corpus(path)
    record = dict(corpus.manifest["recipe"]["kind"])
    kind = kind or kind_from_record(record, path)
    if kind.name != record["name"]:
        raise StudentError(f"{path}: a corpus of the kind {record['name']!r}, not {kind.name!r}")
    rows = _rows(corpus, "accepted", kind, options)[:limit]
    if not rows:
        raise StudentError(f"{path}: no accepted rows to learn from")
    negatives = _negatives(corpus, kind, options) if options.objective == "qcrd" else []
    return CorpusRows(kind, record, rows, negatives, _prompt(corpus, options))


def _rows(corpus: Corpus, split: str, kind: Kind, options: GeneratorOptions) -> list[Row]:
    """Rows with the columns that are needed."""
    data = corpus.dataset(split)
    names = [*kind.columns, *kind.details, *_BESIDE, options.weight, options.quality]
    known = [name for name in dict.fromkeys(names) if name in data.schema.names]
    rows: list[Row] = data.to_table(columns=known).to_pylist()
    return rows


def _negatives(corpus: Corpus, kind: Kind, options: GeneratorOptions) -> list[Row]:
    """Rejected rows that say something wrong, each once: not those without an answer, nor copies."""
    found = {
        row["id"]: row
        for row in _rows(corpus, "rejected", kind, options)
        if row["rejected_by"] not in NOT_NEGATIVES
    }
    return list(found.values())


def _prompt(corpus: Corpus, options: GeneratorOptions) -> Prompt | None:
    """The template that the corpus' teacher read, where the student is to read it too."""
    if options.prompt != "corpus":
        return None
    part = corpus.manifest["recipe"]["prompt"]
    if not part.get("template"):
        raise StudentError(f"{corpus.path}: was made without a template; name one with the option prompt")
    return replace(load_prompt(part["template"]), variables=dict(part.get("variables") or {}))
