"""The generator student: a language model that learns to write the rows of a kind.

What it writes is a plain transformers checkpoint, so it can be the teacher of the next run, with
its own template:

    prompt: {template: STUDENT/prompt.j2}
    teacher: {backend: transformers, model: STUDENT}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Malformed, Row, readable
from synthkd.students.base import Floats, StudentModel, TextStudent
from synthkd.students.generators.examples import Example, ExampleBuilder
from synthkd.students.generators.options import GeneratorOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.students.base import Rows
    from synthkd.students.generators.fit import TrainedGenerator
    from synthkd.students.generators.tokens import ExampleTokenizer

#: Tokens of a completion, if neither the options nor the training set them.
_DEFAULT_TOKENS = 64


class GeneratorStudent(TextStudent):
    """A language model that learns the completions of a kind, prompt by prompt.

    Attributes:
        model: After training, the transformers model, with LoRA merged.
        tokenizer: Its tokenizer.
        record: What was done: rows, what was left out and why, the curve by epochs.
        max_tokens: Tokens of a completion at most.
        seconds: Seconds of the training steps.
        tokens: Tokens of the training steps, read and written.
    """

    name = "generator"
    path_options = frozenset({"base"})
    Options = GeneratorOptions
    options: GeneratorOptions

    def __init__(self, base: str | Path | Mapping[str, Any] | None = None, **options: Any) -> None:
        # The seed is one of the options, which the folder records.
        StudentModel.__init__(self, **({} if base is None else {"base": base}), **options)
        self.seed = self.options.seed
        self.model: Any = None
        self.tokenizer: Any = None
        self.record: dict[str, Any] = {}
        self.max_tokens = self.options.max_tokens
        self.seconds, self.tokens = 0.0, 0
        self._trained: TrainedGenerator | None = None
        self._kind_record: dict[str, Any] | None = None

    def fit_rows(
        self,
        rows: Rows | pa.Table,
        kind: Kind,
        validation: Rows | pa.Table | None = None,
        negatives: Rows | pa.Table = (),
    ) -> Self:
        """Train from the base; the same rows and seed give the same student on a CPU.

        Args:
            rows: Rows with the kind's columns, and with a weight if the option `weight` names a
                column.
            kind: Their kind.
            validation: Rows that decide when to stop and which epoch is kept. Without them the
                share `validation` of the questions decides; without both the last epoch is kept.
            negatives: Rows that are wrong, for objectives that learn from them.

        Raises:
            StudentError: Rows or checkpoint do not fit.
            TrainingError: The loss is not finite; the student has the best weights before.
        """
        from synthkd.students.generators.corpus import kind_record
        from synthkd.students.generators.fit import fit_generator

        held_out = None if validation is None else _list(validation)
        trained = fit_generator(self.options, kind, _list(rows), held_out, _list(negatives))
        return self._take_up(trained, kind_record(kind))

    def fit_corpus(
        self,
        corpus: str | Path,
        validation: str | Path | Rows | pa.Table | None = None,
        kind: Kind | None = None,
        limit: int | None = None,
    ) -> Self:
        """Train on the accepted rows of a corpus, with rejected rows as negatives.

        Args:
            corpus: The corpus' folder.
            validation: Another corpus, or rows.
            kind: The kind; by default that of the corpus' manifest.
            limit: Rows at most.

        Raises:
            StudentError: As in `fit_rows`.
            TrainingError: As in `fit_rows`.
        """
        from synthkd.students.generators.corpus import read_corpus_rows
        from synthkd.students.generators.fit import fit_generator

        source = read_corpus_rows(Path(corpus), self.options, kind, limit)
        if isinstance(validation, (str, Path)):
            validation = read_corpus_rows(Path(validation), self.options, source.kind, None).rows
        held_out = None if validation is None else _list(validation)
        trained = fit_generator(
            self.options, source.kind, source.rows, held_out, source.negatives, source.prompt
        )
        return self._take_up(trained, source.kind_record)

    def _take_up(self, trained: TrainedGenerator, kind_record: dict[str, Any] | None) -> Self:
        self._trained, self._kind_record = trained, kind_record
        self.model, self.tokenizer = trained.model, trained.tokenizer
        self.record, self.max_tokens = trained.record, trained.max_tokens
        self.seconds, self.tokens = trained.seconds, trained.tokens
        if trained.error is not None:
            raise trained.error
        return self

    @property
    def kept_epoch(self) -> int:
        return int(self.record.get("best", 0))

    @property
    def kind(self) -> Kind:
        return self.builder.kind

    @property
    def prompt(self) -> Any:
        """The template."""
        return self.builder.prompt

    @property
    def builder(self) -> ExampleBuilder:
        """Makes prompts from rows, with the student's template."""
        return self._ready.builder

    @property
    def _ready(self) -> TrainedGenerator:
        if self._trained is None:
            raise StudentError(
                "the generator student is not trained; call fit_rows or fit_corpus, or load one"
            )
        return self._trained

    @property
    def coder(self) -> ExampleTokenizer:
        """Tokenises examples as in training."""
        from synthkd.students.generators.objective import is_seq2seq
        from synthkd.students.generators.tokens import ExampleTokenizer

        return ExampleTokenizer(self.tokenizer, is_seq2seq(self.model))

    def generate(
        self,
        inputs: Sequence[Row],
        n: int = 1,
        temperature: float = 0.0,
        max_tokens: int | None = None,
        batch_size: int = 256,
        seed: int | None = None,
    ) -> list[list[str]]:
        """Return `n` texts for each input row, cut at the stop texts of the template.

        Args:
            inputs: Input rows of the kind.
            n: Texts of each row.
            temperature: 0 decodes greedily: all `n` texts are equal.
            max_tokens: Tokens of a text at most.
            batch_size: Texts that are written at a time.
            seed: Seed of the samples; by default the student's.
        """
        from synthkd.students.generators.decode import generate_texts

        builder = self.builder
        if n < 1 or temperature < 0:
            raise StudentError(
                f"n counts from 1 and temperature from 0; not {n!r} and {temperature!r}"
            )
        prompts = [
            builder.messages(_checked(builder.kind, row, i)) for i, row in enumerate(inputs, 1)
        ]
        limit = max_tokens or self.max_tokens or _DEFAULT_TOKENS
        seed = self.seed if seed is None else seed
        texts = generate_texts(
            self.model, self.coder, prompts, n, temperature, limit, batch_size, seed
        )
        return [[builder.cut(text) for text in texts_of_row] for texts_of_row in texts]

    def answers(
        self, inputs: Sequence[Row], n: int = 1, temperature: float = 0.0, **options: Any
    ) -> list[list[list[dict[str, Any]] | Malformed]]:
        """Generate texts, and parse each into candidates or the reason why there are none.

        The arguments are those of `generate`.
        """
        texts = self.generate(inputs, n, temperature, **options)
        kind = self.kind
        return [
            [readable(kind.parse(text, row)) for text in texts_of_row]
            for row, texts_of_row in zip(inputs, texts, strict=True)
        ]

    def loss(self, rows: Rows | pa.Table) -> Floats:
        from synthkd.students.generators.fit import example_token_limit
        from synthkd.students.generators.objective import row_losses, selects_logits

        rows, builder = _list(rows), self.builder
        losses = np.full(len(rows), np.nan)
        numbers, examples = [], list[Example]()
        for number, row in enumerate(rows):
            of_row, _ = builder.examples([row])
            numbers += [number] * len(of_row)
            examples += of_row
        if not examples:
            return losses
        tokenized, _ = self.coder.examples(examples, example_token_limit(self.model, self.options))
        sums, tokens = row_losses(
            self.model,
            tokenized,
            int(self.tokenizer.pad_token_id),
            2 * self.options.batch_size,
            selects_logits(self.model),
        )
        row_numbers = np.array(numbers)[tokenized.example_indices]
        total = np.bincount(row_numbers, sums, len(rows))
        count = np.bincount(row_numbers, tokens, len(rows))
        losses[count > 0] = (total / np.maximum(count, 1))[count > 0]
        return losses

    def save(self, folder: Path) -> None:
        """Write a transformers checkpoint, its template and its settings.

        A LoRA adapter is written by itself into `adapter/` besides.
        """
        from synthkd.students.generators.folder import StoredGenerator, write_folder

        write_folder(Path(folder), StoredGenerator(self.options, self._ready, self._kind_record))

    @classmethod
    def load(cls, folder: Path, kind: Kind | None = None, **options: Any) -> Self:
        """Read what `save` wrote.

        Args:
            folder: The student's folder.
            kind: The kind, if it cannot be made from the folder: relations or a taxonomy in a file
                that is not there.
            options: None are known.
        """
        from synthkd.students.generators.folder import read_folder

        stored = read_folder(Path(folder), kind)
        return cls(**stored.options.record())._take_up(stored.trained, stored.kind_record)

    def __repr__(self) -> str:
        if self.model is None:
            return f"<GeneratorStudent of {self.options.base!r}, not trained>"
        size = sum(parameter.numel() for parameter in self.model.parameters())
        return (
            f"<GeneratorStudent {self.kind.name}: {size:,} parameters,"
            f" {self.record.get('examples', 0):,} examples>"
        )


def _list(rows: Rows | pa.Table) -> list[Row]:
    import pyarrow as pa

    return rows.to_pylist() if isinstance(rows, pa.Table | pa.RecordBatch) else list(rows)


def _checked(kind: Kind, row: Row, number: int) -> Row:
    for column in kind.input_columns:
        if column not in row and not ("starts" in row or "sentences" in row):
            raise StudentError(
                f"input {number}: no column {column!r}, which the kind {kind.name!r} needs"
            )
    if problem := kind.check(row):
        raise StudentError(f"input {number}: {problem}")
    return row
