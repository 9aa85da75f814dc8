"""The critic of a run: load or train it, choose a threshold, decide rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synthkd import plugins
from synthkd.critics.shift_monitor import ShiftMonitor
from synthkd.errors import NotReachableError, RecipeError, nearest
from synthkd.kinds.base import Kind
from synthkd.stages.components import Components
from synthkd.stages.critic_options import critic_folder, critic_options
from synthkd.stages.places import claim_work

if TYPE_CHECKING:
    from synthkd.critics.calibration import GroupThresholds
    from synthkd.critics.trained_critic import TrainedCritic
    from synthkd.recipe import CriticPart, Recipe

NAME = "critic"
_NO_SCORE = "the critic has no score of it"
#: What a manifest says of the guarantee.
KEPT, WITHDRAWN, UNREACHABLE = "kept", "withdrawn", "cannot be had"


@dataclass(frozen=True)
class Decision:
    """The decision on candidates that passed the rules.

    Attributes:
        trained: The critic; None if the recipe has none.
        threshold: None if the target precision cannot be reached, unless ``publish_anyway`` takes
            the best threshold there is.
        unreachable: Why the target precision cannot be reached, and what would help.
        record: What the manifest says of the critic.
        each: Column and thresholds by its values, if the guarantee is for each of them.
    """

    trained: Any = None
    threshold: float | None = None
    unreachable: str | None = None
    publish_anyway: bool = False
    record: dict[str, Any] | None = None
    name: str = NAME
    monitor: ShiftMonitor | None = None
    each: tuple[str, GroupThresholds] | None = None

    def renewed(self) -> Decision:
        """Return the same decision, which has seen no row yet."""
        monitor = None if self.monitor is None else self.monitor.emptied()
        return replace(self, record=deepcopy(self.record), monitor=monitor)

    def scores(self, rows: pa.Table) -> list[float | None]:
        """Return the critic's score of each row, without a verdict."""
        if self.trained is None:
            return [None] * rows.num_rows
        if self.record is not None:
            self._note_numbers(rows)
        return [float(s) for s in self.trained.score(rows)] if rows.num_rows else []

    def _note_numbers(self, rows: pa.Table) -> None:
        """Record the columns of numbers in these rows that the critic does not read."""
        from synthkd.critics.columns import present_numbers

        assert self.record is not None
        there = present_numbers(rows) | set(self.record.get("numbers_not_read") or ())
        if unread := sorted(there & set(self.trained.critic.numbers()[1])):
            self.record["numbers_not_read"] = unread

    def decide(
        self, rows: pa.Table, known: list[float | None] | None = None
    ) -> tuple[list[float | None], list[str | None]]:
        """Return a score and a verdict for each row; ``known`` are scores computed before."""
        if self.trained is None:
            return [None] * rows.num_rows, [None] * rows.num_rows
        scores: Any = self.scores(rows) if known is None else known
        scores = [None if score is None or score != score else score for score in scores]
        if self.monitor is not None:
            self.monitor.add(rows, scores)
        if self.each is not None:
            return list(scores), self._by_group(rows, scores)
        if self.threshold is None:
            reason = "the target precision cannot be reached"
            return list(scores), [reason if score is not None else _NO_SCORE for score in scores]
        return list(scores), [_below(score, self.threshold) for score in scores]

    def _by_group(self, rows: pa.Table, scores: list[float | None]) -> list[str | None]:
        assert self.each is not None
        column, thresholds = self.each
        limits = {group: thresholds.of(group) for group in set(rows.column(column).to_pylist())}
        verdicts: list[str | None] = []
        for score, group in zip(scores, rows.column(column).to_pylist(), strict=True):
            limit = getattr(limits[group], "threshold", None)
            if limit is None and self.publish_anyway:
                limit = getattr(limits[group], "best_threshold", None)
            nothing = f"the target precision cannot be reached for {column} {group}"
            verdicts.append(nothing if limit is None else _below(score, limit))
        return verdicts

    def unscored(
        self, rows: pa.Table, scores: list[float | None]
    ) -> Iterator[tuple[int, str, str]]:
        """Yield place, outcome and reason of each row without a score.

        A judge's reply may be unreadable, for example.
        """
        places = [place for place, score in enumerate(scores) if score is None]
        if self.trained is None or not places:
            return
        for place, why in zip(
            places, self.trained.critic.missing(rows.take(pa.array(places))), strict=True
        ):
            yield place, why.outcome, why.reason

    def look_for_shift(self, kind: Kind) -> None:
        """Record whether decided rows are like the calibration rows.

        A shift withdraws the guarantee.
        """
        if self.monitor is not None and self.record is not None:
            self.record["shift"] = shift = self.monitor.verdict(
                self.trained.held_out, kind, self.trained.seen, self.trained.group_column
            )
            if shift["shifted"]:
                self.record["guarantee"] = WITHDRAWN

    def refuse(self) -> None:
        """Raise if the target precision cannot be reached, unless the recipe publishes anyway."""
        if self.unreachable and not self.publish_anyway:
            raise NotReachableError(
                f"nothing is published: {self.unreachable} Or set critic.publish_anyway=true to"
                " publish the best cut"
                " that the critic has, without a guarantee."
            )


