"""`Recipe`: read from YAML, changed from the command line, hashed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from synthkd import plugins, safeyaml
from synthkd.errors import RecipeError, nearest
from synthkd.keys import content_hash
from synthkd.recipe.parts import (
    CorpusPart,
    CriticPart,
    InputsPart,
    KindPart,
    PromptPart,
    RecipePart,
    RulePart,
    TargetPart,
    VotesPart,
    one_key_rule,
    rules_as_parts,
)
from synthkd.recipe.published_values import published, without_addresses
from synthkd.recipe.steps import INPUTS, StepPart
from synthkd.recipe.student import LoopPart, StudentPart
from synthkd.recipe.teacher import LimitsPart, TeacherPart
from synthkd.recipe.validation_errors import explain, override
from synthkd.rows import RowSource, is_path
from synthkd.secrets import expand_variables, find_cleartext_secret, mask_tokens
from synthkd.storage import is_address

#: A rule as Python gives it: a name, a mapping as in YAML, or a rule class or function.
RuleChoice = str | dict[str, Any] | Callable[..., Any]


class Recipe(RecipePart):
    """A whole run: inputs, kind, prompt, teacher, rules, critic, corpus, student and loop.

    In Python the keys are those of YAML: parts are mappings. `inputs` may also be a path, or rows
    in memory (a list of dicts, a DataFrame, a table), and `rules` may hold functions and classes.
    Relative paths start at the current folder.

    Raises:
        RecipeError: A key or value is wrong; all mistakes in one message.

    Example:
        >>> import synthkd
        >>> recipe = synthkd.Recipe(
        ...     name="tools",
        ...     inputs=[{"head": "a knife", "relation": "UsedFor"}],
        ...     kind={"name": "triple", "relations": "everyday"},
        ...     prompt={"template": "triple/everyday"},
        ...     teacher={"model": "synthkd/everyday", "sampling": {"n": 5, "max_tokens": 12}},
        ...     corpus={"path": "corpora/tools"},
        ... )
        >>> recipe
        <Recipe tools: triple, synthkd/everyday>
        >>> synthkd.run(recipe, quiet=True).counts["asked"]
        5
    """

    name: str = Field(description="Name of the run.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    inputs: InputsPart
    kind: KindPart = Field(default_factory=KindPart)
    prompt: PromptPart = Field(default_factory=PromptPart)
    teacher: TeacherPart
    limits: LimitsPart = Field(default_factory=LimitsPart)
    rules: list[RulePart] | None = Field(
        None, description="Rules in their order: names, or `{name, options}`. Default: the kind's."
    )
    votes: VotesPart | None = Field(
        None, description="Votes over the completions of a question. Default: none."
    )
    critic: CriticPart | None = None
    target: TargetPart | None = Field(
        None,
        description="So many accepted rows, asked for in rounds. Default: `sampling.n` samples of"
        " every input, however many are accepted.",
    )
    steps: dict[str, StepPart] | None = Field(
        None,
        description="Steps by name, in order, each with its own kind, prompt, rules, votes and"
        " critic in the place of the recipe's. The last one's rows are the corpus.",
    )
    corpus: CorpusPart
    student: StudentPart | None = Field(
        None, description="The student for `synthkd distill` and `synthkd student`."
    )
    loop: LoopPart | None = Field(None, description="The loop of `synthkd distill`.")
    seed: int = Field(0, description="Seed of draws (few-shot examples, splits).")
    journal: str = Field(
        "journal.sqlite", description="Store of completions; recipes may share one."
    )
    work: str | None = Field(
        None, description="Folder of intermediate files. Default: `runs/<name>`."
    )

    _folder: Path = Path()
    _follows_steps: bool = PrivateAttr(False)
    _rows: Any = PrivateAttr(None)

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            inputs: InputsPart | Mapping[str, Any] | RowSource,
            teacher: TeacherPart | Mapping[str, Any],
            corpus: CorpusPart | Mapping[str, Any],
            kind: KindPart | Mapping[str, Any] = ...,
            prompt: PromptPart | Mapping[str, Any] = ...,
            limits: LimitsPart | Mapping[str, Any] = ...,
            rules: Sequence[RuleChoice] | None = None,
            votes: VotesPart | Mapping[str, Any] | None = None,
            critic: CriticPart | Mapping[str, Any] | None = None,
            target: TargetPart | Mapping[str, Any] | None = None,
            steps: Mapping[str, StepPart | Mapping[str, Any]] | None = None,
            student: StudentPart | Mapping[str, Any] | None = None,
            loop: LoopPart | Mapping[str, Any] | None = None,
            seed: int = 0,
            journal: str = "journal.sqlite",
            work: str | None = None,
        ) -> None: ...

    else:

        def __init__(self, /, **keys: Any) -> None:
            keys, rows = _without_rows(keys)
            keys = _with_named_rules(keys)
            try:
                super().__init__(**keys)
            except ValidationError as error:
                raise RecipeError(explain(error, type(self), "Recipe")) from None
            self._rows, self._folder = rows, Path.cwd()

        # Validation of a mapping goes past it, as past the constructor of any model.
        __init__.__pydantic_base_init__ = True

    def __repr__(self) -> str:
        kinds = ", ".join(step.kind.name for step in self.steps.values()) if self.steps else ""
        teacher = mask_tokens(self.teacher.model or self.teacher.backend)
        return f"<Recipe {self.name}: {kinds or self.kind.name}, {teacher}>"

    def __str__(self) -> str:
        return repr(self)

    @model_validator(mode="before")
    @classmethod
    def _no_secret_in_clear(cls, value: Any) -> Any:
        if isinstance(value, dict):
            _refuse_odd_texts(value)
            if secret := find_cleartext_secret(_without_typed(value)):
                place, problem = secret
                raise ValueError(
                    f"{place}: {problem}" + ("" if "$NAME" in problem else f"; {_remedy(place)}")
                )
        return value

    @field_validator("rules", mode="before")
    @classmethod
    def _names_are_rules(cls, value: Any) -> Any:
        return rules_as_parts(value)

    @model_validator(mode="after")
    def _steps_or_one_run(self) -> Recipe:
        if self.steps is None:
            return self
        if not self.steps:
            raise ValueError("steps: name one at least")
        if own := sorted(_OF_STEPS & self.model_fields_set):
            raise ValueError(f"{own[0]}: a recipe with `steps` has it in its steps alone")
        known = [INPUTS]
        for name, step in self.steps.items():
            if not _STEP_NAME.fullmatch(name):
                raise ValueError(f"steps: {name!r} is no name; letters, digits, _ and - are")
            if name == INPUTS:
                raise ValueError("steps: `inputs` are the recipe's own rows; choose another name")
            for source in step.inputs.sources if step.inputs else ():
                if source not in known:
                    raise ValueError(
                        f"steps.{name}.inputs: no earlier step {source!r}{nearest(source, known)}"
                    )
            known.append(name)
        return self

    @property
    def follows_steps(self) -> bool:
        """True if earlier steps add columns to the inputs, so that prompts cannot be rendered."""
        return self._follows_steps

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._folder

    @property
    def given_rows(self) -> RowSource | None:
        """The rows in memory that were given as its inputs; None for a file."""
        rows: RowSource | None = self._rows
        return rows

    @classmethod
    def of(cls, recipe: Recipe | Mapping[str, Any] | str | Path) -> Recipe:
        """Return a recipe that was given as one, as a mapping, or as the path of a YAML file.

        Raises:
            RecipeError: The file cannot be read, or a key or value is wrong.
        """
        if isinstance(recipe, Recipe):
            return recipe
        if isinstance(recipe, Mapping):
            if odd := next((key for key in recipe if not isinstance(key, str)), None):
                raise RecipeError(f"recipe: the key {odd!r} is no text")
            return cls(**recipe)
        if isinstance(recipe, str | os.PathLike):
            return cls.load(recipe)
        raise RecipeError(
            f"a recipe is a path, a mapping or a Recipe, not a value of the type"
            f" {type(recipe).__name__}"
        )

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | None = None) -> Recipe:
        """Read a recipe from a YAML file.

        Args:
            path: The file.
            overrides: Changes as ``key.key=value`` with YAML values.

        Raises:
            RecipeError: The file cannot be read, or a key or value is wrong; all mistakes in one
                message.
        """
        path = Path(path)
        try:
            raw = safeyaml.read_yaml(path)
        except FileNotFoundError:
            raise RecipeError(f"{path}: no such recipe") from None
        except IsADirectoryError:
            raise RecipeError(f"{path} is a folder; name the recipe file in it") from None
        except (OSError, ValueError) as error:
            if isinstance(error, safeyaml.YamlError):
                raise RecipeError(f"{path}{error.where}: {error}") from None
            raise RecipeError(
                f"{path}: not readable ({getattr(error, 'strerror', None) or error})"
            ) from None
        if not isinstance(raw, dict):
            raise RecipeError(
                f"{path}: a recipe is a mapping of keys; see docs/reference/recipe.md"
            )
        for change in overrides or []:
            override(raw, change, cls.model_fields)
        recipe = cls.from_dict(raw, folder=path.resolve().parent, source=str(path))
        # Places that are written to are needed at the end, and wrong ones are to be known at the
        # beginning.
        _ = (recipe.journal_path, recipe.work_dir, recipe.corpus_path, recipe.student_path)
        return recipe

    @classmethod
    def from_dict(
        cls, raw: dict[str, Any], folder: str | Path = ".", source: str = "recipe"
    ) -> Recipe:
        """Make a recipe from a mapping.

        Args:
            raw: The mapping, as in YAML.
            folder: The folder that relative paths start from.
            source: What messages call the recipe.

        Raises:
            RecipeError: A key or value is wrong.
        """
        try:
            recipe = cls.model_validate(raw)
        except ValidationError as error:
            raise RecipeError(explain(error, cls, source)) from None
        recipe._folder = Path(folder).resolve()
        return recipe

    def with_rules(self, rules: Sequence[RuleChoice]) -> Recipe:
        """Return this recipe with other rules.

        Args:
            rules: Names, mappings as in YAML, and rule classes or functions.

        Raises:
            RecipeError: An item is none of these.
        """
        named = _named_rules(rules)
        try:
            return self.with_parts(rules=[RulePart.model_validate(item) for item in named])
        except ValidationError as error:
            raise RecipeError(explain(error, RulePart, "rules")) from None

    def with_inputs(self, rows: RowSource) -> Recipe:
        """Return this recipe with other rows; what it says of their id and columns stays.

        Args:
            rows: A path, a DataFrame, a table, a list of dicts or another iterable of rows.
        """
        part, given = _inputs_of(rows)
        inputs = self.inputs.model_copy(update={"path": None, "count": None, **part})
        other = self.with_parts(inputs=inputs)
        other._rows = given
        return other

    def with_values(self, part: str, **values: Any) -> Recipe:
        """Return this recipe with values of one part changed, and checked as those of YAML are.

        Args:
            part: Name of the part, such as `limits`.
            values: Its keys and their new values.

        Raises:
            RecipeError: A key or value is wrong.
        """
        sort: Any = {
            "limits": LimitsPart, "inputs": InputsPart, "target": TargetPart, "critic": CriticPart,
            "teacher": TeacherPart,
        }[part]  # fmt: skip
        own = getattr(self, part)
        before = {} if own is None else {name: getattr(own, name) for name in own.model_fields_set}
        try:
            changed = sort.model_validate({**before, **values})
        except ValidationError as error:
            raise RecipeError(explain(error, sort, part)) from None
        return self.with_parts(**{part: changed})

    def with_parts(self, *, follows_steps: bool | None = None, **parts: Any) -> Recipe:
        """Return this recipe with other parts; ``follows_steps``: see the property."""
        other = self.model_copy(update=parts)
        other._folder, other._rows = self._folder, self._rows
        other._follows_steps = self._follows_steps if follows_steps is None else follows_steps
        return other

    def resolve(self, path: str) -> Path:
        """Return a path of this recipe as an absolute path, with ``$NAME`` and ``~`` replaced.

        Raises:
            RecipeError: A variable is not set, or no path can have this form.
        """
        expanded = os.path.expanduser(expand_variables(path, f"path {mask_tokens(path)!r}"))
        try:
            if any(len(os.fsencode(part)) > _LONGEST_NAME for part in expanded.split("/")):
                raise OSError("a name in it is too long")
            if len(os.fsencode(expanded)) > _LONGEST_PATH:
                raise OSError("it is too long")
            return (self._folder / expanded).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            shown = path if len(path) <= 80 else f"{path[:60]}…"
            raise RecipeError(
                f"path {mask_tokens(shown)!r}: no file can have it ({error})"
            ) from None

    def path_text(self, path: Path) -> str:
        """Return a path as a recipe holds it: from the recipe's folder on, if it lies within.

        A way up and out of the folder would name other folders of the machine in what is published.
        """
        within = path.is_relative_to(self._folder)
        return (path.relative_to(self._folder) if within else path).as_posix()

    @property
    def work_dir(self) -> Path:
        return self.resolve(self.work or f"runs/{self.name}")

    @property
    def journal_path(self) -> Path:
        return self.resolve(self.journal)

    @property
    def corpus_path(self) -> Path:
        """The folder of the corpus; of an address, the folder whose content is sent there."""
        if is_address(self.corpus.path):
            return self.resolve(f"runs/{self.name}-corpus")
        return self.resolve(self.corpus.path)

    @property
    def student_path(self) -> Path:
        """The folder of the trained student."""
        named = self.student.path if self.student else None
        return self.resolve(named) if named else self.work_dir / "student"

    def fingerprint(self) -> str:
        """Hash everything that decides the content of the corpus."""
        record = self.record()
        for name in _OF_CARD:
            record["corpus"].pop(name, None)
        return content_hash(record)

    def record(self) -> dict[str, Any]:
        """Return the recipe as a corpus' manifest holds it.

        Limits are left out, since they say how far and how fast, and the student and loop, which
        come after the corpus; no secret and nothing about the machine is in it.
        """
        record: dict[str, Any] = self.published(
            self.model_dump(mode="json", exclude={"limits", "student", "loop"})
        )
        if self.steps is None:
            del record["steps"]
        if self.votes is not None and not self.votes.options:
            # So that the fingerprint of a recipe without them does not depend on this version.
            del record["votes"]["options"]
        if self.target is None:
            del record["target"]
        usual = CorpusPart(path="").model_dump(mode="json")
        for name in _LATER:
            if record["corpus"][name] == usual[name]:
                del record["corpus"][name]
        return record

    def published(self, value: Any, key: str = "") -> Any:
        """Return a value as a published file may hold it.

        Paths are relative to the recipe's folder or names, and private hosts are left out.
        """
        return published(value, self._folder, key)

    def published_identity(self, identity: str) -> str:
        """Return a teacher's identity without its address, or the place of a local model.

        Keys in the journal hold the identity itself.
        """
        model = self.teacher.model
        if model and (name := self.published(model, "model")) != model:
            identity = identity.replace(model, name)
        return without_addresses(str(self.published(identity)))

    def for_worker(self) -> dict[str, Any]:
        """Return the recipe for a worker process, with addresses and headers as written."""
        return self.model_dump(mode="json", context={"reveal": True})


#: Fields of the corpus that came later: left out where they say nothing, so that fingerprints of
#: older recipes stay; and those that only the card shows.
_LATER = ("language", "input_columns", "normal_forms", "prompts", "card")
_OF_CARD = ("language", "card")
#: Parts that a recipe with steps has in its steps.
_OF_STEPS = frozenset({"kind", "prompt", "rules", "votes", "critic"})
_STEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
#: Bytes of a file's name and of a whole path at most, on common systems.
_LONGEST_NAME = 255
_LONGEST_PATH = 4095


def _with_named_rules(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a recipe, or of a step, with rules and steps as YAML has them."""
    named = dict(keys)
    if isinstance(keys.get("rules"), list | tuple):
        named["rules"] = _named_rules(keys["rules"])
    if isinstance(keys.get("steps"), Mapping):
        named["steps"] = {
            name: _with_named_rules(step) if isinstance(step, Mapping) else step
            for name, step in keys["steps"].items()
        }
    return named


