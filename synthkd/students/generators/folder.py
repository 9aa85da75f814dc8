"""A generator student's folder: a transformers checkpoint, its template, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.artifacts.settings import Name, PluginName, Settings, checked_settings, read_object
from synthkd.errors import StudentError
from synthkd.kinds.base import Kind
from synthkd.options import checked_options
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
from synthkd.students.generators.fit import TrainedGenerator, task_splitter
from synthkd.students.generators.options import GeneratorOptions

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


@dataclass(frozen=True)
class StoredGenerator:
    """The contents of a generator's folder.

    Attributes:
        options: Options of the student.
        trained: The trained model with its template.
        kind_record: The part `kind` of a recipe that makes the kind; None if the kind was made by
            hand.
    """

    options: GeneratorOptions
    trained: TrainedGenerator
    kind_record: dict[str, Any] | None


def write_folder(folder: Path, generator: StoredGenerator) -> None:
    """Write a generator into an existing folder."""
    trained = generator.trained
    write_checkpoint(trained.model, trained.tokenizer, folder)
    if trained.adapter is not None:
        trained.adapter.save(folder / ADAPTER)
    prompt = trained.builder.prompt
    standalone = not prompt.needs_files
    if standalone:
        (folder / TEMPLATE).write_text(template_text(prompt), "utf-8")
    options = {
        name: public_name(value) if name in ("base", "prompt") and isinstance(value, str) else value
        for name, value in generator.options.record().items()
        if name != "device"
    }
    write_json(
        folder / SETTINGS,
        {
            "student": "generator", "format": FORMAT, "options": options,
            "kind": _without_folders(generator.kind_record),
            "prompt": TEMPLATE if standalone else prompt.name, "variables": prompt.variables,
            "max_tokens": trained.max_tokens, "record": trained.record,
        },
    )  # fmt: skip


def _without_folders(record: Any) -> Any:
    """Cut the absolute paths of a kind's record to their last part."""
    if isinstance(record, dict):
        return {key: _without_folders(value) for key, value in record.items()}
    if isinstance(record, list):
        return [_without_folders(value) for value in record]
    if isinstance(record, str) and (record.startswith("~") or Path(record).is_absolute()):
        return Path(record).name
    return record


def template_text(prompt: Prompt) -> str:
    """Return a template with its head, without few-shot examples."""
    head = {
        name: value
        for name, value in {**prompt.head.model_dump(), "stop": [*prompt.head.stops]}.items()
        if name in ("about", "kind", "chat", "system", "stop") and value not in (None, "", [])
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n{prompt.source}"


def read_folder(folder: Path, kind: Kind | None) -> StoredGenerator:
    """Read what `write_folder` wrote.

    Args:
        folder: The student's folder.
        kind: The kind, if the folder does not tell how to make it.

    Raises:
        StudentError: A file is missing or altered, or the kind cannot be made.
    """
    require_students_extra()
    path = folder / SETTINGS
    if not path.is_file():
        raise StudentError(
            f"{folder}: no whole generator student here (no {SETTINGS}); train it again"
        )
    raw = read_object(path, STUDENT_ARTIFACT)
    if isinstance(raw.get("format"), int) and raw["format"] != FORMAT:
        raise StudentError(
            f"{folder}: of format {raw['format']}; this version of synthkd reads {FORMAT}; train it"
            " again"
        )
    settings = checked_settings(path, raw, _Settings, STUDENT_ARTIFACT)
    record = settings.kind
    if record is not None:
        checked_settings(path, {"name": record.get("name")}, _KindName, STUDENT_ARTIFACT)
        if record != _without_folders(record):
            raise STUDENT_ARTIFACT.refuse(path, "kind: it names a file by an absolute path")
    options: GeneratorOptions = checked_options(
        GeneratorOptions, settings.options, f"{path}: options", StudentError
    )
    model, tokenizer = load_checkpoint(str(folder), options.dtype, options.device, own=True)
    model.eval()
    if kind is None and record is None:
        raise StudentError(
            f"{folder}: its kind was made by hand; give it: GeneratorStudent.load(folder, kind=...)"
        )
    kind = kind or kind_from_record(record or {}, folder)
    prompt = load_prompt(settings.prompt, folder)
    prompt.variables.update(settings.variables)
    builder = ExampleBuilder(kind, prompt, task_splitter(options, kind))
    trained = TrainedGenerator(model, tokenizer, builder, settings.record, settings.max_tokens)
    return StoredGenerator(options, trained, record)
