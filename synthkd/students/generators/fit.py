"""The steps of a training: template, checkpoint, examples, tokens, training."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import StudentError, nearest
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
from synthkd.students.generators.examples import Example, ExampleBuilder, SkippedRows
from synthkd.students.generators.options import SCRATCH, USUAL_WEIGHT, GeneratorOptions

if TYPE_CHECKING:
    from synthkd.students.generators.objective import Objective
    from synthkd.students.generators.student import GeneratorStudent
    from synthkd.students.generators.tokens import ExampleTokenizer, TokenizedExamples

#: Examples whose tokens are read back to see that the tokenizer can say them.
_LOOKED_AT = 256


def fit_generator(
    student: GeneratorStudent,
    kind: Kind,
    rows: list[Row],
    validation: list[Row] | None,
    negatives: list[Row],
    prompt: Prompt | None = None,
) -> None:
    """Train a student; it holds the last good weights also where training ends with an error."""
    require_students_extra()
    from synthkd.students.generators.objective import is_seq2seq
    from synthkd.students.generators.tokens import ExampleTokenizer

    options = student.options
    writer = ExampleBuilder(kind, prompt or student_template(kind, options), task_splitter(options, kind))
    examples, held, left = make_examples(writer, options, rows, validation, negatives)
    model, tokenizer = load_base(options, [*examples, *held])
    coder = ExampleTokenizer(tokenizer, is_seq2seq(model))
    most = example_token_limit(model, options)
    coded, checked = (
        _coded(coder, found, most, what) for found, what in ((examples, ""), (held, "validation "))
    )
    _look(coder, examples, coded)
    size = sum(parameter.numel() for parameter in model.parameters())
    record = {
        "rows": left.rows, "left_out": {reason: count for reason, count in sorted(left.why.items()) if count},
        "examples": len(coded), "too_long": len(examples) - len(coded), "negatives": len(negatives),
        "validation": len(checked), "longest": most, "parameters": size,
        "lr": options.lr if options.lr is not None else default_lr(size, bool(options.lora)),
    }  # fmt: skip
    _tell(record, left)
    student.record, student.tokenizer, student.writer, student.model = record, tokenizer, writer, model
    student.max_tokens = options.max_tokens or int((coded.lengths - coded.given).max()) + 8
    _train(student, coder, coded, examples, checked if held else None)


def _train(
    student: GeneratorStudent,
    coder: ExampleTokenizer,
    coded: TokenizedExamples,
    examples: list[Example],
    held: TokenizedExamples | None,
) -> None:
    """The steps; LoRA is merged after them, whatever ended them."""
    from synthkd.students.generators.training import GeneratorTraining

    options, record = student.options, student.record
    objective = make_objective(options, examples, coder, student.kind)
    trainee = student.model
    if options.lora:
        trainee = add_lora(trainee, options.lora, coder.seq2seq, str(options.base))
    work = GeneratorTraining(trainee, coder.pad, coded, examples, options, objective, held)
    try:
        work.run(record["lr"])
    finally:
        done = work.trained
        student.seconds, student.tokens = done.seconds, done.tokens
        record |= {"steps": done.steps, "best": done.best, "curve": done.curve}
        if hasattr(objective, "record"):
            record["objective"] = objective.record()
        student.adapter = LoraAdapter(trainee) if options.lora else None
        student.model = trainee.merge_and_unload() if options.lora else trainee
        student.model.eval()


def make_examples(
    writer: ExampleBuilder,
    options: GeneratorOptions,
    rows: list[Row],
    validation: list[Row] | None,
    negatives: list[Row],
) -> tuple[list[Example], list[Example], SkippedRows]:
    """Examples to train on, those that decide when to stop, and what was left out of the first."""
    if not rows:
        raise StudentError("no rows to learn from")
    if negatives and options.objective != "qcrd":
        raise StudentError(
            f"negatives: the objective {options.objective!r} would learn them as if they were good; leave them out, or take"
            " the objective qcrd"
        )
    for column in {options.weight, options.quality} - {"", USUAL_WEIGHT}:
        if not any(column in row for row in rows):
            raise StudentError(
                f"no row has a column {column!r}{nearest(column, [str(name) for name in rows[0]])}"
            )
    quality = options.quality or ("agreement" if options.objective == "qcrd" else "")
    examples, left = writer.examples(rows, negatives, options.weight, quality)
    if not any(example.good for example in examples):
        raise StudentError(f"nothing to learn from: {left}")
    if validation is not None:
        held, gone = writer.examples(validation, (), options.weight)
        if not held:
            raise StudentError(f"no validation row is of use: {gone}" if validation else "no validation rows")
        if sum(gone.why.values()):
            warnings.warn(f"generator: validation: {gone}", stacklevel=4)
        return examples, held, left
    if options.validation:
        return *split_by_question(examples, options.validation, options.seed), left
    return examples, [], left


def example_token_limit(model: Any, options: GeneratorOptions) -> int:
    """Most tokens of an example: the option `max_length`, and no more than the model holds."""
    found = [one for one in (options.max_length, context_length(model)) if one is not None]
    return min(found, default=1 << 20)


def _coded(coder: ExampleTokenizer, examples: list[Example], most: int, what: str) -> TokenizedExamples:
    coded, longer = coder.examples(examples, most)
    if examples and not len(coded):
        raise StudentError(
            f"none of {len(examples):,} {what}examples has room in {most} tokens; raise max_length, or take a model with"
            " a longer context"
        )
    if what and longer:  # those to train on are told with what else was left out of them
        warnings.warn(
            f"generator: {longer:,} of {len(examples):,} {what}examples are longer than {most} tokens and left out",
            stacklevel=4,
        )
    return coded


def _tell(record: dict[str, Any], left: SkippedRows) -> None:
    """Say what is not learnt from."""
    said = [str(left)] if record["left_out"] else []
    if record["too_long"]:
        every = record["examples"] + record["too_long"]
        said.append(
            f"{record['too_long']:,} of {every:,} examples are longer than {record['longest']} tokens and left out"
        )
    if said:
        warnings.warn(f"generator: {'; '.join(said)}", stacklevel=4)


def student_template(kind: Kind, options: GeneratorOptions) -> Prompt:
    """The template by name or path; by default that of the tasks, or the one that is shipped for students of the kind."""
    if options.prompt == "corpus":
        raise StudentError(
            "prompt: `corpus` is the template of a corpus, and rows have none; name a template"
        )
    if options.prompt:
        return load_prompt(options.prompt)
    from synthkd.students.generators import multitask

    of_tasks = None if callable(options.tasks) else multitask.template_of_tasks(options.tasks)
    usual = of_tasks or f"{kind.name}/student"
    if usual not in shipped_prompts():
        raise StudentError(
            f"no template is shipped for students of the kind {kind.name!r}; name one with the option prompt"
        )
    return load_prompt(usual)


def load_base(options: GeneratorOptions, examples: Sequence[Example]) -> tuple[Any, Any]:
    """The checkpoint to start from: one that is there, or a new one with a tokenizer of these examples' texts."""
    if options.base != SCRATCH and not isinstance(options.base, dict):
        return load_checkpoint(str(options.base), options.dtype, options.device)
    from synthkd.students.generators.untrained import new_checkpoint

    settings = {} if options.base == SCRATCH else dict(options.base)
    texts = [text for example in examples for text in (example.prompt, example.completion)]
    with TemporaryFolder() as folder:
        try:
            made = new_checkpoint(Path(folder) / SCRATCH, texts, **{"seed": options.seed, **settings})
        except TypeError as error:
            said = str(error).replace("new_checkpoint() ", "")
            raise StudentError(f"base: {said}") from None
        return load_checkpoint(str(made), options.dtype, options.device)


