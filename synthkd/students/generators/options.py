"""Options of the generator student."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from synthkd.options import BaseOptions, PathText

#: The base that is a new checkpoint, with a tokenizer of the rows' texts.
SCRATCH = "scratch"
#: Column of weights that may be missing; any other that is named must exist.
USUAL_WEIGHT = "weight"
#: Tokens of a byte-level BPE at least: 256 bytes and 3 special tokens.
SMALLEST_VOCABULARY = 259


class UntrainedOptions(BaseOptions):
    """Shape of a new checkpoint (`new_checkpoint`)."""

    layers: int = Field(2, ge=1, description="Layers, of encoder and decoder each.")
    width: int = Field(128, ge=1, description="Dimensions.")
    heads: int | None = Field(
        None, ge=1, description="Attention heads. Default: one for 32 dimensions."
    )
    vocabulary: int = Field(
        2048,
        ge=SMALLEST_VOCABULARY,
        description="Tokens at most, 256 bytes and 3 special tokens among them.",
    )
    context: int = Field(512, ge=1, description="Tokens that a decoder reads and writes at most.")
    shape: Literal["llama", "t5"] = Field(
        "llama", description="`llama` is a causal decoder, `t5` an encoder-decoder."
    )
    seed: int | None = Field(
        None, ge=0, description="Seed of the weights. Default: that of the student."
    )

    @property
    def head_count(self) -> int:
        """The number of attention heads."""
        return self.heads or max(1, self.width // 32)

    @model_validator(mode="after")
    def _heads_of_an_even_size(self) -> UntrainedOptions:
        if self.width % self.head_count or (self.width // self.head_count) % 2:
            raise ValueError(
                f"{self.width} dimensions cannot be cut into {self.head_count} heads of an even"
                " size"
            )
        return self


class LoraOptions(BaseOptions):
    """Shape of a LoRA adapter."""

    r: int = Field(16, ge=1, description="Rank of the adapter.")
    alpha: float = Field(32, ge=0, description="The adapter is scaled by `alpha` / `r`.")
    dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before the adapter.")
    targets: str | list[str] = Field(
        "all-linear", description="Names of the modules that are adapted."
    )


class TaskShares(BaseOptions):
    """Share of each task of a student of rationales in the loss."""

    predict: float = Field(gt=0, description="Share of the answers.")
    explain: float = Field(0.0, ge=0, description="Share of the steps.")


class QcrdOptions(BaseOptions):
    """Options of the objective `qcrd`."""

    answer: float = Field(0.5, ge=0, description="a1, the weight of the answers.")
    contrast: float = Field(
        0.5,
        gt=0,
        description="a2, the weight of the contrastive loss; without it, take objective ce.",
    )
    discriminator: float = Field(
        0.5, ge=0, description="a3, the weight of the discriminator's loss."
    )
    decay: float = Field(0.9, ge=0, description="a3 is multiplied by this at each update.")
    beta: float = Field(0.2, ge=0, description="Weight of the negatives in the contrastive loss.")
    delta: float = Field(
        3.0, ge=0, description="Cross-entropy up to which negatives are raised, in nats a token."
    )
    pick: Literal["nearest", "farthest"] = Field(
        "nearest",
        description="The negative of a question: that of the least or of the greatest"
        " cross-entropy.",
    )
    quality: Literal["agreement", "discriminator", "none"] = Field(
        "agreement",
        description="Quality of a rationale: the votes' share of its answer, the score of a"
        " discriminator, or 1 for positives and 0 for negatives.",
    )
    sampled: bool = Field(False, description="Sample negatives from the student too.")
    temperature: float = Field(1.5, ge=0, description="Temperature of the samples.")
    interval: int = Field(
        50,
        ge=1,
        description="Steps between updates of the discriminator and between copies of the student.",
    )
    pretrain: int = Field(500, ge=1, description="Steps of the discriminator before the training.")


class GeneratorOptions(BaseOptions):
    """Options of the generator student."""

    base: PathText | UntrainedOptions = Field(
        SCRATCH,
        description="A checkpoint's folder, a GGUF file, a hub name, `synthkd/everyday`, or"
        " `scratch`: a new checkpoint, whose shape a mapping says.",
    )
    seed: int = Field(
        0, ge=0, lt=1 << 32, description="Seed of the training. In a recipe: the recipe's."
    )
    prompt: PathText | None = Field(
        None,
        description="Name or path of a template, or `corpus` for that of the corpus. Default: the"
        " kind's template for students.",
    )
    epochs: float = Field(3.0, ge=0, description="Epochs at most.")
    lr: float | None = Field(
        None, ge=0, description="Learning rate. Default: one that suits the size of the model."
    )
    batch_size: int = Field(32, ge=1, description="Examples of a batch.")
    accumulate: int = Field(1, ge=1, description="Batches of a step.")
    max_length: int | None = Field(
        None, ge=2, description="Tokens of an example at most. Default: the model's context."
    )
    max_tokens: int | None = Field(
        None,
        ge=1,
        description="Tokens of a completion at most. Default: those of the longest in training,"
        " and some more.",
    )
    lora: bool | LoraOptions | None = Field(
        None, description="Train a LoRA adapter: `true`, or its shape. Needs the extra `lora`."
    )
    objective: Literal["ce", "qcrd"] = Field(
        "ce", description="Cross-entropy, or for rationales the contrast of QCRD."
    )
    objective_options: QcrdOptions = Field(
        default_factory=QcrdOptions, description="Options of the objective `qcrd`."
    )
    tasks: Literal["answer", "multitask"] | TaskShares | None = Field(
        None,
        description="For rationales: learn the answer alone, or answer and steps as two tasks, with"
        " the same or the given shares. Default: steps and answer in one text.",
    )
    patience: int = Field(
        2, ge=1, description="Epochs without a lower validation loss after which training stops."
    )
    warmup: float = Field(
        0.05, ge=0, lt=1, description="Share of the steps in which the learning rate rises."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="Course of the learning rate after it has risen."
    )
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    validation: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the questions that is held out to decide when to stop, without"
        " validation rows.",
    )
    weight: str = Field(USUAL_WEIGHT, description="Column of weights.")
    quality: str = Field("", description="Column of qualities, for the objective `qcrd`.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Type of the weights."
    )
    half: bool | None = Field(
        None, description="Compute in bf16. Default: if the hardware is faster with it."
    )
    device: str | None = Field(None, description="Device of torch. Default: the fastest.")

    @model_validator(mode="after")
    def _options_of_the_objective(self) -> GeneratorOptions:
        if self.objective == "ce" and self.objective_options.model_fields_set:
            raise ValueError("objective_options: the objective ce has none; take objective qcrd")
        return self

    @property
    def adapter(self) -> LoraOptions | None:
        """The shape of the LoRA adapter; None for full training."""
        if isinstance(self.lora, LoraOptions):
            return self.lora
        return LoraOptions() if self.lora else None

    @property
    def shares(self) -> TaskShares | None:
        """The share of each task; None for one task.

        Even shares are those of Hsieh et al. 2023, section 4.
        """
        if self.tasks == "multitask":
            return TaskShares(predict=0.5, explain=0.5)
        return self.tasks if isinstance(self.tasks, TaskShares) else None

    def record(self) -> dict[str, Any]:
        """Return the options as a mapping for JSON; options within one as they were given."""
        nested = {
            "base": self.base, "objective_options": self.objective_options, "tasks": self.tasks,
        }  # fmt: skip
        return (
            self.model_dump()
            | {
                "lora": None if self.adapter is None else self.adapter.model_dump(),
            }
            | {
                name: value.model_dump(exclude_unset=True)
                for name, value in nested.items()
                if isinstance(value, BaseOptions)
            }
        )
