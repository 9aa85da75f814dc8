"""The critic's part of a run: find or train it, choose a threshold, decide."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synthkd.errors import NotReachableError
from synthkd.stages.plan import Plan

NAME = "critic"


@dataclass(frozen=True)
class Decision:
    """How candidates that passed the rules are decided.

    ``record`` is what the manifest says of it; ``trained`` is None where a recipe has no critic;
    ``threshold`` is None where the asked precision cannot be had.
    """

    trained: Any = None
    threshold: float | None = None
    unreachable: str | None = None
    publish_anyway: bool = False
    record: dict[str, Any] | None = None
    name: str = NAME

    def judge(self, rows: pa.Table) -> tuple[list[float | None], list[str | None]]:
        """A score and a verdict for each row."""
        if self.trained is None:
            return [None] * rows.num_rows, [None] * rows.num_rows
        scores = [float(s) for s in self.trained.score(rows)] if rows.num_rows else []
        if self.threshold is None:
            verdict = None if self.publish_anyway else "the asked precision cannot be had"
            return list(scores), [verdict] * len(scores)
        reasons = [
            None if s >= self.threshold else f"score {s:.4f}, below {self.threshold:.4f}" for s in scores
        ]
        return list(scores), reasons

    def refuse(self) -> None:
        """Raise where the asked precision cannot be had and the recipe does not say to go on."""
        if self.unreachable and not self.publish_anyway:
            raise NotReachableError(
                f"nothing is published: {self.unreachable} Or set critic.publish_anyway=true to publish"
                " what passes the rules."
            )


def decide(plan: Plan) -> Decision:
    """Load or train the recipe's critic and ask it for a threshold."""
    part = plan.recipe.critic
    if part is None:
        return Decision()
    from synthkd.critics.calibrate import Unreachable
    from synthkd.critics.labels import read_labels
    from synthkd.critics.train import load_critic, train_critic
    from synthkd.resources import resource

    if part.path is not None:
        path = (
            resource(f"critics/{part.path}")
            if part.path in shipped_critics()
            else plan.recipe.resolve(part.path)
        )
        trained = load_critic(path, plan.kind)
    else:
        sheet = read_labels(
            plan.recipe.resolve(str(part.labels)),
            plan.kind,
            label=part.label,
            columns=part.columns,
            held_out=part.held_out,
            group=part.group,
            seed=plan.recipe.seed,
        )
        for conflict in sheet.conflicts:
            logging.getLogger("synthkd").warning(
                "left out, labelled both ways in %s: %s", part.labels, conflict
            )
        trained = train_critic(plan.kind, sheet, part.name, plan.recipe.work_dir / "critic", part.options)
    found = trained.threshold(part.precision, part.confidence)
    record = {
        "fingerprint": trained.fingerprint,
        "name": part.name,
        "asked_precision": part.precision,
        "confidence": part.confidence,
        "reachable": not isinstance(found, Unreachable),
        "held_out": trained.facts(),
    }
    if isinstance(found, Unreachable):
        record |= {"advice": found.advice, "publish_anyway": part.publish_anyway}
        return Decision(trained, None, found.advice, part.publish_anyway, record)
    record |= {"threshold": found.threshold, "lower_bound": found.lower_bound}
    return Decision(trained, found.threshold, record=record)


def shipped_critics() -> list[str]:
    """Names of the critics that come with synthkd."""
    from synthkd.resources import resource

    return sorted(path.parent.name for path in resource("critics").glob("*/critic.json"))