def split_by_question(
    examples: list[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Examples to train on, and those of a drawn share of the questions."""
    questions = sorted({example.question for example in examples if example.good})
    count = max(1, round(share * len(questions)))
    if count >= len(questions):
        raise StudentError(
            f"{len(questions)} questions are too few to keep some for validation; give validation rows"
        )
    kept = set(random.Random(seed).sample(questions, count))  # noqa: S311
    held = [example for example in examples if example.question in kept and example.good]
    return [example for example in examples if example.question not in kept], held


def default_lr(parameters: int, lora: bool) -> float:
    """Learning rate where none is given: 2e-4 for LoRA; 1e-3 for small models, 5e-5 for others."""
    if lora:
        return 2e-4
    return 1e-3 if parameters < 20_000_000 else 5e-5


def task_splitter(options: GeneratorOptions, kind: Kind) -> Any:
    """What makes several examples of a question; None for the one that says it all."""
    if options.tasks is None or callable(options.tasks):
        return options.tasks
    from synthkd.students.generators import multitask

    return multitask.splitter_of_tasks(options.tasks, kind)


def make_objective(
    options: GeneratorOptions, examples: Sequence[Example], coder: ExampleTokenizer, kind: Kind
) -> Objective:
    """What is made small."""
    from synthkd.students.generators.objective import CrossEntropy

    if options.objective == "qcrd":
        from synthkd.students.generators.qcrd import QcrdObjective

        return QcrdObjective(options.objective_options, examples, coder, kind, options.seed)
    if options.tasks is not None and not callable(options.tasks):
        from synthkd.students.generators.multitask import TaskMean

        return TaskMean(options.tasks)
    return CrossEntropy()


def _look(coder: ExampleTokenizer, examples: Sequence[Example], coded: TokenizedExamples) -> None:
    """Refuse a tokenizer that cannot say what is to be written: one that loses line breaks, say; tell of a part that it loses."""
    places = range(0, len(coded), max(1, len(coded) // _LOOKED_AT))
    lost = []
    for i in places:
        wanted = examples[int(coded.places[i])].completion.strip()
        said = coder.decode(coded.ids[coded.starts[i] + coded.given[i] : coded.starts[i + 1] - 1].tolist())
        if said.strip() != wanted:
            lost.append((wanted, said))
    if not lost:
        return
    made = f"of {lost[0][0][:60]!r} it makes {lost[0][1][:60]!r}"
    if len(lost) > len(places) // 2:
        raise StudentError(
            f"the tokenizer loses what is to be written: {made}; take a checkpoint whose tokenizer keeps every character"
        )
    warnings.warn(
        f"generator: the tokenizer changes {len(lost):,} of {len(places):,} completions that were looked at: {made}",
        stacklevel=4,
    )
