"""Critics on CSKB-Population (dev): AUC in five folds without a common head.

A stack of the linear critic, a fine-tuned encoder and the same encoder frozen is trained anew in
each fold. Inner folds divide the fold's training heads: the combination is learnt from scores of
heads that a member did not see, and the members of all inner folds stay as an ensemble (`refit:
false`). Much of an AUC here comes from the relation alone (xReact is nearly always valid,
HinderedBy nearly never), so the AUC within relations is reported too. "with source" adds the share
of valid rows by relation and by `candidate_source` (where a candidate came from, which a pipeline
knows and a triple does not say); "one of the bag" is the first of the five encoders alone. Equal
triples have one head, and so one fold.

A fold takes about 7 minutes on a core with AVX512-BF16, three times as long on others; `--jobs`
runs several at a time.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.nested import flat
from benchmarks.text_table import table
from synthkd.critics.calibration import Curve
from synthkd.critics.stack import StackCritic
from synthkd.kinds.triple import TripleKind

FOLDS, SEED = 5, 0
#: Folds of the stack, inside each of the others.
INNER = 5
#: Tuned on an inner validation part of the first fold's training rows.
TUNED = {"epochs": 3, "lr": 1e-4, "validation": 0.0, "max_length": 48, "trained_layers": 6}
#: Fewest rows of each verdict for an AUC within a relation.
_FEWEST = 10


def critics(encoder: str | None, quick: bool) -> list[Any]:
    """Return the members of the stack."""
    if encoder is None:
        return ["linear"]
    frozen = {"encoder": {"model": encoder, "frozen": True, "max_length": TUNED["max_length"]}}
    tuned = {"seed": SEED, "bf16": fast_halves(), **TUNED, **({"epochs": 1} if quick else {})}
    return ["linear", {"encoder": {"model": encoder, **tuned}}, frozen]


def fast_halves() -> bool | None:
    """Ask for training in bf16 on a CPU that computes it fast; None on others."""
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return True if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else None


def out_of_fold(rows: Any, encoder: str | None, quick: bool, jobs: int = 1) -> dict[str, Any]:
    """Score the rows of each fold that is run with the stack and its members (NaN elsewhere)."""
    scores: dict[str, Any] = {}
    tasks = [(rows, encoder, quick, fold) for fold in range(1 if quick else FOLDS)]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for test, by_critic in pool.map(one_fold, tasks) if jobs > 1 else map(one_fold, tasks):
            for name, values in by_critic.items():
                scores.setdefault(name, np.full(rows.num_rows, np.nan))[test] = values
    return scores


def one_fold(task: tuple[Any, str | None, bool, int]) -> tuple[Any, dict[str, Any]]:
    """Score the rows of one fold with a stack trained on the others."""
    rows, encoder, quick, fold = task
    began = time.perf_counter()
    train, test = divisions(rows)[fold]
    labels, kind = labels_of(rows), TripleKind()
    part, heads = rows.select(list(kind.columns)), rows.column("head").to_pylist()
    inner = 2 if quick else INNER
    stack = StackCritic(kind, critics(encoder, quick), folds=inner, refit=False, seed=SEED)
    stack.fit(part.take(train), labels[train], [heads[i] for i in train])
    scores = {
        "stack": stack.score(part.take(test)),
        "with source": with_source(rows, train, test, stack),
    }
    for name, member in zip(("linear", "encoder", "frozen encoder"), stack.members, strict=False):
        scores[name] = member.score(part.take(test))
    one = stack.members[min(1, len(stack.members) - 1)].critics[0]
    scores["one of the bag"] = one.score(part.take(test))
    aucs = {name: round(Curve.of(values, labels[test]).auc, 4) for name, values in scores.items()}
    print(f"fold {fold + 1}: {aucs}, {time.perf_counter() - began:.0f} s", flush=True)
    return test, scores


def divisions(rows: Any) -> list[tuple[Any, Any]]:
    """Return training and test rows of each fold; no head is in both."""
    from sklearn.model_selection import GroupKFold

    labels, heads = labels_of(rows), np.array(rows.column("head").to_pylist())
    return list(GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(labels, labels, heads))


def with_source(rows: Any, train: Any, test: Any, stack: StackCritic) -> Any:
    """Combine the stack's members with two priors; logits (n,) for the test rows.

    The combination is learnt on scores of unseen rows.
    """
    from sklearn.linear_model import LogisticRegression

    labels, part = labels_of(rows), rows.select(list(stack.kind.columns))
    heads = rows.take(train).column("head").to_pylist()
    unseen_priors = np.zeros((len(train), 2))
    for fitted, unseen in stack.divisions(heads, labels[train]):
        unseen_priors[unseen] = priors(rows, train[fitted])[train[unseen]]
    features = np.column_stack([stack.unseen, unseen_priors])
    members = [member.logits(part.take(test)) for member in stack.members]
    test_features = np.column_stack([*members, priors(rows, train)[test]])
    mean, scale = features.mean(0), features.std(0)
    model = LogisticRegression(C=1.0).fit((features - mean) / scale, labels[train])
    return model.decision_function((test_features - mean) / scale)


def priors(rows: Any, train: Any) -> Any:
    """Return logits (n, 2) of the share of valid rows by relation, and by relation and source.

    Shares are smoothed: a relation's with 5 rows at the overall share, a source's with 10 rows at
    the relation's share.
    """
    labels = labels_of(rows)
    relations, sources = (
        rows.column(name).to_pylist() for name in ("relation", "candidate_source")
    )
    pairs = list(zip(relations, sources, strict=True))
    total: dict[Any, float] = {}
    count: dict[Any, int] = {}
    for i in train:
        for key in (relations[i], pairs[i]):
            total[key] = total.get(key, 0.0) + float(labels[i])
            count[key] = count.get(key, 0) + 1
    overall = float(labels[train].mean())
    by_relation = {
        r: (total.get(r, 0) + 5 * overall) / (count.get(r, 0) + 5) for r in set(relations)
    }
    by_pair = {
        p: (total.get(p, 0) + 10 * by_relation[p[0]]) / (count.get(p, 0) + 10) for p in set(pairs)
    }
    shares = [[by_relation[r], by_pair[p]] for r, p in zip(relations, pairs, strict=True)]
    return logit(np.array(shares))


def logit(shares: Any) -> Any:
    """Return log-odds, cut at 12, which is a share of 1 in 160,000."""
    with np.errstate(divide="ignore"):
        return (np.log(shares) - np.log1p(-shares)).clip(-12, 12)


def labels_of(rows: Any) -> Any:
    """Return the majority verdict of people, (n,)."""
    return rows.column("valid").to_numpy(zero_copy_only=False).astype(bool)


def relation_prior(rows: Any) -> Any:
    """Return the share of valid rows of each row's relation in the other folds, (n,)."""
    labels, relations = labels_of(rows), np.array(rows.column("relation").to_pylist())
    prior = np.zeros(len(labels))
    for train, test in divisions(rows):
        share = {r: labels[train][relations[train] == r].mean() for r in set(relations[train])}
        prior[test] = [share.get(r, labels[train].mean()) for r in relations[test]]
    return prior


