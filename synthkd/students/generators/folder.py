"""A generator student's folder: a transformers checkpoint, its template, and what was done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml

from synthkd.errors import StorageError, StudentError
from synthkd.kinds.base import Kind
from synthkd.prompts import Prompt, load_prompt
from synthkd.storage import read_json, write_json
from synthkd.students.generators.checkpoint import ADAPTER, load_checkpoint, need_students, write_checkpoint
from synthkd.students.generators.examples import Writer
from synthkd.students.generators.fit import tasks_of
from synthkd.students.generators.kinds import kind_of
from synthkd.students.generators.options import Options

if TYPE_CHECKING:
    from synthkd.students.generators.student import GeneratorStudent

S = TypeVar("S", bound="GeneratorStudent")
SETTINGS, TEMPLATE = "generator.json", "prompt.j2"
FORMAT = 1
#: Tags of a template that need other files.
_NEEDS_FILES = re.compile(r"{%[-+]?\s*(include|extends|import|from)\b")


def write_folder(student: GeneratorStudent, folder: Path) -> None:
    """Write into an existing folder."""
    write_checkpoint(student.model, student.tokenizer, folder)
    if student.adapter is not None:
        student.adapter.save(folder / ADAPTER)
    prompt = student.prompt
    whole = not _NEEDS_FILES.search(prompt.source)
    if whole:
        (folder / TEMPLATE).write_text(template_text(prompt), "utf-8")
    options = {name: value for name, value in student.options.record().items() if not callable(value)}
    write_json(
        folder / SETTINGS,
        {
            "student": student.name, "format": FORMAT, "options": options, "kind": student._kind_record,
            "prompt": TEMPLATE if whole else prompt.name, "variables": prompt.variables,
            "max_tokens": student.max_tokens, "record": student.record,
        },
    )  # fmt: skip


def template_text(prompt: Prompt) -> str:
    """A template with its head, without few-shot examples: a file that a recipe can name."""
    head = {
        name: value
        for name, value in prompt.head.model_dump().items()
        if name in ("about", "kind", "chat", "system", "stop") and value not in (None, "", [])
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n{prompt.source}"


def read_folder(cls: type[S], folder: Path, kind: Kind | None) -> S:
    """The student that `write_folder` wrote."""
    need_students()
    try:
        settings = read_json(folder / SETTINGS)
        known, record = settings["options"], settings["kind"]
        name, variables = str(settings["prompt"]), dict(settings["variables"])
        most, done, version = settings["max_tokens"], dict(settings["record"]), settings["format"]
    except (StorageError, KeyError, TypeError, ValueError) as error:
        raise StudentError(f"{folder}: no whole generator student here ({error}); train it again") from None
    if version != FORMAT:
        raise StudentError(
            f"{folder}: of format {version}; this version of synthkd reads {FORMAT}; train it again"
        )
    student = cls(**Options.checked(known).record())
    student.model, student.tokenizer = load_checkpoint(
        str(folder), student.options.dtype, student.options.device
    )
    student.model.eval()
    if kind is None and record is None:
        raise StudentError(
            f"{folder}: its kind was made by hand; give it: GeneratorStudent.load(folder, kind=...)"
        )
    kind = kind or kind_of(record, folder)
    prompt = load_prompt(name, folder)
    prompt.variables.update(variables)
    student.writer = Writer(kind, prompt, tasks_of(student.options, kind))
    student.record, student.max_tokens, student._kind_record = done, most, record
    return student
