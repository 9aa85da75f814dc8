"""The critic `graph-judge`: the probability that a text states a triple.

A logistic regression on features of the triple and its source (`features`), and on vectors of a
frozen encoder if one is named. It is trained on labelled rows, and on negatives made of the
accepted ones by replaced ends and relations (GraphJudge, arXiv 2411.17388, replaces tails).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from synthkd.artifacts.arrays import Array, check_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.artifacts.settings import Weight
from synthkd.critics.base import CriticModel, Labels, Scores, require_both_verdicts
from synthkd.critics.cross_fitting import group_folds
from synthkd.critics.files import ARRAYS, CriticSettings, check_columns, read_files, write_files
from synthkd.critics.graphs.features import (
    BITS,
    NUMBERS,
    StatedTriple,
    TripleFeatures,
    feature_matrix,
    triple_features,
)
from synthkd.critics.graphs.negatives import OTHER, RELATION, SAME, GraphTriple, corrupt_graphs
from synthkd.critics.logistic import choose_regularisation, row_products, sigmoid
from synthkd.encoders.frozen import FrozenEncoder
from synthkd.encoders.reference import EncoderReference
from synthkd.errors import CriticError, nearest, require_extra
from synthkd.kinds.base import Kind
from synthkd.kinds.fact.kind import relation_key
from synthkd.options import BaseOptions

_VERSION = 1
_TRIPLE = ("head", "relation", "tail")
#: Ways of made negatives: half are hard, with another end of the same document.
_MADE = (SAME, SAME, RELATION, OTHER)
_CHOICES = (1.0, 0.3, 0.1)
_DEFAULT = 0.1
#: Folds of the logits that are scaled to probabilities, and fewest labelled rows of each verdict.
_FOLDS, _FEWEST = 3, 10
#: Weight of scaled numbers and of vectors beside indicators, which are 0 or 1.
_NUMBER_SCALE, _VECTOR_SCALE = 1.0, 0.3
#: Directions of the greatest variance to which vectors are reduced.
_DIRECTIONS = 32
#: Cosines and vectors of a triple.
_COSINES, _VECTORS = 4, 4
#: Rows scored at a time.
_SLICE = 2048


class _Settings(CriticSettings):
    source: Annotated[str, Field(max_length=200)]
    bias: Weight
    regularisation_C: Weight  # noqa: N815 (a key of the file)
    slope: Weight
    shift: Weight
    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    encoder: EncoderReference | None = None


@dataclass
class _Regression:
    """Weights of a logistic regression on scaled features."""

    mean: Scores
    scale: Scores
    weights: Scores
    bias: float
    strength: float


class GraphJudgeCritic(CriticModel):
    """Does its source state a triple?

    For kinds with head, relation and tail, and the text they were read from. Negatives made of the
    accepted rows are added in training; with labels of both verdicts the probability is scaled on
    labelled rows alone.
    """

    name: ClassVar[str] = "graph-judge"
    load_options: ClassVar[frozenset[str]] = frozenset({"encoder", "device"})
    path_options: ClassVar[frozenset[str]] = frozenset({"model", "encoder"})

    class Options(BaseOptions):
        model: str | None = Field(
            None,
            description="Folder or hub name of an encoder whose vectors are features too. Default:"
            " none.",
        )
        source: str = Field("source", description="Column of the text that may state a triple.")
        negatives: int = Field(
            3, ge=0, description="Negatives made of each accepted training row; 0 makes none."
        )
        max_length: int = Field(64, ge=4, description="Tokens that the encoder reads of a text.")
        device: str | None = Field(None, description="Device of torch. Default: the fastest.")
        seed: int = Field(0, ge=0, description="Seed of made negatives.")

    options: Options

    def __init__(self, kind: Kind, **options: Any) -> None:
        require_extra("the graph judge", "critics", "sklearn", "safetensors")
        super().__init__(kind, **options)
        given = self.options
        for column in (*_TRIPLE, given.source):
            if column not in (known := [*kind.columns, *kind.details]):
                raise CriticError(
                    f"the graph judge reads head, relation, tail and {given.source}; the kind"
                    f" {kind.name!r} has no {column!r}{nearest(column, known)}"
                )
        self.model_name, self.source = given.model, given.source
        self._encoder: FrozenEncoder | None = None
        if given.model is not None:
            self._encoder = FrozenEncoder.load(given.model, given.max_length, given.device)
        self._fitted: _Regression | None = None
        self._directions: Scores | None = None
        self._slope, self._shift = 1.0, 0.0

    def fit(
        self,
        rows: pa.Table,
        labels: Labels,
        groups: Sequence[str] = (),
        weights: Scores | None = None,
    ) -> None:
        """Train on labelled rows and made negatives. Without negatives both verdicts are needed."""
        labels = np.asarray(labels, dtype=bool)
        triples = self._triples(rows)
        groups = list(groups) or self._documents(rows)
        made, made_groups = self._made(triples, labels, groups)
        if not made:
            require_both_verdicts(labels)
        features = [triple_features(triple) for triple in (*triples, *made)]
        dense = self._numbers_and_vectors([*triples, *made], features)
        self._directions = _directions(dense[:, self._plain :]) if self._encoder else None
        dense = self._reduced(dense)
        verdicts = np.concatenate([labels, np.zeros(len(made), dtype=bool)])
        weight = np.ones(len(verdicts))
        if weights is not None:
            weight[: len(labels)] = weights / np.mean(weights)
        for verdict in (True, False):
            weight[verdicts == verdict] *= len(verdicts) / 2 / weight[verdicts == verdict].sum()
        everyone = [*groups, *made_groups]
        matrix = self._matrix(features, dense, dense.mean(0), _deviation(dense))
        # Columns without an entry get no weight: without them, training is many times as fast.
        used, width = np.unique(matrix.indices), matrix.shape[1]
        matrix = matrix[:, used]
        strength = choose_regularisation(
            _regression, matrix, verdicts, everyone, weight, _CHOICES, _DEFAULT
        )
        model = _regression(strength).fit(matrix, verdicts, weight)
        coefficients = np.zeros(width)
        coefficients[used] = model.coef_[0]
        self._fitted = _Regression(
            dense.mean(0), _deviation(dense), coefficients, float(model.intercept_[0]), strength
        )
        self._scale_probability(matrix, verdicts, everyone, weight, labels, weights)

    def _made(
        self, triples: Sequence[StatedTriple], labels: Labels, groups: Sequence[str]
    ) -> tuple[list[StatedTriple], list[str]]:
        """Return negatives made of the accepted rows, and the group of each."""
        each = self.options.negatives
        if not each:
            return [], []
        graphs: dict[str, list[GraphTriple]] = {}
        home: dict[str, str] = {}
        for triple, label, group in zip(triples, labels, groups, strict=True):
            if label:
                home.setdefault(triple.source, group)
                graphs.setdefault(triple.source, []).append(triple[1:])
        known = {(triple.source, *_plain(triple)) for triple in triples}
        negatives = [
            StatedTriple(negative.document, *negative.triple)
            for negative in corrupt_graphs(graphs, _MADE, each, self.options.seed)
        ]
        # A labelled row has its own verdict.
        negatives = [one for one in negatives if (one.source, *_plain(one)) not in known]
        return negatives, [home[one.source] for one in negatives]

    def _scale_probability(
        self,
        matrix: Any,
        verdicts: Labels,
        groups: list[str],
        weight: Scores,
        labels: Labels,
        weights: Scores | None,
    ) -> None:
        """Fit Platt scaling on out-of-fold logits of labelled rows, the first, if enough."""
        from sklearn.linear_model import LogisticRegression

        self._slope, self._shift = 1.0, 0.0
        if min(labels.sum(), (~labels).sum()) < _FEWEST or len(set(groups)) < _FOLDS:
            return
        assert self._fitted is not None
        fold, logits = group_folds(groups, _FOLDS), np.zeros(len(verdicts))
        for here in range(_FOLDS):
            train, test = fold != here, fold == here
            if len(set(verdicts[train].tolist())) < 2:
                return
            model = _regression(self._fitted.strength)
            model.fit(matrix[train], verdicts[train], weight[train])
            logits[test] = model.decision_function(matrix[test])
        scaling = LogisticRegression(C=1e3).fit(logits[: len(labels), None], labels, weights)
        self._slope, self._shift = float(scaling.coef_[0, 0]), float(scaling.intercept_[0])

    def score(self, batch: pa.RecordBatch | pa.Table) -> Scores:
        if self._fitted is None:
            raise CriticError("this critic was not trained yet")
        parts = [
            self._score(batch.slice(start, _SLICE)) for start in range(0, batch.num_rows, _SLICE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _score(self, rows: pa.RecordBatch | pa.Table) -> Scores:
        fitted = self._fitted
        assert fitted is not None
        triples = self._triples(rows)
        features = [triple_features(triple) for triple in triples]
        dense = self._reduced(self._numbers_and_vectors(triples, features))
        matrix = self._matrix(features, dense, fitted.mean, fitted.scale)
        # A row's sum in a sparse product does not depend on the other rows.
        logits = matrix @ fitted.weights + fitted.bias
        return sigmoid(logits * self._slope + self._shift)

    def _triples(self, rows: pa.RecordBatch | pa.Table) -> list[StatedTriple]:
        columns = []
        for name in (self.source, *_TRIPLE):
            if name not in rows.schema.names:
                raise CriticError(
                    f"the rows have no column {name!r}, which the graph judge reads"
                    f"{nearest(name, rows.schema.names)}"
                )
            columns.append([str(value or "") for value in rows.column(name).to_pylist()])
        return [StatedTriple(*values) for values in zip(*columns, strict=True)]

    def _documents(self, rows: pa.Table) -> list[str]:
        name = self.kind.group_column
        name = name if name in rows.schema.names else self.source
        return [str(value) for value in rows.column(name).to_pylist()]

    @property
    def _plain(self) -> int:
        """Number of dense features that are no vectors: numbers, and cosines with an encoder."""
        return len(NUMBERS) + (0 if self._encoder is None else _COSINES)

    def _reduced(self, dense: Scores) -> Scores:
        """Return dense features whose vectors are reduced to the fitted directions."""
        if self._directions is None:
            return dense
        reduced = row_products(dense[:, self._plain :], self._directions)
        return np.concatenate([dense[:, : self._plain], reduced], axis=1)

    def _numbers_and_vectors(
        self, triples: Sequence[StatedTriple], features: Sequence[TripleFeatures]
    ) -> Scores:
        """Return numbers; with an encoder also cosines and products of vectors (n, width)."""
        numbers = np.array([one.numbers for one in features]).reshape(-1, len(NUMBERS))
        if self._encoder is None:
            return numbers
        head, relation, tail, context, question = (
            self._encoder.embed(texts)
            for texts in (
                [one.head for one in triples],
                [relation_key(one.relation) for one in triples],
                [one.tail for one in triples],
                [one.context for one in features],
                [one.question for one in features],
            )
        )
        pairs = [(relation, tail), (relation, head), (context, question), (head, tail)]
        products = [one * other for one, other in pairs]
        cosines = [product.sum(1, keepdims=True) for product in products]
        return np.concatenate([numbers, *cosines, *products[:3], context], axis=1)

    def _matrix(
        self, features: Sequence[TripleFeatures], dense: Scores, mean: Scores, scale: Scores
    ) -> Any:
        scaled = (dense - mean) / scale
        scaled[:, : self._plain] *= _NUMBER_SCALE
        scaled[:, self._plain :] *= _VECTOR_SCALE
        return feature_matrix(features, scaled)

    def save(self, folder: Path) -> None:
        fitted = self._fitted
        if fitted is None:
            raise CriticError("this critic was not trained yet")
        encoder = None
        if self._encoder is not None and self.model_name is not None:
            encoder = EncoderReference.of(
                self.model_name, self._encoder.sha256, folder
            ).model_dump()
        config: dict[str, Any] = {
            "critic": self.name, "version": _VERSION, "kind": self.kind.name,
            "columns": list(self.kind.columns), "source": self.source, "bias": fitted.bias,
            "regularisation_C": fitted.strength, "slope": self._slope, "shift": self._shift,
            "max_length": self.options.max_length, "encoder": encoder,
        }  # fmt: skip
        arrays = {"mean": fitted.mean, "scale": fitted.scale, "weights": fitted.weights}
        if self._directions is not None:
            arrays["directions"] = self._directions
        write_files(folder, arrays, config)

    @classmethod
    def load(cls, folder: Path, kind: Kind, /, **options: Any) -> GraphJudgeCritic:
        """Load a critic; ``encoder`` names its encoder if that is not found by itself."""
        arrays, settings = read_files(folder, cls.name, _VERSION, _Settings)
        check_columns(folder, settings, kind)
        critic = cls(kind, source=settings.source, max_length=settings.max_length)
        given = options.get("encoder")
        if settings.encoder is not None:
            critic._load_encoder(folder, settings.encoder, given, options.get("device"))
        elif given is not None:
            raise CriticError(f"{folder}: it was trained without an encoder; leave `encoder` out")
        sizes = check_arrays(
            folder / ARRAYS,
            arrays,
            {
                "mean": Array("float64", ("dense",)),
                "scale": Array("float64", ("dense",), 1e-12),
                "weights": Array("float64", ("features",)),
                "directions": Array("float64", ("vector", "reduced"), optional=True),
            },
            CRITIC_ARTIFACT,
        )
        critic._directions = arrays.get("directions")
        vector = 0
        if critic._encoder is not None:
            vector = _VECTORS * int(critic._encoder.model.config.hidden_size)
        if sizes.get("vector", 0) != vector:
            raise CRITIC_ARTIFACT.refuse(folder / ARRAYS, "directions: not those of its encoder")
        width = critic._plain + sizes.get("reduced", 0)
        if sizes["dense"] != width or sizes["features"] != (1 << BITS) + width:
            raise CRITIC_ARTIFACT.refuse(
                folder / ARRAYS, f"as many weights as {width} numbers need"
            )
        critic._fitted = _Regression(
            arrays["mean"], arrays["scale"], arrays["weights"], settings.bias,
            settings.regularisation_C,
        )  # fmt: skip
        critic._slope, critic._shift = settings.slope, settings.shift
        return critic

    def _load_encoder(
        self, folder: Path, reference: EncoderReference, given: Any, device: str | None
    ) -> None:
        from synthkd.encoders.device import pick_device
        from synthkd.encoders.load import load_referenced

        where = None if given is None else str(given)
        model, tokenizer, self.model_name = load_referenced(
            reference, folder, where, CRITIC_ARTIFACT
        )
        self._encoder = FrozenEncoder(
            model, tokenizer, self.options.max_length, pick_device(device), reference.sha256
        )


def _regression(strength: float) -> Any:
    """Return an unfitted L2-regularised regression on sparse features, with this C."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300, tol=1e-3)


def _directions(vectors: Scores) -> Scores:
    """Return the directions of the greatest variance (width, at most `_DIRECTIONS`)."""
    centred = vectors - vectors.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    found: Scores = np.ascontiguousarray(directions[:, ::-1][:, :_DIRECTIONS])
    return found


def _deviation(dense: Scores) -> Scores:
    deviation: Scores = dense.std(0)
    deviation[deviation < 1e-9] = 1.0
    return deviation


def _plain(triple: StatedTriple) -> GraphTriple:
    return triple.head.casefold(), relation_key(triple.relation), triple.tail.casefold()
