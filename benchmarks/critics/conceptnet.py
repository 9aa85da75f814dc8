#!/usr/bin/env python3
"""How well the knowledge-base critic tells true triples of CN-100K (Li et al. 2016) from corrupted ones.

    python -m benchmarks.critics.conceptnet --data DIR [--part dev2] [--quick] [--encoder MODEL] [--json FILE]

The reference is train (100,000 true triples); dev1 is the label sheet, and the threshold is chosen on the
cross-fitted scores of dev1 alone. `--part` is what is reported on. Beside the critic stands the rule of papers on
this set: valid if (relation, head) and (relation, tail) were both seen; `--baselines` adds TF-IDF and logistic
regression on known and corrupted triples. `--words` leaves the encoder out.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.base import table, write
from benchmarks.encoders import default_encoder, options
from synthkd.critics.triples.critic import KnowledgeBaseCritic
from synthkd.critics.triples.negatives import TrueTriples, corrupt
from synthkd.critics.triples.phrases import Triple
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

#: Bilinear AVG of Li et al. (2016), test accuracy, as reported in the paper of COMET.
PUBLISHED = 0.925
SEED, QUICK_REFERENCE = 0, 4000
#: A candidate that shares this part of its words with a known triple of its relation is a trivial rephrase.
REPHRASE = 0.6
Bools = np.ndarray[Any, np.dtype[np.bool_]]


def read(data: Path, part: str) -> tuple[pa.Table, Bools]:
    """Rows and verdicts of a part."""
    rows = pq.read_table(data / "conceptnet_cn100k" / f"{part}.parquet")
    return rows, rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)


def triples(rows: pa.Table) -> list[Triple]:
    """(head, relation, tail) of each row."""
    return list(zip(*(rows.column(name).to_pylist() for name in ("head", "relation", "tail")), strict=True))


def novelty(known: list[Triple], asked: list[Triple]) -> list[str]:
    """How much of each triple was seen: both (relation, head) and (relation, tail), one of them, or none."""
    heads, tails = {(r, h) for h, r, _ in known}, {(r, t) for _, r, t in known}
    return [("none", "one", "both")[((r, h) in heads) + ((r, t) in tails)] for h, r, t in asked]


def rephrases(known: list[Triple], asked: list[Triple]) -> Bools:
    """Whether a known triple of the same relation has nearly the same words."""
    bags = [_bag(triple) for triple in known]
    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (triple, bag) in enumerate(zip(known, bags, strict=True)):
        for word in bag:
            holders[triple[1], word].append(place)
    found = np.zeros(len(asked), dtype=bool)
    for row, triple in enumerate(asked):
        bag = _bag(triple)
        shared = Counter(place for word in bag for place in holders[triple[1], word])
        found[row] = any(
            both / (len(bag) + len(bags[place]) - both) >= REPHRASE for place, both in shared.items()
        )
    return found


def _bag(triple: Triple) -> set[str]:
    return set(re.findall(r"\w+", f"{triple[0]} {triple[2]}"))


def best_threshold(scores: Any, labels: Bools) -> float:
    """The threshold of the best accuracy; the middle of those that are equally good."""
    order = np.argsort(-scores)
    right = np.cumsum(np.where(labels[order], 1, -1))
    places = np.flatnonzero(right == right.max())
    return float(scores[order[places[len(places) // 2]]])


def tfidf(known: list[Triple], asked: list[Triple]) -> Any:
    """Scores of TF-IDF and logistic regression: 40,000 known triples against as many corrupted ones."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    places = np.random.default_rng(SEED).permutation(len(known))[:40_000]
    true = [known[place] for place in places]
    false = corrupt(true, TrueTriples(known), seed=SEED).triples

    def said(rows: list[Triple]) -> list[str]:
        marked = (
            [f"r_{r}"] + [f"{m}{w} {r}_{m}{w}" for m, s in (("h_", h), ("t_", t)) for w in s.split()]
            for h, r, t in rows
        )
        return [" ".join(words) for words in marked]

    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), min_df=2)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3)
    texts = said(true + false)
    fitted = hstack([words.fit_transform(texts), letters.fit_transform(texts)]).tocsr()
    model = LogisticRegression(max_iter=200).fit(fitted, np.arange(len(texts)) < len(true))
    return model.predict_proba(hstack([words.transform(said(asked)), letters.transform(said(asked))]))[:, 1]


