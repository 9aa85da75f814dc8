"""Labelled text on BANKING77: planted label errors that are found, and test queries that are found in train.

    python -m benchmarks labelled_text            # TF-IDF, and the encoder where it is installed: about 10 minutes on a core
    python -m benchmarks labelled_text --quick    # 12 classes, one seed: seconds
    python -m benchmarks labelled_text --show 40  # pairs that count as nearly the same, to be read

Errors are planted in train: so many of its labels are drawn anew from the other classes (`any`), or from the three classes
whose texts are nearest by TF-IDF centroid (`near`). Rows that nobody planted count as clean; the real errors in BANKING77
count against the critic.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

from benchmarks import base as common
from benchmarks.encoders import options
from synthkd.filters.label_noise import confident, cross_fitted, tf_idf
from synthkd.filters.labelled_text import Contaminated
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.text.near_duplicates import Bands, greedy, near_groups, normal_text

NOISE, SEEDS = (0.0, 0.1, 0.2), (0, 1, 2)
WAYS = ("both", "prune_by_noise_rate", "prune_by_class", "confident_learning")
#: Student's t, 95 %, two sided, for two degrees of freedom.
T2 = 4.303


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print so many near pairs")
    args = parser.parse_args()
    folder = common.data_folder(args.data) / "banking77"
    train, test = (_rows(folder / f"{name}.parquet") for name in ("train", "test"))
    figures = contamination(folder, train, test, args.show)
    if not args.show:
        figures |= noise(train, args.quick, args.encoder)
    common.write(figures, args.json)


def _rows(path: Path) -> tuple[list[str], list[str]]:
    table = pq.read_table(path, columns=["text", "label"]).to_pydict()
    return table["text"], table["label"]


def contamination(folder: Path, train: Any, test: Any, show: int) -> dict[str, Any]:
    """Train rows that lie in test: all that are equal are found, and what is nearly equal."""
    kind = LabelledTextKind(evaluation=str(folder / "test.parquet"))
    held = {normal_text(text) for text in test[0]}
    begin = time.perf_counter()
    found = Contaminated().find(train[0], kind)
    seconds = time.perf_counter() - begin
    equal = {one[0] for one in found if one and one[1] == 1}
    near = [(i, *one) for i, one in enumerate(found) if one and one[1] < 1]
    expected = {normal_text(text) for text in train[0]} & held
    forms = {normal_text(kind.evaluation[number].text) for number in equal}
    bands = Bands(0.8)
    hashes = bands.of(train[0])
    inside = list(greedy(lambda b: hashes[:, b], np.arange(len(hashes)), 0, train[0].__getitem__, bands))
    if show:
        for title, pairs in (("test", [(train[0][i], kind.evaluation[j].text, s, train[1][i] == test[1][j]) for i, j, s in near]),
                             ("train", [(train[0][i], train[0][j], s, train[1][i] == train[1][j]) for i, j, s in inside if s < 1])):  # fmt: skip
            print(f"\n{title}: {len(pairs)} near pairs, {mean(p[3] for p in pairs):.2f} with one label")
            for one, other, similarity, same in random.Random(0).sample(pairs, min(show, len(pairs))):
                print(f"  {similarity:.2f} {'same' if same else 'OTHER'} | {one!r} | {other!r}")
    figures = {
        "test_queries_in_train": len(expected),
        "found": len(forms & expected),
        "near_test": len(near),
        "near_inside_train": len(inside),
        "rows_a_second": round(len(train[0]) / seconds),
    }
    print(common.table([("contamination", "figure"), *figures.items()]), "\n")
    return figures


def noise(train: Any, quick: bool, encoder: str | None) -> dict[str, Any]:
    texts, labels = train
    if quick:
        names = sorted(set(labels))[:12]
        texts, labels = zip(
            *[(t, of) for t, of in zip(texts, labels, strict=True) if of in names], strict=True
        )
    groups = near_groups(texts)
    features: dict[str, Any] = {"tf-idf": tf_idf(texts)(texts)}
    if encoder and not quick:
        features["encoder"] = _encoded(encoder, texts)
    names = sorted(set(labels))
    given = np.searchsorted(names, labels)
    nearest = _nearest(features["tf-idf"], given)
    rows: list[tuple[Any, ...]] = [
        ("features", "planted", "errors", "by", "AUC", "precision", "recall", "clean rows lost")
    ]
    figures: dict[str, Any] = {}
    for name, share, drawn in _settings(list(features)):
        runs = [_run(features[name], given, groups, share, nearest if drawn == "near" else None, seed)
                for seed in (SEEDS[:1] if quick else SEEDS)]  # fmt: skip
        for way in WAYS:
            values = {key: _interval([run[way][key] for run in runs]) for key in runs[0][way]}
            rows.append((name, share, drawn, way, *values.values()))
            figures |= {f"{name}_{share:.2f}_{drawn}_{way}_{key}": value for key, value in values.items()}
        print(common.table([rows[0], *rows[-len(WAYS) :]]), "\n", flush=True)
    return figures


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
        others = nearest[given[i]] if nearest is not None else np.delete(np.arange(given.max() + 1), given[i])
        noisy[i] = rng.choice(others)
    probabilities = cross_fitted(features, noisy, groups, seed=seed)
    found: dict[str, dict[str, float]] = {}
    for way in WAYS:
        wrong, fits = confident(noisy, probabilities, way)
        hit = int(planted[wrong].sum())
        found[way] = {
            "auc": float(roc_auc_score(planted, -fits)) if planted.any() else float("nan"),
            "precision": hit / len(wrong) if planted.any() and len(wrong) else float("nan"),
            "recall": hit / int(planted.sum()) if planted.any() else float("nan"),
            "clean_lost": (len(wrong) - hit) / int((~planted).sum()),
        }
    return found


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
    # Logistic regression with one strength for all features wants them about as long as TF-IDF's rows.
    return np.asarray(model(list(texts), normalize_embeddings=True, batch_size=64)) * 3


def _interval(values: list[float]) -> str:
    if len(values) < 2 or any(v != v for v in values):
        return f"{values[0]:.3f}"
    half = T2 * stdev(values) / len(values) ** 0.5
    return f"{mean(values):.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
