"""`Recipe`: read from YAML, changed from the command line, hashed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator

from synthkd.errors import RecipeError
from synthkd.keys import content_hash
from synthkd.recipe.explain import explain, override
from synthkd.recipe.part import Part
from synthkd.recipe.parts import CorpusPart, CriticPart, Inputs, Kind, Prompt, Rule, VotesPart
from synthkd.recipe.student import LoopPart, StudentPart
from synthkd.recipe.teacher import Limits, TeacherPart


class Recipe(Part):
    """A whole run: inputs, kind, prompt, teacher, rules, critic and corpus; a student of it, and the loop of both."""

    name: str = Field(description="Name of the run.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    inputs: Inputs
    kind: Kind = Field(default_factory=Kind)
    prompt: Prompt = Field(default_factory=Prompt)
    teacher: TeacherPart
    limits: Limits = Field(default_factory=Limits)
    rules: list[Rule] | None = Field(
        None, description="Rules in their order: names, or `{name, options}`. Default: the kind's."
    )
    votes: VotesPart | None = Field(
        None, description="Votes over the completions of a question. Default: none."
    )
    critic: CriticPart | None = None
    corpus: CorpusPart
    student: StudentPart | None = Field(
        None, description="The student for `synthkd distill` and `synthkd student`."
    )
    loop: LoopPart | None = Field(None, description="The loop of `synthkd distill`.")
    seed: int = Field(0, description="Seed of draws (few-shot examples, splits).")
    journal: str = Field("journal.sqlite", description="Store of completions; recipes may share one.")
    work: str | None = Field(None, description="Folder of intermediate files. Default: `runs/<name>`.")

    _folder: Path = Path()

    @field_validator("rules", mode="before")
    @classmethod
    def _names_are_rules(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [{"name": rule} if isinstance(rule, str) else _one_key_rule(rule) for rule in value]
        return value

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._folder

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> Recipe:
        """Read a YAML file; ``overrides`` are ``key.key=value`` with YAML values."""
        path = Path(path)
        try:
            raw = yaml.safe_load(path.read_text("utf-8"))
        except FileNotFoundError:
            raise RecipeError(f"{path}: no such recipe") from None
        except IsADirectoryError:
            raise RecipeError(f"{path} is a folder; name the recipe file in it") from None
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise RecipeError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', error)}") from None
        if not isinstance(raw, dict):
            raise RecipeError(f"{path}: a recipe is a mapping of keys; see docs/recipe.md")
        for change in overrides or []:
            override(raw, change)
        return cls.from_dict(raw, folder=path.resolve().parent, source=str(path))

    @classmethod
    def from_dict(cls, raw: dict[str, Any], folder: str | Path = ".", source: str = "recipe") -> Recipe:
        """Check a mapping. ``folder`` is where its relative paths start."""
        try:
            recipe = cls.model_validate(raw)
        except ValidationError as error:
            raise RecipeError(explain(error, cls, source)) from None
        recipe._folder = Path(folder).resolve()
        return recipe

    def with_parts(self, **parts: Any) -> Recipe:
        """This recipe with other parts."""
        other = self.model_copy(update=parts)
        other._folder = self._folder
        return other

    def resolve(self, path: str) -> Path:
        """A path of this recipe as an absolute one, with ``$NAME`` and ``~`` replaced."""
        expanded = os.path.expanduser(os.path.expandvars(path))
        if "$" in expanded:
            raise RecipeError(f"path {path!r} names an environment variable that is not set")
        return (self._folder / expanded).resolve()

    @property
    def work_dir(self) -> Path:
        return self.resolve(self.work or f"runs/{self.name}")

    @property
    def journal_path(self) -> Path:
        return self.resolve(self.journal)

    @property
    def corpus_path(self) -> Path:
        return self.resolve(self.corpus.path)

    @property
    def student_path(self) -> Path:
        """Folder of the trained student."""
        named = self.student.path if self.student else None
        return self.resolve(named) if named else self.work_dir / "student"

    def fingerprint(self) -> str:
        """Content hash of all that was asked for of the corpus."""
        return content_hash(self.record())

    def record(self) -> dict[str, Any]:
        """What a corpus' manifest holds: all but the limits, which say how far and how fast, not what; and but what
        comes after the corpus."""
        return self.model_dump(mode="json", exclude={"limits", "student", "loop"})


def _one_key_rule(rule: Any) -> Any:
    """``{too_long: {max_words: 8}}`` is short for ``{name: too_long, options: {max_words: 8}}``."""
    if isinstance(rule, dict) and len(rule) == 1 and "name" not in rule:
        ((name, options),) = rule.items()
        return {"name": name, "options": options or {}}
    return rule
