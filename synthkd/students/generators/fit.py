"""Train a generator: template, examples, checkpoint, tokens, training."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import StudentError, TrainingError, nearest
from synthkd.kinds.base import Kind, Row
from synthkd.prompts import Prompt, load_prompt, shipped_prompts
from synthkd.storage import TemporaryFolder
from synthkd.students.generators.checkpoint import (
    LoraAdapter,
    add_lora,
    context_length,
    load_checkpoint,
    require_students_extra,
)
from synthkd.students.generators.examples import Example, ExampleBuilder, SkippedRows, TaskSplitter
from synthkd.students.generators.multitask import PREDICT, TEMPLATES, TaskMean, splitter_of_tasks
from synthkd.students.generators.options import SCRATCH, USUAL_WEIGHT, GeneratorOptions

if TYPE_CHECKING:
    from synthkd.students.generators.objective import Objective
    from synthkd.students.generators.tokens import ExampleTokenizer, TokenizedExamples

#: Examples whose tokens are decoded again, to find a tokenizer that loses characters.
_ROUND_TRIPS = 256
#: Parameters below which a model is trained with the learning rate of small models.
_SMALL = 20_000_000


@dataclass
class TrainedGenerator:
    """The result of a training.

    Attributes:
        model: The transformers model, with the adapter merged.
        tokenizer: Its tokenizer.
        builder: Makes prompts from rows, with the student's template.
        record: What was done: rows, what was left out and why, the curve by epochs.
        max_tokens: Tokens of a completion at most.
        adapter: The LoRA adapter, before it was merged.
        seconds: Seconds of the training steps.
        tokens: Tokens of the training steps, read and written.
        error: Why training ended early; the model then has the best weights before.
    """

    model: Any
    tokenizer: Any
    builder: ExampleBuilder
    record: dict[str, Any]
    max_tokens: int | None
    adapter: LoraAdapter | None = None
    seconds: float = 0.0
    tokens: int = 0
    error: TrainingError | None = None


def fit_generator(
    options: GeneratorOptions,
    kind: Kind,
    rows: list[Row],
    validation: list[Row] | None,
    negatives: list[Row],
    prompt: Prompt | None = None,
) -> TrainedGenerator:
    """Train a generator from its base.

    Args:
        options: Options of the student.
        kind: The kind of the rows.
        rows: Rows to learn.
        validation: Rows that decide when to stop.
        negatives: Rows that are wrong, for objectives that learn from them.
        prompt: The template; by default that of the options.

    Raises:
        StudentError: Rows, template or checkpoint do not fit.
    """
    require_students_extra()
    from synthkd.students.generators.objective import is_seq2seq
    from synthkd.students.generators.tokens import ExampleTokenizer

    builder = ExampleBuilder(
        kind, prompt or student_template(kind, options), task_splitter(options, kind)
    )
    examples, held_out, skipped = make_examples(builder, options, rows, validation, negatives)
    model, tokenizer = load_base(options, [*examples, *held_out])
    coder = ExampleTokenizer(tokenizer, is_seq2seq(model))
    limit = example_token_limit(model, options)
    tokenized, held_out_tokens = (
        _tokenized(coder, part, limit, what)
        for part, what in ((examples, ""), (held_out, "validation "))
    )
    _check_round_trip(coder, examples, tokenized)
    size = sum(parameter.numel() for parameter in model.parameters())
    record = {
        "rows": skipped.rows,
        "left_out": {reason: count for reason, count in sorted(skipped.reasons.items()) if count},
        "examples": len(tokenized), "too_long": len(examples) - len(tokenized),
        "negatives": len(negatives),
        "validation": len(held_out_tokens), "longest": limit, "parameters": size,
        "lr": default_lr(size, options.adapter is not None) if options.lr is None else options.lr,
    }  # fmt: skip
    _warn_of_omissions(record, skipped)
    longest = int((tokenized.lengths - tokenized.prompt_lengths).max())
    trained = TrainedGenerator(model, tokenizer, builder, record, options.max_tokens or longest + 8)
    _train(trained, options, coder, tokenized, examples, held_out_tokens if held_out else None)
    return trained


def _train(
    trained: TrainedGenerator,
    options: GeneratorOptions,
    coder: ExampleTokenizer,
    tokenized: TokenizedExamples,
    examples: list[Example],
    held_out: TokenizedExamples | None,
) -> None:
    """Run the training steps, and merge LoRA after them, also after a broken loss."""
    from synthkd.students.generators.training import GeneratorTraining

    record = trained.record
    objective = make_objective(options, examples, coder, trained.builder.kind)
    trainee = trained.model
    if options.adapter is not None:
        trainee = add_lora(trainee, options.adapter, coder.seq2seq, str(options.base))
    training = GeneratorTraining(
        trainee, coder.pad, tokenized, examples, options, objective, held_out
    )
    try:
        stats = training.run(record["lr"])
    except TrainingError as error:
        stats, trained.error = training.stats, error
    trained.seconds, trained.tokens = stats.seconds, stats.tokens
    record |= {"steps": stats.steps, "best": stats.best, "curve": stats.curve}
    if summary := objective.record():
        record["objective"] = summary
    if options.adapter is not None:
        trained.adapter, trainee = LoraAdapter(trainee), trainee.merge_and_unload()
    trained.model = trainee
    trained.model.eval()


def make_examples(
    builder: ExampleBuilder,
    options: GeneratorOptions,
    rows: list[Row],
    validation: list[Row] | None,
    negatives: list[Row],
) -> tuple[list[Example], list[Example], SkippedRows]:
    """Return training examples, validation examples, and the rows that the former leave out."""
    if not rows:
        raise StudentError("no rows to learn from")
    if negatives and options.objective != "qcrd":
        raise StudentError(
            f"negatives: the objective {options.objective!r} would learn them as if they"
            " were good; leave them out, or take the objective qcrd"
        )
    for column in {options.weight, options.quality} - {"", USUAL_WEIGHT}:
        if not any(column in row for row in rows):
            raise StudentError(
                f"no row has a column {column!r}{nearest(column, [str(name) for name in rows[0]])}"
            )
    quality = options.quality or ("agreement" if options.objective == "qcrd" else "")
    examples, skipped = builder.examples(rows, negatives, options.weight, quality)
    if not any(example.good for example in examples):
        raise StudentError(f"nothing to learn from: {skipped}")
    if validation is not None:
        held_out, unusable = builder.examples(validation, (), options.weight)
        if not held_out:
            raise StudentError(
                f"no validation row can be used: {unusable}" if validation else "no validation rows"
            )
        if sum(unusable.reasons.values()):
            warnings.warn(f"generator: validation: {unusable}", stacklevel=4)
        return examples, held_out, skipped
    if options.validation:
        return *split_by_question(examples, options.validation, options.seed), skipped
    return examples, [], skipped


def example_token_limit(model: Any, options: GeneratorOptions) -> int:
    """Return the tokens of an example at most: `max_length` or the model's context."""
    limits = [limit for limit in (options.max_length, context_length(model)) if limit is not None]
    return min(limits, default=1 << 20)


