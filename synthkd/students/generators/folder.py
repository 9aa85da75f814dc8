"""A generator student's folder: a transformers checkpoint, its template, and what was done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field

from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.artifacts.settings import Name, PluginName, Settings, checked_settings, read_object
from synthkd.errors import StudentError
from synthkd.kinds.base import Kind
from synthkd.prompts import Prompt, load_prompt
from synthkd.recipe.published_values import public_name
from synthkd.storage import write_json
from synthkd.students.generators.checkpoint import (
    ADAPTER,
    load_checkpoint,
    require_students_extra,
    write_checkpoint,
)
from synthkd.students.generators.corpus import kind_from_record
from synthkd.students.generators.examples import ExampleBuilder
from synthkd.students.generators.fit import task_splitter
from synthkd.students.generators.options import GeneratorOptions

if TYPE_CHECKING:
    from synthkd.students.generators.student import GeneratorStudent

S = TypeVar("S", bound="GeneratorStudent")
SETTINGS, TEMPLATE = "generator.json", "prompt.j2"
FORMAT = 1


class _Settings(Settings):
    student: Literal["generator"]
    format: Literal[1]
    options: dict[str, Any]
    kind: dict[str, Any] | None
    #: `prompt.j2` of the folder, or a shipped template that includes others.
    prompt: Annotated[str, Field(pattern=r"^(prompt\.j2|[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)$")]
    variables: dict[Name, Any]
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None
    record: dict[str, Any]


class _KindName(Settings):
    name: PluginName


def write_folder(student: GeneratorStudent, folder: Path) -> None:
    """Write into an existing folder."""
    write_checkpoint(student.model, student.tokenizer, folder)
    if student.adapter is not None:
        student.adapter.save(folder / ADAPTER)
    prompt = student.prompt
    whole = not prompt.needs_files
    if whole:
        (folder / TEMPLATE).write_text(template_text(prompt), "utf-8")
    options = {
        name: public_name(value) if name in ("base", "prompt") and isinstance(value, str) else value
        for name, value in student.options.record().items()
        if not callable(value) and name != "device"
    }
    write_json(
        folder / SETTINGS,
        {
            "student": student.name, "format": FORMAT, "options": options, "kind": _without_places(student._kind_record),
            "prompt": TEMPLATE if whole else prompt.name, "variables": prompt.variables,
            "max_tokens": student.max_tokens, "record": student.record,
        },
    )  # fmt: skip


def _without_places(record: Any) -> Any:
    """A kind's record in which an absolute path is its last part: a file of that name beside the student serves."""
    if isinstance(record, dict):
        return {key: _without_places(value) for key, value in record.items()}
    if isinstance(record, list):
        return [_without_places(value) for value in record]
    if isinstance(record, str) and (record.startswith("~") or Path(record).is_absolute()):
        return Path(record).name
    return record


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
    require_students_extra()
    path = folder / SETTINGS
    if not path.is_file():
        raise StudentError(f"{folder}: no whole generator student here (no {SETTINGS}); train it again")
    found = read_object(path, STUDENT_ARTIFACT)
    if isinstance(found.get("format"), int) and found["format"] != FORMAT:
        raise StudentError(
            f"{folder}: of format {found['format']}; this version of synthkd reads {FORMAT}; train it again"
        )
    settings = checked_settings(path, found, _Settings, STUDENT_ARTIFACT)
    record = settings.kind
    if record is not None:
        checked_settings(path, {"name": record.get("name")}, _KindName, STUDENT_ARTIFACT)
        if record != _without_places(record):
            raise STUDENT_ARTIFACT.refuse(path, "kind: it names a file by an absolute path")
    name, variables, most, done = settings.prompt, settings.variables, settings.max_tokens, settings.record
    try:
        student = cls(**GeneratorOptions.checked(settings.options).record())
    except TypeError as error:
        raise STUDENT_ARTIFACT.refuse(path, f"options: {error}") from None
    student.model, student.tokenizer = load_checkpoint(
        str(folder), student.options.dtype, student.options.device, own=True
    )
    student.model.eval()
    if kind is None and record is None:
        raise StudentError(
            f"{folder}: its kind was made by hand; give it: GeneratorStudent.load(folder, kind=...)"
        )
    kind = kind or kind_from_record(record or {}, folder)
    prompt = load_prompt(name, folder)
    prompt.variables.update(variables)
    student.writer = ExampleBuilder(kind, prompt, task_splitter(student.options, kind))
    student.record, student.max_tokens, student._kind_record = done, most, record
    return student
