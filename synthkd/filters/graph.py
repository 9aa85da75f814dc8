"""What `order` needs of directed graphs: strongly connected parts, an order that edges are added to, shortest paths."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, Any]


def components(tail: Numbers, head: Numbers) -> Numbers:
    """The number of each node's strongly connected component (Tarjan 1972), without recursion."""
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

    Only the nodes between the ends of an edge are looked at, so a good order to begin with (``rank``, the largest
    first) makes it fast.
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
        """The nodes that one leads to, on these places."""
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


def path(taken: dict[int, dict[int, int]], start: int, goal: int, place: Sequence[int]) -> list[int]:
    """The edges of a shortest path; empty where there is none. ``place`` is an order that all edges keep."""
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
