"""The graph judge on corrupted gold graphs of held-out documents, and its guarantee."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.critics.guarantee import divisions
from benchmarks.facts.graphs import FOLDS, KIND, SETS, WAYS, GoldGraphs, as_table, verdicts
from benchmarks.intervals import students_t
from benchmarks.text_table import table
from synthkd.critics.encoder import EncoderCritic
from synthkd.critics.graphs import GraphJudgeCritic
from synthkd.critics.graphs.negatives import SAME
from synthkd.text.tfidf import fit_tfidf

#: Accuracy of the published judge, read off a figure; its negatives are others.
PUBLISHED = {"scierc": 0.63, "genwiki": 0.91}
Rows = Sequence[dict[str, Any]]
Maker = Callable[[], Any]
#: Documents of a quick run.
_FEW = 24


class TfidfBaseline:
    """TF-IDF of the triple and of the words between its ends, with logistic regression."""

    def fit(self, rows: Rows, labels: Any) -> None:
        from sklearn.linear_model import LogisticRegression

        texts = [_baseline_text(row) for row in rows]
        self._features = fit_tfidf(texts)
        self._model = LogisticRegression(C=1.0, max_iter=300).fit(self._features(texts), labels)

    def score(self, rows: Rows) -> Any:
        texts = [_baseline_text(row) for row in rows]
        return self._model.predict_proba(self._features(texts))[:, 1]


def _baseline_text(row: dict[str, Any]) -> str:
    source = row["source"].casefold()
    places = sorted((source.find(row[end].casefold()), row[end]) for end in ("head", "tail"))
    (first, phrase), (second, _) = places
    between = source[first + len(phrase) : second] if first >= 0 else ""
    return f"{row['head']} ; {row['relation']} ; {row['tail']} ; {between}"


def critics(encoder: str | None) -> dict[str, Maker]:
    """Return the compared critics, the last of them the best: the judge, with an encoder if any."""
    made: dict[str, Maker] = {
        "tfidf": TfidfBaseline,
        "plain": lambda: GraphJudgeCritic(KIND),
    }
    if encoder is not None:
        made["judge"] = lambda: GraphJudgeCritic(KIND, model=encoder, device="cpu")
    return made


def encoder_alone(options: Options) -> Figures:
    """Accuracy and AUC of a frozen encoder alone, on source and triple as a sentence; one seed."""
    most = _FEW if options.quick else None
    if options.encoder is None:
        return {}
    made = {
        "encoder_alone": lambda: EncoderCritic(KIND, options.encoder, frozen=True, device="cpu")
    }
    return _compared(options, made, 1, most, options.encoder)


#: Test rows and scores by set, seed and critic.
_SCORES: dict[tuple[str, int, str], tuple[list[dict[str, Any]], Any]] = {}


def held_out_scores(
    data: Path, name: str, seed: int, critic: str, make: Maker, most: int | None
) -> tuple[list[dict[str, Any]], Any]:
    """Return test rows and their scores by critics that were trained on other documents.

    Test rows are the true triples and, for each way, one negative of each. Training rows are the
    true triples and one negative of a drawn way; the judge makes more by itself.
    """
    if (name, seed, critic) in _SCORES:
        return _SCORES[name, seed, critic]
    graphs = GoldGraphs.read(data, name, most)
    fold = graphs.folds(seed)
    train = graphs.rows(1000 + seed, WAYS)
    true = [row for row in train if row["valid"]]
    test = [*true]
    for number, way in enumerate(WAYS):
        rows = graphs.rows(2000 + 10 * seed + number, [way])
        test += [row for row in rows if not row["valid"]]
    scores = np.zeros(len(test))
    of_train, of_test = (
        np.array([fold[row["document_id"]] for row in rows]) for rows in (train, test)
    )
    for here in range(FOLDS):
        rows = [row for row, number in zip(train, of_train, strict=True) if number != here]
        asked = [row for row, number in zip(test, of_test, strict=True) if number == here]
        made = make()
        if isinstance(made, TfidfBaseline):
            made.fit(rows, verdicts(rows))
            scores[of_test == here] = made.score(asked)
            continue
        made.fit(as_table(rows), verdicts(rows), [row["document_id"] for row in rows])
        scores[of_test == here] = made.score(as_table(asked))
    _SCORES[name, seed, critic] = test, scores
    return test, scores


def graph_judge(options: Options) -> Figures:
    """Accuracy and AUC on corrupted gold graphs of held-out documents, per set and way."""
    seeds, most = (1, _FEW) if options.quick else (options.seeds, None)
    encoder = None if options.quick else options.encoder
    made = critics(encoder)
    best = list(made)[-1]
    figures = _compared(options, made, seeds, most, encoder)
    for name in SETS:
        for key in [key for key in figures if key.endswith(f"_{best}")]:
            figures[key.removesuffix(f"_{best}")] = figures.pop(key)
        figures[f"graph_judge_published_accuracy_{name}"] = PUBLISHED[name]
    differences = [
        figures[f"graph_judge_auc_{name}"]["value"]
        - figures[f"graph_judge_auc_{name}_tfidf"]["value"]
        for name in SETS
    ]
    return figures | {"graph_judge_auc_minus_tfidf_min": min(differences)}


def _compared(
    options: Options, made: dict[str, Maker], seeds: int, most: int | None, encoder: str | None
) -> Figures:
    """Return accuracy and AUC of each critic, per set and way, as means over seeds."""
    from sklearn.metrics import roc_auc_score

    figures: Figures = {}
    lines: list[tuple[Any, ...]] = [("set", "critic", "negatives", "accuracy", "AUC", "±")]
    for name in SETS:
        for critic, make in made.items():
            values: dict[str, list[tuple[float, float]]] = defaultdict(list)
            for seed in range(seeds):
                rows, scores = held_out_scores(options.data_folder, name, seed, critic, make, most)
                ways = np.array([row["way"] for row in rows])
                for way in WAYS:
                    chosen = (ways == "") | (ways == way)
                    labels = ways[chosen] == ""
                    accuracy = _balanced_accuracy(scores[chosen], labels)
                    values[way].append((accuracy, float(roc_auc_score(labels, scores[chosen]))))
            for way, pairs in values.items():
                (accuracy, _), (auc, half) = (students_t(part) for part in zip(*pairs, strict=True))
                lines.append((name, critic, way, accuracy, auc, half))
                key = f"_{name}{'' if way == SAME else f'_{way}'}_{critic}"
                figures[f"graph_judge_accuracy{key}"] = accuracy
                figures[f"graph_judge_auc{key}"] = {"value": auc, "half": half}
    print(table(lines), "\n")
    return figures


def _balanced_accuracy(scores: Any, labels: Any) -> float:
    """Return the mean share of right verdicts at 0.5 of true and of corrupted triples."""
    right = (scores >= 0.5) == labels
    return float((right[labels].mean() + right[~labels].mean()) / 2)


def guarantee(options: Options) -> Figures:
    """Share of divisions in which the target precision of 0.9 is broken on other documents.

    Documents are the groups; the guarantee is one of 90 %.
    """
    most, encoder = (_FEW, None) if options.quick else (None, options.encoder)
    critic = "plain" if encoder is None else "judge"
    figures: Figures = {}
    for name in SETS:
        make = critics(encoder)[critic]
        rows, scores = held_out_scores(options.data_folder, name, 0, critic, make, most)
        # One negative of a drawn way for each true triple, as in training.
        rng = np.random.default_rng(0)
        drawn = rng.integers(len(WAYS), size=len(rows))
        kept = [
            row["valid"] or WAYS[way] == row["way"] for row, way in zip(rows, drawn, strict=True)
        ]
        chosen = np.array(kept)
        groups = [row["document_id"] for row, one in zip(rows, kept, strict=True) if one]
        result = divisions(
            scores[chosen], verdicts(rows)[chosen], groups, targets=(0.9,), delta=0.1,
            divisions=20 if options.quick else 200,
        )[0.9]  # fmt: skip
        print(name, result)
        figures |= {f"facts_guarantee_{key}_{name}": value for key, value in result.items()}
    broken = [figures[f"facts_guarantee_broken_share_{name}"] for name in SETS]
    return figures | {"facts_guarantee_broken_max": max(broken)}
