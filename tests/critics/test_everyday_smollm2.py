"""The hand-read label sheet of SmolLM2's everyday triples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from synthkd.critics.labels import read_labels
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind
from synthkd.labels.agreement import krippendorff_alpha
from synthkd.labels.sheet import Record, read_sheet, votes_by_row
from synthkd.labels.verdicts import VERDICTS

FOLDER = Path(__file__).parents[2] / "critics" / "everyday-smollm2"
#: Distinct candidates that the labelled rows were drawn from.
CANDIDATES = 4146


@pytest.fixture(scope="module")
def kind() -> TripleKind:
    return TripleKind(load_relations("everyday"))


@pytest.fixture(scope="module")
def first() -> list[Record]:
    return read_sheet(FOLDER / "labels.csv")


@pytest.fixture(scope="module")
def second() -> list[Record]:
    return read_sheet(FOLDER / "second-reading.csv")


def test_the_sheet_has_1500_rows_each_with_one_of_three_verdicts(first: list[Record]) -> None:
    assert len({record["id"] for record in first}) == len(first) == 1500
    assert {record["verdict"] for record in first} <= set(VERDICTS)


def test_ids_are_those_of_the_rows(kind: TripleKind, first: list[Record]) -> None:
    assert all(kind.identity(dict(record)) == record["id"] for record in first)


def test_the_first_900_rows_are_drawn_uniformly(first: list[Record]) -> None:
    early = first[:900]
    assert {record["chosen"] for record in early} == {"uniform"}
    (probability,) = {float(record["probability"]) for record in early}
    assert probability == pytest.approx(900 / CANDIDATES, abs=1e-6)


def test_weights_sum_to_about_the_number_of_candidates(first: list[Record]) -> None:
    weights = [float(record["weight"]) for record in first]
    assert min(weights) > 0
    assert sum(weights) == pytest.approx(CANDIDATES, rel=0.03)


def test_it_reads_for_training_with_every_row_that_is_not_unsure(
    kind: TripleKind, first: list[Record]
) -> None:
    sheet = read_labels(FOLDER / "labels.csv", kind, held_out=0.5)
    counts = Counter(record["verdict"] for record in first)
    assert sheet.unsure == counts["unsure"]
    assert len(sheet.labels) + len(sheet.leaks) == counts["accept"] + counts["reject"]
    assert not sheet.conflicts
    assert sheet.weights is not None


def test_200_uniform_rows_were_read_twice(first: list[Record], second: list[Record]) -> None:
    by_id = {record["id"]: record for record in first}
    assert len({record["id"] for record in second}) == len(second) == 200
    assert all(by_id[record["id"]]["chosen"] == "uniform" for record in second)
    alpha = krippendorff_alpha(votes_by_row([*first, *second]))
    assert alpha == pytest.approx(0.925, abs=0.001)
