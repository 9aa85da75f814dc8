"""The critic card: what it was trained on, what it can promise, where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synthkd.critics.calibrate import Threshold

if TYPE_CHECKING:
    from synthkd.critics.train import TrainedCritic


def critic_card(trained: TrainedCritic) -> str:
    """Markdown."""
    facts = trained.facts()
    return (
        "\n\n".join(
            [
                f"# Critic `{facts['critic']}` for the kind `{facts['kind']}`",
                f"Trained on {facts['training_rows']:,} labelled rows of `{facts['sheet']}`"
                f" ({facts['share_valid']:.1%} valid), judged on {facts['held_out_rows']:,} held-out rows of other groups."
                f" Rows labelled both ways and left out: {facts['conflicts_left_out']}.",
                f"AUC {facts['auc']:.3f}, expected calibration error {facts['ece']:.3f}.",
                "## What it can promise\n\n" + _promises(trained),
                "## Precision at recall\n\n| recall | precision |\n|---|---|\n"
                + "\n".join(f"| {r} | {p:.3f} |" for r, p in facts["precision_at_recall"].items()),
                "## Where it is weakest\n\n" + _weakest(trained),
                f"Fingerprint {trained.fingerprint}; sheet {facts['sheet_hash']}. Made again by `synthkd critic train`.",
            ]
        )
        + "\n"
    )


def _promises(trained: TrainedCritic) -> str:
    lines = [
        "| asked | threshold | keeps | of the valid | held-out precision | at least (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    for asked in (0.8, 0.9, 0.95):
        found = trained.threshold(asked, 0.95)
        if isinstance(found, Threshold):
            lines.append(
                f"| {asked} | {found.threshold:.4f} | {found.kept:.1%} | {found.recall:.1%} |"
                f" {found.precision:.3f} | {found.lower_bound:.3f} |"
            )
        else:
            lines.append(f"| {asked} | cannot be had | | | best {found.best_precision:.3f} | |")
    return "\n".join(lines)


def _weakest(trained: TrainedCritic) -> str:
    """AUC within each value of the second column (a triple's relation), worst first."""
    from sklearn.metrics import roc_auc_score

    columns = [name for name in trained.held_out.schema.names if name not in ("score", "label")]
    name = "relation" if "relation" in columns else columns[0]
    values = np.array(trained.held_out.column(name).to_pylist())
    scores = trained.held_out.column("score").to_numpy()
    labels = trained.held_out.column("label").to_numpy(zero_copy_only=False).astype(bool)
    rows = []
    for value in sorted(set(values)):
        here = values == value
        if here.sum() >= 20 and 0 < labels[here].sum() < here.sum():
            rows.append((float(roc_auc_score(labels[here], scores[here])), value, int(here.sum())))
    if not rows:
        return "Too few rows of each sort to tell."
    lines = [f"| {name} | AUC | held-out rows |", "|---|---|---|"]
    return "\n".join(
        lines + [f"| {value} | {auc:.3f} | {count:,} |" for auc, value, count in sorted(rows)[:5]]
    )
