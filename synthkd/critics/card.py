"""The critic's card: training data, guarantees, curves, weak spots and command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from synthkd.critics.calibration import Threshold
from synthkd.critics.calibration.bands import auc_interval
from synthkd.critics.labels import verdict_column
from synthkd.critics.splits import BUCKETS
from synthkd.reporting.model_head import model_head
from synthkd.reporting.safe_text import markdown, markdown_block, markdown_code
from synthkd.reporting.tables import markdown_table

if TYPE_CHECKING:
    from synthkd.critics.trained_critic import TrainedCritic

#: Columns of the held-out rows that are not the kind's.
_OWN = ("score", "weight", "novelty", "group_hash")
#: Fewest rows of a value for an AUC.
_FEWEST = 20
_CURVES = (
    "![precision over what is kept](precision.svg) ![reliability](reliability.svg)\n"
    "\n"
    "Left: precision of the best-scored share of the rows, with 90 % intervals for each share alone"
    " (dark) and for all shares at once (light). Right: the share that is valid over the score,"
    " with 95 % intervals; on the diagonal a score of 0.8 is right eight times of ten."
)
_READ = {"label": "label", "held_out": 0.3, "merge": "majority", "seed": 0}


def critic_card(trained: TrainedCritic) -> str:
    """Return the Markdown of a critic's card."""
    facts = trained.facts()
    if not trained.held_out.num_rows:
        return _without_guarantee(trained, facts)
    low, high = auc_interval(trained.curve)
    return (
        "\n\n".join(
            [
                _head(facts),
                f"# Critic {markdown_code(facts['critic'])} for the kind"
                f" {markdown_code(facts['kind'])}",
                f"Trained on {facts['training_rows']:,} labelled rows of"
                f" {markdown_code(facts['sheet'])}, evaluated on {facts['held_out_rows']:,}"
                f" held-out rows of other groups ({trained.curve.labels.mean():.1%} of these"
                " valid)." + _annotators(facts),
                f"AUC {facts['auc']:.3f} (95 %: {low:.3f} to {high:.3f}), expected calibration"
                f" error {facts['ece']:.3f}.",
                "## What it guarantees\n\n" + _guarantees(trained),
                "## Curves\n\n" + _CURVES,
                "## Precision at recall\n\n"
                + markdown_table(
                    [
                        ("recall", "precision"),
                        *((r, f"{p:.3f}") for r, p in facts["precision_at_recall"].items()),
                    ]
                ),
                "## Where it is weakest\n\n" + _weakest(trained),
                *([f"## Where rows are new\n\n{new}"] if (new := _new(trained)) else []),
                *([f"## Rows left out or joined\n\n{rows}"] if (rows := _left_out(facts)) else []),
                *([numbers] if (numbers := _numbers(facts)) else []),
                *([trained.critic.note] if trained.critic.note else []),
                "## Make it again\n\n" + _command(facts),
                f"Fingerprint {markdown(trained.fingerprint)}; sheet"
                f" {markdown(facts['sheet_hash'])}.",
            ]
        )
        + "\n"
    )


def _head(facts: dict[str, Any]) -> str:
    """Return the head that the Hugging Face hub reads."""
    known = {name: facts[name] for name in ("auc", "ece") if isinstance(facts.get(name), float)}
    tags = [facts["critic"], "critic", facts["kind"]]
    return model_head("text-classification", tags, known, "held-out", labels=("invalid", "valid"))


def _without_guarantee(trained: TrainedCritic, facts: dict[str, Any]) -> str:
    """Return the card of a critic that was trained on all its labelled rows."""
    parts = [
        _head(facts),
        f"# Critic {markdown_code(facts['critic'])} for the kind {markdown_code(facts['kind'])}",
        f"Trained on all {facts['training_rows']:,} labelled rows of"
        f" {markdown_code(facts['sheet'])}." + _annotators(facts),
        "**No precision is guaranteed, and there is no threshold**: no labelled row is left to"
        " check one with. `synthkd critic calibrate` adds other labelled rows.",
        *([f"## Rows left out or joined\n\n{rows}"] if (rows := _left_out(facts)) else []),
        *([numbers] if (numbers := _numbers(facts)) else []),
        *([trained.critic.note] if trained.critic.note else []),
        "## Make it again\n\n" + _command(facts),
        f"Fingerprint {markdown(trained.fingerprint)}; sheet {markdown(facts['sheet_hash'])}.",
    ]
    return "\n\n".join(parts) + "\n"


def _numbers(facts: dict[str, Any]) -> str:
    """Name the numbers of rows that the critic does not read."""
    ignored = (facts.get("numbers") or {}).get("ignored")
    if not ignored:
        return ""
    return (
        f"It does not read {', '.join(map(markdown_code, ignored))}: the sheet's training rows lack"
        " them, or have one value only."
    )


def _annotators(facts: dict[str, Any]) -> str:
    text = ""
    if facts.get("sampled_from"):
        text += (
            f" The rows are a sample, drawn by a hash of their group, of {facts['sampled_from']:,}"
            " rows (`--max-rows`)."
        )
    if facts.get("agreement_alpha") is not None:
        text += (
            f" {facts['annotators']} annotators, Krippendorff's alpha"
            f" {facts['agreement_alpha']:.3f}."
        )
    if facts.get("calibrated_on"):
        text += f" Calibrated again on {markdown_code(facts['calibrated_on'])}."
    return text


