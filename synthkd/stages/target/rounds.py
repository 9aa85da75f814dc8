"""The rounds of a target: select samples, ask for them, filter, count, select more.

    selection ──► generate ──► filter ──► accepted rows of each value ──► next selection, or the end
        ▲                                                                          │
        └────────────── target.json, written before each round is asked ◄──────────┘

The size of a round follows from what the rounds before it gave, and that from the journal. So a
killed run goes on with its round, and a run of the same recipe writes the same corpus, whether it
was killed or not. The result of the last round is never read from the file: it is counted again, as
samples of it may have been missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkd.errors import StorageError
from synthkd.keys import content_hash
from synthkd.stages.places import TargetShape
from synthkd.stages.target.order import SampleSelection, UnitOrder
from synthkd.stages.target.sizing import (
    ObservedYield,
    expected_units,
    first_units,
    further_units,
    yield_interval,
)
from synthkd.storage import read_json, write_json

if TYPE_CHECKING:
    from synthkd.recipe import TargetPart

#: Version of the file, and of what decides the size of a round.
_FORMAT = 1
#: Why a value is asked for no more. The last three may change with the recipe's limits.
REACHED, EXHAUSTED, NOTHING_NEW = "reached", "inputs exhausted", "nothing new"
AT_MOST, BUDGET, OPEN = "at_most", "budget", "not asked yet"
#: Units without a new row after which nothing new is expected, at least, and as a share of all.
_BARREN, _BARREN_SHARE = 50, 0.1


@dataclass
class TargetRound:
    """A round.

    Attributes:
        units: Units of each value that are selected with this round.
        asked: Samples that were asked for with this round; None until it is counted.
        seen: What the units of each value gave.
    """

    units: dict[str, int]
    asked: int | None = None
    seen: dict[str, ObservedYield] | None = None

    def as_dict(self) -> dict[str, Any]:
        seen = None
        if self.seen is not None:
            seen = {v: [one.accepted, one.once, one.twice] for v, one in self.seen.items()}
        return {"units": self.units, "asked": self.asked, "seen": seen}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> TargetRound:
        """Read what `as_dict` gave."""
        units = {value: int(count) for value, count in record["units"].items()}
        seen: dict[str, ObservedYield] | None = record["seen"] and {
            value: ObservedYield(units[value], *map(int, counts))
            for value, counts in record["seen"].items()
        }
        return cls(units, record["asked"], seen)


class TargetRounds:
    """The rounds of a run.

    Args:
        part: What is wanted.
        order: The order of the units.
        rows_of_unit: Rows that a unit gives at most; None if unknown.
        path: The file that keeps the rounds.
        key: Hash of the recipe and its files.
        critic: Hash of the critic; None reads the rounds whatever the critic was.

    Attributes:
        ended: Why the last round was the last; empty before.
        keeps: Whether rounds are written to the file.
    """

    def __init__(
        self,
        part: TargetPart,
        order: UnitOrder,
        rows_of_unit: int | None,
        path: Path,
        key: str,
        critic: str | None = None,
    ) -> None:
        self.part, self.order, self.path = part, order, path
        self.rows_of_unit, self.critic = rows_of_unit, critic
        self.keeps = True
        self.key = content_hash([_FORMAT, key, order.sizes, list(order.lengths)])
        self.rounds = self._read()
        self.ended = ""
        #: Samples of the last round that were still missing after it.
        self._missing: int | None = None

    def _read(self) -> list[TargetRound]:
        """Read the rounds of this recipe; none if the file is of another, or missing."""
        try:
            record = read_json(self.path, TargetShape)
            rounds = [TargetRound.of(one) for one in record["rounds"]]
        except (StorageError, LookupError, TypeError, ValueError, AttributeError):
            return []
        values = set(self.order.sizes)
        if self.critic is not None and record.get("critic") != self.critic:
            return []
        if record["key"] != self.key or any(set(one.units) != values for one in rounds):
            return []
        if any(one.seen is None for one in rounds[:-1]):
            return []
        return rounds

    def _write(self) -> None:
        if not self.keeps:
            return
        rounds = [one.as_dict() for one in self.rounds]
        head = {"format": _FORMAT, "key": self.key, "critic": self.critic}
        write_json(self.path, {**head, "rounds": rounds})

    def begin(self) -> SampleSelection:
        """Return the samples of the round that is to be asked for: the last one, or the first."""
        if not self.rounds:
            none = {value: ObservedYield(0) for value in self.order.sizes}
            wanted = {value: self._first(value) for value in self.order.sizes}
            units = self._within(none, wanted, 0)
            # A limit below the number of values asks for nothing of some.
            self.rounds.append(TargetRound(units or dict.fromkeys(self.order.sizes, 0)))
            self._write()
        return self.selection

    @property
    def selection(self) -> SampleSelection:
        """The samples of all rounds so far."""
        return self.order.selection(self.rounds[-1].units)

    @property
    def pending(self) -> int:
        """The number of samples that are selected."""
        return sum(self.order.samples(*item) for item in self.rounds[-1].units.items())

    @property
    def most(self) -> int:
        """The number of samples that are asked for at most."""
        every = sum(
            self.order.samples(value, self.order.units(value)) for value in self.order.sizes
        )
        return min(every, self.part.at_most.completions or every)

    def _first(self, value: str) -> int:
        return min(self.order.units(value), first_units(self.part.accepted, self.rows_of_unit))

    def close(
        self, seen: dict[str, ObservedYield], asked: int, missing: int, stopped: str, asks: bool
    ) -> bool:
        """Take in what the round gave, and select the next one.

        Args:
            seen: What the units so far gave.
            asked: Samples that were asked for in all.
            missing: Samples that have neither a completion nor a failure.
            stopped: Why no more can be bought; empty if it can.
            asks: Whether a further round can be asked for.

        Returns:
            True if there is something to ask for.
        """
        last = self.rounds[-1]
        last.seen, last.asked = seen, asked
        if missing and not stopped and (self._missing is None or missing < self._missing) and asks:
            # Inputs with equal prompts share a request, which may have been on its way.
            self._missing = missing
            return True
        self._missing = None
        if stopped or (missing and not asks):
            self.ended = BUDGET if stopped else OPEN
            self._write()
            return False
        wanted = {
            value: further_units(
                one, self.part.accepted, self.order.units(value) - one.units, self.part.overshoot
            )
            for value, one in seen.items()
            if not self._ended_by(value)
        }
        if not wanted:
            self.ended = self._in_all()
            self._write()
            return False
        units = self._within(seen, wanted, asked)
        rounds = self.part.at_most.rounds
        if units is None or (rounds is not None and len(self.rounds) >= rounds):
            self.ended = AT_MOST
            self._write()
            return False
        self.rounds.append(TargetRound(units))
        self._write()
        return True

    def _ended_by(self, value: str) -> str:
        """Return why a value needs no further round; empty if it does."""
        seen = self.rounds[-1].seen
        assert seen is not None
        one = seen[value]
        if one.accepted >= self.part.accepted:
            return REACHED
        if one.units >= self.order.units(value):
            return EXHAUSTED
        # A plain run would ask for these in any case.
        if one.units < self.order.plain * self.order.sizes[value]:
            return ""
        barren = one.units - self._last_gain(value)
        return NOTHING_NEW if barren >= max(_BARREN, _BARREN_SHARE * one.units) else ""

    def _last_gain(self, value: str) -> int:
        """Return the units of a value when its accepted rows last grew in number."""
        most, units = 0, 0
        for one in self.rounds:
            assert one.seen is not None
            if one.seen[value].accepted > most:
                most, units = one.seen[value].accepted, one.units[value]
        return units

    def _in_all(self) -> str:
        """Return why a target ended, in one word if all values ended alike."""
        return ", ".join(dict.fromkeys(sorted(map(self._ended_by, self.order.sizes))))

    def _within(
        self, seen: Mapping[str, ObservedYield], wanted: Mapping[str, int], asked: int
    ) -> dict[str, int] | None:
        """Add units to those of each value, as far as `at_most` allows; None if it allows none."""
        order, units = self.order, {value: one.units for value, one in seen.items()}
        most = self.part.at_most.completions
        costs = {
            value: order.samples(value, units[value] + count) - order.samples(value, units[value])
            for value, count in wanted.items()
        }
        total = sum(costs.values())
        if most is None or total <= most - asked:
            return units | {value: units[value] + count for value, count in wanted.items()}
        left, is_any = most - asked, False
        # Each has its share; what whole units leave over goes to the first that can use it.
        shares = {value: left * cost // total for value, cost in costs.items()}
        left -= sum(shares.values())
        for value in wanted:
            more = order.units_within(value, units[value], shares[value] + left)
            more = min(more, wanted[value])
            cost = order.samples(value, units[value] + more) - order.samples(value, units[value])
            left += shares[value] - cost
            units[value] += more
            is_any = is_any or more > 0
        return units if is_any else None

    def record(self) -> dict[str, Any]:
        """Return what report and manifest say of the rounds; the last one was counted."""
        asked = [one.asked or 0 for one in self.rounds]
        rows = [sum(seen.accepted for seen in (one.seen or {}).values()) for one in self.rounds]
        return {
            "accepted": self.part.accepted,
            "per": self.part.per,
            "ended": self.ended,
            "completions": asked[-1],
            "rounds": [
                {"completions": here - before, "accepted": now - then}
                | _yield(max(now - then, 0), here - before)
                for before, here, then, now in zip(
                    [0, *asked], asked, [0, *rows], rows, strict=False
                )
            ],
            "values": {value: self._value_record(value) for value in self.order.sizes},
        }

    def _value_record(self, value: str) -> dict[str, Any]:
        seen = self.rounds[-1].seen
        assert seen is not None
        samples = self.order.samples(value, seen[value].units)
        return {
            "accepted": seen[value].accepted,
            "inputs": self.order.sizes[value],
            "completions": samples,
            "ended": self._ended_by(value) or self.ended,
            **_yield(seen[value].accepted, samples),
        }

    def expected_samples(self) -> int | None:
        """Return the samples that the target is expected to need in all; None if unknown.

        Values that cannot reach it count with all of their samples.
        """
        counted = [one for one in self.rounds if one.seen]
        if not counted:
            return None
        seen = counted[-1].seen
        assert seen is not None
        needed = 0
        for value, one in seen.items():
            left = self.order.units(value) - one.units
            further = expected_units(one, self.part.accepted, left)
            needed += self.order.samples(value, one.units + (left if further is None else further))
        return needed


def _yield(rows: int, completions: int) -> dict[str, float]:
    low, high = yield_interval(rows, completions)
    rate = rows / completions if completions else 0.0
    return {"yield": round(rate, 4), "low": round(low, 4), "high": round(high, 4)}
