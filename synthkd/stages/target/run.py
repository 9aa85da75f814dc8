"""The rounds of a run's target, each with a pass of the filter over all that was asked for."""

from __future__ import annotations

from typing import Any

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import Interrupted
from synthkd.journal import Journal
from synthkd.keys import content_hash
from synthkd.progress import Progress
from synthkd.stages.critic import Decision
from synthkd.stages.filtered_run import add_to_report, filter_run, input_hashes
from synthkd.stages.interrupt import StopEvent
from synthkd.stages.places import FILTERED_ROWS, TARGET
from synthkd.stages.plan import RunPlan, plan_run
from synthkd.stages.target.accepted import observed_yields
from synthkd.stages.target.order import SampleSelection, UnitOrder
from synthkd.stages.target.rounds import TargetRounds


def target_rounds(plan: RunPlan, decision: Decision | None = None) -> TargetRounds:
    """Return the rounds of a recipe with a target, as far as they are known.

    Args:
        plan: The recipe's plan.
        decision: Its critic; None takes rounds whatever the critic was.
    """
    part = plan.recipe.target
    assert part is not None
    components, kind = plan.components, plan.kind
    is_own = part.per is None or part.per in candidate_schema(kind).names
    order = UnitOrder.of(part, components, plan.inputs, ids=not is_own)
    votes = plan.recipe.votes
    is_one = votes is not None and (votes.keep or kind.keeps) == "winner"
    rows_of_unit = 1 if is_one else order.lengths[0]
    return TargetRounds(
        part,
        order,
        None if kind.several and not is_one else rows_of_unit,
        plan.recipe.work_dir / TARGET,
        _key(plan),
        None if decision is None else _critic_key(decision),
    )


def _key(plan: RunPlan) -> str:
    """Hash what decides the samples of a target, and which rows are accepted, but the critic."""
    prompt = plan.components.prompt
    return content_hash(
        [
            plan.recipe.fingerprint(),
            plan.requests.identity,
            input_hashes(plan.recipe),
            prompt and [prompt.hash, list(prompt.examples)],
        ]
    )


def _critic_key(decision: Decision) -> str:
    record = decision.record or {}
    return content_hash([record.get(name) for name in ("fingerprint", "threshold", "thresholds")])


class TargetRun:
    """Asks and filters until the target is reached.

    Args:
        plan: The recipe's plan.
        decision: Its critic.
        progress: Takes a line for each round.
        workers: Processes that filter.
        journal: The recipe's journal, if it is open.
        asks: False to count what the journal has, without asking for more.
    """

    def __init__(
        self,
        plan: RunPlan,
        decision: Decision,
        progress: Progress,
        workers: int = 1,
        journal: Journal | None = None,
        asks: bool = True,
    ) -> None:
        self.plan, self.decision, self.progress = plan, decision, progress
        self.workers, self.journal, self.asks = workers, journal, asks
        self.rounds = target_rounds(plan, decision)
        self.rounds.keeps = asks

    def begin(self) -> RunPlan:
        """Return the plan of the round that is to be asked for."""
        return self.plan.selecting(self.rounds.begin())

    def next_round(
        self, stopped: str = "", stopping: StopEvent | None = None
    ) -> SampleSelection | None:
        """Filter what was asked for, count what is accepted, and select the next samples.

        Args:
            stopped: Why no more can be bought; empty if it can.
            stopping: Set if the run is to end.

        Raises:
            Interrupted: `stopping` was set meanwhile.
        """
        rounds = self.rounds
        # Rules gather what they saw and a critic watches for shift, so each pass has its own.
        plan = plan_run(self.plan.recipe, self.plan.requests.identity).selecting(rounds.selection)
        progress = _Watched(stopping or StopEvent())
        decision = self.decision.renewed()
        counts = filter_run(plan, decision, progress, self.workers, self.journal)["counts"]
        seen = observed_yields(
            self.plan.recipe.work_dir / FILTERED_ROWS, rounds.order, rounds.rounds[-1].units
        )
        number = len(rounds.rounds)
        goes_on = rounds.close(seen, counts["asked"], counts["missing"], stopped, self.asks)
        accepted = sum(one.accepted for one in seen.values())
        further = f"; {rounds.pending - counts['asked']:,} more" if goes_on else ""
        self.progress.say(
            f"round {number}: {counts['asked']:,} completions, {accepted:,} accepted rows{further}"
        )
        return rounds.selection if goes_on else None

    def replay(self) -> None:
        """Count the rounds as far as the journal has them."""
        self.begin()
        while self.next_round() is not None:
            pass

    def finish(self, measure: bool) -> dict[str, Any]:
        """Add the rounds to the report of the last pass, and return it."""
        return add_to_report(self.plan, measure, target=self.rounds.record())


class _Watched(Progress):
    """Ends a pass of the filter soon after a signal, and shows nothing."""

    def __init__(self, stopping: StopEvent) -> None:
        super().__init__("filter", quiet=True)
        self._stopping = stopping

    def more(self, rows: int) -> None:
        self._look()

    def advance(self, rows: int, tokens: int = 0, cost: float | None = None) -> None:
        self._look()

    def _look(self) -> None:
        if self._stopping.is_set():
            raise Interrupted("stopped")
