"""What a user asks for: the models behind a recipe's YAML.

Unknown keys are refused with the nearest known name. Relative paths are read from the recipe's folder;
``$NAME`` in a path is taken from the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from synthkd.errors import RecipeError, nearest
from synthkd.keys import content_hash


class Part(BaseModel):
    """Base of all parts of a recipe: frozen, and nothing unknown gets in."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Inputs(Part):
    """The rows that the teacher is asked about."""

    path: str | None = Field(None, description="CSV, JSONL or Parquet file, or a folder of Parquet files.")
    count: int | None = Field(
        None, ge=1, description="Instead of a file: this many rows with one column, `draw`."
    )
    id: str | None = Field(None, description="Column that holds each row's id. Default: the hash of the row.")
    columns: list[str] | None = Field(None, description="Columns to read. Default: all.")
    rename: dict[str, str] = Field(
        default_factory=dict, description="File column to the name that prompt and kind use."
    )
    limit: int | None = Field(None, ge=1, description="Read only the first rows.")

    @model_validator(mode="after")
    def _one_source(self) -> Inputs:
        if (self.path is None) == (self.count is None):
            raise ValueError("give either `path` or `count`")
        return self


class Kind(Part):
    """The kind of knowledge, and its options."""

    name: str = Field("triple", description="Name of the kind.")
    several: bool = Field(
        False,
        description="Read every line of an answer as a candidate. Default: the first line only.",
    )
    relations: str | list[str] | None = Field(
        None,
        description="A set of relations (`everyday`, `events`), a list of names from them, or a YAML file.",
    )


class Examples(Part):
    """Few-shot examples, drawn anew for each input by its id."""

    path: str = Field(description="CSV, JSONL or Parquet file of examples.")
    n: int = Field(5, ge=0, description="How many are shown.")
    by: str | None = Field(None, description="Draw only from rows that share this column with the input.")


class Prompt(Part):
    """What the teacher reads."""

    template: str | None = Field(
        None,
        description="Shipped name such as `triple/everyday`, or a path. May be left out for `recorded`.",
    )
    examples: Examples | None = Field(
        None, description="Few-shot examples. Default: those that the template names."
    )
    shots: int | None = Field(None, ge=0, description="How many of the template's own examples to show.")
    variables: dict[str, Any] = Field(default_factory=dict, description="Fixed values for the template.")


class SamplingPart(Part):
    """How completions are sampled. All but `n` and `logprobs` are part of the request's key."""

    n: int = Field(1, ge=1, description="Samples for each request.")
    temperature: float | None = Field(1.0, ge=0, description="0 is greedy.")
    top_p: float | None = Field(None, gt=0, le=1, description="Nucleus: keep the smallest set of this mass.")
    top_k: int | None = Field(None, ge=1, description="Keep the k likeliest tokens.")
    max_tokens: int = Field(64, ge=1, description="Longest answer, in tokens.")
    stop: list[str] = Field(default_factory=list, description="Texts that end an answer.")
    seed: int | None = Field(0, description="Seed of the samples; null sends none.")
    presence_penalty: float | None = Field(None, description="As in the OpenAI protocol.")
    frequency_penalty: float | None = Field(None, description="As in the OpenAI protocol.")
    logprobs: bool = Field(
        False, description="Ask for token log-probabilities; the NLL rule and critics use them."
    )
    response_format: dict[str, Any] | None = Field(
        None, description="As in the OpenAI protocol. `teacher.structured` fills it from the kind's schema."
    )
    reasoning_effort: str | None = Field(
        None, description="For reasoning models, such as `low`; `max_tokens` then counts their thoughts too."
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the request, sent as they stand."
    )


class Price(Part):
    """Prices in dollars per million tokens."""

    input: float = Field(0.0, ge=0, description="Prompt tokens.")
    output: float = Field(0.0, ge=0, description="Completion tokens.")
    cached: float | None = Field(
        None, ge=0, description="Prompt tokens that the provider had in its cache. Default: as `input`."
    )


class VllmPart(Part):
    """For the backend `vllm`: in this process, or a server of its own that the run starts and stops."""

    serve: bool = Field(
        False, description="Start `vllm serve` for the run and stop it after; else in this process."
    )
    python: str | None = Field(
        None, description="For `serve`: the Python of another environment that vLLM is installed in."
    )
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs over which the model is split.")
    startup: float = Field(600.0, gt=0, description="For `serve`: seconds until the server must be ready.")
    args: dict[str, Any] = Field(
        default_factory=dict,
        description="Further engine arguments by vLLM's names, such as `max_model_len: 4096`, passed as they stand.",
    )


