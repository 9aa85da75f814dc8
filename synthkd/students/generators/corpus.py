"""What a student takes from a corpus: its kind, its rows, and its own template."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthkd.corpora.read import Corpus, load_corpus
from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Row
from synthkd.prompts.templates import Prompt, load_prompt
from synthkd.students.generators.contrastive_groups import NEITHER
from synthkd.students.generators.kinds import kind_of
from synthkd.students.generators.options import Options

#: Columns beside the kind's that grouping, ordering or weighing may need.
_BESIDE = ("id", "rejected_by", "raw", "agreement", "votes", "recurrence", "score", "logprob", "weight")


@dataclass(frozen=True)
class ForStudent:
    """Rows of a corpus, and what they are."""

    kind: Kind
    kind_record: dict[str, Any]
    rows: list[Row]
    negatives: list[Row] = field(default_factory=list)
    prompt: Prompt | None = None


def read_for_student(path: Path, options: Options, kind: Kind | None, limit: int | None) -> ForStudent:
    """The accepted rows of a corpus; the rejected ones too where the objective learns from what is wrong."""
    corpus = load_corpus(path)
    record = dict(corpus.manifest["recipe"]["kind"])
    kind = kind or kind_of(record, path)
    if kind.name != record["name"]:
        raise StudentError(f"{path}: a corpus of the kind {record['name']!r}, not {kind.name!r}")
    rows = _rows(corpus, "accepted", kind, options)[:limit]
    if not rows:
        raise StudentError(f"{path}: no accepted rows to learn from")
    negatives = _negatives(corpus, kind, options) if options.objective == "qcrd" else []
    return ForStudent(kind, record, rows, negatives, _prompt(corpus, options))


def _rows(corpus: Corpus, split: str, kind: Kind, options: Options) -> list[Row]:
    """Rows with the columns that are needed."""
    data = corpus.dataset(split)
    names = [*kind.columns, *kind.details, *_BESIDE, options.weight, options.quality]
    known = [name for name in dict.fromkeys(names) if name in data.schema.names]
    rows: list[Row] = data.to_table(columns=known).to_pylist()
    return rows


def _negatives(corpus: Corpus, kind: Kind, options: Options) -> list[Row]:
    """Rejected rows that say something wrong, each once: not those without an answer, nor copies."""
    found = {
        row["id"]: row
        for row in _rows(corpus, "rejected", kind, options)
        if row["rejected_by"] not in NEITHER
    }
    return list(found.values())


def _prompt(corpus: Corpus, options: Options) -> Prompt | None:
    """The template that the corpus' teacher read, where the student is to read it too."""
    if options.prompt != "corpus":
        return None
    part = corpus.manifest["recipe"]["prompt"]
    if not part.get("template"):
        raise StudentError(f"{corpus.path}: was made without a template; name one with the option prompt")
    return replace(load_prompt(part["template"]), variables=dict(part.get("variables") or {}))