def decide(components: Components) -> Decision:
    """Load or train the recipe's critic and choose its threshold."""
    part = components.recipe.critic
    if part is None:
        return Decision()
    from synthkd.critics.calibration import Unreachable
    from synthkd.critics.folder import load_critic
    from synthkd.critics.labels import read_labels
    from synthkd.critics.train import train_critic

    if part.path is not None:
        trained = load_critic(
            critic_folder(components.recipe),
            components.kind,
            critic_options(components.recipe),
            components.recipe.folder,
        )
    else:
        sheet = read_labels(
            components.recipe.resolve(str(part.labels)),
            components.kind,
            label=part.label,
            columns=part.columns,
            held_out=part.held_out,
            group=part.group,
            seed=components.recipe.seed,
            merge=part.merge,
            max_rows=part.max_rows,
        )
        if sheet.sampled_from:
            logging.getLogger("synthkd").warning(
                "%s: a sample of %s distinct rows of %s (critic.max_rows)",
                part.labels, f"{part.max_rows:,}", f"{sheet.sampled_from:,}",
            )  # fmt: skip
        for conflict in sheet.conflicts:
            logging.getLogger("synthkd").warning(
                "left out, labelled both ways in %s: %s", part.labels, conflict
            )
        claim_work(components.recipe.work_dir)
        trained = train_critic(
            components.kind,
            sheet,
            plugins.own_name("critics", part.name, components.recipe.folder),
            components.recipe.work_dir / "critic",
            critic_options(components.recipe),
            _kind_options(components.recipe),
        )
    # Refuse a critic without held-out rows before anything else.
    _ = trained.curve
    if part.each is not None:
        return _decide_each(trained, components, part)
    found = trained.threshold(part.precision, part.confidence)
    record = _record(trained, part, not isinstance(found, Unreachable))
    if isinstance(found, Unreachable):
        record["advice"] = found.advice
        cut = found.best_threshold if part.publish_anyway else None
        if cut is not None:
            record |= {
                "threshold": cut,
                "precision": found.best_precision,
                "effective_labels": found.effective,
            }
        return Decision(trained, cut, found.advice, part.publish_anyway, record)
    record |= {
        "threshold": found.threshold,
        "precision": found.precision,
        "lower_bound": found.lower_bound,
        "effective_labels": found.effective,
    }
    return Decision(trained, found.threshold, record=record, monitor=_monitor(components, trained))


def _kind_options(recipe: Recipe) -> dict[str, Any]:
    """Return the kind's options as `synthkd critic` takes them by ``--kind-option``."""
    part = recipe.kind
    own = {"relations": part.relations, "several": part.several or None}
    return {name: value for name, value in own.items() if value is not None} | dict(part.options)


def _monitor(components: Components, trained: TrainedCritic) -> ShiftMonitor:
    return ShiftMonitor(components.kind.columns, trained.critic.numbers()[0])


def _decide_each(trained: TrainedCritic, components: Components, part: CriticPart) -> Decision:
    """Choose a threshold for each value of a column, with one guarantee for all."""
    from synthkd.critics.calibration import Threshold, choose_by_group
    from synthkd.critics.labels import verdict_column

    column, held = str(part.each), trained.held_out
    if column not in components.kind.columns:
        known = nearest(column, list(components.kind.columns))
        raise RecipeError(
            f"critic.each: {column!r} is not a column of the kind {components.kind.name}{known}"
        )
    weights = held.column("weight").to_numpy() if "weight" in held.schema.names else None
    groups = [str(value) for value in held.column(column).to_pylist()]
    scores, labels = (
        held.column("score").to_numpy(),
        held.column(verdict_column(components.kind)).to_numpy(),
    )
    found = choose_by_group(
        scores, labels, groups, part.precision, part.confidence, weights=weights,
        clusters=trained.groups
    )  # fmt: skip
    limits = {name: at.threshold for name, at in found.own.items() if isinstance(at, Threshold)}
    pooled = found.pooled.threshold if isinstance(found.pooled, Threshold) else None
    reachable = bool(limits) or pooled is not None
    bounds = {name: at.lower_bound for name, at in found.own.items() if isinstance(at, Threshold)}
    sentence = found.sentence()
    record = _record(trained, part, reachable) | {
        "each": column, "thresholds": limits, "lower_bounds": bounds, "pool": list(found.pool),
        "pool_threshold": pooled,
        "sentence": sentence,
    }  # fmt: skip
    if part.publish_anyway:
        record["without_guarantee"] = _best_cuts(found)
    if not reachable:
        record["advice"] = sentence
        each = (column, found) if part.publish_anyway else None
        return Decision(trained, None, sentence, part.publish_anyway, record, each=each)
    monitor = _monitor(components, trained)
    return Decision(
        trained,
        publish_anyway=part.publish_anyway,
        record=record,
        monitor=monitor,
        each=(column, found),
    )


def _best_cuts(found: GroupThresholds) -> dict[str, float]:
    """Return the thresholds of the groups that are published without a guarantee."""
    from synthkd.critics.calibration import Unreachable

    every = {**found.own, **dict.fromkeys(found.pool, found.pooled)}
    return {name: at.best_threshold for name, at in every.items() if isinstance(at, Unreachable)}


def _record(trained: TrainedCritic, part: CriticPart, reachable: bool) -> dict[str, Any]:
    """Return what a manifest says of any critic."""
    return {
        "fingerprint": trained.fingerprint,
        "name": part.name,
        "asked_precision": part.precision,
        "confidence": part.confidence,
        "reachable": reachable,
        "guarantee": KEPT if reachable else UNREACHABLE,
        "publish_anyway": part.publish_anyway,
        "held_out": trained.facts(),
    }


def _below(score: float | None, threshold: float) -> str | None:
    if score is None:
        return _NO_SCORE
    return None if score >= threshold else f"score {score:.4f}, below {threshold:.4f}"
