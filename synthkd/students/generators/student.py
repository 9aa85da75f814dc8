"""The generator student: a causal or sequence-to-sequence checkpoint that learns to write the rows of a kind.

What it writes is a plain transformers checkpoint, so it can be the teacher of the next run, with its own template:

    prompt: {template: STUDENT/prompt.j2}
    teacher: {backend: transformers, model: STUDENT}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from synthkd.errors import StudentError
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.students.base import Floats, Student
from synthkd.students.generators.examples import Example, ExampleBuilder
from synthkd.students.generators.options import SCRATCH, GeneratorOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.students.generators.tokens import ExampleTokenizer

Rows = Iterable[Row]
#: Parameters below which a model counts as small: it is trained with a greater learning rate.
_SMALL = 20_000_000


class GeneratorStudent(Student):
    """Learns completions of a kind, prompt by prompt; see `options.Options` for all options.

    After training: ``model`` (LoRA merged), ``tokenizer``, ``kind``, ``prompt`` (its template), ``record`` (what was done:
    rows, what was left out and why, the curve by epochs), ``seconds`` and ``tokens`` of the training steps.
    """

    name = "generator"
    learns = "text"

    def __init__(self, base: str | Path | Mapping[str, Any] = SCRATCH, seed: int = 0, **options: Any) -> None:
        self.options = GeneratorOptions.checked({"base": base, "seed": seed, **options})
        self.seed = seed
        self.model: Any = None
        self.tokenizer: Any = None
        self.writer: ExampleBuilder | None = None
        self.adapter: Any = None
        self.record: dict[str, Any] = {}
        self.max_tokens = self.options.max_tokens
        self.seconds, self.tokens = 0.0, 0
        self._kind_record: dict[str, Any] | None = None

    # Training

    def fit_rows(
        self,
        rows: Rows | pa.Table,
        kind: Kind,
        validation: Rows | pa.Table | None = None,
        negatives: Rows | pa.Table = (),
    ) -> Self:
        """Train from the base, also when it was trained before; the same rows and seed give the same student on a CPU.

        ``rows`` have the kind's columns, and a weight where the option `weight` names a column of theirs. ``validation``
        decides when to stop and which epoch is kept; without it the share `validation` of the questions does, or the last
        epoch is kept. ``negatives`` are for objectives that learn from what is wrong.
        Raises `StudentError` for rows or a checkpoint that do not fit, and `TrainingError` for a loss that is no number;
        the last good weights then stand.
        """
        from synthkd.students.generators.corpus import kind_record
        from synthkd.students.generators.fit import fit_generator

        self._kind_record = kind_record(kind)
        held = None if validation is None else _list(validation)
        fit_generator(self, kind, _list(rows), held, _list(negatives))
        return self

    def fit_corpus(
        self,
        corpus: str | Path,
        validation: str | Path | Rows | pa.Table | None = None,
        kind: Kind | None = None,
        limit: int | None = None,
    ) -> Self:
        """Train on the accepted rows of a corpus; the rejected ones are negatives where the objective learns from them.

        The kind is the one of the corpus' manifest, unless it is given. ``validation``: another corpus, or rows.
        """
        from synthkd.students.generators.corpus import read_corpus_rows
        from synthkd.students.generators.fit import fit_generator

        found = read_corpus_rows(Path(corpus), self.options, kind, limit)
        if isinstance(validation, (str, Path)):
            validation = read_corpus_rows(Path(validation), self.options, found.kind, None).rows
        self._kind_record = found.kind_record
        held = None if validation is None else _list(validation)
        fit_generator(self, found.kind, found.rows, held, found.negatives, found.prompt)
        return self

    # Use

    @property
    def kind(self) -> Kind:
        return self._ready.kind

    @property
    def prompt(self) -> Any:
        return self._ready.prompt

    @property
    def _ready(self) -> ExampleBuilder:
        if self.model is None or self.writer is None:
            raise StudentError(
                "the generator student is not trained; call fit_rows or fit_corpus, or load one"
            )
        return self.writer

    @property
    def coder(self) -> ExampleTokenizer:
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
        """``n`` texts for each input row, cut at the template's stop texts. ``temperature`` 0 is greedy: all n are equal."""
        from synthkd.students.generators.decode import generate_texts

        writer = self._ready
        if n < 1 or temperature < 0:
            raise StudentError(f"n counts from 1 and temperature from 0; not {n!r} and {temperature!r}")
        prompts = [writer.messages(_checked(writer.kind, row, i)) for i, row in enumerate(inputs, 1)]
        most = max_tokens or self.max_tokens or 64
        seed = self.seed if seed is None else seed
        texts = generate_texts(self.model, self.coder, prompts, n, temperature, most, batch_size, seed)
        return [[writer.cut(text) for text in of_one] for of_one in texts]

    def answers(
        self, inputs: Sequence[Row], n: int = 1, temperature: float = 0.0, **rest: Any
    ) -> list[list[list[dict[str, Any]] | Malformed]]:
        """What the kind reads in each of ``n`` texts for each input: candidates, or why there are none."""
        texts = self.generate(inputs, n, temperature, **rest)
        kind = self.kind
        return [[kind.parse(text, row) for text in said] for row, said in zip(inputs, texts, strict=True)]

    def loss(self, rows: Rows | pa.Table) -> Floats:
        """(n,) mean cross-entropy of each row's completion, in nats a token, the end among them; each row as the only
        answer to its question. NaN for a row that no answer can say, or that is too long for the model."""
        from synthkd.students.generators.fit import example_token_limit
        from synthkd.students.generators.objective import row_losses, selects_logits

        given, writer = _list(rows), self._ready
        result = np.full(len(given), np.nan)
        places, examples = [], list[Example]()
        for i, row in enumerate(given):
            found, _ = writer.examples([row])
            places += [i] * len(found)
            examples += found
        if not examples:
            return result
        coded, _ = self.coder.examples(examples, example_token_limit(self.model, self.options))
        sums, tokens = row_losses(
            self.model,
            coded,
            int(self.tokenizer.pad_token_id),
            2 * self.options.batch_size,
            selects_logits(self.model),
        )
        where = np.array(places)[coded.places]
        total = np.bincount(where, sums, len(given))
        count = np.bincount(where, tokens, len(given))
        result[count > 0] = (total / np.maximum(count, 1))[count > 0]
        return result

    # Files

    def save(self, folder: Path) -> None:
        """A transformers checkpoint with `prompt.j2` (the template), `generator.json` (settings and record) and, of LoRA,
        the adapter by itself in `adapter/`."""
        from synthkd.students.generators.folder import write_folder

        _ = self._ready
        write_folder(self, Path(folder))

    @classmethod
    def load(cls, folder: Path, kind: Kind | None = None, **options: Any) -> Self:
        """Read what `save` wrote. ``kind``: where the student's own cannot be made from its record (relations or a taxonomy
        in a file that is not there)."""
        from synthkd.students.generators.folder import read_folder

        return read_folder(cls, Path(folder), kind)

    def __repr__(self) -> str:
        if self.model is None:
            return f"<GeneratorStudent of {self.options.base!r}, not trained>"
        size = sum(parameter.numel() for parameter in self.model.parameters())
        return f"<GeneratorStudent {self.kind.name}: {size:,} parameters, {self.record.get('examples', 0):,} examples>"


def _list(rows: Rows | pa.Table) -> list[Row]:
    return rows.to_pylist() if hasattr(rows, "to_pylist") else list(rows)


def _checked(kind: Kind, row: Row, number: int) -> Row:
    for column in kind.input_columns:
        if column not in row and not ("starts" in row or "sentences" in row):
            raise StudentError(f"input {number}: no column {column!r}, which the kind {kind.name!r} needs")
    if problem := kind.check(row):
        raise StudentError(f"input {number}: {problem}")
    return row
