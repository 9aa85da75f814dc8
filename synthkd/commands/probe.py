"""A probe: send a few real requests, and project the whole run from them.

The requests are drawn by a hash of their inputs' ids, so that they represent all; their answers
stay in the journal and are not asked for again.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from synthkd.journal import Journal
from synthkd.keys import fraction
from synthkd.progress import Progress
from synthkd.recipe import Recipe
from synthkd.reporting.safe_text import html_text
from synthkd.stages.adaptive import adaptive_sampling
from synthkd.stages.critic import decide
from synthkd.stages.filter import filter_candidates
from synthkd.stages.generate import generate_completions
from synthkd.stages.lock import run_lock
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.stages.target.order import order_place, value_of
from synthkd.stages.target.rounds import TargetRounds
from synthkd.stages.target.run import target_rounds
from synthkd.statistics import percentile_interval
from synthkd.storage import TemporaryFolder

RESAMPLES = 4000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    low: float
    middle: float
    high: float

    def text(self, form: str) -> str:
        return f"{form.format(self.middle)} ({form.format(self.low)} to {form.format(self.high)})"


@dataclass(frozen=True, repr=False)
class Probe:
    """An estimate for all open requests, from those that were asked.

    ``accepted`` counts duplicates among the asked ones only: the whole has more of them.
    ``completions`` are those that a target is expected to need; None without a target.
    """

    requests: int
    sent: int
    failed: int
    read: Interval
    written: Interval
    cost: Interval | None
    seconds: Interval
    accepted: Interval
    completions: Interval | None = None

    def __repr__(self) -> str:
        return (
            f"<Probe: {self.sent:,} of {self.requests:,} requests asked, accepted rows"
            f" {self.accepted.text('{:,.0f}')}>"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html_text(str(self))}</pre>"

    def __str__(self) -> str:
        cost = (
            "unknown (no price in the recipe)" if self.cost is None else self.cost.text("${:,.4f}")
        )
        rows = [
            (
                "open requests",
                f"{self.requests:,}; asked {self.sent:,} of them, {self.failed:,} failed",
            ),
            ("tokens read", self.read.text("{:,.0f}")),
            ("tokens written", self.written.text("{:,.0f}")),
            ("cost", cost),
            ("time", _spans(self.seconds)),
            *(
                [("completions", self.completions.text("{:,.0f}") + ", more as rows recur")]
                if self.completions
                else []
            ),
            (
                "accepted rows",
                self.accepted.text("{:,.0f}")
                + ("" if self.completions else ", minus duplicates over the whole run"),
            ),
        ]
        return "estimate for the whole run (95% intervals)\n" + "\n".join(
            f"  {a:<15}{b}" for a, b in rows
        )


def _spans(seconds: Interval) -> str:
    """Write an interval of seconds in the unit that reads best."""
    size, unit = next(
        (size, unit)
        for size, unit in ((3600, "h"), (60, "min"), (1, "s"))
        if seconds.middle >= 2 * size or size == 1
    )
    scaled = Interval(seconds.low / size, seconds.middle / size, seconds.high / size)
    return scaled.text(f"{{:,.{0 if scaled.middle >= 20 else 1}f}} {unit}")


def probe_requests(recipe: Recipe, requests: int, seed: int = 0) -> Probe | None:
    """Send some of the open requests and project the run; None if no request is open."""
    plan = plan_run(recipe)
    decision = decide(plan.components)
    rounds = None if recipe.target is None else target_rounds(plan)
    if rounds is not None:
        # The first step of every input.
        plan = plan.selecting(rounds.order.selection(rounds.order.sizes))
    with (
        run_lock(recipe.work_dir),
        Journal(recipe.journal_path) as journal,
        Progress("probe", quiet=True) as quiet,
        TemporaryFolder() as folder,
        journal.claim(recipe.name, Progress("probe").say),
    ):
        open_, chosen = _draw(plan, journal, requests, rounds)
        if not chosen:
            return None
        plan = plan.restricted_to(chosen)
        start = time.monotonic()
        done = generate_completions(plan, journal, quiet)
        seconds = time.monotonic() - start
        filtered = Path(folder) / "filtered"
        if done.completed:
            filter_candidates(plan, journal, decision, filtered, quiet)
        rows = figures_of_requests(plan, journal, filtered)
    return _projected(plan, open_, rows, done.failed, seconds, seed, rounds)


def _draw(
    plan: RunPlan, journal: Journal, wanted: int, rounds: TargetRounds | None
) -> tuple[int, dict[str, str]]:
    """Count the open requests and draw some of them: input id to request id.

    For a target those that its first round asks for, as many of each value.
    """
    of_value: defaultdict[str, list[tuple[float, str, str]]] = defaultdict(list)
    most = wanted if rounds is None else math.ceil(wanted / len(rounds.order.sizes))
    count = 0
    adaptive = adaptive_sampling(plan.requests, journal)
    for whole in plan.batches():
        batch = adaptive.at_most(whole) if adaptive else whole
        ids = [one.request.request_id for one in batch]
        cached, failed = journal.cached_indexes(ids), journal.failures(ids)
        for one, name in zip(batch, ids, strict=True):
            refused = {
                index for index, failure in failed.get(name, {}).items() if failure.permanent
            }
            have = cached.get(name, set()) | refused
            if have.issuperset(one.request.sample_indexes):
                continue
            count += 1
            # The largest of the negatives are the smallest draws.
            draw = (
                fraction(f"probe {one.input_id}") if rounds is None else order_place(one.input_id)
            )
            entry = (-draw, one.input_id, name)
            drawn = of_value["" if rounds is None else value_of(one.row, rounds.part.per)]
            if len(drawn) < most:
                heapq.heappush(drawn, entry)
            else:
                heapq.heappushpop(drawn, entry)
    # In turn the first of each value, the second of each, and so on.
    ranked = sorted(
        (rank, value, *entry)
        for value, drawn in of_value.items()
        for rank, entry in enumerate(sorted(drawn, reverse=True))
    )
    return count, {input_id: name for *_, input_id, name in ranked[:wanted]}


def figures_of_requests(plan: RunPlan, journal: Journal, filtered: Path) -> list[dict[str, Any]]:
    """Collect tokens, dollars, seconds and accepted rows of each request that was sent."""
    accepted: Counter[str] = Counter()
    for path in filtered.glob("*.parquet") if filtered.is_dir() else ():
        table = pq.read_table(path, columns=["input_id", "rejected_by"])
        for input_id, rejected_by in zip(
            *(table.column(i).to_pylist() for i in range(2)), strict=True
        ):
            accepted[input_id] += rejected_by is None
    rows = []
    for batch in plan.batches():
        ids = [one.request.request_id for one in batch]
        completions = journal.completions(ids)
        for one, name in zip(batch, ids, strict=True):
            rows.append(_row(list(completions.get(name, {}).values()), accepted[one.input_id]))
    return rows


def _row(completions: list[Any], accepted: int) -> dict[str, Any]:
    prices = [c.price for c in completions]
    return {
        # The prompt is read once for all samples.
        "read": max((c.prompt_tokens or 0 for c in completions), default=0),
        "written": sum(c.completion_tokens or 0 for c in completions),
        "cost": None if None in prices or not prices else sum(prices),
        "latency": max((c.latency or 0.0 for c in completions), default=0.0),
        "accepted": accepted,
    }


def _projected(
    plan: RunPlan,
    requests: int,
    rows: list[dict[str, Any]],
    failed: int,
    seconds: float,
    seed: int,
    rounds: TargetRounds | None = None,
) -> Probe:
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(rows), (RESAMPLES, len(rows)))
    accepted = np.array([row["accepted"] for row in rows], float)
    needed = None if rounds is None else _needed(rounds, accepted, draws)

    def whole(name: str) -> Interval:
        values = np.array([row[name] or 0 for row in rows], float)
        if needed is None:
            return interval_of(values, draws, requests)
        return _product(values.mean() * needed[0], values[draws].mean(axis=1) * needed[1])

    priced = all(row["cost"] is not None for row in rows if row["written"])
    return Probe(
        requests,
        len(rows),
        failed,
        whole("read"),
        whole("written"),
        whole("cost") if priced and any(row["cost"] for row in rows) else None,
        _time(plan, requests if needed is None else round(needed[0]), rows, draws, seconds),
        whole("accepted"),
        None
        if rounds is None or needed is None
        else _product(*(times * rounds.order.lengths[0] for times in needed)),
    )


def _needed(rounds: TargetRounds, accepted: Any, draws: Any) -> tuple[float, Any]:
    """Return the requests that a target needs at the yield of the probe, and at resampled ones.

    Args:
        rounds: The target's rounds.
        accepted: Accepted rows of each request of the probe.
        draws: Places of the requests of each resample.
    """
    wanted = rounds.part.accepted * len(rounds.order.sizes)
    most = rounds.most / rounds.order.lengths[0]
    mean = accepted.mean()
    wide = (len(accepted) / max(len(accepted) - 1, 1)) ** 0.5
    means = np.maximum(mean + wide * (accepted[draws].mean(axis=1) - mean), 0.0)
    with np.errstate(divide="ignore"):
        return min(most, wanted / mean if mean else most), np.minimum(most, wanted / means)


def _product(middle: float, values: Any) -> Interval:
    low, high = percentile_interval(values)
    return Interval(low, float(middle), high)


def interval_of(values: Any, draws: Any, times: float) -> Interval:
    """Take percentiles of resampled means, widened for the small number of values."""
    mean = float(values.mean())
    means = values[draws].mean(axis=1)
    wide = (len(values) / max(len(values) - 1, 1)) ** 0.5
    low, high = (mean + wide * (end - mean) for end in percentile_interval(means))
    return Interval(max(0.0, low) * times, mean * times, high * times)


def _time(
    plan: RunPlan, requests: int, rows: list[dict[str, Any]], draws: Any, seconds: float
) -> Interval:
    """Estimate seconds: latency times requests over concurrency, bounded by the rate limits.

    A local model has no latency of its own; its speed is taken from the probe.
    """
    latencies = np.array([row["latency"] for row in rows], float)
    if not latencies.any():
        each = seconds / max(len(rows), 1)
        return Interval(each * requests / 2, each * requests, each * requests * 1.5)
    estimate = interval_of(latencies, draws, requests / plan.recipe.teacher.concurrency)
    limits = plan.recipe.limits
    tokens = sum(row["read"] + row["written"] for row in rows) / max(len(rows), 1)
    least = max(
        60 * requests / limits.requests_per_minute if limits.requests_per_minute else 0.0,
        60 * requests * tokens / limits.tokens_per_minute if limits.tokens_per_minute else 0.0,
    )
    return Interval(
        *(max(least, value) for value in (estimate.low, estimate.middle, estimate.high))
    )