def aucs_by(values: Any, scores: Any, labels: Any) -> dict[str, tuple[int, float]]:
    """Return rows and AUC within each value of a column that has enough rows of both verdicts."""
    results = {}
    for value in sorted(set(values)):
        here = values == value
        if min(labels[here].sum(), (~labels[here]).sum()) >= _FEWEST:
            results[value] = (int(here.sum()), Curve.of(scores[here], labels[here]).auc)
    return results


def within(results: dict[str, tuple[int, float]]) -> float:
    """Return the mean of AUCs, weighted by rows."""
    return sum(rows * auc for rows, auc in results.values()) / sum(
        rows for rows, _ in results.values()
    )


def report(rows: Any, scores: dict[str, Any]) -> dict[str, Any]:
    """Print the figures and return them by name."""
    run = ~np.isnan(scores["stack"])
    labels = labels_of(rows)[run]
    relations, sources = (
        np.array(rows.column(n).to_pylist())[run] for n in ("relation", "candidate_source")
    )
    scores = {name: values[run] for name, values in scores.items()} | {
        "relation alone": relation_prior(rows)[run]
    }
    prefix = "cskb_dev"
    figures: dict[str, Any] = {f"{prefix}_rows": int(run.sum())}
    lines: list[tuple[Any, ...]] = [
        (
            "critic",
            "AUC",
            "within relations",
            "P@R 0.5",
            "P@R 0.8",
            "P@R 0.9",
            *sorted(set(sources)),
        )
    ]
    for name, values in scores.items():
        curve, inside = Curve.of(values, labels), within(aucs_by(relations, values, labels))
        by_source = {source: auc for source, (_, auc) in aucs_by(sources, values, labels).items()}
        precisions = {str(r): curve.precision_at_recall(r) for r in (0.5, 0.8, 0.9)}
        lines.append((name, curve.auc, inside, *precisions.values(), *by_source.values()))
        key = prefix if name == "stack" else f"{prefix}_{name.replace(' ', '_')}"
        figures |= {f"{key}_auc": curve.auc, f"{key}_within_relation_auc": inside}
        figures |= {f"{key}_precision_at_recall": precisions, f"{key}_auc_by_source": by_source}
    by_relation = aucs_by(relations, scores["stack"], labels)
    figures[f"{prefix}_auc_by_relation"] = {
        relation: auc for relation, (_, auc) in by_relation.items()
    }
    print(table(lines))
    print(
        table(
            [
                ("relation", "rows", "AUC of the stack"),
                *((r, n, auc) for r, (n, auc) in by_relation.items()),
            ]
        )
    )
    return figures


def interval(scores: Any, rows: Any, draws: int = 1000) -> list[float]:
    """Return the 95 % bootstrap interval of the AUC; heads are drawn with all their rows."""
    labels, heads = (
        labels_of(rows),
        np.unique(rows.column("head").to_pylist(), return_inverse=True)[1],
    )
    run = ~np.isnan(scores)
    labels, heads, scores = labels[run], heads[run], scores[run]
    order = np.argsort(heads, kind="stable")
    of_head = np.split(order, np.flatnonzero(np.diff(heads[order])) + 1)
    rng, results = np.random.default_rng(SEED), []
    for _ in range(draws):
        drawn = np.concatenate([of_head[i] for i in rng.integers(len(of_head), size=len(of_head))])
        results.append(Curve.of(scores[drawn], labels[drawn]).auc)
    return [float(value) for value in np.quantile(results, (0.025, 0.975))]


def figures(options: Options) -> Figures:
    """Measure the AUCs; a quick run is one fold with one epoch."""
    import pyarrow.parquet as pq

    rows = pq.read_table(options.data_folder / "cskb_population" / "dev.parquet")
    scores = out_of_fold(rows, options.encoder, options.quick, options.jobs)
    low, high = interval(scores["stack"], rows)
    print(f"AUC of the stack, 95 % interval over heads: {low:.4f} to {high:.4f}")
    return flat(report(rows, scores)) | {"cskb_dev_auc_low": low, "cskb_dev_auc_high": high}
