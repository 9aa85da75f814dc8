"""Rules for labels, and for texts of an evaluation set."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.files import ROOT

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.base import Filter
from synthkd.filters.labelled_text import Contaminated, LabelKnown, LabelNamed
from synthkd.filters.rules import Empty
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.rows import read_rows
from synthkd.text.normal_forms import normal_text

KIND = LabelledTextKind(taxonomy=["cancel order", "refund", "Refund_not_showing_up"])
BANKING = Path(os.environ.get("SYNTHKD_DATA", ROOT.parent / "shared" / "data")) / "banking77"


def judged(rule: Filter, *rows: tuple[str, str], kind: LabelledTextKind = KIND) -> list[str | None]:
    made = [{"text": text, "label": label} for text, label in rows]
    return rule.reject(pa.RecordBatch.from_pylist(made, schema=candidate_schema(kind)), kind)


def evaluated(folder: Path, *texts: str) -> LabelledTextKind:
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps({"query": text}) + "\n" for text in texts))
    return LabelledTextKind(evaluation={"path": str(path), "text": "query"})


def test_rules_on_a_text_look_at_the_text_and_not_at_the_label() -> None:
    assert judged(Empty(), ("", "refund"), ("Hi", "refund")) == ["no letter or digit", None]


def test_a_label_that_is_no_class_is_told_with_the_nearest() -> None:
    assert judged(LabelKnown(), ("Hi", "refnd"), ("Hi", "refund")) == [
        "no class 'refnd' (did you mean 'refund'?)",
        None,
    ]


def test_without_a_taxonomy_every_label_is_known() -> None:
    assert judged(LabelKnown(), ("Hi", "anything"), kind=LabelledTextKind()) == [None]


def test_a_text_that_names_its_label_is_found_in_any_writing() -> None:
    found = judged(
        LabelNamed(),
        ("Please CANCEL, order 5!", "cancel order"),
        ("Cancel my order", "cancel order"),
        ("My refund not showing up?", "Refund_not_showing_up"),
        ("A refunding matter", "refund"),
    )
    assert [one is not None for one in found] == [True, False, True, False]


def test_a_text_of_the_evaluation_set_is_rejected_whatever_its_case_and_punctuation(
    tmp_path: Path,
) -> None:
    kind = evaluated(tmp_path, "Where's my card?", "Other")
    (why, none) = judged(
        Contaminated(near=False), ("where's my  CARD", "x"), ("Where is my card", "x"), kind=kind
    )
    assert why == f'is {tmp_path}/test.jsonl row 1: "Where\'s my card?"'
    assert none is None


def test_a_text_that_is_nearly_one_of_the_evaluation_set_is_rejected_with_its_similarity(
    tmp_path: Path,
) -> None:
    kind = evaluated(tmp_path, "How long will it take until my new card is delivered to me?")
    (why,) = judged(
        Contaminated(), ("How long will it take until my new card is delivered?", "x"), kind=kind
    )
    assert why is not None
    assert why.startswith("is near (0.8")


def test_without_an_evaluation_set_the_rule_says_where_to_name_one() -> None:
    with pytest.raises(RecipeError, match=r"kind\.options\.evaluation"):
        judged(Contaminated(), ("x", "y"))


@pytest.mark.slow
@pytest.mark.skipif(not BANKING.is_dir(), reason="needs the rows of banking77")
def test_every_test_query_of_banking77_that_stands_in_train_is_found() -> None:
    kind = LabelledTextKind(evaluation=str(BANKING / "test.parquet"))
    train = [row["text"] for rows in read_rows(BANKING / "train.parquet", ["text"]) for row in rows]

    def plain(text: str) -> str:
        return " ".join("".join(ch if ch.isalnum() else " " for ch in text.lower()).split())

    known = {plain(row.text) for row in kind.evaluation}
    shared = [text for text in train if plain(text) in known]
    assert len({plain(text) for text in shared}) == 25
    found = Contaminated().find(shared, kind)
    assert all(one is not None and one[1] == 1 for one in found)
    assert {normal_text(kind.evaluation[one[0]].text) for one in found if one} == {
        normal_text(t) for t in shared
    }


def rejects(kind: LabelledTextKind, *texts: str) -> list[Any]:
    return Contaminated().find(list(texts), kind)


def test_an_empty_batch_is_judged(tmp_path: Path) -> None:
    assert rejects(evaluated(tmp_path, "a")) == []