def _left_out(facts: dict[str, Any]) -> str:
    """List rows of the sheet that were left out or joined; wrong ones by name."""
    reasons = {
        "labelled both ways, left out": ("conflicts_left_out", "conflicts"),
        "near-duplicate of a held-out row, left out of training": ("leaks_left_out", "leaks"),
        "unsure or tied, left out": ("unsure_left_out", ""),
        "unsure or tied in the calibration sheet, left out": ("calibration_unsure_left_out", ""),
        "without a verdict": ("unlabelled_left_out", ""),
        "held out, without a readable reply of the judge, left out": ("unscored_left_out", ""),
        "in a group with held-out rows and of unknown weight, left out": ("unweighed_left_out", ""),
        "given more than once by one annotator, joined": ("repeated_rows", ""),
    }
    lines = []
    for name, (count, rows) in reasons.items():
        if facts.get(count):
            lines.append(f"- {name}: {facts[count]:,}")
            lines += [f"  - {markdown_code(row)}" for row in facts.get(rows, ())]
    return "\n".join(lines)


def _command(facts: dict[str, Any]) -> str:
    """Return the command that trains the critic; a teacher part is in `critic.json`."""
    read = facts.get("read") or {}
    # Not there unless rows were left out.
    rows = ["--max-rows", str(read["max_rows"])] if "max_rows" in read else []
    parts = ["synthkd", "critic", "train", facts["sheet"], "FOLDER", "--kind", facts["kind"],
    "--critic", facts["critic"], *rows]  # fmt: skip
    for name, usual in _READ.items():
        if read.get(name, usual) not in (usual, 0.0 if name == "held_out" else usual):
            parts += [f"--{name.replace('_', '-')}", str(read[name])]
    for name, options in (("--option", "options"), ("--kind-option", "kind_options")):
        for key, value in (facts.get(options) or {}).items():
            parts += [name, f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    if read.get("held_out") == 0:
        parts.append("--all")
    text = markdown_block(f"$ {shlex.join(parts)}", "console")
    if read.get("group") and read.get("held_out"):
        text += f"\n\nRows of one {markdown_code(read['group'])} are on one side of the split."
    return text


def _guarantees(trained: TrainedCritic) -> str:
    rows = [
        ["target precision", "threshold", "keeps", "of the valid", "held-out precision", "at least"]
    ]
    effective: dict[float, int] = {}
    for target in (0.8, 0.9, 0.95):
        result = trained.threshold(target, 0.95)
        if isinstance(result, Threshold):
            shares = [f"{result.kept:.1%}", f"{result.recall:.1%}"]
            precisions = [f"{result.precision:.3f}", f"{result.lower_bound:.3f}"]
            rows.append([str(target), f"{result.threshold:.4f}", *shares, *precisions])
        else:
            best = f"best {result.best_precision:.3f}"
            rows.append([str(target), "cannot be reached", "", "", best, ""])
        if result.effective is not None:
            effective[target] = result.effective
    text = (
        "With 95 % confidence each; the last column is the bound at that threshold alone.\n\n"
        + markdown_table(rows)
    )
    if effective:
        counts = ", ".join(f"{count:,} at {target}" for target, count in effective.items())
        text += (
            "\n\nRows are clustered in groups: the labels are worth so many independent ones:"
            f" {counts}."
        )
    return text


def _weakest(trained: TrainedCritic) -> str:
    """Tabulate the AUC within each class or value of the first column, worst first."""
    columns = [
        name
        for name in trained.held_out.schema.names
        if name not in {*_OWN, verdict_column(trained.critic.kind)}
    ]
    name = str(trained.critic.kind.class_column)
    name = name if name in columns else columns[0]
    rows = sorted(_by(trained, name, set(trained.held_out.column(name).to_pylist())))
    if not rows:
        return f"Too few rows of each {markdown(name)} to tell."
    return _table(name, rows[:5])


def _new(trained: TrainedCritic) -> str:
    """Tabulate the AUC by how much of a row the training part had.

    Empty if that part is unknown.
    """
    if "novelty" not in trained.held_out.schema.names:
        return ""
    rows = list(_by(trained, "novelty", BUCKETS))
    if not rows:
        return "Too few rows of each bucket to tell."
    return _table("of the row without its group", rows)


def _by(
    trained: TrainedCritic, column: str, values: Iterable[str]
) -> Iterable[tuple[float, str, int, float]]:
    """Yield AUC, value, rows and share valid for each value with enough rows of both verdicts."""
    from sklearn.metrics import roc_auc_score

    cells = np.array(trained.held_out.column(column).to_pylist())
    scores = trained.held_out.column("score").to_numpy()
    labels = (
        trained.held_out.column(verdict_column(trained.critic.kind))
        .to_numpy(zero_copy_only=False)
        .astype(bool)
    )
    for value in values:
        here = cells == value
        if here.sum() >= _FEWEST and 0 < labels[here].sum() < here.sum():
            auc = float(roc_auc_score(labels[here], scores[here]))
            yield auc, value, int(here.sum()), float(labels[here].mean())


def _table(name: str, rows: Iterable[tuple[float, str, int, float]]) -> str:
    return markdown_table(
        [
            (name, "AUC", "held-out rows", "valid"),
            *(
                (value, f"{auc:.3f}", f"{count:,}", f"{valid:.1%}")
                for auc, value, count, valid in rows
            ),
        ]
    )
