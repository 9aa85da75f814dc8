"""Planted wrong labels in the training rows of BANKING77, found by confident learning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.banking77 import split
from benchmarks.base import Figures, Options
from benchmarks.intervals import students_t
from benchmarks.text_table import table
from synthkd.filters.label_noise import confident, cross_fitted, tf_idf
from synthkd.text.near_search import near_groups

NOISE, SEEDS = (0.0, 0.1, 0.2), (0, 1, 2)
WAYS = ("both", "prune_by_noise_rate", "prune_by_class", "confident_learning")


def figures(options: Options) -> Figures:
    """Measure every setting and way: AUC, precision, recall and the share of right labels lost.

    A figure is the mean over the seeds; its interval is in the figure of the same name with
    `_half`.
    """
    train = split(options.data_folder, "train")
    texts, labels = train.texts, train.labels
    if options.quick:
        first = sorted(set(labels))[:12]
        pairs = [pair for pair in zip(texts, labels, strict=True) if pair[1] in first]
        texts, labels = (list(column) for column in zip(*pairs, strict=True))
    groups = near_groups(texts)
    features: dict[str, Any] = {"tf-idf": tf_idf(texts)(texts)}
    if options.encoder and not options.quick:
        features["encoder"] = _encoded(options.encoder, texts)
    classes = sorted(set(labels))
    given = np.searchsorted(classes, labels)
    nearest = _nearest(features["tf-idf"], given)
    lines: list[tuple[Any, ...]] = [
        ("features", "planted", "errors", "by", "AUC", "precision", "recall", "right labels lost")
    ]
    results: Figures = {}
    for name, share, errors in _settings(list(features)):
        runs = [
            _run(features[name], given, groups, share, nearest if errors == "near" else None, seed)
            for seed in (SEEDS[:1] if options.quick else SEEDS)
        ]
        for way in WAYS:
            values = {key: students_t([run[way][key] for run in runs]) for key in runs[0][way]}
            lines.append((name, share, errors, way, *(_shown(*value) for value in values.values())))
            for key, (mean, half) in values.items():
                figure = f"{name}_{share:.2f}_{errors}_{way}_{key}"
                results |= {figure: mean, f"{figure}_half": half}
        print(table([lines[0], *lines[-len(WAYS) :]]), "\n", flush=True)
    return results


def _settings(features: Sequence[str]) -> Iterator[tuple[str, float, str]]:
    for name in features:
        yield name, 0.0, "none"
        for share in NOISE[1:]:
            yield name, share, "any"
        yield name, 0.1, "near"


def _run(
    features: Any, given: Any, groups: Any, share: float, nearest: Any, seed: int
) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(seed)
    planted = rng.random(len(given)) < share
    noisy = given.copy()
    for i in np.flatnonzero(planted):
        others = (
            nearest[given[i]]
            if nearest is not None
            else np.delete(np.arange(given.max() + 1), given[i])
        )
        noisy[i] = rng.choice(others)
    probabilities = cross_fitted(features, noisy, groups, seed=seed)
    results: dict[str, dict[str, float]] = {}
    for way in WAYS:
        wrong, fits = confident(noisy, probabilities, way)
        hit = int(planted[wrong].sum())
        results[way] = {
            "auc": float(roc_auc_score(planted, -fits)) if planted.any() else float("nan"),
            "precision": hit / len(wrong) if planted.any() and len(wrong) else float("nan"),
            "recall": hit / int(planted.sum()) if planted.any() else float("nan"),
            "clean_lost": (len(wrong) - hit) / int((~planted).sum()),
        }
    return results


def _nearest(features: Any, given: Any) -> Any:
    centres = np.stack(
        [np.asarray(features[given == c].mean(axis=0)).ravel() for c in range(int(given.max()) + 1)]
    )
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    alike = centres @ centres.T
    np.fill_diagonal(alike, -1)
    return np.argsort(-alike, axis=1)[:, :3]


def _encoded(encoder: str, texts: Sequence[str]) -> Any:
    from sentence_transformers import SentenceTransformer

    model: Callable[..., Any] = SentenceTransformer(encoder, device="cpu").encode
    # One regularisation strength serves all features if their rows are about as long as those of
    # TF-IDF.
    return np.asarray(model(list(texts), normalize_embeddings=True, batch_size=64)) * 3


def _shown(mean: float, half: float) -> str:
    return f"{mean:.3f}" if np.isnan(half) else f"{mean:.3f} ± {half:.3f}"
