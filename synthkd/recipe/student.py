"""Recipe parts of students: which one is trained, and how the student steers the teacher."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from synthkd.recipe.parts import RecipePart


class StudentPart(RecipePart):
    """The student that is trained on the corpus. The corpus does not depend on it."""

    name: str = Field(
        "linear",
        description="Which student: `linear`, `encoder`, `generator`, `tagger`, or one from a"
        " plugin.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of that student; `synthkd describe students` says which.",
    )
    path: str | None = Field(
        None, description="Folder of the student. Default: `student` in the run's folder."
    )


class RowsPart(RecipePart):
    """Rows labelled by people."""

    path: str | list[str] = Field(description="CSV, JSONL or Parquet file, or several.")
    text: str = Field("text", description="Column of the text.")
    label: str = Field("label", description="Column of the label.")


class MinePart(RecipePart):
    """Right and wrong answers of the student, shown to the teacher; numbers are for one prompt."""

    by: Literal["oof", "train", "pool"] = Field(
        "oof",
        description="Where the student's answers come from: rows that it was not trained on, by"
        " cross-validation (`oof`);"
        " its own training rows (`train`: few mistakes are left there); or labelled rows kept aside"
        " (`pool`).",
    )
    folds: int = Field(5, ge=2, description="Folds of the cross-validation.")
    student: StudentPart | None = Field(
        None,
        description="Which student is cross-validated: a small one in place of one whose training"
        " is dear. Default: the"
        " loop's own.",
    )
    correct: int = Field(16, ge=0, description="Examples that it got right.")
    incorrect: int = Field(16, ge=0, description="Examples that it got wrong.")
    hard: int = Field(
        16,
        ge=0,
        description="Hard negatives: its most confident mistakes. 0 leaves them out.",
    )
    shots: int = Field(
        16, ge=0, description="Labelled examples, whatever the student says of them."
    )


class AllocationPart(RecipePart):
    """Bounds on how far `allocate: own` may depart from an equal share for each class."""

    trust: float = Field(
        1.0,
        ge=0,
        le=1,
        strict=True,
        description="Largest weight of the validation losses; it is lower where they differ by"
        " chance. 0: the classes are"
        " evened out, whatever their losses.",
    )
    most: float = Field(
        3.0,
        ge=1,
        le=100,
        strict=True,
        description="Rows of one class at most, in multiples of an equal share.",
    )
    unmoved: int = Field(
        3,
        ge=1,
        le=1000,
        strict=True,
        description="A class that got more than an equal share for so many rounds, without a lower"
        " loss, is held to an equal"
        " share.",
    )


class LoopPart(RecipePart):
    """PGKD (arXiv 2411.05045): the student's errors decide what the teacher writes next."""

    task: str | None = Field(
        None,
        description="What a round asks for and how the student learns: a loop task by name or path."
        " Default: the task of the kind.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of a loop task of your own."
    )
    start: RowsPart | None = Field(
        None,
        description="Real labelled rows to start from. Default: none; the teacher writes the first"
        " round alone.",
    )
    validation: RowsPart | float = Field(
        0.2,
        description="Rows that decide when to stop and which round is best, or the share of `start`"
        " that is kept for it.",
    )
    test: RowsPart | None = Field(
        None, description="Rows that are only measured, each round, and decide nothing."
    )
    pool: RowsPart | None = Field(
        None, description="For `mine.by: pool`: labelled rows that the student is never trained on."
    )
    rounds: int = Field(10, ge=1, description="Rounds at most.")
    rows: int = Field(32, ge=1, description="Rows that a round asks the teacher for.")
    texts: int = Field(
        32, ge=1, description="Rows that one prompt asks for at most, where `kind.several` is set."
    )
    first: int | None = Field(
        None,
        ge=0,
        description="Rows of round 0, which knows no student yet, besides what `minimum` asks for."
        " Default: none where"
        " `start` is given, else `rows`.",
    )
    minimum: int = Field(
        2,
        ge=1,
        description="Cold-start guard: rows that each class must have before a student is trained.",
    )
    allocate: Literal["own", "teacher", "uniform"] = Field(
        "own",
        description="Which classes get how many rows: those that have few, and those of high"
        " validation loss as far as it is"
        " evidence (`own`); as the teacher chooses, which reads the report (`teacher`); or equally"
        " many (`uniform`).",
    )
    allocation: AllocationPart = Field(
        default_factory=AllocationPart, description="Options of `allocate: own` for labelled text."
    )
    report: bool = Field(
        True, description="Show the teacher the report: figures of each class, and confusions."
    )
    mine: MinePart = Field(
        default_factory=MinePart, description="Examples of the student's answers."
    )
    recheck: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Before each training, set aside rows of the teacher for which a student, by"
        " cross-validation over all"
        " rows so far, gives another label this probability. Default: none are.",
    )
    teacher_weight: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Weight of a row of the teacher in training, where a real row has 1. Small for"
        " a small teacher: its rows are many, and often a little wrong.",
    )
    metric: str | None = Field(
        None,
        description="Figure on the validation rows by which rounds are compared, one that the task"
        " has: `loss` (default), `macro_f1` or `accuracy` of a classifier, `validity` (default),"
        " `accepted` or `loss` of a generator.",
    )
    patience: int = Field(
        5, ge=1, description="Rounds without a better one, after which the loop stops."
    )
    near: float = Field(
        0.8,
        ge=0.3,
        le=1,
        description="Similarity from which a text counts as a copy of a validation or test row; 1"
        " finds equal texts only.",
    )

    @model_validator(mode="after")
    def _rows_to_judge_by(self) -> LoopPart:
        if isinstance(self.validation, float) and not 0 < self.validation < 1:
            raise ValueError(
                f"`validation` is a share above 0 and below 1, or rows; not {self.validation}"
            )
        if (self.mine.by == "pool") != (self.pool is not None):
            raise ValueError("`mine.by: pool` and the rows of `pool` belong together")
        if self.allocation != AllocationPart() and self.allocate != "own":
            raise ValueError(
                f"`allocation` has the options of `allocate: own`, not of `{self.allocate}`"
            )
        return self
