"""Read the kind, the rows and the template of a corpus for a generator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthkd.corpora.read import Corpus, load_corpus
from synthkd.errors import StudentError, SynthKDError
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.factory import kind_of_part
from synthkd.prompts import Prompt, load_prompt
from synthkd.students.generators.contrastive_groups import NOT_NEGATIVES
from synthkd.students.generators.options import GeneratorOptions


def kind_from_record(record: dict[str, Any], where: Path) -> Kind:
    """Make a kind from the part `kind` of a recipe.

    Args:
        record: The part.
        where: A folder. Files that the part names are looked for in the working folder, in `where`
            and beside it.

    Raises:
        StudentError: The kind cannot be made.
    """
    problem: Exception | None = None
    for folder in (Path(), where, where.parent):
        try:
            return kind_of_part(record, folder)
        except (SynthKDError, OSError) as error:
            problem = problem or error
    raise StudentError(
        f"{where}: its kind {record['name']!r} cannot be made: {problem}; give it as `kind`"
    )


def kind_record(kind: Kind) -> dict[str, Any] | None:
    """Return the part `kind` of a recipe that makes an equal kind; None if there is none."""
    options = kind.options.model_dump(mode="json", exclude_unset=True)
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


def _same(one: Any, other: Any) -> bool:
    """Compare two objects by their attributes."""
    if type(one) is not type(other):
        return False
    if one == other:
        return True
    return hasattr(one, "__dict__") and one.__dict__.keys() == other.__dict__.keys() and all(
        _same(value, other.__dict__[name]) for name, value in one.__dict__.items()
    )  # fmt: skip


#: Columns beside the kind's that grouping, ordering or weighting may need.
_EXTRA_COLUMNS = (
    "id",
    "rejected_by",
    "raw",
    "agreement",
    "votes",
    "recurrence",
    "score",
    "logprob",
    "weight",
)


@dataclass(frozen=True)
class CorpusRows:
    """The rows of a corpus for a generator.

    Attributes:
        kind: Their kind.
        kind_record: The part `kind` of the corpus' recipe.
        rows: Accepted rows.
        negatives: Rejected rows, for objectives that learn from them.
        prompt: The teacher's template, if the student reads it too.
    """

    kind: Kind
    kind_record: dict[str, Any]
    rows: list[Row]
    negatives: list[Row] = field(default_factory=list)
    prompt: Prompt | None = None


def read_corpus_rows(
    path: Path, options: GeneratorOptions, kind: Kind | None, limit: int | None
) -> CorpusRows:
    """Read the accepted rows of a corpus, and rejected ones for the objective."""
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
    """Read the columns that are needed."""
    names = [*kind.columns, *kind.details, *_EXTRA_COLUMNS, options.weight, options.quality]
    there = corpus.column_names(split)
    known = [name for name in dict.fromkeys(names) if name in there]
    rows: list[Row] = corpus.table(split, known).to_pylist()
    return rows


def _negatives(corpus: Corpus, kind: Kind, options: GeneratorOptions) -> list[Row]:
    """Return distinct rejected rows with an answer."""
    distinct = {
        row["id"]: row
        for row in _rows(corpus, "rejected", kind, options)
        if row["rejected_by"] not in NOT_NEGATIVES
    }
    return list(distinct.values())


def _prompt(corpus: Corpus, options: GeneratorOptions) -> Prompt | None:
    """Return the template of the corpus' teacher if the option `prompt` is `corpus`."""
    if options.prompt != "corpus":
        return None
    part = corpus.manifest["recipe"]["prompt"]
    if not part.get("template"):
        raise StudentError(
            f"{corpus.path}: was made without a template; name one with the option prompt"
        )
    return replace(load_prompt(part["template"]), variables=dict(part.get("variables") or {}))
