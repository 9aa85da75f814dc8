"""Recorded replies of judges: share that is read, effect of the order, agreement with people.

`llmbar` has replies as judges wrote them, in both orders; `pandalm` has verdicts and reasons.
`creak` and `factscore` hold no replies of judges: their texts, written by people and by ChatGPT,
serve as replies without a verdict. No model is asked. Intervals are 95 % bootstrap intervals over
pairs (llmbar) or prompts (pandalm), seed 0.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd.critics.judge.agreement import JudgeAgreement, judge_agreement
from synthkd.critics.judge.pairwise import order_report
from synthkd.critics.judge.preference import SelfPreference, self_preference
from synthkd.critics.judge.verdict import Reading, read_verdict

Row = dict[str, Any]
#: Usual ways of reading a verdict by substring.
SUBSTRINGS = ("first mention", "first 100 characters", "'is better' anywhere")


def read(path: Path) -> list[Row]:
    rows: list[Row] = pq.read_table(path).to_pylist()
    return rows


def substring_pair(text: str, way: str) -> str | None:
    """Read the verdict on a pair as a parser by substring does."""
    low = text.casefold()
    if way == "'is better' anywhere":
        return (
            "a" if "output (a) is better" in low else "b" if "output (b) is better" in low else None
        )
    if way == "first 100 characters":
        low = low[:100]
        return "a" if "(a)" in low else "b" if "(b)" in low else None
    first = {place: low.find(f"output ({place})") for place in "ab"}
    results = {place: at for place, at in first.items() if at >= 0}
    return min(results, key=results.__getitem__) if results else None


def substring_yes_no(text: str) -> str:
    """Read a verdict as GraphJudge does.

    "no" or "false" among the first hundred characters rejects.
    """
    low = text[:100].casefold()
    return "no" if "no" in low or "false" in low else "yes"


# LLMBar


def winner(place: str | None, order: str) -> str | None:
    """Translate a place to the number of the output at that place."""
    if place in (None, "tie"):
        return place
    return "1" if (place == "a") == (order == "original") else "2"


def llmbar(data: Path, draws: int) -> dict[str, Any]:
    replies = read(data / "llmbar" / "judge_replies.parquet")
    gold = {row["id"]: str(row["gold"]) for row in read(data / "llmbar" / "pairs.parquet")}
    readings = [read_verdict(row["reply"], "pair") for row in replies]
    results: dict[str, Any] = {
        "llmbar_replies": len(replies),
        "llmbar_read_share": sum(r.value is not None for r in readings) / len(replies),
        "llmbar_unread": [
            row["id"] for row, r in zip(replies, readings, strict=True) if r.value is None
        ],
        "llmbar_read_how": dict(Counter(r.how for r in readings)),
        "llmbar_released_winner_differs": [
            row["id"]
            for row, r in zip(replies, readings, strict=True)
            if r.value and winner(r.value, row["order"]) != str(row["winner"])
        ],
    }
    for way in SUBSTRINGS:
        wrong = [
            r.value != substring_pair(row["reply"], way)
            for row, r in zip(replies, readings, strict=True)
        ]
        long = [bad for row, bad in zip(replies, wrong, strict=True) if len(row["reply"]) > 20]
        results[f"llmbar_substring_wrong: {way}"] = sum(wrong) / len(wrong)
        results[f"llmbar_substring_wrong_in_reasoned: {way}"] = sum(long) / len(long)
    results["llmbar_judges"] = llmbar_judges(replies, readings, gold, draws)
    results["llmbar_consistency_min"] = min(
        row["consistent"] for row in results["llmbar_judges"].values()
    )
    return results


def llmbar_judges(
    replies: list[Row], readings: list[Reading], gold: dict[str, str], draws: int
) -> dict[str, dict[str, Any]]:
    """Measure agreement and order effects of each judge and prompt.

    The last round of each pair counts.
    """
    results = {}
    names = sorted({(row["judge"], row["prompt"]) for row in replies})
    for judge, prompt in names:
        chosen = [
            (row, reading)
            for row, reading in zip(replies, readings, strict=True)
            if (row["judge"], row["prompt"]) == (judge, prompt) and row["is_final"]
        ]
        with_people = judge_agreement(
            [winner(reading.value, row["order"]) for row, reading in chosen],
            [gold[row["pair_id"]] for row, _ in chosen],
            [row["pair_id"] for row, _ in chosen],
            draws,
        )
        places = {(row["pair_id"], row["order"]): reading.value for row, reading in chosen}
        pairs = sorted({row["pair_id"] for row, _ in chosen})
        order = order_report(
            [places.get((pair, "original")) for pair in pairs],
            [places.get((pair, "swapped")) for pair in pairs],
            draws,
        )
        results[f"{judge} {prompt}"] = {
            **of(with_people),
            "consistent": order.consistent,
            "consistent_interval": order.consistent_interval,
            "position_bias": order.position_bias,
            "position_bias_interval": order.position_bias_interval,
        }
    return results


def of(results: JudgeAgreement) -> dict[str, Any]:
    return {
        "rows": results.rows,
        "unreadable": results.unreadable,
        "accuracy": results.accuracy,
        "accuracy_interval": results.accuracy_interval,
        "kappa": results.kappa,
        "kappa_interval": results.kappa_interval,
    }


# PandaLM

_NUMBER = {"a": "1", "b": "2", "tie": "tie", None: None}


def pandalm(data: Path, draws: int) -> dict[str, Any]:
    rows = read(data / "pandalm" / "pairs.parquet")
    people = [row["human_majority"] for row in rows]
    prompts = [row["prompt_id"] for row in rows]
    votes = [row["human_votes"] for row in rows]
    humans = judge_agreement([v[0] for v in votes], [v[1] for v in votes], prompts, draws)
    results: dict[str, Any] = {
        "pandalm_pairs": len(rows),
        "pandalm_humans_1_and_2": {"accuracy": humans.accuracy, "kappa": humans.kappa},
    }
    for judge in ("gpt35", "pandalm"):
        verdicts = [_NUMBER[read_verdict(row[f"{judge}_verdict"], "pair").value] for row in rows]
        reasons = [_NUMBER[read_verdict(row[f"{judge}_reason"], "pair").value] for row in rows]
        results |= {
            f"pandalm_{judge}_read_share": sum(v is not None for v in verdicts) / len(rows),
            f"pandalm_{judge}_unread": [
                r["id"] for r, v in zip(rows, verdicts, strict=True) if v is None
            ],
            f"pandalm_{judge}": of(judge_agreement(verdicts, people, prompts, draws)),
            f"pandalm_{judge}_reasons_with_a_verdict": sum(v is not None for v in reasons),
            f"pandalm_{judge}_reason_against_verdict": [
                row["id"]
                for row, reason, verdict in zip(rows, reasons, verdicts, strict=True)
                if reason and verdict and reason != verdict
            ],
            f"pandalm_{judge}_substring_wrong": substring_reasons(rows, judge, verdicts),
            f"pandalm_{judge}_for_llama": preferences(llama(rows, verdicts, draws)),
        }
    return results


def substring_reasons(rows: list[Row], judge: str, verdicts: list[str | None]) -> float:
    """Share of reasons in which the first number is not the verdict."""
    wrong = []
    for row, verdict in zip(rows, verdicts, strict=True):
        if reason := row[f"{judge}_reason"]:
            at = {number: reason.find(number) for number in "12" if number in reason}
            wrong.append((min(at, key=at.__getitem__) if at else "tie") != verdict)
    return sum(wrong) / len(wrong)


def llama(rows: list[Row], verdicts: list[str | None], draws: int) -> SelfPreference:
    """Measure by how much a judge prefers texts of LLaMA-7B at equal verdicts of people.

    PandaLM-7B was made from LLaMA-7B, so these are texts of its family. gpt-3.5 is reported beside
    it. A tie is half an acceptance. Each pair was judged in one order, so rows are compared at
    equal places too.
    """
    own, accepted, human, groups = [], [], [], []
    for row, verdict in zip(rows, verdicts, strict=True):
        models = [row["model_1"], row["model_2"]]
        if verdict is None or models.count("llama-7b") != 1:
            continue
        for number, model in zip("12", models, strict=True):
            own.append(model == "llama-7b")
            accepted.append({number: 1.0, "tie": 0.5}.get(verdict, 0.0))
            people = {number: "better", "tie": "equal"}.get(row["human_majority"], "worse")
            human.append(f"{people}, place {number}")
            groups.append(row["prompt_id"])
    return self_preference(own, accepted, human, groups, draws)


def preferences(results: SelfPreference) -> dict[str, Any]:
    return {
        "difference": results.difference,
        "difference_interval": results.difference_interval,
        "log_odds": results.log_odds,
        "log_odds_interval": results.log_odds_interval,
        "strata": {
            s.human: [s.own, s.own_accepted, s.others, s.others_accepted] for s in results.strata
        },
    }


# Texts that hold no verdict


def texts_without_verdict(data: Path, quick: bool) -> dict[str, Any]:
    """Count how often a parser finds a verdict in texts without one."""
    dev = read(data / "creak" / "dev.parquet")
    texts = {
        "creak_claims": [row["claim"] for row in dev],
        "creak_explanations": [row["explanation"] for row in dev],
        "factscore_biographies": [
            r["output"]
            for r in read(data / "factscore" / "generations.parquet")
            if not r["abstained"]
        ],
        "factscore_refusals": [
            r["output"] for r in read(data / "factscore" / "generations.parquet") if r["abstained"]
        ],
        "factscore_facts": [
            row["text"] for row in read(data / "factscore" / "human_facts.parquet")
        ],
    }
    results: dict[str, Any] = {}
    for name, rows in texts.items():
        rows = rows[:500] if quick else rows
        answers = [(text, read_verdict(text, "yes-no")) for text in rows]
        results[f"{name}_texts"] = len(rows)
        results[f"{name}_strict_found"] = [
            text for text, reading in answers if reading.value is not None
        ]
        results[f"{name}_substring_says_no"] = sum(
            substring_yes_no(text) == "no" for text in rows
        ) / len(rows)
    return results


def figures(options: Options) -> Figures:
    """Measure all sets; lists hold ids or texts to look at."""
    draws = 200 if options.quick else 2_000
    data = options.data_folder
    results = (
        llmbar(data, draws) | pandalm(data, draws) | texts_without_verdict(data, options.quick)
    )
    print(show(results))
    return results


def show(results: dict[str, Any]) -> str:
    """Print the figures as tables."""
    judges: dict[str, Row] = results["llmbar_judges"] | {
        f"pandalm {name}": results[f"pandalm_{name}"] for name in ("gpt35", "pandalm")
    }
    head = (
        "judge",
        "rows",
        "unread",
        "accuracy",
        "",
        "kappa",
        "",
        "consistent",
        "",
        "position bias",
        "",
    )
    lines = [
        (
            name, row["rows"], row["unreadable"],
            row["accuracy"], span(row["accuracy_interval"]), row["kappa"],
            span(row["kappa_interval"]),
            row.get("consistent", "one order"), span(row.get("consistent_interval")),
            row.get("position_bias", ""), span(row.get("position_bias_interval")),
        )
        for name, row in judges.items()
    ]  # fmt: skip
    rest = [
        (name, value if not isinstance(value, list | dict) else brief(value))
        for name, value in results.items()
        if name not in ("llmbar_judges", "pandalm_gpt35", "pandalm_pandalm")
    ]
    return table([head, *lines]) + "\n\n" + table([("figure", "value"), *rest])


def span(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.3f} to {pair[1]:.3f}"


def brief(value: Any) -> str:
    """Return a list as its length and its beginning."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {brief(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple) and all(isinstance(item, int | float) for item in value):
        return " ".join(brief(item) for item in value)
    if isinstance(value, list):
        shown = "; ".join(str(item)[:70] for item in value[:12])
        return f"{len(value)}" + (f": {shown}" if value else "") + (" …" if len(value) > 12 else "")
    return str(value)
