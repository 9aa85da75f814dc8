"""Tests of whole runs on a real Ray cluster, in network namespaces of their own."""

from __future__ import annotations

import json

import pytest

from benchmarks.cluster.nodes import in_namespace, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=f"no Ray cluster here: {why_not()}"),
]


def inside(part: str, **arguments: object) -> dict[str, object]:
    printed = in_namespace("benchmarks.cluster.inside", part, json.dumps(arguments))
    figures: dict[str, object] = json.loads(printed.splitlines()[-1])
    return figures


def test_a_corpus_has_the_bytes_of_one_machine_whatever_filters_it() -> None:
    figures = inside("bytes", rows=60)
    assert figures["bytes_recipes"] == dict.fromkeys(("plain", "rules", "votes", "critic"), True)


def test_a_lost_node_loses_nothing_and_little_is_bought_twice() -> None:
    figures = inside("kills", rows=4_000, kills=1, nodes=2, seed=0)
    assert figures["kills_nodes_killed"] == 1
    assert figures["kills_lost"] == 0
    assert figures["kills_same_bytes"] is True
    assert figures["kills_bought_twice_of_bound"] <= 1  # type: ignore[operator]


def test_a_cap_is_kept_though_a_node_is_lost() -> None:
    figures = inside("budget", rows=3_000, kills=1, nodes=2, seed=0)
    assert 0.3 <= figures["budget_billed_share"] <= 1  # type: ignore[operator]
    assert figures["budget_said_so"] is True
