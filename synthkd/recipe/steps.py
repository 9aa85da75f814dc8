"""The parts of a recipe that divide a run into steps, each fed by the rows of earlier ones."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from synthkd.recipe.parts import (
    CriticPart,
    KindPart,
    PromptPart,
    RecipePart,
    RulePart,
    VotesPart,
    rules_as_parts,
)

#: The name under which a step reads the rows of the recipe's own `inputs`.
INPUTS = "inputs"


class ConditionPart(RecipePart):
    """A condition on a column."""

    model_config = ConfigDict(populate_by_name=True)

    any_of: list[Any] | None = Field(
        None, alias="in", min_length=1, description="The value is one of these."
    )
    not_in: list[Any] | None = Field(None, min_length=1, description="The value is none of these.")
    at_least: float | None = Field(
        None, allow_inf_nan=False, description="The number is this or more."
    )
    at_most: float | None = Field(
        None, allow_inf_nan=False, description="The number is this or less."
    )
    contains: str | None = Field(None, description="The text has this in it; case counts.")
    empty: bool | None = Field(None, description="The value is missing, or is not.")

    @model_validator(mode="after")
    def _can_hold(self) -> ConditionPart:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a condition without a key holds always; name one")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"no number is from {self.at_least:g} to {self.at_most:g}")
        return self


class JoinPart(RecipePart):
    """Rows of another step beside each row."""

    step: str = Field(description="An earlier step, or `inputs`: the recipe's own rows.")
    by: list[str] = Field(min_length=1, description="Columns in which the rows are equal.")
    columns: list[str] | None = Field(
        None, description="Columns to take over. Default: those that the row does not have."
    )
    rows: str | None = Field(
        None,
        description="Collect all matching rows in a list of this name, for the template; the list"
        " may be empty. Default: one row for each match, and none without a match.",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> JoinPart:
        _check_distinct(*self.by, self.rows)
        return self


class GroupPart(RecipePart):
    """One row for all rows that are equal in some columns."""

    by: list[str] = Field(min_length=1, description="Columns in which the rows are equal.")
    rows: str | None = Field(None, description="Collect the rows in a list of this name.")
    lists: list[str] = Field(
        default_factory=list, description="Columns whose values become a list, in order."
    )
    texts: list[str] = Field(
        default_factory=list, description="Columns whose texts are joined, in order."
    )
    separator: str = Field("\n", description="What stands between joined texts.")

    @model_validator(mode="after")
    def _names_differ(self) -> GroupPart:
        _check_distinct(*self.by, self.rows, *self.lists, *self.texts)
        return self


class CutPart(RecipePart):
    """Long texts cut into parts at the ends of sentences; each part is a row."""

    column: str = Field("text", description="Column of the text; each row gets its part of it.")
    words: int = Field(256, ge=1, description="Words of a part at most; a longer sentence is cut.")
    part: str = Field("part", description="Column that gets the number of the part, from 0.")
    previous: str | None = Field(
        None, description="Column that gets the text of the part before; empty for the first."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> CutPart:
        _check_distinct(self.column, self.part, self.previous)
        return self


class OperationPart(RecipePart):
    """One operation on rows, without a teacher. Exactly one key is given."""

    where: dict[str, ConditionPart] | None = Field(
        None,
        description="Keep rows by their columns, and by `score`, `votes`, `agreement`, `margin`,"
        " `recurrence` and `rejected_by`: a value, a list of values, or a condition.",
    )
    join: JoinPart | None = Field(None, description="Put rows of another step beside each row.")
    group: GroupPart | None = Field(None, description="One row for equal values.")
    cut: CutPart | None = Field(None, description="Cut long texts into parts.")
    distinct: list[str] | None = Field(
        None, description="Of rows that are equal in these columns, keep the first."
    )
    rename: dict[str, str] | None = Field(None, description="Column to its new name.")
    keep: list[str] | None = Field(None, description="Keep these columns alone.")

    @property
    def name(self) -> str:
        """The operation's key."""
        return next(iter(self.model_fields_set))

    @field_validator("where", mode="before")
    @classmethod
    def _values_are_conditions(cls, where: Any) -> Any:
        if not isinstance(where, dict):
            return where
        return {name: _condition(one) for name, one in where.items()}

    @model_validator(mode="after")
    def _one_operation(self) -> OperationPart:
        if len(self.model_fields_set) != 1:
            raise ValueError("an operation has one key; write the next one as an item of its own")
        if not getattr(self, self.name):
            raise ValueError(f"{self.name}: is empty")
        return self


def _check_distinct(*names: str | None) -> None:
    """Refuse an operation that would write two things into one column."""
    given = [name for name in names if name is not None]
    for name in given:
        if given.count(name) > 1:
            raise ValueError(f"the column {name!r} is named twice; each needs a name of its own")


def _condition(value: Any) -> Any:
    if isinstance(value, ConditionPart | dict):
        return value
    return {"in": value if isinstance(value, list) else [value]}


class StepInputsPart(RecipePart):
    """The rows of a step."""

    model_config = ConfigDict(populate_by_name=True)

    source: list[str] = Field(
        alias="from",
        min_length=1,
        description="An earlier step, several whose rows follow one another, or `inputs`. Default:"
        " the step before.",
    )
    rows: Literal["accepted", "rejected", "all"] = Field(
        "accepted", description="Which rows of those steps; unreadable answers are none of them."
    )
    apply: list[OperationPart] = Field(
        default_factory=list, description="Operations on the rows, in order."
    )

    @property
    def sources(self) -> list[str]:
        """The steps whose rows are read, joined ones included; `inputs` among them."""
        joined = [operation.join.step for operation in self.apply if operation.join]
        return list(dict.fromkeys([*self.source, *joined]))

    @field_validator("source", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class StepPart(RecipePart):
    """A step: an ordinary run on the rows of earlier steps."""

    inputs: StepInputsPart | None = Field(
        None,
        description="The step's rows. Default: those of the step before; of the first step,"
        " the recipe's.",
    )
    kind: KindPart = Field(default_factory=KindPart)
    prompt: PromptPart = Field(default_factory=PromptPart)
    teacher: dict[str, Any] | None = Field(
        None,
        description="Keys of `teacher` that differ in this step; a step that names a `backend`"
        " takes nothing over. A step whose backend is `rows` asks nobody: its input rows are its"
        " answers.",
    )
    rules: list[RulePart] | None = Field(None, description="The step's rules, as in a recipe.")
    votes: VotesPart | None = None
    critic: CriticPart | None = None

    @field_validator("rules", mode="before")
    @classmethod
    def _names_are_rules(cls, value: Any) -> Any:
        return rules_as_parts(value)
