"""Votes over recorded chains: reading, majority and weighted votes, adaptive sampling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Figures, Options
from benchmarks.votes.accuracy import Weigh, by_reliability, figure, scores
from benchmarks.votes.adaptive import curve
from benchmarks.votes.rows import Question, Vote, read_cqa, read_game24, read_gsm8k, read_svamp
from benchmarks.votes.tables import show_adaptive, show_curve, show_game, show_votes

_CHAINS: dict[str, Callable[[Path], list[Question]]] = {
    "cqa": read_cqa,
    "svamp": read_svamp,
    "gsm8k_singles": lambda data: read_gsm8k(data, "finetuning"),
    "gsm8k_verified": lambda data: read_gsm8k(data, "verification"),
}
#: Sets with enough samples of a question for adaptive sampling, and their samples before the first
#: check.
_SEVERAL = ("cqa", "svamp")
#: Outcomes of texts without an answer; the others have an answer of another type.
NO_ANSWER = ("no_text", "no_answer")


def figures(options: Options) -> Figures:
    """Measure the chosen sets, and adaptive sampling on sets with several samples."""
    results: Figures = {}
    for name, read in _CHAINS.items():
        if name not in options.only:
            continue
        every = read(options.data_folder)
        questions = every[:300] if options.quick else every
        results[name] = {
            "parsing": parsing(questions),
            "checks": checks(questions),
            **voting(questions),
        }
        show_votes(name, results[name])
        if name in _SEVERAL:
            results[name]["adaptive"] = curve(every, first=2, step=1, orders=3)
            show_curve(name, results[name]["adaptive"])
    for method in ("cot", "standard"):
        if f"game24_{method}" not in options.only:
            continue
        questions = read_game24(options.data_folder, method)
        adaptive = curve(questions, orders=2 if options.quick else 20)
        results[f"game24_{method}"] = {
            **game24(questions),
            "checks": checks(questions),
            "adaptive": adaptive,
        }
        show_game(method, results[f"game24_{method}"])
    results["adaptive"] = summary(results)
    if "game24" in results["adaptive"]["adaptive_kept"]:
        show_adaptive(results["adaptive"])
    return results


def parsing(questions: list[Question]) -> dict[str, Any]:
    """Measure shares of texts with an answer and without, by voter; list each text without one."""
    votes = [(question.id, vote) for question in questions for vote in question.votes]
    by_voter: dict[str, Counter[str]] = {}
    for _, vote in votes:
        by_voter.setdefault(vote.voter, Counter())[vote.outcome or f"read by {vote.found_by}"] += 1
    fates = Counter(vote.outcome for _, vote in votes if vote.outcome)
    return {
        "texts": len(votes),
        "unparsed_share": round(sum(fates.values()) / len(votes), 5),
        "no_answer_in_text_share": round(sum(fates[name] for name in NO_ANSWER) / len(votes), 5),
        "fates": dict(fates.most_common()),
        "by_voter": {name: dict(counts.most_common()) for name, counts in sorted(by_voter.items())},
        "accuracy_by_way": _by_way(votes),
        "unparsed": [
            {
                "id": name,
                "voter": vote.voter,
                "fate": vote.outcome,
                "text": vote.text.strip()[-160:],
            }
            for name, vote in votes
            if vote.outcome
        ],
    }


def _by_way(votes: list[tuple[str, Vote]]) -> dict[str, list[float]]:
    ways: dict[str, list[bool]] = {}
    for _, vote in votes:
        if not vote.outcome:
            ways.setdefault(vote.found_by, []).append(vote.right)
    return {
        way: [len(right), round(float(np.mean(right)), 4)] for way, right in sorted(ways.items())
    }


def voting(questions: list[Question]) -> dict[str, Any]:
    """Measure single, majority and weighted votes.

    ``weighted``: reliability of each model, from agreement alone, as `votes.by: teacher`;
    ``weighted_run``: of each run as if it were a model; ``weighted_checked``: of each run, divided
    by whether the steps pass the checks. ``checked``: a vote whose steps fail the checks counts
    half. ``balanced``: each model has one vote in all. Differences are of expected values (a tie is
    drawn), unless their name says that ties are wrong.
    """
    plain = scores(questions)
    results: dict[str, Any] = {
        "questions": len(questions),
        "single_mean": figure(plain[:, 0]),
        "majority": figure(plain[:, 1]),
        "majority_expected": figure(plain[:, 2]),
        "tied_share": round(float(np.mean([_tied(question) for question in questions])), 4),
        "majority_minus_single": figure(plain[:, 2] - plain[:, 0]),
    }
    voters = sorted({vote.voter for question in questions for vote in question.votes})
    results["single_by_voter"] = {name: _accuracy(questions, name) for name in voters}
    for way, weigh, sure in _ways(questions):
        weighted = scores(questions, weigh)
        results[way] = figure(weighted[:, 1])
        results[f"{way}_expected"] = figure(weighted[:, 2])
        results[f"{way}_minus_majority"] = figure(weighted[:, 2] - plain[:, 2])
        results[f"{way}_minus_best_voter"] = figure(
            weighted[:, 2] - _of_voter(questions, _best(results))
        )
        results[f"{way}_minus_majority_ties_wrong"] = figure(weighted[:, 1] - plain[:, 1])
        if sure:
            results[f"{way}_reliabilities"] = {
                name: round(value, 4) for name, value in sure.items()
            }
    return results


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
    """Return the model of a run, since runs of one model err together."""
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
    order = Counter(vote.answer for vote in question.votes if vote.answer is not None).most_common(
        2
    )
    return len(order) > 1 and order[0][1] == order[1][1]


def _of_voter(questions: list[Question], name: str) -> np.ndarray[Any, Any]:
    return np.array(
        [max(vote.right for vote in q.votes if vote.voter == name) for q in questions], float
    )


def _accuracy(questions: list[Question], name: str) -> float:
    return round(
        float(np.mean([v.right for q in questions for v in q.votes if v.voter == name])), 4
    )


def _best(results: dict[str, Any]) -> str:
    return str(max(results["single_by_voter"], key=results["single_by_voter"].get))


def checks(questions: list[Question]) -> dict[str, Any]:
    """Measure accuracy of chains whose steps pass the checks, and of those whose steps do not."""
    votes = [vote for question in questions for vote in question.votes if vote.answer is not None]
    passed = [vote.right for vote in votes if vote.checks]
    failed = [vote.right for vote in votes if not vote.checks]
    return {
        "passed_share": round(len(passed) / len(votes), 4),
        "right_if_passed": round(float(np.mean(passed)), 4),
        "right_if_failed": round(float(np.mean(failed)), 4) if failed else None,
    }


def game24(questions: list[Question]) -> dict[str, Any]:
    """Compare single samples, majority, majority of checked expressions, best of n."""
    plain = scores(questions)
    held_out = scores(questions, lambda _, vote: float(vote.checks))
    most = max(len(question.votes) for question in questions)
    right = np.array([sum(vote.right for vote in question.votes) for question in questions])
    return {
        "single": figure(plain[:, 0]),
        "majority": figure(plain[:, 1]),
        "majority_expected": figure(plain[:, 2]),
        "majority_of_checked": figure(held_out[:, 1]),
        "majority_of_checked_expected": figure(held_out[:, 2]),
        "checked_minus_majority": figure(held_out[:, 2] - plain[:, 2]),
        "verifier_best_of_10": figure(np.array([_best_of(10, int(r), most) for r in right])),
        f"verifier_best_of_{most}": figure((right > 0).astype(float)),
        "no_expression_share": round(
            float(
                np.mean([vote.answer is None for question in questions for vote in question.votes])
            ),
            4,
        ),
    }


def _best_of(n: int, right: int, most: int) -> float:
    """Return the chance that n of the samples, drawn without replacement, include a right one."""
    miss = 1.0
    for i in range(n):
        miss *= max(0, most - right - i) / (most - i)
    return 1 - miss


def summary(figures: Figures) -> Figures:
    """Return the two figures of adaptive sampling by set and rule.

    ``game24`` is the mean of both ways of asking.
    """
    results: Figures = {}
    for name, key in (("adaptive_kept", "kept"), ("adaptive_samples_share", "samples_share")):
        by_set = {
            chains: {rule: values[key] for rule, values in of_set["adaptive"].items()}
            for chains, of_set in figures.items()
            if "adaptive" in of_set
        }
        both = [
            by_set[f"game24_{method}"]
            for method in ("cot", "standard")
            if f"game24_{method}" in by_set
        ]
        if len(both) == 2:
            by_set["game24"] = {
                rule: round((both[0][rule] + both[1][rule]) / 2, 4) for rule in both[0]
            }
        results[name] = by_set
    return results
