"""Real rows of a recipe as the measure of generated ones: similarities, and leave-one-out."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from synthkd.errors import RecipeError
from synthkd.filters.base import Filter, Reasons
from synthkd.kinds.base import Kind, Row
from synthkd.options import BaseOptions
from synthkd.text.near_search import near_groups
from synthkd.text.ngram_similarity import NgramIndex
from synthkd.text.normal_forms import normal_text

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = np.ndarray[Any, Any]
#: Tokens of a text that an encoder reads.
_TOKENS = 128


@dataclass(frozen=True, eq=False)
class RealRows:
    """Real rows, and how similar texts are to them.

    Attributes:
        texts: Their texts, each different.
        labels: The labels, in order.
        of: The number of each row's label.
        similarity: A function from m texts to their similarities (m, n) to the rows.
        among: The similarities of the rows to each other (n, n).
    """

    texts: Sequence[str]
    labels: Sequence[str]
    of: Numbers
    similarity: Callable[[Sequence[str]], Numbers]
    among: Numbers

    @classmethod
    def read(cls, rows: Sequence[tuple[str, str]], encoder: str | None) -> RealRows:
        """Index rows of text and label."""
        texts = [text for text, _ in rows]
        labels = sorted({label for _, label in rows})
        of = np.searchsorted(labels, [label for _, label in rows])
        if encoder is None:
            index = NgramIndex(texts)
            # The weights of a row that is left out differ a little from those of a known one.
            among = index.among_themselves()
            return cls(texts, labels, of, index.similarity, (among + among.T) / 2)
        from synthkd.encoders.frozen import FrozenEncoder

        model = FrozenEncoder.load(encoder, _TOKENS)
        vectors = model.embed(texts)
        return cls(texts, labels, of, lambda new: model.embed(new) @ vectors.T, vectors @ vectors.T)

    @cached_property
    def groups(self) -> Numbers:
        """The number of each row's group of near-duplicates, which are left out together."""
        return near_groups(self.texts)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {normal_text(text): place for place, text in enumerate(self.texts)}

    def known(self, texts: Sequence[str], numbers: Numbers) -> Numbers:
        """Return the place of the real row that each text is, with its class; -1 for a new text."""
        places = [self._places.get(normal_text(text), -1) for text in texts]
        known = np.array(places, np.int64)
        return np.where((known >= 0) & (self.of[known] == numbers), known, -1)

    def number(self, labels: Sequence[str | None]) -> Numbers:
        """Return the number of each label; -1 for one that no real row has."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(str(label), -1) for label in labels], np.int64)


class RealRowsRule(Filter):
    """A rule that measures texts by the real rows of the recipe.

    Real rows are those of `kind.options.real`, else the few-shot rows of the prompt. A text of a
    class without a real row is not held against a class.
    """

    class Options(BaseOptions):
        real_rows_lost: float = Field(
            0.05,
            ge=0,
            lt=1,
            description="Share of the real rows that the rule would reject, each held against the"
            " other rows. It sets the threshold.",
        )
        max_real_rows: int = Field(
            2000, ge=2, description="Real rows at most, drawn evenly from the classes."
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._examples: Sequence[Row] = ()
        self._of: Kind | None = None

    def use_prompt(self, instruction: str, examples: Sequence[Row]) -> None:
        self._examples = examples

    def check_kind(self, kind: Kind) -> None:
        if not {"text", "label"} <= set(kind.columns):
            raise RecipeError(
                f"rule {self.name!r}: rows of the kind {kind.name!r} have no text and label"
            )
        rows = self.rows(kind)
        if not rows:
            raise RecipeError(
                f"rule {self.name!r}: no real rows to compare with; name some in"
                " `kind.options.real`, or as few-shot rows in `prompt.examples`"
            )
        if len(rows) == len({label for _, label in rows}):
            raise RecipeError(
                f"rule {self.name!r}: a class needs two real rows, so that one can be held against"
                " the other; there is one of each"
            )

    def rows(self, kind: Kind) -> list[tuple[str, str]]:
        """Return text and label of the real rows, without equal texts."""
        given = [(row.text, row.label) for row in kind.real] or [
            (str(row.get("text") or ""), str(row.get("label") or "")) for row in self._examples
        ]
        distinct = {normal_text(text): (text, label) for text, label in given if text and label}
        by_class = defaultdict(list)
        for text, label in distinct.values():
            by_class[label].append((text, label))
        # One of each class in turn, until there are enough.
        order = sorted(
            (turn, label, row) for label, rows in by_class.items() for turn, row in enumerate(rows)
        )
        return [row for _, _, row in order[: self.options.max_real_rows]]

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return ("text", "label")

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        if self._of is not kind:
            self.check_kind(kind)
            self.fit(self.rows(kind))
            self._of = kind
        texts = [str(text or "") for text in batch.column("text").to_pylist()]
        labels = [str(label or "") for label in batch.column("label").to_pylist()]
        return self.judge(texts, labels)

    def allowed(self, count: int, share: float | None = None) -> int:
        """Return how many of some real rows may be lost, by default `real_rows_lost` of them."""
        return int((self.options.real_rows_lost if share is None else share) * count + 1e-9)

    @abstractmethod
    def fit(self, rows: Sequence[tuple[str, str]]) -> None:
        """Set the threshold by real rows of text and label."""

    @abstractmethod
    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Reasons:
        """Return for each text None, or the reason of its rejection."""


class SimilarityRule(RealRowsRule):
    """A rule that measures texts by how similar they are to the real rows."""

    path_options: ClassVar[frozenset[str]] = frozenset({"encoder"})

    class Options(RealRowsRule.Options):
        encoder: str | None = Field(
            None,
            description="Frozen encoder, a folder or a model of the hub, whose vectors are compared"
            " (extra `transformers`). Default: words and character n-grams.",
        )

    options: Options

    def fit(self, rows: Sequence[tuple[str, str]]) -> None:
        self.real = RealRows.read(rows, self.options.encoder)
        self.set_threshold()

    @abstractmethod
    def set_threshold(self) -> None:
        """Set the threshold by `real`."""
