"""Votes over real chains: are they read, what does agreement buy, and how many samples need be asked.

    python -m benchmarks votes [--quick] [--teacher synthkd/everyday] [--json FILE]

CommonsenseQA and SVAMP (PaLM-540B and Llama-3 chains, train parts), GSM8K (published model solutions, test) and the Game of
24 (GPT-4 samples); with ``--teacher``, also the everyday word problems, 20 samples each of that checkpoint. Weights are estimated from agreement alone; gold answers only score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.base import data_folder, options, table, write
from benchmarks.votes.accuracy import Weigh, by_reliability, figure, scores
from benchmarks.votes.adaptive import curve
from benchmarks.votes.rows import (
    Question,
    Vote,
    passed_only,
    read_cqa,
    read_everyday,
    read_game24,
    read_gsm8k,
    read_svamp,
)

#: Fates of texts that have an answer which is none of its type, and of texts that have none.
NO_ANSWER = ("no_text", "no_answer")


def parsing(questions: list[Question]) -> dict[str, Any]:
    """Shares of what was read and what was not, by voter; each text that was not is listed."""
    votes = [(question.id, vote) for question in questions for vote in question.votes]
    by_voter: dict[str, Counter[str]] = {}
    for _, vote in votes:
        by_voter.setdefault(vote.voter, Counter())[vote.fate or f"read by {vote.found_by}"] += 1
    fates = Counter(vote.fate for _, vote in votes if vote.fate)
    return {
        "texts": len(votes),
        "unparsed_share": round(sum(fates.values()) / len(votes), 5),
        "no_answer_in_text_share": round(sum(fates[name] for name in NO_ANSWER) / len(votes), 5),
        "fates": dict(fates.most_common()),
        "by_voter": {name: dict(counts.most_common()) for name, counts in sorted(by_voter.items())},
        "accuracy_by_way": _by_way(votes),
        "unparsed": [
            {"id": name, "voter": vote.voter, "fate": vote.fate, "text": vote.text.strip()[-160:]}
            for name, vote in votes
            if vote.fate
        ],
    }


def _by_way(votes: list[tuple[str, Vote]]) -> dict[str, list[float]]:
    ways: dict[str, list[bool]] = {}
    for _, vote in votes:
        if not vote.fate:
            ways.setdefault(vote.found_by, []).append(vote.right)
    return {way: [len(right), round(float(np.mean(right)), 4)] for way, right in sorted(ways.items())}


def voting(questions: list[Question]) -> dict[str, Any]:
    """Single, majority and weighted votes.

    ``weighted``: reliability of each model, from agreement alone, as `votes.by: teacher` has it; ``weighted_run``: of each
    run as if it were a model; ``weighted_checked``: of each run, split by whether the steps pass the checks. ``checked``: a vote whose steps fail the
    checks counts half. ``balanced``: each model has one vote in all. Differences are of expected values (a tie is drawn),
    unless their name says that ties are wrong.
    """
    plain = scores(questions)
    found: dict[str, Any] = {
        "questions": len(questions),
        "single_mean": figure(plain[:, 0]),
        "majority": figure(plain[:, 1]),
        "majority_expected": figure(plain[:, 2]),
        "tied_share": round(float(np.mean([_tied(question) for question in questions])), 4),
        "majority_minus_single": figure(plain[:, 2] - plain[:, 0]),
    }
    voters = sorted({vote.voter for question in questions for vote in question.votes})
    found["single_by_voter"] = {name: _accuracy(questions, name) for name in voters}
    for way, weigh, sure in _ways(questions):
        weighted = scores(questions, weigh)
        found[way] = figure(weighted[:, 1])
        found[f"{way}_expected"] = figure(weighted[:, 2])
        found[f"{way}_minus_majority"] = figure(weighted[:, 2] - plain[:, 2])
        found[f"{way}_minus_best_voter"] = figure(weighted[:, 2] - _of_voter(questions, _best(found)))
        found[f"{way}_minus_majority_ties_wrong"] = figure(weighted[:, 1] - plain[:, 1])
        if sure:
            found[f"{way}_reliabilities"] = {name: round(value, 4) for name, value in sure.items()}
    return found


def _ways(questions: list[Question]) -> Iterator[tuple[str, Weigh, dict[str, float]]]:
    for way, voter in (
        ("weighted", _model),
        ("weighted_run", _voter),
        ("weighted_checked", _voter_and_checks),
    ):
        yield way, *by_reliability(questions, voter)
    yield "checked", _by_checks, {}
    yield "balanced", _by_model, {}


def _model(vote: Vote) -> str:
    """The model behind a run: runs of one model err together."""
    return vote.voter.partition("_")[0]


def _by_model(question: Question, vote: Vote) -> float:
    return 1.0 / sum(_model(other) == _model(vote) for other in question.votes)


def _by_checks(_: Question, vote: Vote) -> float:
    return 1.0 if vote.checks else 0.5


def _voter(vote: Vote) -> str:
    return vote.voter


def _voter_and_checks(vote: Vote) -> str:
    return f"{vote.voter}, steps {'pass' if vote.checks else 'fail'}"


def _tied(question: Question) -> bool:
    order = Counter(vote.answer for vote in question.votes if vote.answer is not None).most_common(2)
    return len(order) > 1 and order[0][1] == order[1][1]


def _of_voter(questions: list[Question], name: str) -> np.ndarray[Any, Any]:
    return np.array([max(vote.right for vote in q.votes if vote.voter == name) for q in questions], float)


def _accuracy(questions: list[Question], name: str) -> float:
    return round(float(np.mean([v.right for q in questions for v in q.votes if v.voter == name])), 4)


def _best(found: dict[str, Any]) -> str:
    return str(max(found["single_by_voter"], key=found["single_by_voter"].get))


def checks(questions: list[Question]) -> dict[str, Any]:
    """Accuracy of chains whose steps pass the checks, and of those whose steps do not."""
    votes = [vote for question in questions for vote in question.votes if vote.answer is not None]
    passed = [vote.right for vote in votes if vote.checks]
    failed = [vote.right for vote in votes if not vote.checks]
    return {
        "passed_share": round(len(passed) / len(votes), 4),
        "right_if_passed": round(float(np.mean(passed)), 4),
        "right_if_failed": round(float(np.mean(failed)), 4) if failed else None,
    }


def game24(questions: list[Question]) -> dict[str, Any]:
    """Single samples, majority of expressions, majority of those whose equations hold, and best of n by the checker."""
    plain = scores(questions)
    held = scores(questions, lambda _, vote: float(vote.checks))
    most = max(len(question.votes) for question in questions)
    right = np.array([sum(vote.right for vote in question.votes) for question in questions])
    return {
        "single": figure(plain[:, 0]),
        "majority": figure(plain[:, 1]),
        "majority_expected": figure(plain[:, 2]),
        "majority_of_checked": figure(held[:, 1]),
        "majority_of_checked_expected": figure(held[:, 2]),
        "checked_minus_majority": figure(held[:, 2] - plain[:, 2]),
        "verifier_best_of_10": figure(np.array([_best_of(10, int(r), most) for r in right])),
        f"verifier_best_of_{most}": figure((right > 0).astype(float)),
        "no_expression_share": round(
            float(np.mean([vote.answer is None for question in questions for vote in question.votes])), 4
        ),
    }


def _best_of(n: int, right: int, most: int) -> float:
    """Chance that n of the samples, drawn without replacement, hold a right one."""
    miss = 1.0
    for i in range(n):
        miss *= max(0, most - right - i) / (most - i)
    return 1 - miss


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--data", help="folder of real rows")
    parser.add_argument(
        "--teacher", help="checkpoint that writes everyday rationales: synthkd/everyday, or a folder"
    )
    parser.add_argument("--only-teacher", action="store_true", help="nothing but the everyday word problems")
    given = parser.parse_args()
    data = data_folder(given.data)
    figures: dict[str, Any] = {}
    if given.teacher:
        figures["everyday"] = everyday(given.teacher, 40 if given.quick else 300)
    if given.only_teacher:
        write(figures, given.json)
        return
    sets = {"cqa": read_cqa(data), "svamp": read_svamp(data)}
    sets["gsm8k_singles"] = read_gsm8k(data, "finetuning")
    sets["gsm8k_verified"] = read_gsm8k(data, "verification")
    for name, questions in sets.items():
        questions = questions[:300] if given.quick else questions
        figures[name] = {"parsing": parsing(questions), "checks": checks(questions), **voting(questions)}
        _show(name, figures[name])
    orders = 2 if given.quick else 20
    for method in ("cot", "standard"):
        questions = read_game24(data, method)
        figures[f"game24_{method}"] = {
            **game24(questions),
            "checks": checks(questions),
            "adaptive": curve(questions, orders=orders),
        }
        _show_game(method, figures[f"game24_{method}"])
    for name in ("cqa", "svamp"):
        figures[name]["adaptive"] = curve(sets[name], first=2, step=1, orders=3)
        _show_curve(name, figures[name]["adaptive"])
    figures["adaptive"] = summary(figures)
    _show_summary(figures["adaptive"])
    write(figures, given.json)


def everyday(model: str, questions: int) -> dict[str, Any]:
    """Votes of many samples, with and without those whose steps fail the checks, and adaptive sampling on both."""
    with TemporaryDirectory() as folder:
        asked = read_everyday(model, Path(folder), questions)
    found: dict[str, Any] = {"checks": checks(asked)}
    for name, chosen in (("all", asked), ("checked", passed_only(asked))):
        plain = scores(chosen)
        found[name] = {
            "single_mean": figure(plain[:, 0]),
            "majority": figure(plain[:, 1]),
            "majority_minus_single": figure(plain[:, 1] - plain[:, 0]),
            "adaptive": curve(chosen),
        }
        print(f"\neveryday word problems, votes of {name}: {found['checks']}")
        print(
            table(
                [
                    ("figure", "value [95 %]"),
                    *((k, _with_interval(v)) for k, v in found[name].items() if k != "adaptive"),
                ]
            )
        )
        _show_curve(f"everyday, {name}", found[name]["adaptive"])
    return found


def summary(figures: dict[str, Any]) -> dict[str, Any]:
    """The two figures of adaptive sampling, by set and rule; ``game24`` is both ways of asking together."""
    named = ("game24_cot", "game24_standard", "svamp", "cqa")
    found: dict[str, Any] = {}
    for figure_name, key in (("adaptive_kept", "kept"), ("adaptive_samples_share", "samples_share")):
        by_set = {name: {rule: f[key] for rule, f in figures[name]["adaptive"].items()} for name in named}
        both = (by_set["game24_cot"], by_set["game24_standard"])
        by_set["game24"] = {rule: round((both[0][rule] + both[1][rule]) / 2, 4) for rule in both[0]}
        found[figure_name] = by_set
    return found


def _with_interval(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['value']:.3f} [{low:.3f}, {high:.3f}]"


def _show(name: str, found: dict[str, Any]) -> None:
    read = found["parsing"]
    print(
        f"\n{name}: {found['questions']:,} questions, {read['texts']:,} texts, {read['unparsed_share']:.2%} unparsed"
    )
    print("  " + ", ".join(f"{fate} {count}" for fate, count in read["fates"].items()))
    print(
        "  single by voter: "
        + ", ".join(f"{who} {value:.3f}" for who, value in found["single_by_voter"].items())
    )
    print(
        f"  steps pass the checks in {found['checks']['passed_share']:.1%}: right {found['checks']['right_if_passed']:.3f}"
    )
    rows: list[tuple[Any, ...]] = [("figure", "value [95 %]")]
    rows += [
        (key, _with_interval(value))
        for key, value in found.items()
        if isinstance(value, dict) and "interval" in value
    ]
    print(table(rows))


def _show_game(name: str, found: dict[str, Any]) -> None:
    print(f"\nGame of 24, {name}")
    rows: list[tuple[Any, ...]] = [("figure", "value [95 %]")]
    rows += [
        (key, _with_interval(value))
        for key, value in found.items()
        if isinstance(value, dict) and "interval" in value
    ]
    print(table(rows))
    _show_curve(name, found["adaptive"])


def _show_summary(found: dict[str, Any]) -> None:
    kept, asked = found["adaptive_kept"]["game24"], found["adaptive_samples_share"]["game24"]
    print("\nadaptive, Game of 24 (both)")
    print(
        table([("rule", "adaptive_kept", "adaptive_samples_share"), *((r, kept[r], asked[r]) for r in kept)])
    )


def _show_curve(name: str, found: dict[str, Any]) -> None:
    print(f"\nadaptive, {name}")
    head = ("rule", "answer kept", "samples asked", "accuracy early", "accuracy all")
    print(
        table(
            [
                head,
                *(
                    (rule, f["kept"], f["samples_share"], f["accuracy_early"], f["accuracy_all"])
                    for rule, f in found.items()
                ),
            ]
        )
    )


if __name__ == "__main__":
    main()
