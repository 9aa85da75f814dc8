"""Rules that compare a row with its source."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.base import Filter
from synthkd.filters.grounding import InText, Rouge
from synthkd.filters.propositions import Grounded
from synthkd.filters.rules import Empty, TooShort
from synthkd.kinds.base import Kind
from synthkd.kinds.event import EventKind
from synthkd.kinds.fact import FactKind
from synthkd.kinds.proposition import PropositionKind
from synthkd.kinds.record import RecordKind

FACT, PROPOSITION = FactKind(), PropositionKind()
SHORT = TooShort(column="rooms", min_characters=1)
SOURCE = "The ferry Solveig, built in 1961, links Rysa to the mainland. It carries 40 cars."


def reason(rule: Filter, kind: Kind = FACT, **values: Any) -> str | None:
    row = {"document_id": "d", "head": "Solveig", "relation": "links", "tail": "Rysa"}
    row |= {"source": SOURCE, **values}
    names = set(candidate_schema(kind).names)
    row = {name: value for name, value in row.items() if name in names}
    rule.check_kind(kind)
    return rule.reject(pa.RecordBatch.from_pylist([row], schema=candidate_schema(kind)), kind)[0]


def test_both_ends_in_the_source_pass() -> None:
    assert reason(InText()) is None
    assert reason(InText(), tail="THE Mainland") is None


def test_the_reason_names_every_end_that_is_missing() -> None:
    assert reason(InText(), tail="Oslo") == "not in the source: tail 'Oslo'"
    assert reason(InText(), head="Ry", tail="") == "not in the source: head 'Ry', tail is empty"


def test_columns_and_source_are_named_by_options() -> None:
    rule = InText(columns="tail", source="proposition")
    assert reason(rule, proposition="It links Rysa.", head="nobody") is None
    assert reason(rule, proposition="It links Oslo.") == "not in the proposition: tail 'Rysa'"


@pytest.mark.parametrize("rule", [InText(columns="word"), Rouge(), Grounded()])
def test_a_kind_without_a_source_is_refused_by_name(rule: Filter) -> None:
    with pytest.raises(RecipeError, match=r"no column '(source|word)'.*'event'"):
        rule.check_kind(EventKind())


def test_rouge_rejects_from_below_the_bound() -> None:
    rewritten = {"document_id": "d", "sentence": SOURCE, "source": SOURCE}
    rule = Rouge(min_f1=0.7)
    assert (
        reason(rule, PROPOSITION, proposition=SOURCE.replace("It", "Solveig"), **rewritten) is None
    )
    why = reason(rule, PROPOSITION, proposition="The ferry links islands.", **rewritten)
    assert why is not None
    assert why.startswith("ROUGE-1 F1 0.")


def test_grounded_reads_the_sentence_of_a_fact() -> None:
    rule = Grounded(column="proposition")
    assert reason(rule, proposition="Solveig carries 40 cars.") is None
    assert (
        reason(rule, proposition="Solveig carries 400 cars.") == "not in the source: number '400'"
    )


def test_grounded_wants_a_share_of_the_words_in_the_source() -> None:
    rule = Grounded(column="proposition", share=0.6)
    assert reason(rule, proposition="The ferry links the mainland.") is None
    assert reason(rule, proposition="The ferry sank near quiet rocks.") == (
        "not in the source: word 'sank', word 'near', word 'quiet', word 'rock'"
    )


@pytest.mark.parametrize("rule", [InText(), InText(columns="rooms"), Empty(column="rooms"), SHORT])
def test_a_zero_is_a_value(rule: Filter) -> None:
    kind = RecordKind(columns={"source": "text", "rooms": "int"}, inputs=["source"])
    rows = [{"source": "The mill has 0 rooms.", "rooms": 0}]
    batch = pa.RecordBatch.from_pylist(rows, schema=candidate_schema(kind))
    assert rule.reject(batch, kind) == [None]
