"""Tables of the figures of votes."""

from __future__ import annotations

from typing import Any

from benchmarks.text_table import table


def with_interval(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['value']:.3f} [{low:.3f}, {high:.3f}]"


def show_votes(name: str, found: dict[str, Any]) -> None:
    read = found["parsing"]
    print(
        f"\n{name}: {found['questions']:,} questions, {read['texts']:,} texts,"
        f" {read['unparsed_share']:.2%} unparsed"
    )
    print("  " + ", ".join(f"{fate} {count}" for fate, count in read["fates"].items()))
    print(
        "  single by voter: "
        + ", ".join(f"{who} {value:.3f}" for who, value in found["single_by_voter"].items())
    )
    print(
        f"  steps pass the checks in {found['checks']['passed_share']:.1%}: right"
        f" {found['checks']['right_if_passed']:.3f}"
    )
    _show_intervals(found)


def show_game(name: str, found: dict[str, Any]) -> None:
    print(f"\nGame of 24, {name}")
    _show_intervals(found)
    show_curve(name, found["adaptive"])


def show_adaptive(found: dict[str, Any]) -> None:
    kept, asked = found["adaptive_kept"]["game24"], found["adaptive_samples_share"]["game24"]
    print("\nadaptive, Game of 24 (both)")
    print(
        table(
            [
                ("rule", "adaptive_kept", "adaptive_samples_share"),
                *((r, kept[r], asked[r]) for r in kept),
            ]
        )
    )


def show_curve(name: str, found: dict[str, Any]) -> None:
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


def _show_intervals(found: dict[str, Any]) -> None:
    """Print the figures that have an interval."""
    rows: list[tuple[Any, ...]] = [("figure", "value [95 %]")]
    rows += [
        (key, with_interval(value))
        for key, value in found.items()
        if isinstance(value, dict) and "interval" in value
    ]
    print(table(rows))