def _named_rules(rules: Sequence[Any]) -> list[Any]:
    """Return rules as YAML has them; a function or class by the name that finds it again."""
    named: list[Any] = []
    for item in rules:
        if isinstance(item, str):
            named.append({"name": item})
        elif isinstance(item, RulePart):
            named.append(item)
        elif isinstance(item, Mapping):
            named.append(one_key_rule(dict(item)))
        elif hasattr(item, "__qualname__"):
            named.append({"name": plugins.name_in_recipe("rules", item)})
        else:
            raise RecipeError(
                f"rules: {item!r:.60} is no name, mapping, class or function; give a class"
                " itself, and its options as {name: options}"
            )
    return named


#: The file of rows that were given in memory, within the folder of the run.
GIVEN_INPUTS = "inputs.jsonl"


def _without_rows(keys: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the keys of a recipe with inputs as YAML has them, and the rows that were given."""
    inputs = keys.get("inputs")
    if inputs is None or isinstance(inputs, InputsPart) or _is_part(inputs):
        return keys, None
    part, rows = _inputs_of(inputs)
    return {**keys, "inputs": part}, rows


def _is_part(inputs: Any) -> bool:
    """Return True for a mapping with the keys of `inputs`; data sets of splits are mappings too."""
    return isinstance(inputs, Mapping) and not any(
        hasattr(value, "num_rows") for value in inputs.values()
    )


def _inputs_of(rows: RowSource) -> tuple[dict[str, Any], Any]:
    """Return the part for given rows: a path, or that of the file that a run writes of them."""
    if is_path(rows):
        return {"path": os.fspath(rows)}, None  # type: ignore[arg-type]
    # An iterator can be read once, and a recipe is run more often.
    kept = list(rows) if isinstance(rows, Iterator) else rows
    return {"path": GIVEN_INPUTS}, kept


def _refuse_odd_texts(value: Any, place: str = "") -> None:
    """Refuse characters that no file, path or database holds, with their place."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(
                f"{place}: holds a character that no file can hold (NUL, or half of a pair)"
            )
    elif isinstance(value, dict):
        for name, inner in value.items():
            _refuse_odd_texts(inner, f"{place}.{mask_tokens(str(name))}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_odd_texts(inner, f"{place}.{number}")


def _without_typed(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe without the fields whose own types refuse a secret."""
    teacher = raw.get("teacher")
    if not isinstance(teacher, dict):
        return raw
    typed = ("base_url", "proxy", "headers", "api_key_env")
    return raw | {"teacher": {name: value for name, value in teacher.items() if name not in typed}}


def _remedy(place: str) -> str:
    """Describe where a secret belongs instead."""
    if place.startswith("teacher.options"):
        return (
            "put it into the environment variable that the backend reads for it (such as HF_TOKEN)"
        )
    if place.startswith("teacher.sampling"):
        return (
            "put it into an environment variable, and send it as a header: teacher.headers with"
            " $NAME"
        )
    return (
        "keep it in an environment variable: teacher.api_key_env names one, and $NAME stands for"
        " one in addresses and headers"
    )