def _tokenized(
    coder: ExampleTokenizer, examples: list[Example], limit: int, what: str
) -> TokenizedExamples:
    tokenized, longer = coder.examples(examples, limit)
    if examples and not len(tokenized):
        raise StudentError(
            f"none of {len(examples):,} {what}examples has room in {limit} tokens; raise"
            " max_length, or take"
            " a model with a longer context"
        )
    if what and longer:  # for training examples `_warn_of_omissions` counts everything at once
        warnings.warn(
            f"generator: {longer:,} of {len(examples):,} {what}examples are longer than {limit}"
            " tokens and"
            " left out",
            stacklevel=4,
        )
    return tokenized


def _warn_of_omissions(record: dict[str, Any], skipped: SkippedRows) -> None:
    omissions = [str(skipped)] if record["left_out"] else []
    if record["too_long"]:
        total = record["examples"] + record["too_long"]
        omissions.append(
            f"{record['too_long']:,} of {total:,} examples are longer than {record['longest']}"
            " tokens and left out"
        )
    if omissions:
        warnings.warn(f"generator: {'; '.join(omissions)}", stacklevel=4)


def student_template(kind: Kind, options: GeneratorOptions) -> Prompt:
    """Return the template of the options, of the tasks, or of the kind."""
    if options.prompt == "corpus":
        raise StudentError(
            "prompt: `corpus` is the template of a corpus, and rows have none; name a template"
        )
    if options.prompt:
        return load_prompt(options.prompt)
    name = TEMPLATES[PREDICT] if options.shares is not None else f"{kind.name}/student"
    if name not in shipped_prompts():
        raise StudentError(
            f"no template is shipped for students of the kind {kind.name!r}; name one with the"
            " option prompt"
        )
    return load_prompt(name)