def figures(
    data: Path,
    quick: bool = False,
    encoder: str | None = default_encoder(),
    part: str = "dev2",
    baselines: bool = False,
) -> dict[str, Any]:
    """The figures by name. ``quick`` takes the first 4,000 triples of the reference."""
    from sklearn.metrics import roc_auc_score

    train, _ = read(data, "train")
    train = train.slice(0, QUICK_REFERENCE) if quick else train
    (sheet, verdicts), (rows, labels) = read(data, "dev1"), read(data, part)
    known, asked = triples(train), triples(rows)
    critic = KnowledgeBaseCritic(TripleKind(load_relations("conceptnet")), None, encoder, SEED)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(train, Path(folder) / "train.parquet")
        critic.reference = str(Path(folder) / "train.parquet")
        critic.fit(sheet, verdicts)
    trained = time.perf_counter() - began
    began = time.perf_counter()
    scores = critic.score(rows)
    rate = len(rows) / (time.perf_counter() - began)
    assert critic.out_of_fold is not None
    threshold = best_threshold(critic.out_of_fold, verdicts)
    seen, again = np.array(novelty(known, asked)), rephrases(known, asked)
    accepted = scores >= threshold
    named: dict[str, Any] = {
        "accuracy": float((accepted == labels).mean()),
        "accuracy_at_half": float(((scores >= 0.5) == labels).mean()),
        "auc": float(roc_auc_score(labels, scores)),
        "rule_both_seen": float(((seen == "both") == labels).mean()),
        "dev1_cross_fitted_accuracy": float(((critic.out_of_fold >= threshold) == verdicts).mean()),
        "dev1_cross_fitted_auc": float(roc_auc_score(verdicts, critic.out_of_fold)),
        "training_s": trained,
        "rows_per_s": rate,
    }
    lines: list[tuple[Any, ...]] = [("rows", "n", "valid", "accuracy", "AUC")]
    buckets = {"all": np.ones(len(rows), bool)} | {
        f"pairs seen: {name}": seen == name for name in ("both", "one", "none")
    }
    buckets |= {"trivial rephrase": again, "no trivial rephrase": ~again}
    for name, inside in buckets.items():
        n, valid = int(inside.sum()), float(labels[inside].mean()) if inside.any() else 0.0
        auc = float(roc_auc_score(labels[inside], scores[inside])) if 0 < valid < 1 else float("nan")
        right = float((accepted == labels)[inside].mean()) if n else float("nan")
        lines.append((name, n, valid, right, auc))
    if baselines:
        first = tfidf(known, asked + triples(sheet))
        cut = best_threshold(first[len(asked) :], verdicts)
        named["tfidf_accuracy"] = float(((first[: len(asked)] >= cut) == labels).mean())
        named["tfidf_auc"] = float(roc_auc_score(labels, first[: len(asked)]))
    print(table(lines), flush=True)
    print(", ".join(f"{name} {value:.3f}" for name, value in named.items()))
    print(f"published: {PUBLISHED:.3f} (Bilinear AVG on the test split, as reported in COMET)")
    return {f"cn100k_{part}_{name}": value for name, value in named.items()}


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--part", default="dev2", help="the part that is reported on")
    parser.add_argument("--baselines", action="store_true", help="TF-IDF and logistic regression too")
    parser.add_argument("--words", action="store_true", help="no encoder: words of the reference alone")
    asked = parser.parse_args()
    encoder = None if asked.words else asked.encoder
    write(figures(asked.data, asked.quick, encoder, asked.part, asked.baselines), asked.json)


if __name__ == "__main__":
    main()
