"""Recorded judge replies of real models, beside what is known of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.files import write_csv

from benchmarks.critics import BENCHMARK, judges
from synthkd.critics.judge.agreement import judge_agreement
from synthkd.critics.judge.client import JudgeClient
from synthkd.critics.judge.pairwise import judge_pairs
from synthkd.critics.judge.prompt import render_pair
from synthkd.prompts import load_prompt


@pytest.fixture(scope="module")
def found(data: Path) -> dict[str, Any]:
    return judges.figures(BENCHMARK.options(["--quick", "--data", str(data)]))


@pytest.mark.slow
def test_every_reply_is_read_but_the_one_that_says_neither(found: dict[str, Any]) -> None:
    assert found["llmbar_replies"] == 3910
    assert found["llmbar_unread"] == ["natural-017-ChatGPT-CoT-0-original"]


@pytest.mark.slow
def test_the_released_winner_is_another_only_where_a_reply_quotes_a_debate(
    found: dict[str, Any],
) -> None:
    differs = found["llmbar_released_winner_differs"]
    assert len(differs) == 11
    assert all("-Swap_CoT-1-" in name for name in differs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "accuracy", "consistent"),
    [
        ("GPT-4 Vanilla", 0.955, 0.95),
        ("GPT-4 CoT", 0.945, 0.91),
        ("GPT-4 Swap", 0.945, 0.97),
        ("ChatGPT Vanilla", 0.815, 0.71),
        ("ChatGPT Metrics_Reference", 0.825, 0.73),
        ("LLaMA-2-70B-Chat CoT", 0.755, 0.67),
        ("LLaMA-2-70B-Chat Vanilla_NoRules", 0.770, 0.74),
    ],
)
def test_accuracy_and_order_consistency_are_those_of_the_release(
    found: dict[str, Any], judge: str, accuracy: float, consistent: float
) -> None:
    row = found["llmbar_judges"][judge]
    assert (row["accuracy"], row["consistent"]) == pytest.approx((accuracy, consistent))
    assert row["accuracy_interval"][0] < accuracy < row["accuracy_interval"][1]


def test_a_parser_by_substring_is_wrong_about_every_third_reasoned_reply(
    found: dict[str, Any],
) -> None:
    assert found["llmbar_substring_wrong_in_reasoned: first mention"] > 0.3
    assert found["llmbar_substring_wrong_in_reasoned: first 100 characters"] > 0.5


def test_judges_agree_with_people_as_the_readme_says(found: dict[str, Any]) -> None:
    assert found["pandalm_gpt35"]["accuracy"] == pytest.approx(0.698, abs=0.0006)
    assert found["pandalm_pandalm"]["accuracy"] == pytest.approx(0.668, abs=0.0006)
    assert found["pandalm_humans_1_and_2"]["kappa"] == pytest.approx(0.85, abs=0.01)


def test_what_was_recorded_as_unparsable_is_not_read(found: dict[str, Any]) -> None:
    assert len(found["pandalm_gpt35_unread"]) == 25
    assert found["pandalm_pandalm_unread"] == []


def test_a_reason_that_names_a_winner_names_that_of_the_verdict(found: dict[str, Any]) -> None:
    # The two are replies in which the judge itself says one thing and reasons for the other.
    assert found["pandalm_gpt35_reason_against_verdict"] == ["pandalm-306", "pandalm-726"]
    assert found["pandalm_pandalm_reason_against_verdict"] == []
    assert found["pandalm_pandalm_reasons_with_a_verdict"] == 508


def test_texts_that_say_no_verdict_are_not_read_as_one(found: dict[str, Any]) -> None:
    for name in ("creak_claims", "factscore_biographies", "factscore_refusals", "factscore_facts"):
        assert found[f"{name}_strict_found"] == []
    assert found["factscore_refusals_substring_says_no"] > 0.8


def pairs(data: Path) -> list[dict[str, Any]]:
    return [
        {
            "id": row["id"],
            "task": row["instruction"],
            "first": row["output_1"],
            "second": row["output_2"],
        }
        | {"gold": row["gold"]}
        for row in judges.read(data / "llmbar" / "pairs.parquet")
    ]


def test_tasks_with_code_lists_and_braces_reach_the_judge_letter_by_letter(data: Path) -> None:
    prompt = load_prompt("judge/pairwise")
    for row in pairs(data):
        text = render_pair(prompt, row)[-1]["content"]
        for name in ("task", "first", "second"):
            assert row[name].strip() in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "prompt", "accuracy", "consistent"),
    [("GPT-4", "Vanilla", 0.955, 0.95), ("ChatGPT", "Swap", 0.775, 0.89)],
)
def test_recorded_replies_go_through_the_whole_way_of_a_judging(
    data: Path, tmp_path: Path, judge: str, prompt: str, accuracy: float, consistent: float
) -> None:
    replies = [
        {
            "input_id": row["pair_id"] + ("~swapped" if row["order"] == "swapped" else ""),
            "text": row["reply"],
        }
        for row in judges.read(data / "llmbar" / "judge_replies.parquet")
        if (row["judge"], row["prompt"]) == (judge, prompt) and row["is_final"]
    ]
    write_csv(tmp_path / "replies.csv", replies)
    client = JudgeClient(
        {"backend": "recorded", "path": str(tmp_path / "replies.csv")}, tmp_path / "judge.sqlite"
    )
    rows = pairs(data)
    verdicts, order = judge_pairs(client, rows)
    assert order.consistent == pytest.approx(consistent)
    said = [
        "first" if v == "a" else "second"
        for pair in verdicts
        for v in (pair.original.readings[0].value,)
    ]
    said += [
        "second" if v == "a" else "first"
        for pair in verdicts
        for v in (pair.swapped.readings[0].value,)
    ]
    gold = ["first" if row["gold"] == 1 else "second" for row in rows]
    assert judge_agreement(said, gold * 2).accuracy == pytest.approx(accuracy)
    agreed = [
        pair.winner == best
        for pair, best in zip(verdicts, gold, strict=True)
        if pair.winner != "tie"
    ]
    # Where both orders agree the judge is right more often than over all.
    assert sum(agreed) / len(agreed) > accuracy
