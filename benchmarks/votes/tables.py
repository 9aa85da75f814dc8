"""Tables of the figures of votes."""

from __future__ import annotations

from typing import Any

from benchmarks.text_table import table


def with_interval(results: dict[str, Any]) -> str:
    low, high = results["interval"]
    return f"{results['value']:.3f} [{low:.3f}, {high:.3f}]"


def show_votes(name: str, results: dict[str, Any]) -> None:
    read = results["parsing"]
    print(
        f"\n{name}: {results['questions']:,} questions, {read['texts']:,} texts,"
        f" {read['unparsed_share']:.2%} unparsed"
    )
    print("  " + ", ".join(f"{fate} {count}" for fate, count in read["fates"].items()))
    print(
        "  single by voter: "
        + ", ".join(f"{who} {value:.3f}" for who, value in results["single_by_voter"].items())
    )
    print(
        f"  steps pass the checks in {results['checks']['passed_share']:.1%}: right"
        f" {results['checks']['right_if_passed']:.3f}"
    )
    _show_intervals(results)


def show_game(name: str, results: dict[str, Any]) -> None:
    print(f"\nGame of 24, {name}")
    _show_intervals(results)
    show_curve(name, results["adaptive"])


def show_adaptive(results: dict[str, Any]) -> None:
    kept, samples = results["adaptive_kept"]["game24"], results["adaptive_samples_share"]["game24"]
    print("\nadaptive, Game of 24 (both)")
    print(
        table(
            [
                ("rule", "adaptive_kept", "adaptive_samples_share"),
                *((r, kept[r], samples[r]) for r in kept),
            ]
        )
    )


def show_curve(name: str, results: dict[str, Any]) -> None:
    print(f"\nadaptive, {name}")
    head = ("rule", "answer kept", "samples asked", "accuracy early", "accuracy all")
    print(
        table(
            [
                head,
                *(
                    (rule, f["kept"], f["samples_share"], f["accuracy_early"], f["accuracy_all"])
                    for rule, f in results.items()
                ),
            ]
        )
    )


def _show_intervals(results: dict[str, Any]) -> None:
    """Print the figures that have an interval."""
    rows: list[tuple[Any, ...]] = [("figure", "value [95 %]")]
    rows += [
        (key, with_interval(value))
        for key, value in results.items()
        if isinstance(value, dict) and "interval" in value
    ]
    print(table(rows))
