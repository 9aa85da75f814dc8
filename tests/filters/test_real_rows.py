"""Rules that measure texts by the real rows: off_topic and label_agrees."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.label_agrees import _RIDGE, LabelAgrees
from synthkd.filters.off_topic import OffTopic
from synthkd.filters.real_rows import RealRowsRule
from synthkd.kinds.base import SourceText
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.kinds.triple import TripleKind

RULES = (OffTopic, LabelAgrees)
#: Parts of the texts of each class.
PARTS = {
    "refund": ("refund", "my money back", "for the broken", "shoes", "that I returned"),
    "track order": ("where is", "my parcel", "track the order", "when does it arrive", "today"),
    "cancel order": ("cancel", "the order", "I do not want", "any more", "stop it"),
}


def real_rows(each: int, seed: int = 0) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    rows = []
    for label, parts in PARTS.items():
        texts = {" ".join(rng.sample(parts, 3)) for _ in range(20 * each)}
        rows += [(text, label) for text in sorted(texts)[:each]]
    return rows


def kind(rows: list[tuple[str, str]]) -> LabelledTextKind:
    made = LabelledTextKind()
    made.real = [SourceText(text, label, "") for text, label in rows]
    return made


def reasons(rule: RealRowsRule, of: LabelledTextKind, *rows: tuple[str, str]) -> list[str | None]:
    made = [{"text": text, "label": label} for text, label in rows]
    return rule.reject(pa.RecordBatch.from_pylist(made, schema=candidate_schema(of)), of)


@pytest.mark.parametrize("rule", RULES)
def test_texts_like_the_real_rows_of_their_class_pass(rule: type[RealRowsRule]) -> None:
    rows = [
        ("I returned the broken shoes, my money back", "refund"),
        ("where is my parcel today", "track order"),
    ]
    assert reasons(rule(), kind(real_rows(8)), *rows) == [None, None]


def test_a_text_about_something_else_is_off_topic() -> None:
    (found,) = reasons(OffTopic(), kind(real_rows(8)), ("A zebra gallops through Kenya", "refund"))
    assert found is not None
    assert found.startswith("unlike all real rows")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (OffTopic, "unlike the real rows of 'refund'"),
        (LabelAgrees, "given refund, which is likely label 2; the first is track order, 1 count"),
    ],
)
def test_a_text_of_another_class_is_rejected(rule: type[RealRowsRule], why: str) -> None:
    found = reasons(rule(), kind(real_rows(8)), ("where is my parcel today", "refund"))
    assert found[0] is not None
    assert found[0].startswith(why) or found[0].startswith(why.replace("label 2", "label 3"))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), lost=st.sampled_from((0.0, 0.05, 0.2, 0.5)))
@pytest.mark.parametrize("rule", RULES)
def test_no_larger_share_of_the_real_rows_is_lost_than_was_asked(
    rule: type[RealRowsRule], seed: int, lost: float
) -> None:
    rows = real_rows(6, seed)
    # A row that is real is held against the others.
    rejected = reasons(rule(real_rows_lost=lost), kind(rows), *rows)
    assert sum(one is not None for one in rejected) <= lost * len(rows)


def test_a_real_row_is_classified_by_a_model_without_it() -> None:
    rows = real_rows(4)
    rule, of = LabelAgrees(), kind(rows)
    reasons(rule, of, rows[0])
    real = rule.real
    for group in range(int(real.groups.max()) + 1):
        left, others = np.flatnonzero(real.groups == group), np.flatnonzero(real.groups != group)
        wanted = np.eye(len(real.labels))[real.of[others]]
        among = real.among[np.ix_(others, others)] + _RIDGE * np.eye(len(others))
        fitted = real.among[np.ix_(left, others)] @ np.linalg.solve(among, wanted)
        assert rule._left_out[left] == pytest.approx(fitted)


@pytest.mark.parametrize("rule", RULES)
def test_batches_and_their_order_do_not_matter(rule: type[RealRowsRule]) -> None:
    of = kind(real_rows(6))
    rows = [*real_rows(3, 7), ("A zebra", "refund"), ("cancel my parcel", "track order")]
    whole = reasons(rule(), of, *rows)
    assert whole == [one for row in rows for one in reasons(rule(), of, row)]


@pytest.mark.parametrize("rule", RULES)
def test_a_class_without_real_rows_is_held_against_none(rule: type[RealRowsRule]) -> None:
    assert reasons(rule(), kind(real_rows(6)), ("cancel my parcel today", "exchange")) == [None]


@pytest.mark.parametrize("rule", RULES)
def test_few_shot_rows_of_the_prompt_serve_as_real_rows(rule: type[RealRowsRule]) -> None:
    given_rows, of = real_rows(6), LabelledTextKind()
    made, same = rule(), rule()
    made.use_prompt("", [{"text": text, "label": label} for text, label in given_rows])
    made.check_kind(of)
    rows = [("A zebra gallops", "refund"), ("my parcel", "refund"), ("refund please", "refund")]
    assert reasons(made, of, *rows) == reasons(same, kind(given_rows), *rows)


@pytest.mark.parametrize("rule", RULES)
def test_without_real_rows_the_rule_is_refused(rule: type[RealRowsRule]) -> None:
    with pytest.raises(RecipeError, match="no real rows to compare with"):
        rule().check_kind(LabelledTextKind())
    with pytest.raises(RecipeError, match="two real rows"):
        rule().check_kind(kind(real_rows(1)))
    with pytest.raises(RecipeError, match="have no text and label"):
        rule().check_kind(TripleKind())


def test_more_real_rows_than_allowed_are_drawn_evenly() -> None:
    rule = OffTopic(max_real_rows=6)
    labels = [label for _, label in rule.rows(kind(real_rows(8)))]
    assert sorted(labels) == sorted([*PARTS] * 2)


@pytest.mark.parametrize(
    ("each", "named"), [(0, False), (1, False), (2, True)], ids=["none", "one each", "two each"]
)
def test_both_rules_are_defaults_where_real_rows_can_be_left_out(
    tmp_path: Path, each: int, named: bool
) -> None:
    path = tmp_path / "real.jsonl"
    rows = [{"text": text, "label": label} for text, label in real_rows(each)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = LabelledTextKind(real=str(path) if each else None)
    assert ({"off_topic", "label_agrees"} <= set(made.default_rules)) is named
