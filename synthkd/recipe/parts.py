"""The parts of a recipe that say what is asked for and what is kept."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class RecipePart(BaseModel):
    """Base of all parts of a recipe: frozen, without unknown keys."""

    # Messages of pydantic would repeat the value, which may be a secret.
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class InputsPart(RecipePart):
    """The rows that the teacher is asked about."""

    path: str | None = Field(
        None, description="CSV, JSONL or Parquet file, or a folder of Parquet files."
    )
    count: int | None = Field(
        None, ge=1, description="Instead of a file: this many rows with one column, `draw`."
    )
    id: str | None = Field(
        None, description="Column that holds each row's id. Default: the hash of the row."
    )
    columns: list[str] | None = Field(None, description="Columns to read. Default: all.")
    rename: dict[str, str] = Field(
        default_factory=dict, description="File column to the name that prompt and kind use."
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="Read only so many rows: a sample by hash, the same whatever the order of the"
        " file, and part of every larger one.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> InputsPart:
        if (self.path is None) == (self.count is None):
            raise ValueError("give either `path` or `count`")
        return self


class KindPart(RecipePart):
    """The kind of knowledge, and its options."""

    name: str = Field("triple", description="Name of the kind.")
    several: bool = Field(
        False,
        description="Read every line of an answer as a candidate. Default: the first line only.",
    )
    relations: str | list[str] | None = Field(
        None,
        description="A set of relations (`everyday`, `events`), a list of names from them, or a"
        " YAML file.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the kind; its page in docs/kinds says which."
    )


class ExamplesPart(RecipePart):
    """Few-shot examples, drawn anew for each input by its id."""

    path: str = Field(description="CSV, JSONL or Parquet file of examples.")
    n: int = Field(5, ge=0, description="How many are shown.")
    by: str | None = Field(
        None,
        description="Draw only from rows that share this column with the input; null draws from"
        " all. Default: the template's.",
    )


class PromptPart(RecipePart):
    """The prompt that the teacher reads."""

    template: str | None = Field(
        None,
        description="Shipped name such as `triple/everyday`, or a path. May be left out for"
        " `recorded`.",
    )
    examples: ExamplesPart | None = Field(
        None, description="Few-shot examples. Default: those that the template names."
    )
    shots: int | None = Field(
        None, ge=0, description="How many of the template's own examples to show."
    )
    variables: dict[str, Any] = Field(
        default_factory=dict, description="Fixed values for the template."
    )


class RulePart(RecipePart):
    """A rule by name, with its options."""

    name: str = Field(description="Name of the rule.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the rule.")


def rules_as_parts(rules: Any) -> Any:
    """Read names of rules as rules; what is no list stays, so that validation refuses it."""
    if not isinstance(rules, list):
        return rules
    return [{"name": rule} if isinstance(rule, str) else one_key_rule(rule) for rule in rules]


def one_key_rule(rule: Any) -> Any:
    """Read a rule of one key as its name and options.

    ``{too_long: {max_words: 8}}`` is short for ``{name: too_long, options: {max_words: 8}}``.
    """
    if isinstance(rule, dict) and len(rule) == 1 and "name" not in rule:
        ((name, options),) = rule.items()
        return {"name": name, "options": options or {}}
    return rule


class AdaptivePart(RecipePart):
    """Sampling in rounds: a question whose vote is decided gets no more samples.

    The sampling's `n` is the most.
    """

    first: int = Field(3, ge=1, description="Samples of every question in the first round.")
    step: int = Field(2, ge=1, description="Samples more in each further round.")
    confidence: float | None = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Probability with which the leader is the teacher's most likely answer, at"
        " which a question is decided;"
        " null asks for all that could still change the answer.",
    )
    rule: Literal["beta", "dirichlet"] = Field(
        "dirichlet",
        description="Posterior of all answers and one that nobody gave (`dirichlet`), or of the"
        " first two (`beta`).",
    )


class VotesPart(RecipePart):
    """Votes over the completions of one question, and which candidates are kept."""

    by: str = Field(
        "count",
        description="What a vote weighs: 1 (`count`), the completion's `likelihood`, the score of"
        " the `critic`, the reliability of its `teacher` (Dawid-Skene), or a weight of your own;"
        " `source` counts distinct sources in place of completions.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Options of that weight.")
    keep: Literal["winner", "all"] | None = Field(
        None,
        description="`winner`: only candidates of the leading answer; `all`: every answer that has"
        " enough. Default: the"
        " kind's.",
    )
    min_votes: int = Field(1, ge=1, description="Completions, or sources, that must say the same.")
    min_agreement: float = Field(
        0.0, ge=0, le=1, description="Share of the votes that an answer needs."
    )
    min_margin: float = Field(
        0.0, ge=0, le=1, description="Lead over the next answer that a winner needs."
    )
    adaptive: AdaptivePart | None = Field(
        None,
        description="Ask in rounds, and stop once a vote is decided. Default: all samples at once.",
    )


class CriticPart(RecipePart):
    """A trained critic, or the label sheet to train one from, and the target precision."""

    name: str = Field("linear", description="Which critic, when one is trained.")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of that critic. With `path`, what its folder does not say: `teacher`,"
        " `journal` and `limits` of a judge, `encoder`.",
    )
    path: str | None = Field(
        None, description="Folder of a trained critic; `everyday` is the shipped one."
    )
    labels: str | None = Field(
        None,
        description="Label sheet (CSV, JSONL or Parquet); a critic is trained from it in the run.",
    )
    label: str = Field("label", description="Column of the verdict in the sheet.")
    columns: dict[str, str] = Field(
        default_factory=dict, description="Sheet column to the kind's column."
    )
    held_out: float = Field(
        0.3,
        gt=0,
        lt=1,
        description="Share of groups kept for the threshold when the sheet has no `split`.",
    )
    group: str | None = Field(
        None,
        description="Column whose groups of rows stay on one side of the split and count as"
        " clustered; `none`: each row alone. Default: the kind's own.",
    )
    max_rows: int = Field(
        200_000,
        ge=100,
        description="Distinct labelled rows at most; of a larger sheet, a seeded sample of groups"
        " by their hash.",
    )
    precision: float = Field(0.9, gt=0, lt=1, description="Asked precision of what is accepted.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence with which it is kept.")
    each: str | None = Field(
        None,
        description="Column, such as `relation`, in each of whose values the precision is to be"
        " kept, all at once.",
    )
    merge: str = Field(
        "majority", description="How several annotators are merged: `majority` or `dawid-skene`."
    )
    publish_anyway: bool = Field(
        False,
        description="If the precision cannot be had, publish the best cut that the critic has,"
        " without a guarantee, and say so.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> CriticPart:
        if (self.path is None) == (self.labels is None):
            raise ValueError(
                "give either `path` (a trained critic) or `labels` (a sheet to train from)"
            )
        return self


class AtMostPart(RecipePart):
    """Limits at which a target is given up."""

    completions: int | None = Field(
        None,
        ge=1,
        description="Completions that are asked for at most, those in the journal included."
        " Default: as many as `samples` allows.",
    )
    rounds: int | None = Field(
        None,
        ge=1,
        description="Rounds at most, for backends whose rounds take hours. Default: no limit.",
    )


class TargetPart(RecipePart):
    """Ask in rounds until so many rows are accepted."""

    accepted: int = Field(ge=1, description="Accepted rows that are wanted.")
    per: str | None = Field(
        None,
        description="Column of the inputs, such as `relation`, for each value of which so many rows"
        " are wanted; with `steps` a column of the last step's rows, those of its inputs included."
        " Default: so many in all.",
    )
    at_most: AtMostPart = Field(
        default_factory=AtMostPart, description="Where the target is given up."
    )
    samples: int | None = Field(
        None,
        ge=1,
        description="Samples of one input at most; not fewer than `sampling.n`, where a plain run"
        " ends. Default: four times `sampling.n`; `sampling.n` if further samples would say"
        " nothing new (temperature 0, recorded rows, adaptive votes).",
    )
    step: int | None = Field(
        None,
        ge=1,
        description="Samples of an input that are asked for together. Default: 1, so that every"
        " input is asked once before one is asked twice; with votes `sampling.n`, since votes"
        " compare the samples of an input. A larger step pays less often for the prompt.",
    )
    overshoot: float = Field(
        0.03,
        gt=0,
        le=1,
        description="Share of completions beyond those needed that a round may cost on average. A"
        " smaller share takes more rounds.",
    )


class CardPart(RecipePart):
    """Texts of the dataset card that only its author knows; they decide no row."""

    summary: str | None = Field(None, description="What the corpus is, in a sentence or two.")
    intended_use: str | None = Field(None, description="What the corpus is for.")
    limits: str | None = Field(None, description="What it must not be used for, and known flaws.")
    teacher_terms: str | None = Field(
        None,
        description="Terms of use of the teacher's provider, or the licence of its model, as far as"
        " they bind users of the corpus.",
    )
    citation: str | None = Field(None, description="How to cite the corpus, such as BibTeX.")
    tags: list[str] = Field(default_factory=list, description="Further tags of the card.")
    task_categories: list[str] | None = Field(
        None, description="Tasks as the Hugging Face hub names them. Default: the kind's."
    )


class CorpusPart(RecipePart):
    """The corpus that is written."""

    path: str = Field(description="Folder of the corpus.")
    title: str | None = Field(None, description="Title of the dataset card.")
    license: str | None = Field(
        None, description="Licence in the dataset card, as SPDX names it, such as `CC-BY-4.0`."
    )
    language: list[str] | None = Field(
        None,
        description="Languages of the rows as ISO 639 codes: `en`, or a list. Default: that of the"
        " shipped template, if it is one.",
    )
    rows_per_file: int = Field(250_000, ge=1, description="Rows in one Parquet file at most.")
    input_columns: list[str] = Field(
        default_factory=list,
        description="Columns of the inputs that each row of the corpus shows too, as texts.",
    )
    normal_forms: bool = Field(
        False,
        description="Show the normal form of each column, under which equal knowledge is equal, as"
        " `normal_COLUMN`.",
    )
    prompts: Literal["none", "text", "full"] = Field(
        "text",
        description="Templates and relations in the corpus: their text (`text`), with the rendered"
        " prompt of each row in its provenance (`full`), or their hashes alone (`none`).",
    )
    card: CardPart = Field(default_factory=CardPart, description="Texts of the dataset card.")

    @field_validator("language", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value
