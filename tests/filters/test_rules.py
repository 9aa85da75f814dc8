"""Rules, the NLL cut, duplicates, results that decide again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recipes import Make

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.base import Filter
from synthkd.filters.duplicates import find_duplicates
from synthkd.filters.likelihood import WorstNLL
from synthkd.filters.result import FilterResult
from synthkd.filters.row_rules import RowRule
from synthkd.filters.rules import (
    Characters,
    Echo,
    Empty,
    SelfLoop,
    StartsWith,
    TooLong,
    TooShort,
    Unfinished,
)
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.kinds.triple import TripleKind
from synthkd.stages.plan import plan_run

KIND = TripleKind()
SCHEMA = candidate_schema(KIND)


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    base = {"head": "knife", "relation": "UsedFor", "tail": "cutting", "finish_reason": "stop"}
    return pa.RecordBatch.from_pylist([base | row for row in rows], schema=SCHEMA)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (Empty(), "cutting", "-- ,"),
        (TooLong(max_words=3), "one two three", "one two three four"),
        (TooLong(max_characters=5), "short", "longer"),
        (TooShort(), "cut", "at"),
        (SelfLoop(), "cutting", "The knife."),
        (Echo(), "knife fights", "knife is used for cutting"),
        (Echo(), "very very small", "cut cut cut"),
        (Echo(), "cut things", "go to to bed"),
        (Echo(repeats=2), "cut things", "cut cut"),
        (Unfinished(), "cutting on", "cutting the"),
        (Unfinished(words=["on"]), "cutting the", "cutting on"),
        (Characters(), "Anna's 3.5 $ pié", "a <b> c"),
        (Characters(), "Whose Line Is It Anyway?", "cut\ufffd"),
        (Characters(allowed=r"\w ,.\-$\"'’"), "रोटी काटना", "what?"),
        (Characters(), "cutting", "a_b"),
        (Characters(allowed="a-z "), "cutting", "Cutting"),
    ],
)
def test_a_rule_lets_the_good_pass_and_names_what_is_wrong_with_the_bad(
    rule: Filter, good: str, bad: str
) -> None:
    passed, rejected = rule.reject(batch({"tail": good}, {"tail": bad}), KIND)
    assert passed is None
    assert rejected


def test_a_text_cut_by_the_token_limit_is_unfinished() -> None:
    assert Unfinished().reject(batch({"finish_reason": "length"}), KIND) == ["cut by max_tokens"]


def several_texts(raw: str, *texts: str) -> list[str | None]:
    """Return the verdicts on texts of one answer that the token limit cut."""
    kind = LabelledTextKind(several=True)
    rows = [
        {"text": text, "label": "refund", "finish_reason": "length", "raw": raw} for text in texts
    ]
    return Unfinished().reject(
        pa.RecordBatch.from_pylist(rows, schema=candidate_schema(kind)), kind
    )


@pytest.mark.parametrize(
    "raw",
    [
        "- Give it back.\n- I want my mo",
        "1. Give it back.\n2. **I want my mo",
        "Give it back.\nI want my mo",
    ],
)
def test_of_several_texts_in_a_cut_answer_the_last_is_unfinished(raw: str) -> None:
    assert several_texts(raw, "Give it back.", "I want my mo") == [None, "cut by max_tokens"]


@pytest.mark.parametrize(
    "raw",
    [
        "- Give it back.\n",
        '["Give it back.", "I want my mo',
        '```json\n["Give it back."',
        "Give it back.\nLabel: ref",
    ],
)
def test_a_whole_text_in_a_cut_answer_is_finished(raw: str) -> None:
    assert several_texts(raw, "Give it back.") == [None]


@pytest.mark.parametrize(
    "tail", ["sitting on", "playing with", "a good night in", "what it is made of", "live without"]
)
def test_a_preposition_at_the_end_is_no_sign_of_a_cut(tail: str) -> None:
    assert Unfinished().reject(batch({"tail": tail}), KIND) == [None]


def test_a_head_is_its_own_tail_only_where_the_relation_may_be_reflexive() -> None:
    rows = [
        {"head": "PersonX prays", "relation": name, "tail": "PersonX prays"}
        for name in ("xWant", "xReact", "HinderedBy")
    ]
    assert [bool(reason) for reason in SelfLoop().reject(batch(*rows), KIND)] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "चाय पीना", "ঘর মোছা", "தண்ணீர் குடித்தல்", "ดื่มน้ำ", "ផឹកទឹក", "كِتَابَةُ"
            " رِسَالَة", "לִכְתֹּב", "می‌روم", "cafe\u0301", "uo\u0302\u0301ng", "物を゙",
        "❤️", "👩‍🔧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "C++", "C#", ".NET", "50%", "24/7", "(rarely) £5", "A+", "R&D",
    ],
)  # fmt: skip
@pytest.mark.parametrize("rule", [Characters(), Empty()], ids=lambda rule: rule.name)
def test_words_of_every_script_and_signs_pass(rule: Filter, text: str) -> None:
    assert rule.reject(batch({"tail": text}), KIND) == [None]


@pytest.mark.parametrize("text", ["👍", ":)", ":-(", "❤️", "<3"])
def test_emoji_and_emoticons_are_not_empty(text: str) -> None:
    assert Empty().reject(batch({"tail": text}), KIND) == [None]


@pytest.mark.parametrize(
    "text", ["a\u200bb", "a\u202eb", "a\ufffd", "a\x1b[31m", "a\ue000", "{tail}", "a\\b", "<br>"]
)
def test_markup_and_hidden_characters_are_named(text: str) -> None:
    (reason,) = Characters().reject(batch({"tail": text}), KIND)
    assert reason is not None
    assert reason.startswith("character ")


def test_a_head_event_begins_with_its_person() -> None:
    rows = batch({"tail": "PersonX runs"}, {"tail": "He runs"}, {"tail": "PersonX"})
    assert [bool(reason) for reason in StartsWith().reject(rows, KIND)] == [False, True, True]


def test_a_rule_gives_one_verdict_for_each_row_whatever_the_batches() -> None:
    rows = [{"tail": f"word {'x' * i}"} for i in range(40)]
    rule = TooLong(max_characters=20)
    whole = rule.reject(batch(*rows), KIND)
    assert whole == [verdict for row in rows for verdict in rule.reject(batch(row), KIND)]


def nll_batch(values: list[float | None]) -> pa.RecordBatch:
    return batch(*[{"logprob": None if v is None else -v, "tokens": 2} for v in values])


def test_the_worst_fifth_by_nll_is_rejected() -> None:
    values = [float(i) for i in range(1, 101)]
    rule = WorstNLL(share=0.2)
    rule.observe(nll_batch(values), KIND)
    rejected = [v for v, r in zip(values, rule.reject(nll_batch(values), KIND), strict=True) if r]
    assert rejected == [float(i) for i in range(81, 101)]


def test_the_order_of_batches_does_not_move_the_cut() -> None:
    values = list(np.random.default_rng(0).random(200) * 10)
    one, other = WorstNLL(), WorstNLL()
    for value in values:
        one.observe(nll_batch([value]), KIND)
    other.observe(nll_batch(values[::-1]), KIND)
    assert one.cut() == other.cut()


def test_rows_without_a_logprob_pass_the_nll_rule() -> None:
    rule = WorstNLL()
    rule.observe(nll_batch([None, 1.0, None]), KIND)
    assert rule.reject(nll_batch([None, None]), KIND) == [None, None]


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(RecipeError, match="a number above 0 and below 1 is needed"):
        WorstNLL(share=share)


def duplicate_table(rows: list[tuple[str, str, float | None]]) -> pa.Table:
    names = ("id", "completion_key", "logprob")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def test_the_likeliest_of_equal_candidates_stays_and_counts_them() -> None:
    found = find_duplicates(
        duplicate_table([("a", "k1", -3.0), ("a", "k2", -1.0), ("b", "k3", None)]), [True] * 3
    )
    assert found.recurrence == [2, 2, 1]
    assert [bool(reason) for reason in found.reasons] == [True, False, False]
    assert "k2" in str(found.reasons[0])


def test_rows_that_were_rejected_before_take_no_part_in_duplicates() -> None:
    found = find_duplicates(duplicate_table([("a", "k1", -1.0), ("a", "k2", -3.0)]), [False, True])
    assert found.recurrence == [0, 1]
    assert found.reasons == [None, None]


def test_a_result_decides_again_without_scoring_again() -> None:
    result = FilterResult(pa.table({"x": [1, 2, 3]}), np.array([0.1, 0.5, 0.9]), 0.4)
    assert result.kept.num_rows == 2
    assert result.rethreshold(0.6).kept.column("x").to_pylist() == [3]
    assert result.dropped.num_rows == 1
    assert result.borderline(1).column("x").to_pylist() == [2]
    assert "2 kept" in result._repr_html_()


LINES = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(
            ["the", "knife", "A", "cut", "é", "２", "_", "?", " ", "\u3000", "and", "\t"]
        )
    ).map(" ".join),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        Empty(), TooLong(max_words=3), TooLong(max_characters=5), TooShort(), SelfLoop(), Echo(),
        Unfinished(),
        Characters(), StartsWith(prefix="the"), Echo(column="head"), SelfLoop(column="head"),
    ],
    ids=lambda rule: rule.name,
)  # fmt: skip
@given(
    heads=st.lists(LINES, min_size=4, max_size=4),
    tails=st.lists(LINES, min_size=4, max_size=4),
    data=st.data(),
)
def test_the_fast_look_at_columns_says_what_the_look_at_each_row_says(
    rule: RowRule, heads: list[str], tails: list[str], data: st.DataObject
) -> None:
    ends = data.draw(st.lists(st.sampled_from(["stop", "length", None]), min_size=4, max_size=4))
    rows = [
        {"head": head, "relation": "UsedFor", "tail": tail, "finish_reason": end}
        for head, tail, end in zip(heads, tails, ends, strict=True)
    ]
    try:
        made = batch(*rows)
    except UnicodeEncodeError:
        return
    assert rule.reject(made, KIND) == [rule.check(row, KIND) for row in rows]


def test_a_rule_may_look_at_any_column_of_a_row() -> None:
    rows = batch({"teacher": "a model"}, {"teacher": " - "}, {"teacher": None})
    reasons = Empty(column="teacher").reject(rows, KIND)
    assert reasons == [None, "no letter or digit", "no letter or digit"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"empty": {"column": "tial"}}, "rule 'empty': no column 'tial' in rows of the kind"
            " 'triple' .did you mean 'tail'"),
        ({"empty": {"column": "votes"}}, "rule 'empty': no column 'votes'"),
        ({"empty": {"colum": "tail"}}, "rule 'empty': no option 'colum'"),
    ],
)  # fmt: skip
def test_a_rule_on_a_column_that_is_not_there_is_refused_before_anything_is_asked(
    make_recipe: Make, rule: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        plan_run(make_recipe(rules=[rule]))


def test_a_rule_that_reads_its_text_elsewhere_is_asked_about_every_row() -> None:
    class Heads(TooLong):
        def text(self, row: Any, kind: Any) -> str:
            return str(row["head"])

    assert Heads(max_characters=3).reject(batch({"head": "knife"}, {"head": "cat"}), KIND) == [
        "5 characters, more than 3",
        None,
    ]


def test_what_several_processes_observed_is_put_together() -> None:
    values = list(np.random.default_rng(0).random(200) * 10)
    whole, one, two = WorstNLL(), WorstNLL(), WorstNLL()
    whole.observe(nll_batch(values), KIND)
    one.observe(nll_batch(values[:70]), KIND)
    two.observe(nll_batch(values[70:]), KIND)
    one.merge([one.state(), two.state()])
    assert one.cut() == whole.cut()


DUPLICATED = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from("wxyz"),
        st.sampled_from([None, -1.0, -2.0]),
        st.booleans(),
    ),
    max_size=12,
)


@pytest.mark.slow
@given(DUPLICATED)
def test_of_equal_candidates_one_stays_and_recurrence_counts_completions(rows: list[Any]) -> None:
    table = pa.Table.from_pylist(
        [{"id": i, "completion_key": k, "logprob": p} for i, k, p, _ in rows],
        schema=pa.schema(
            [("id", pa.string()), ("completion_key", pa.string()), ("logprob", pa.float64())]
        ),
    )
    found = find_duplicates(table, [row[3] for row in rows])
    order = sorted(range(len(rows)), key=lambda n: rows[n][:2])
    sorted_table = table.take(pa.array(order, pa.int64()))
    again = find_duplicates(sorted_table, [rows[n][3] for n in order], in_order=True)
    assert again.recurrence == [found.recurrence[n] for n in order]
    assert again.reasons == [found.reasons[n] for n in order]
    for name in "ab":
        mine = [n for n, row in enumerate(rows) if row[0] == name and row[3]]
        assert sum(found.reasons[n] is None for n in mine) == min(1, len(mine))
        assert {found.recurrence[n] for n in mine} <= {len({rows[n][1] for n in mine})}
        if mine:
            (best,) = [n for n in mine if found.reasons[n] is None]
            assert rows[best][1:3] == min(
                (rows[n][1:3] for n in mine),
                key=lambda said: (-said[1] if said[1] is not None else np.inf, said[0]),
            )


class ByTable(RowRule):
    """A rule as a user writes one."""

    name = "by_table"

    def check(self, row: Any, kind: Any) -> str | None:
        return {"Knife": None}[row["head"].title()]


class ByShare(RowRule):
    name = "by_share"

    def check(self, row: Any, kind: Any) -> str | None:
        return str(1 / (len(row["tail"]) - len("word")))


class Detail(RowRule):
    name = "detail"

    def check(self, row: Any, kind: Any) -> str | None:
        return str(row["found_by"])


@pytest.mark.parametrize("rule", [ByTable, ByShare])
def test_what_a_rule_makes_of_a_made_up_row_refuses_nothing(rule: type[RowRule]) -> None:
    rule().check_kind(KIND)


def test_a_detail_that_a_rule_on_rows_is_not_shown_is_refused_before_anything_is_bought() -> None:
    with pytest.raises(
        RecipeError, match="rule 'detail': no column 'found_by' in rows of the kind 'rationale'"
    ):
        Detail().check_kind(RationaleKind())


@pytest.mark.parametrize("options", [{"max_words": 0}, {"max_words": -1}, {"max_characters": 0}])
def test_a_length_that_would_reject_every_row_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="a whole number from 1 on is needed"):
        TooLong(**options)
