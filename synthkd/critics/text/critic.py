"""The text critic: form, words and overlap of answers, and their rank among siblings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.artifacts.settings import Columns, Name, Weight
from synthkd.critics.base import CriticModel, Labels, Scores, require_both_verdicts
from synthkd.critics.files import ARRAYS, CriticSettings, check_columns, read_files, write_files
from synthkd.critics.logistic import choose_regularisation, logistic_regression, row_sums, sigmoid
from synthkd.critics.teacher_numbers import NUMERIC, number_columns
from synthkd.critics.text.features import BITS, TextFeatures
from synthkd.errors import CriticError, require_extra
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SIBLINGS
from synthkd.options import BaseOptions

_VERSION = 1
#: Rows scored at a time.
_SLICE = 4096
#: On easy rows all rank alike: then the first, which gives the most confident scores, is chosen.
_CHOICES = (0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
_TEXT_FEATURES = ("answers", "sources", "categories", "siblings")
_ARRAYS = ("rarity", "common", "mean", "deviation")
_SHAPES = {
    "rarity": Array("float64", (1 << BITS,), -100, 100),
    "common": Array("uint64", ("common",)),
    "mean": Array("float64", ("numbers",)),
    "deviation": Array("float64", ("numbers",), 1e-12),
}


class _Settings(CriticSettings):
    words: Annotated[int, Field(ge=0, le=1_000_000)]
    bias: Weight
    regularisation_C: Weight  # noqa: N815 (a key of the file)
    answers: Columns
    sources: Columns
    categories: dict[Name, Columns]
    siblings: Columns


class TextCritic(CriticModel):
    """Logistic regression on features of texts.

    A column of few values, such as a label, is a category with weights of its own. Columns of
    `with_siblings` are read if the training rows have them.
    """

    name: ClassVar[str] = "text"

    class Options(BaseOptions):
        words: int = Field(
            150,
            ge=0,
            description="Number of the training answers' commonest words that are features.",
        )

    options: Options

    def __init__(self, kind: Kind, **options: Any) -> None:
        require_extra("the text critic", "critics", "sklearn", "safetensors")
        super().__init__(kind, **options)
        self.words = self.options.words
        self._features: TextFeatures | None = None
        self._weights: Scores = np.zeros(0)
        self._bias = self._strength = 0.0

    def work(self, rows: int) -> int:
        return max(1, rows // 50)

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Choose the regularisation by grouped cross-validation, then train on all rows."""
        require_both_verdicts(labels)
        self._features = TextFeatures.of(rows, self.kind, self.words)
        features = self._features.matrix(rows)
        # A feature that is the same in all rows gets no weight.
        features[:, np.ptp(features, axis=0) == 0] = 0
        self._strength = choose_regularisation(
            logistic_regression, features, labels, groups, weights, _CHOICES, default=1e-2
        )
        model = logistic_regression(self._strength).fit(features, labels, weights)
        self._weights, self._bias = model.coef_[0], float(model.intercept_[0])

    @property
    def features(self) -> TextFeatures:
        """The fitted features."""
        if self._features is None:
            raise CriticError("this critic was not trained yet")
        return self._features

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        features, logits = self.features, np.zeros(batch.num_rows)
        for start in range(0, batch.num_rows, _SLICE):
            part = row_sums(features.matrix(batch.slice(start, _SLICE)), self._weights)
            logits[start : start + _SLICE] = part + self._bias
        return sigmoid(logits)

    def numbers(self) -> tuple[list[str], list[str]]:
        """Return number columns read and ignored.

        Columns of siblings are not among them, since they are required.
        """
        plain = self._weights[: len(self.features.mean) + len(self.features.common)]
        rest = self._weights[len(plain) :].reshape(-1, 1 + len(plain))[:, 1:]
        used = (np.vstack([plain, rest])[:, : len(NUMERIC)] != 0).any(axis=0)
        return number_columns(used)

    def save(self, folder: Path) -> None:
        arrays = {name: getattr(self.features, name) for name in _ARRAYS} | {
            "weights": self._weights
        }
        config: dict[str, Any] = {
            "critic": self.name, "version": _VERSION, "kind": self.kind.name,
            "columns": list(self.kind.columns),
            "words": self.words, "bias": self._bias, "regularisation_C": self._strength,
        }  # fmt: skip
        write_files(
            folder, arrays, config | {name: getattr(self.features, name) for name in _TEXT_FEATURES}
        )

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> Self:
        arrays, settings = read_files(folder, cls.name, _VERSION, _Settings)
        check_columns(folder, settings, kind)
        for names, given in (
            (kind.columns, [*settings.answers, *settings.sources, *settings.categories]),
            (SIBLINGS, settings.siblings),
        ):
            for name in given:
                if name not in names:
                    raise CRITIC_ARTIFACT.refuse(
                        folder, f"it reads a column {name!r}, which the kind does not have"
                    )
        sizes = check_arrays(
            folder / ARRAYS,
            arrays,
            {**_SHAPES, "weights": Array("float64", ("features",))},
            CRITIC_ARTIFACT,
        )
        plain = sizes["common"] + sizes["numbers"]
        values = sum(map(len, settings.categories.values()))
        if sizes["features"] != plain + values * (plain + 1):
            raise CRITIC_ARTIFACT.refuse(folder / ARRAYS, "weights: as many as features are needed")
        critic = cls(kind, words=settings.words)
        parts = {name: getattr(settings, name) for name in _TEXT_FEATURES} | {
            name: arrays[name] for name in _ARRAYS
        }
        critic._features = TextFeatures(**parts)
        critic._weights, critic._bias = arrays["weights"], settings.bias
        critic._strength = settings.regularisation_C
        return critic
