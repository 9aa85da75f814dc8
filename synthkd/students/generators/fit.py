"""The steps of a training: template, checkpoint, examples, tokens, training."""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Row
from synthkd.prompts import Prompt, load_prompt, shipped_prompts
from synthkd.students.generators.checkpoint import (
    Adapter,
    context_of,
    dressed,
    load_checkpoint,
    need_students,
)
from synthkd.students.generators.examples import Example, Writer
from synthkd.students.generators.options import SCRATCH, Options

if TYPE_CHECKING:
    from synthkd.students.generators.student import GeneratorStudent

#: Examples whose tokens are read back to see that the tokenizer can say them.
_LOOKED_AT = 256


def fit(
    student: GeneratorStudent, rows: list[Row], kind: Kind, validation: list[Row] | None, negatives: list[Row]
) -> None:
    """Train a student; it holds the best weights also where training ends with an error."""
    need_students()
    from synthkd.students.generators.encode import Coder
    from synthkd.students.generators.likelihood import is_seq2seq
    from synthkd.students.generators.training import Work

    options = student.options
    if not rows:
        raise StudentError("no rows to learn from")
    prompt = getattr(student, "_prompt", None) or template_of(kind, options.prompt)
    writer = Writer(kind, prompt, tasks_of(options))
    examples, left = writer.examples(rows, negatives, options.weight, options.quality)
    held: list[Example] = []
    if validation is not None:
        held, _ = writer.examples(validation, (), options.weight)
    elif options.validation:
        examples, held = split(examples, options.validation, options.seed)
    if not examples:
        raise StudentError(f"nothing to learn from: {left}")
    model, tokenizer = load_base(options, [*examples, *held])
    seq2seq = is_seq2seq(model)
    coder = Coder(tokenizer, seq2seq)
    longest = context_of(model)
    most = min(one for one in (options.max_length, longest, 1 << 20) if one is not None)
    coded, long = coder.examples(examples, most)
    left.why["longer than the context"] += long
    record: dict[str, Any] = {
        "rows": left.rows, "left_out": {reason: count for reason, count in sorted(left.why.items()) if count},
        "examples": len(coded), "negatives": len(negatives), "longest": most,
    }  # fmt: skip
    if not len(coded):
        raise StudentError(
            f"none of {len(examples):,} examples has room in {most} tokens; take a model with a longer context"
        )
    _look(coder, writer, examples, coded)
    checked, _ = coder.examples(held, most)
    record["validation"] = len(checked)
    if held and not len(checked):
        raise StudentError(f"none of {len(held):,} validation examples has room in {most} tokens")
    if record["left_out"]:
        warnings.warn(f"generator: {left}", stacklevel=3)
    trainee = dressed(model, options.lora, seq2seq, str(options.base)) if options.lora else model
    size = sum(parameter.numel() for parameter in model.parameters())
    lr = options.lr if options.lr is not None else usual_lr(size, bool(options.lora))
    record |= {"parameters": size, "lr": lr}
    student.record, student.tokenizer, student.writer, student.model = record, tokenizer, writer, model
    student.max_tokens = options.max_tokens or int((coded.lengths - coded.given).max()) + 8
    work = Work(
        trainee, int(tokenizer.pad_token_id), coded, examples, options, objective_of(options, student),
        checked if held else None,
    )  # fmt: skip
    try:
        trained = work.run(lr)
    finally:
        student.seconds, student.tokens = work.trained.seconds, work.trained.tokens
        record |= {"steps": work.trained.steps, "best": work.trained.best, "curve": work.trained.curve}
        if options.lora:
            student.adapter = Adapter(trainee)
            student.model = trainee.merge_and_unload()
        student.model.eval()
    assert trained is work.trained


def template_of(kind: Kind, name: str | None) -> Prompt:
    """The template by name or path; by default the one that is shipped for students of the kind."""
    if name and name != "corpus":
        return load_prompt(name)
    usual = f"{kind.name}/student"
    if usual not in shipped_prompts():
        raise StudentError(
            f"no template is shipped for students of the kind {kind.name!r}; name one with the option prompt"
        )
    return load_prompt(usual)


def load_base(options: Options, examples: Sequence[Example]) -> tuple[Any, Any]:
    """The checkpoint to start from: one that is there, or a new one with a tokenizer of these examples' texts."""
    if options.base != SCRATCH and not isinstance(options.base, dict):
        return load_checkpoint(str(options.base), options.dtype)
    from synthkd.students.generators.scratch import new_checkpoint

    settings = {} if options.base == SCRATCH else dict(options.base)
    texts = [text for example in examples for text in (example.prompt, example.completion)]
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = new_checkpoint(Path(folder) / SCRATCH, texts, **{"seed": options.seed, **settings})
        except TypeError as error:
            said = str(error).replace("new_checkpoint() ", "")
            raise StudentError(f"base: {said}") from None
        return load_checkpoint(str(made), options.dtype)


def split(examples: list[Example], share: float, seed: int) -> tuple[list[Example], list[Example]]:
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


def usual_lr(parameters: int, lora: bool) -> float:
    """Learning rate where none is given: 2e-4 for LoRA; 1e-3 for small models, 5e-5 for others."""
    if lora:
        return 2e-4
    return 1e-3 if parameters < 20_000_000 else 5e-5


def tasks_of(options: Options) -> Any:
    """What makes several examples of a question; None for the one that says it all."""
    if options.tasks is None or callable(options.tasks):
        return options.tasks
    from synthkd.students.generators.multitask import tasks

    return tasks(options.tasks)


def objective_of(options: Options, student: GeneratorStudent) -> Any:
    """What is made small."""
    from synthkd.students.generators.training import CrossEntropy

    if options.objective == "ce":
        if options.objective_options:
            raise StudentError("objective_options: the objective ce has none")
        return CrossEntropy()
    if options.objective == "qcrd":
        from synthkd.students.generators.qcrd import QCRD

        return QCRD(student, **options.objective_options)
    raise StudentError(f"objective: {options.objective!r} is neither 'ce' nor 'qcrd'")


def _look(coder: Any, writer: Writer, examples: Sequence[Example], coded: Any) -> None:
    """Refuse a tokenizer that cannot say what is to be written: one that loses line breaks, say."""
    step = max(1, len(coded) // _LOOKED_AT)
    looked, lost = 0, None
    bad = 0
    for i in range(0, len(coded), step):
        example = examples[int(coded.places[i])]
        ids = coded.ids[coded.starts[i] + coded.given[i] : coded.starts[i + 1]]
        said = coder.decode(ids[:-1])
        looked += 1
        if said.strip() != example.completion.strip():
            bad, lost = bad + 1, (example.completion, said)
    if lost is not None and bad > looked // 2:
        raise StudentError(
            f"the tokenizer loses what is to be written: of {lost[0][:60]!r} it makes {lost[1][:60]!r}; take a"
            " checkpoint whose tokenizer keeps every character"
        )
