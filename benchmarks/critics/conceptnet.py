"""Knowledge-base critic on CN-100K (Li et al. 2016): true triples against corrupted ones.

The reference is the train split (100,000 true triples). dev1 is the label sheet, and the threshold
is chosen on its cross-fitted scores alone; `--split` is reported on. The baseline of papers on this
set accepts a triple if (relation, head) and (relation, tail) both occur in train; `--baselines`
adds TF-IDF with logistic regression on known and corrupted triples. `--encoder none` uses words
alone.
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

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd.critics.triples.critic import KnowledgeBaseCritic
from synthkd.critics.triples.negatives import TrueTriples, corrupt
from synthkd.critics.triples.phrases import Triple
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

#: Bilinear AVG of Li et al. (2016), test accuracy, as reported in the paper of COMET.
PUBLISHED = 0.925
SEED, QUICK_REFERENCE = 0, 4000
#: Share of words in common with a known triple of the relation that makes a candidate a trivial
#: rephrase.
REPHRASE = 0.6
Bools = np.ndarray[Any, np.dtype[np.bool_]]


def read(data: Path, split: str) -> tuple[pa.Table, Bools]:
    """Read the rows and verdicts of a split."""
    rows = pq.read_table(data / "conceptnet_cn100k" / f"{split}.parquet")
    return rows, rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)


def triples(rows: pa.Table) -> list[Triple]:
    """Return (head, relation, tail) of each row."""
    return list(
        zip(*(rows.column(name).to_pylist() for name in ("head", "relation", "tail")), strict=True)
    )


def novelty(reference: list[Triple], candidates: list[Triple]) -> list[str]:
    """Return which of a candidate's pairs are in the reference: both, one or none.

    The pairs are (relation, head) and (relation, tail).
    """
    heads, tails = {(r, h) for h, r, _ in reference}, {(r, t) for _, r, t in reference}
    return [
        ("none", "one", "both")[((r, h) in heads) + ((r, t) in tails)] for h, r, t in candidates
    ]


def rephrases(reference: list[Triple], candidates: list[Triple]) -> Bools:
    """Mark candidates that have nearly the same words as a known triple of the same relation."""
    bags = [_bag(triple) for triple in reference]
    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (triple, bag) in enumerate(zip(reference, bags, strict=True)):
        for word in bag:
            holders[triple[1], word].append(place)
    results = np.zeros(len(candidates), dtype=bool)
    for row, triple in enumerate(candidates):
        bag = _bag(triple)
        shared = Counter(place for word in bag for place in holders[triple[1], word])
        results[row] = any(
            both / (len(bag) + len(bags[place]) - both) >= REPHRASE
            for place, both in shared.items()
        )
    return results


def _bag(triple: Triple) -> set[str]:
    return set(re.findall(r"\w+", f"{triple[0]} {triple[2]}"))


def best_threshold(scores: Any, labels: Bools) -> float:
    """Choose the threshold of the best accuracy; the middle one of several equally good ones."""
    order = np.argsort(-scores)
    right = np.cumsum(np.where(labels[order], 1, -1))
    places = np.flatnonzero(right == right.max())
    return float(scores[order[places[len(places) // 2]]])


def tfidf(reference: list[Triple], candidates: list[Triple]) -> Any:
    """Score with TF-IDF and logistic regression.

    It is trained on 40,000 known triples and as many corrupted ones.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    places = np.random.default_rng(SEED).permutation(len(reference))[:40_000]
    true = [reference[place] for place in places]
    false = corrupt(true, TrueTriples(reference), seed=SEED).triples

    def texts_of(rows: list[Triple]) -> list[str]:
        marked = (
            [f"r_{r}"]
            + [f"{m}{w} {r}_{m}{w}" for m, s in (("h_", h), ("t_", t)) for w in s.split()]
            for h, r, t in rows
        )
        return [" ".join(words) for words in marked]

    words = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), min_df=2)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=3)
    texts = texts_of(true + false)
    fitted = hstack([words.fit_transform(texts), letters.fit_transform(texts)]).tocsr()
    model = LogisticRegression(max_iter=200).fit(fitted, np.arange(len(texts)) < len(true))
    return model.predict_proba(
        hstack([words.transform(texts_of(candidates)), letters.transform(texts_of(candidates))])
    )[:, 1]


def figures(options: Options) -> Figures:
    """Measure accuracy and AUC; a quick run uses the first 4,000 triples of the reference."""
    from sklearn.metrics import roc_auc_score

    data, split = options.data_folder, options.split
    train, _ = read(data, "train")
    train = train.slice(0, QUICK_REFERENCE) if options.quick else train
    (sheet, verdicts), (rows, labels) = read(data, "dev1"), read(data, split)
    reference, candidates = triples(train), triples(rows)
    critic = KnowledgeBaseCritic(
        TripleKind(load_relations("conceptnet")), embedder=options.encoder, seed=SEED
    )
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
    seen, rephrased = np.array(novelty(reference, candidates)), rephrases(reference, candidates)
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
    buckets |= {"trivial rephrase": rephrased, "no trivial rephrase": ~rephrased}
    for name, inside in buckets.items():
        n, valid = int(inside.sum()), float(labels[inside].mean()) if inside.any() else 0.0
        auc = (
            float(roc_auc_score(labels[inside], scores[inside])) if 0 < valid < 1 else float("nan")
        )
        right = float((accepted == labels)[inside].mean()) if n else float("nan")
        lines.append((name, n, valid, right, auc))
    if options.baselines:
        both = tfidf(reference, candidates + triples(sheet))
        baseline, cut = both[: len(candidates)], best_threshold(both[len(candidates) :], verdicts)
        named["tfidf_accuracy"] = float(((baseline >= cut) == labels).mean())
        named["tfidf_auc"] = float(roc_auc_score(labels, baseline))
    print(table(lines), flush=True)
    print(", ".join(f"{name} {value:.3f}" for name, value in named.items()))
    print(f"published: {PUBLISHED:.3f} (Bilinear AVG on the test split, as reported in COMET)")
    return {f"cn100k_{split}_{name}": value for name, value in named.items()}