def load_base(options: GeneratorOptions, examples: Sequence[Example]) -> tuple[Any, Any]:
    """Load the base checkpoint, or make a new one with a tokenizer of the examples' texts."""
    if isinstance(options.base, str) and options.base != SCRATCH:
        return load_checkpoint(options.base, options.dtype, options.device)
    from synthkd.students.generators.untrained import new_checkpoint

    shape = {} if isinstance(options.base, str) else options.base.model_dump(exclude_none=True)
    texts = [text for example in examples for text in (example.prompt, example.completion)]
    with TemporaryFolder() as folder:
        path = new_checkpoint(Path(folder) / SCRATCH, texts, **{"seed": options.seed, **shape})
        return load_checkpoint(str(path), options.dtype, options.device)


def split_by_question(
    examples: list[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Return training examples, and the good examples of a drawn share of the questions."""
    questions = sorted({example.question for example in examples if example.good})
    count = max(1, round(share * len(questions)))
    if count >= len(questions):
        raise StudentError(
            f"{len(questions)} questions are too few to keep some for validation; give"
            " validation rows"
        )
    drawn = set(random.Random(seed).sample(questions, count))  # noqa: S311
    held_out = [example for example in examples if example.question in drawn and example.good]
    return [example for example in examples if example.question not in drawn], held_out


def default_lr(parameters: int, lora: bool) -> float:
    """Return the default learning rate: 2e-4 for LoRA, 1e-3 for small models, 5e-5 for others."""
    if lora:
        return 2e-4
    return 1e-3 if parameters < _SMALL else 5e-5


def task_splitter(options: GeneratorOptions, kind: Kind) -> TaskSplitter | None:
    """Return what makes several examples of a question; None for one example of each."""
    return None if options.tasks is None else splitter_of_tasks(options.shares, kind)


def make_objective(
    options: GeneratorOptions, examples: Sequence[Example], coder: ExampleTokenizer, kind: Kind
) -> Objective:
    """Return the training objective of the options."""
    from synthkd.students.generators.objective import CrossEntropy

    if options.objective == "qcrd":
        from synthkd.students.generators.qcrd import QcrdObjective

        return QcrdObjective(options.objective_options, examples, coder, kind, options.seed)
    if options.tasks is not None:
        return TaskMean(options.shares)
    return CrossEntropy()


def _check_round_trip(
    coder: ExampleTokenizer, examples: Sequence[Example], tokenized: TokenizedExamples
) -> None:
    """Refuse a tokenizer that changes most completions; warn if it changes a few."""
    places = range(0, len(tokenized), max(1, len(tokenized) // _ROUND_TRIPS))
    changed = []
    for i in places:
        wanted = examples[int(tokenized.example_indices[i])].completion.strip()
        start, end = tokenized.starts[i] + tokenized.prompt_lengths[i], tokenized.starts[i + 1] - 1
        decoded = coder.decode(tokenized.ids[start:end].tolist())
        if decoded.strip() != wanted:
            changed.append((wanted, decoded))
    if not changed:
        return
    example = f"of {changed[0][0][:60]!r} it makes {changed[0][1][:60]!r}"
    if len(changed) > len(places) // 2:
        raise StudentError(
            f"the tokenizer loses what is to be written: {example}; take a checkpoint whose"
            " tokenizer keeps every character"
        )
    warnings.warn(
        f"generator: the tokenizer changes {len(changed):,} of {len(places):,} completions that"
        f" were looked at: {example}",
        stacklevel=4,
    )
