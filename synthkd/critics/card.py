"""The critic card: what it was trained on, what it can promise, where it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from synthkd.critics.calibrate import Threshold
from synthkd.critics.calibration.bands import auc_interval

if TYPE_CHECKING:
    from synthkd.critics.train import TrainedCritic


def critic_card(trained: TrainedCritic) -> str:
    """Markdown."""
    facts = trained.facts()
    low, high = auc_interval(trained.curve)
    return (
        "\n\n".join(
            [
                f"# Critic `{facts['critic']}` for the kind `{facts['kind']}`",
                f"Trained on {facts['training_rows']:,} labelled rows of `{facts['sheet']}`"
                f" ({facts['share_valid']:.1%} valid), judged on {facts['held_out_rows']:,} held-out rows of other groups."
                + _left_out(facts),
                f"AUC {facts['auc']:.3f} (95 %: {low:.3f} to {high:.3f}), expected calibration error {facts['ece']:.3f}.",
                "## What it can promise\n\n" + _promises(trained),
                "## Curves\n\n![precision over what is kept](precision.svg) ![reliability](reliability.svg)",
                "## Precision at recall\n\n| recall | precision |\n|---|---|\n"
                + "\n".join(f"| {r} | {p:.3f} |" for r, p in facts["precision_at_recall"].items()),
                "## Where it is weakest\n\n" + _weakest(trained),
                *([note] if (note := getattr(trained.critic, "note", "")) else []),
                f"Fingerprint {trained.fingerprint}; sheet {facts['sheet_hash']}. Made again by `synthkd critic train`.",
            ]
        )
        + "\n"
    )


def _left_out(facts: dict[str, Any]) -> str:
    """What of the sheet is in neither part, and how far the annotators agree."""
    said = {
        "labelled both ways": facts["conflicts_left_out"],
        "unsure or tied": facts.get("unsure_left_out"),
        "nearly a held-out row": facts.get("leaks_left_out"),
    }
    text = "".join(f" Left out, {name}: {count:,}." for name, count in said.items() if count)
    if facts.get("agreement_alpha") is not None:
        text += f" {facts['annotators']} annotators, Krippendorff's alpha {facts['agreement_alpha']:.3f}."
    if facts.get("calibrated_on"):
        text += f" Calibrated again on `{facts['calibrated_on']}`."
    return text


def _promises(trained: TrainedCritic) -> str:
    lines = [
        "With 95 % confidence each; the last column is the bound at that threshold alone.\n",
        "| asked | threshold | keeps | of the valid | held-out precision | at least |",
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

    columns = [name for name in trained.held_out.schema.names if name not in ("score", "label", "weight")]
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
