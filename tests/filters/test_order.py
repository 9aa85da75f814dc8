"""Tests of the order of claims: rejected claims lie on cycles, few go, no cycle is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.errors import RecipeError
from synthkd.filters.order import Numbers, Order, OrderRule, components, put_in_order

nx = pytest.importorskip("networkx")

EDGES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 4), st.integers(0, 1)),
    max_size=40,
)
Edges = list[tuple[int, int, int, int]]


def columns(edges: Edges) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    more, less, weight, axis = np.array(edges, dtype=np.int64).reshape(-1, 4).T
    return more, less, weight.astype(float), axis


def graph(edges: Edges, chosen: Numbers) -> Any:
    found = nx.MultiDiGraph()
    for i, (more, less, _, axis) in enumerate(edges):
        if chosen[i]:
            found.add_edge((axis, more), (axis, less), key=i)
    return found


def test_the_weakest_claim_of_a_cycle_is_rejected_and_the_cycle_is_told() -> None:
    found = put_in_order([0, 1, 2, 3], [1, 2, 0, 0], [3, 2, 1, 1])
    assert found.rejected.tolist() == [False, False, True, False]
    assert found.cycles == {2: [2, 0, 1]}
    assert found.tangle.tolist() == [0, 0, 0, -1]


def test_of_two_opposite_claims_the_one_with_fewer_votes_goes() -> None:
    assert put_in_order([0, 1], [1, 0], [2, 5]).rejected.tolist() == [True, False]


def test_among_equal_votes_the_claim_goes_that_the_others_speak_against() -> None:
    # 0 > 1 > 2 > 3 > 4 with many claims, and 4 > 0.
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5) if (i, j) != (0, 4)] + [(4, 0)]
    more, less = zip(*pairs, strict=True)
    assert np.flatnonzero(put_in_order(more, less).rejected).tolist() == [len(pairs) - 1]


def test_claims_on_different_axes_do_not_meet() -> None:
    assert not put_in_order([0, 1], [1, 0], [1, 1], axis=[0, 1]).rejected.any()


def test_with_against_a_claim_on_a_cycle_goes_that_says_the_opposite_of_the_ranks() -> None:
    rng = np.random.default_rng(0)
    more, less = np.sort(rng.integers(0, 40, (2, 150)), axis=0)
    more, less = more[more < less], less[more < less]
    wrong = rng.random(len(more)) < 0.1
    tail, head = np.where(wrong, less, more), np.where(wrong, more, less)
    mild, strict = (put_in_order(tail, head, against=limit).rejected for limit in (None, 0.5))
    assert (mild <= strict).all()
    assert strict[wrong].mean() > mild[wrong].mean() > 0.3
    assert strict[~wrong].mean() < 0.05


@pytest.mark.slow
@given(edges=EDGES)
def test_no_cycle_is_left_and_no_rejected_claim_could_stay(edges: Edges) -> None:
    more, less, weight, axis = columns(edges)
    found = put_in_order(more, less, weight, axis)
    kept = graph(edges, ~found.rejected)
    assert nx.is_directed_acyclic_graph(kept)
    for i in np.flatnonzero(found.rejected).tolist():
        chosen = ~found.rejected
        chosen[i] = True
        assert not nx.is_directed_acyclic_graph(graph(edges, chosen))


@pytest.mark.slow
@given(edges=EDGES)
def test_a_rejected_claim_is_a_weakest_one_of_its_cycle(edges: Edges) -> None:
    more, less, weight, axis = columns(edges)
    found = put_in_order(more, less, weight, axis)
    assert set(found.cycles) == set(np.flatnonzero(found.rejected).tolist())
    for edge, cycle in found.cycles.items():
        assert weight[edge] == weight[cycle].min()
        assert [less[i] for i in cycle] == [more[i] for i in [*cycle[1:], cycle[0]]]
        assert len(set(axis[cycle])) == 1


@pytest.mark.slow
@given(edges=EDGES)
def test_claims_on_no_cycle_are_never_touched(edges: Edges) -> None:
    more, less, weight, axis = columns(edges)
    found = put_in_order(more, less, weight, axis, against=0.0)
    whole = graph(edges, np.ones(len(edges), dtype=bool))
    part = {
        node: i for i, nodes in enumerate(nx.strongly_connected_components(whole)) for node in nodes
    }
    for i, (one, other, _, line) in enumerate(edges):
        assert (found.tangle[i] >= 0) == (part[line, one] == part[line, other])
        assert not found.rejected[i] or found.tangle[i] >= 0


@pytest.mark.slow
@given(
    edges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), unique=True, max_size=40),
    seed=st.integers(0, 99),
)
def test_the_order_of_claims_carries_no_meaning(edges: list[tuple[int, int]], seed: int) -> None:
    place = np.random.default_rng(seed).permutation(len(edges))
    more, less = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    weight = 1.0 + (more * 3 + less) % 4
    at_once = put_in_order(more, less, weight).rejected[place]
    assert (
        at_once.tolist() == put_in_order(more[place], less[place], weight[place]).rejected.tolist()
    )


@pytest.mark.slow
@given(edges=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=60))
def test_components_are_those_of_another_library(edges: list[tuple[int, int]]) -> None:
    tail, head = np.array(edges).T
    part = components(tail, head)
    known = list(nx.strongly_connected_components(nx.DiGraph(edges)))
    assert {frozenset(nodes) for nodes in known} == {
        frozenset(np.flatnonzero(part == number).tolist())
        for number in set(part[np.unique([tail, head])])
    }


@pytest.mark.slow
@given(
    edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60),
    seed=st.integers(0, 99),
)
def test_an_order_takes_an_edge_unless_it_closes_a_cycle(
    edges: list[tuple[int, int]], seed: int
) -> None:
    order, known = Order(np.random.default_rng(seed).random(10)), nx.DiGraph()
    known.add_nodes_from(range(10))
    for begin, end in edges:
        closes = nx.has_path(known, end, begin)
        assert order.add(begin, end) == (not closes)
        if not closes:
            known.add_edge(begin, end)
    assert all(order.place[begin] < order.place[end] for begin, end in known.edges)


@pytest.mark.slow
def test_a_long_chain_and_a_long_cycle_need_no_deep_stack() -> None:
    nodes = np.arange(50_000)
    assert not put_in_order(nodes[:-1], nodes[1:]).rejected.any()
    assert put_in_order(nodes, np.roll(nodes, -1)).rejected.sum() == 1


def test_nothing_is_put_in_order() -> None:
    found = put_in_order([], [], [], [])
    assert (len(found.rejected), found.tangles, found.cycles) == (0, 0, {})


def test_the_lead_in_votes_makes_a_claim_strong() -> None:
    nan = np.nan
    votes, agreement = np.array([3, 2, 2, nan]), np.array([1, 0.5, 2 / 3, nan])
    margin = np.array([1, -0.5, 1 / 3, nan])
    strength = OrderRule().strength(votes, agreement, margin, np.full(4, nan))
    assert strength.tolist() == [3, 0.25, 1, 1]


@pytest.mark.parametrize("options", [{"by": "luck"}, {"against": -1}, {"against": True}])
def test_wrong_options_of_the_rule_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))):
        OrderRule(**options)  # type: ignore[arg-type]
