"""Claims that one thing is more than another, put in order.

No cycle such as cat > dog > mouse > cat stays.

A claim is an edge from what is more to what is less. Edges that lie on no cycle are never touched.
Of the others the strongest are taken first, and an edge that would close a cycle with those already
taken is rejected: so each rejected edge is the weakest of a cycle, and none could be taken back.
Strength is an edge's weight (its votes, say); among equal weights it is how well the edge agrees
with the ranks that all edges give together.

Pure functions on whole numbers. Ranks and peeling are vectorised; what is left of the graph goes
through Python.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from synthkd.errors import RecipeError
from synthkd.filters.base import Filter, Reasons
from synthkd.options import BaseOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from synthkd.kinds.base import Kind


Numbers = np.ndarray[Any, Any]


def components(tail: Numbers, head: Numbers) -> Numbers:
    """The number of each node's strongly connected component (Tarjan 1972), without recursion.

    The core has no scipy; `scipy.sparse.csgraph` would save under 4 % of `put_in_order`.
    """
    nodes = int(max(tail.max(), head.max())) + 1 if len(tail) else 0
    by_tail = np.argsort(tail, kind="stable")
    ends = head[by_tail].tolist()
    first = np.searchsorted(tail[by_tail], np.arange(nodes + 1)).tolist()
    part, number, low = [-1] * nodes, [0] * nodes, [0] * nodes
    next_edge, stack = first[:-1], []
    count = parts = 0
    for root in np.unique(tail).tolist():
        if number[root]:
            continue
        way = [root]
        while way:
            node = way[-1]
            if not number[node]:
                count += 1
                number[node] = low[node] = count
                stack.append(node)
            if next_edge[node] < first[node + 1]:
                end = ends[next_edge[node]]
                next_edge[node] += 1
                if not number[end]:
                    way.append(end)
                elif part[end] < 0:
                    low[node] = min(low[node], number[end])
                continue
            way.pop()
            if way:
                low[way[-1]] = min(low[way[-1]], low[node])
            if low[node] == number[node]:
                while part[node] < 0:
                    part[stack.pop()] = parts
                parts += 1
    return np.array(part, dtype=np.int64)


class Order:
    """Nodes in an order that all edges keep; edges are added one by one (Pearce and Kelly 2006).

    Only the nodes between the ends of an edge are looked at, so a good order to begin with
    (``rank``, the largest first) makes it fast.
    """

    def __init__(self, rank: Numbers) -> None:
        self.place: list[int] = np.argsort(np.argsort(-rank, kind="stable"), kind="stable").tolist()
        self._to: dict[int, list[int]] = {}
        self._from: dict[int, list[int]] = {}

    def add(self, begin: int, end: int) -> bool:
        """Add an edge; False, and nothing changes, where it closes a cycle."""
        if begin == end:
            return False
        low, high = self.place[end], self.place[begin]
        if high > low:
            later = self._reach(end, self._to, low, high)
            if begin in later:
                return False
            self._shift(self._reach(begin, self._from, low, high), later)
        self._to.setdefault(begin, []).append(end)
        self._from.setdefault(end, []).append(begin)
        return True

    def _reach(self, start: int, along: dict[int, list[int]], low: int, high: int) -> set[int]:
        """Return the nodes that can be reached from `start` within these places."""
        seen, open_nodes, place = {start}, [start], self.place
        while open_nodes:
            for node in along.get(open_nodes.pop(), ()):
                if node not in seen and low <= place[node] <= high:
                    seen.add(node)
                    open_nodes.append(node)
        return seen

    def _shift(self, earlier: set[int], later: set[int]) -> None:
        """Put those before an edge before those behind it, on the places that both have."""
        by_place = self.place.__getitem__
        nodes = [*sorted(earlier, key=by_place), *sorted(later, key=by_place)]
        for node, place in zip(nodes, sorted(map(by_place, nodes)), strict=True):
            self.place[node] = place


def path(
    taken: dict[int, dict[int, int]], start: int, goal: int, place: Sequence[int]
) -> list[int]:
    """Return the edges of a shortest path; empty if there is none.

    Args:
        taken: Edges by their ends.
        start: The first node.
        goal: The last node.
        place: An order of the nodes that all edges keep.
    """
    last = place[goal]
    came: dict[int, tuple[int, int]] = {start: (-1, -1)}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        if node == goal:
            break
        for end, edge in taken.get(node, {}).items():
            if end not in came and place[end] <= last:
                came[end] = (node, edge)
                waiting.append(end)
    found: list[int] = []
    while goal in came and goal != start:
        goal, edge = came[goal]
        found.append(edge)
    return found[::-1]


NAME = "order"
#: Rounds in which nodes that lie on no cycle are taken off; what a long chain leaves is left to
#: `components`.
_PEELS = 64
#: Steps of the ranks, and how strongly a rank is drawn to 0 (in votes).
_STEPS, _PRIOR = 60, 0.5
#: Weight of a claim that did not lead its vote.
_LEAST = 0.25


@dataclass(frozen=True)
class Ordered:
    """The verdict on each edge.

    Attributes:
        rejected: Whether the edge is rejected. A rejected edge that is not in `cycles` contradicts
            the ranks.
        tangle: The number of the component of cycles that the edge lies in; -1 for none.
        cycles: For each edge that closes a cycle, the edges of a shortest one, itself first.
    """

    rejected: Numbers
    tangle: Numbers
    cycles: dict[int, list[int]]

    @property
    def tangles(self) -> int:
        """Knots of cycles: sets of things of which each leads to each other."""
        return int(self.tangle.max()) + 1 if len(self.tangle) else 0


def put_in_order(
    more: Any,
    less: Any,
    weight: Sequence[float] | Numbers | None = None,
    axis: Any = None,
    against: float | None = None,
) -> Ordered:
    """Reject edges until no cycle is left.

    ``more`` and ``less`` are codes of things, ``axis`` that of what they are compared on (claims on
    different axes have nothing to do with each other). With ``against``, an edge that lies on a
    cycle and says the opposite of the ranks, by more than this, is rejected too. The order of edges
    carries no meaning.
    """
    tail, head = _nodes(np.asarray(more), np.asarray(less), axis)
    count = len(tail)
    heavy = (
        np.ones(count) if weight is None else np.nan_to_num(np.asarray(weight, dtype=np.float64))
    )
    rejected, tangle = np.zeros(count, dtype=bool), np.full(count, -1, dtype=np.int64)
    cycles: dict[int, list[int]] = {}
    places = _on_cycles(tail, head, tangle)
    if len(places):
        rank = ranks(tail, head, heavy)
        _take(places, tail, head, rank, heavy, rejected, cycles)
        if against is not None:
            rejected[places[rank[head[places]] - rank[tail[places]] > against]] = True
    return Ordered(rejected, tangle, cycles)


def ranks(tail: Numbers, head: Numbers, weight: Numbers) -> Numbers:
    """Estimate the strengths of the nodes under Bradley and Terry's model, shrunk towards 0.

    Gradient steps are scaled to each node's edges.
    """
    nodes = int(max(tail.max(), head.max())) + 1 if len(tail) else 0
    share = weight / max(float(weight.mean()), 1e-12) if len(weight) else weight
    degree = np.bincount(tail, share, nodes) + np.bincount(head, share, nodes)
    rank = np.zeros(nodes)
    for _ in range(_STEPS):
        doubt = share / (1.0 + np.exp(np.clip(rank[tail] - rank[head], -30, 30)))
        slope = np.bincount(tail, doubt, nodes) - np.bincount(head, doubt, nodes) - _PRIOR * rank
        rank += slope / (0.5 * degree + _PRIOR)
    return rank


def _nodes(more: Numbers, less: Numbers, axis: Any) -> tuple[Numbers, Numbers]:
    """Numbers of the ends of each edge: a thing on each axis is a node of its own."""
    both = np.concatenate([more, less]).astype(np.int64)
    if axis is None:
        _, numbers = np.unique(both, return_inverse=True)
    else:
        _, things = np.unique(both, return_inverse=True)
        _, axes = np.unique(np.tile(np.asarray(axis, dtype=np.int64), 2), return_inverse=True)
        _, numbers = np.unique(axes * (len(both) + 1) + things, return_inverse=True)
    return numbers[: len(more)], numbers[len(more) :]


def _on_cycles(tail: Numbers, head: Numbers, tangle: Numbers) -> Numbers:
    """Return the edges that lie on a cycle, and set their `tangle`."""
    places = np.arange(len(tail))
    nodes = int(max(tail.max(), head.max())) + 1 if len(tail) else 0
    for _ in range(_PEELS):
        if not len(places):
            return places
        ends, begins = np.zeros(nodes, dtype=bool), np.zeros(nodes, dtype=bool)
        ends[head[places]], begins[tail[places]] = True, True
        # An edge of a cycle comes from where one ends, and goes to where one begins.
        kept = places[ends[tail[places]] & begins[head[places]]]
        if len(kept) == len(places):
            break
        places = kept
    part = components(tail[places], head[places])
    same = part[tail[places]] == part[head[places]]
    places = np.asarray(places[same])
    _, numbers = np.unique(part[tail[places]], return_inverse=True)
    tangle[places] = numbers
    return places


def _take(
    places: Numbers,
    tail: Numbers,
    head: Numbers,
    rank: Numbers,
    heavy: Numbers,
    rejected: Numbers,
    cycles: dict[int, list[int]],
) -> None:
    """Take the edges that lie on cycles, the strongest first."""
    agrees = np.round(rank[tail[places]] - rank[head[places]], 9)
    # Of equal ones the first in the order of their ends: the order in which edges came is looked at
    # last.
    strongest = places[np.lexsort((places, head[places], tail[places], -agrees, -heavy[places]))]
    order = Order(rank)
    taken: dict[int, dict[int, int]] = {}
    for edge in strongest.tolist():
        begin, end = int(tail[edge]), int(head[edge])
        if order.add(begin, end):
            taken.setdefault(begin, {}).setdefault(end, edge)
        else:
            rejected[edge] = True
            cycles[edge] = [edge, *path(taken, end, begin, order.place)]


class OrderRule(Filter):
    """Reject claims that close a cycle with stronger ones (cat > dog > mouse > cat).

    Decided last, over all rows that every other step accepted; each thing and axis is looked at in
    the whole corpus.
    """

    name: ClassVar[str] = NAME

    class Options(BaseOptions):
        by: Literal["lead", "score"] = Field(
            "lead",
            description="What makes a claim strong: its lead in votes, or the critic's score.",
        )
        against: float | None = Field(
            None,
            ge=0,
            description="Reject also claims that lie on a cycle and contradict the ranks of all"
            " claims by more than so much"
            " (log-odds; 0.5 is mild).",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.by, self.against = self.options.by, self.options.against

    def check_kind(self, kind: Kind) -> None:
        if not kind.has_claims:
            raise RecipeError(
                f"rule 'order': rows of the kind {kind.name!r} say of nothing that it is more"
            )

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        """Nothing yet: the judge asks `put_in_order` when all rows are known."""
        self.check_kind(kind)
        return [None] * batch.num_rows

    def strength(
        self, votes: Numbers, agreement: Numbers, margin: Numbers, score: Numbers
    ) -> Numbers:
        """Return the weight of each claim: its score, or its lead in votes over the next answer.

        A NaN in a column means that nothing is known.
        """
        if self.by == "score":
            return score
        lead = np.round(margin * votes / np.where(agreement > 0, agreement, np.nan), 6)
        # One that lost its vote and was kept all the same still says a little.
        strength: Numbers = np.maximum(np.nan_to_num(lead, nan=1.0), _LEAST)
        return strength