class BatchPart(Part):
    """For the backend `openai-batch`: the provider's Batch API."""

    requests: int = Field(50_000, ge=1, description="Requests in one batch at most; providers allow 50,000.")
    megabytes: float = Field(190.0, gt=0, description="Size of one batch's file; providers allow 200 MB.")
    window: str = Field("24h", description="Completion window that is asked for.")
    poll: float = Field(30.0, gt=0, description="Seconds between looks at a batch's state.")
    discount: float = Field(0.5, ge=0, le=1, description="Share of the price that a batch costs.")


class TeacherPart(Part):
    """Which model writes, and how it is reached."""

    backend: str = Field(
        "transformers",
        description="`openai`, `openai-batch`, `vllm`, `transformers`, `recorded`, or one from a plugin.",
    )
    model: str | None = Field(
        None,
        description="Model name, checkpoint folder or hub name; `synthkd/everyday` is the embedded teacher.",
    )
    revision: str | None = Field(None, description="Hub revision of a local model.")
    identity: str | None = Field(
        None, description="Name for who answers, in place of model and address, in the key."
    )
    base_url: str | list[str] | None = Field(
        None,
        description="Address of an OpenAI-compatible server, up to and with `/v1`; a list for several endpoints of"
        " one model, over which the load is balanced.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further headers; `$NAME` is taken from the environment."
    )
    api_version: str | None = Field(
        None, description="For Azure: sent as `api-version`, with the key in the header `api-key`."
    )
    proxy: str | None = Field(
        None, description="HTTP proxy. Default: what `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say."
    )
    ca_file: str | None = Field(
        None, description="File of the authorities that TLS certificates may come from."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        description="Environment variable that holds the key. Keys are never written in a recipe.",
    )
    chat: bool | None = Field(
        None,
        description="Chat (true) or plain completions (false), for `openai`. Default: what the template says.",
    )
    concurrency: int = Field(64, ge=1, description="Requests in flight at most.")
    adaptive: bool = Field(
        True,
        description="Find how many requests in flight the server bears, up to `concurrency`. False: send as many.",
    )
    timeout: float = Field(120.0, gt=0, description="Seconds until a try counts as hung.")
    deadline: float | None = Field(
        None, gt=0, description="Seconds until a request is given up, all its tries together."
    )
    max_attempts: int = Field(6, ge=1, description="Tries of one request, the first included.")
    batch_size: int = Field(64, ge=1, description="Prompts in one batch of a local model.")
    device: str | None = Field(
        None, description="Device of a local model. Default: a GPU where there is one."
    )
    dtype: str = Field("float32", description="Number type of a local model.")
    threads: int | None = Field(None, ge=1, description="CPU threads of a local model.")
    path: str | None = Field(None, description="File of recorded rows.")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="For `recorded`: its field (`input_id`, `sample_index`, `text`, `logprob`, `model`) to the file's column.",
    )
    vllm: VllmPart = Field(default_factory=VllmPart, description="For `vllm`: how it is run.")
    batch: BatchPart = Field(default_factory=BatchPart, description="For `openai-batch`: sizes and times.")
    price: Price | None = Field(None, description="Prices, for the cost column. Unknown prices stay unknown.")
    structured: bool = Field(
        False,
        description="Ask for answers as JSON that keeps to the kind's schema, and check them again. The template must"
        " ask for JSON too.",
    )
    sampling: SamplingPart = Field(default_factory=SamplingPart, description="Sampling parameters.")


class Limits(Part):
    """How much may be spent and how fast. Not part of what a run is: another limit gives the same corpus."""

    dollars: float | None = Field(
        None,
        gt=0,
        description="What the run may cost, over all its resumptions. `--budget` on the command line.",
    )
    tokens: int | None = Field(
        None, ge=1, description="Tokens that may be read and written, over all resumptions. `--max-tokens`."
    )
    requests_per_minute: float | None = Field(None, gt=0, description="Requests in any 60 seconds.")
    tokens_per_minute: float | None = Field(
        None, gt=0, description="Tokens, read and written, in any 60 seconds."
    )
    patience: float = Field(
        300.0, gt=0, description="Seconds without any success, after which the run is stopped."
    )
    failing_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the last 200 requests that may fail for one reason, until the run is stopped.",
    )


class Rule(Part):
    """A fixed check, by name, with its options."""

    name: str = Field(description="Name of the rule.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the rule.")


class CriticPart(Part):
    """A trained critic, or the label sheet to train one from, and the precision that is asked of it."""

    name: str = Field("linear", description="Which critic, when one is trained.")
    path: str | None = Field(None, description="Folder of a trained critic; `everyday` is the shipped one.")
    labels: str | None = Field(
        None,
        description="Label sheet (CSV, JSONL or Parquet); a critic is trained from it in the run.",
    )
    label: str = Field("label", description="Column of the verdict in the sheet.")
    columns: dict[str, str] = Field(default_factory=dict, description="Sheet column to the kind's column.")
    held_out: float = Field(
        0.3,
        gt=0,
        lt=1,
        description="Share of groups kept for the threshold when the sheet has no `split`.",
    )
    group: str | None = Field(
        None,
        description="Column whose values stay on one side of the split. Default: the kind's own.",
    )
    precision: float = Field(0.9, gt=0, lt=1, description="Asked precision of what is accepted.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of its lower bound.")
    publish_anyway: bool = Field(
        False,
        description="Where the precision cannot be had, publish what passes the rules, and say so.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> CriticPart:
        if (self.path is None) == (self.labels is None):
            raise ValueError("give either `path` (a trained critic) or `labels` (a sheet to train from)")
        return self


class CorpusPart(Part):
    """The corpus that is written."""

    path: str = Field(description="Folder of the corpus.")
    title: str | None = Field(None, description="Title of the dataset card.")
    license: str | None = Field(None, description="Licence in the dataset card.")
    rows_per_file: int = Field(250_000, ge=1, description="Rows in one Parquet file at most.")


DEFAULT_RULES = ("empty", "echo", "too_long", "self_loop", "unfinished", "characters")


class Recipe(Part):
    """A whole run: inputs, kind, prompt, teacher, rules, critic and corpus."""

    name: str = Field(description="Name of the run.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    inputs: Inputs
    kind: Kind = Field(default_factory=Kind)
    prompt: Prompt = Field(default_factory=Prompt)
    teacher: TeacherPart
    limits: Limits = Field(default_factory=Limits)
    rules: list[Rule] | None = Field(
        None, description="Rules in their order: names, or `{name, options}`. Default: the kind's."
    )
    critic: CriticPart | None = None
    corpus: CorpusPart
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
        for override in overrides or []:
            _override(raw, override)
        return cls.from_dict(raw, folder=path.resolve().parent, source=str(path))

    @classmethod
    def from_dict(cls, raw: dict[str, Any], folder: str | Path = ".", source: str = "recipe") -> Recipe:
        """Check a mapping. ``folder`` is where its relative paths start."""
        try:
            recipe = cls.model_validate(raw)
        except ValidationError as error:
            raise RecipeError(_explain(error, source)) from None
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

    def fingerprint(self) -> str:
        """Content hash of all that was asked for."""
        return content_hash(self.record())

    def record(self) -> dict[str, Any]:
        """What a manifest holds: all but the limits, which say how far and how fast, not what."""
        return self.model_dump(mode="json", exclude={"limits"})


def _one_key_rule(rule: Any) -> Any:
    """``{too_long: {max_words: 8}}`` is short for ``{name: too_long, options: {max_words: 8}}``."""
    if isinstance(rule, dict) and len(rule) == 1 and "name" not in rule:
        ((name, options),) = rule.items()
        return {"name": name, "options": options or {}}
    return rule


def _override(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override!r}: write key=value, such as teacher.sampling.n=5")
    *parents, last = key.split(".")
    target: Any = raw
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise RecipeError(f"--set {override!r}: {parent!r} holds no keys")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise RecipeError(f"--set {override!r}: the value is not valid YAML; quote it") from None


def _explain(error: ValidationError, source: str) -> str:
    """All that is wrong, each with its place and, for unknown keys, the nearest known name."""
    lines = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"]) or "recipe"
        if item["type"] == "extra_forbidden":
            known = list(_fields_at(item["loc"][:-1]))
            lines.append(f"{place}: unknown key{nearest(str(item['loc'][-1]), known)}")
        else:
            lines.append(f"{place}: {item['msg'].removeprefix('Value error, ')}")
    return f"{source}: " + "; ".join(lines)


def _fields_at(location: tuple[Any, ...]) -> dict[str, Any]:
    """The fields of the model that stands at a place in the recipe."""
    model: Any = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next(
            (a for a in _flatten(annotation) if isinstance(a, type) and issubclass(a, BaseModel)),
            model,
        )
    return dict(model.model_fields)


def _flatten(annotation: Any) -> list[Any]:
    from typing import get_args

    arguments = get_args(annotation)
    if not arguments:
        return [annotation]
    return [inner for argument in arguments for inner in _flatten(argument)]
