"""Expressions as answers, as in the Game of 24: exactly the given numbers, and a target value."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.arithmetic import parse
from synthkd.kinds.rationale.number_answers import write_number
from synthkd.kinds.rationale.tokens import plain, tokens
from synthkd.kinds.rationale.trees import (
    Number,
    Operation,
    Tree,
    UnreadableExpressionError,
    tree_numbers,
    tree_value,
)

_LABEL = re.compile(
    r"^\W*(?:(?:so|hence|thus|therefore),?\s+)?(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?\s*",
    re.IGNORECASE,
)


def read_expression(text: str) -> tuple[str, int] | Malformed:
    """Return the last line's expression, left of the equals sign, and the line's start."""
    lines = [match for match in re.finditer(r"[^\n]+", text) if match[0].strip()]
    if not lines:
        return Malformed("no_text")
    written = _LABEL.sub("", lines[-1][0].strip()).partition("=")[0].strip().rstrip(".").strip()
    if expression_tree(written) is None:
        labelled = _LABEL.match(lines[-1][0])
        return Malformed(
            "not_an_expression" if labelled else "no_answer", lines[-1][0].strip()[:80]
        )
    return " ".join(written.split()), lines[-1].start()


def expression_tree(text: str) -> Tree | None:
    """Parse a text that is one expression of at least two numbers; None for any other text."""
    parts = tokens(plain(text))
    try:
        tree, after = parse(parts, 0, units=False)
    except UnreadableExpressionError:
        return None
    return tree if after == len(parts) and isinstance(tree, Operation) else None


def given_numbers(text: str) -> list[Fraction]:
    """Return the numbers of an input's text."""
    return [token.value for token in tokens(plain(text)) if token.kind == "number"]


def objection(text: str, given: list[Fraction], target: Fraction) -> str | None:
    """Return why an expression is wrong (its numbers or its value); None if it is right."""
    tree = expression_tree(text)
    if tree is None:
        return "no expression"
    used = [number.value for number in tree_numbers(tree)]
    if Counter(used) != Counter(given):
        return f"uses {_listed(used)}, given are {_listed(given)}"
    made = tree_value(tree)
    if made != target:
        return (
            f"comes to {'nothing' if made is None else write_number(made)}, not"
            f" {write_number(target)}"
        )
    return None


def _listed(numbers: list[Fraction]) -> str:
    return " ".join(write_number(number) for number in sorted(numbers))


def canonical_expression(text: str) -> str:
    """Write an expression in canonical order with the fewest brackets."""
    tree = expression_tree(text)
    return " ".join(text.split()) if tree is None else _write(tree)


def _write(tree: Tree) -> str:
    if isinstance(tree, Number):
        return write_number(tree.value)
    if tree.op == "^":
        return f"{_bracket(tree.left)} ^ {_bracket(tree.right)}"
    plus, minus = ("+", "-") if tree.op in "+-" else ("*", "/")
    up, down = _flat(tree, plus, minus)
    # Sums need brackets inside a product only.
    shown = [
        sorted(_bracket(part) if plus == "*" else _write(part) for part in parts)
        for parts in (up, down)
    ]
    return f" {plus} ".join(shown[0]) + "".join(f" {minus} {part}" for part in shown[1])


def _bracket(tree: Tree) -> str:
    return _write(tree) if isinstance(tree, Number) and tree.value >= 0 else f"({_write(tree)})"


def _flat(tree: Tree, plus: str, minus: str) -> tuple[list[Tree], list[Tree]]:
    """Flatten an expression to added and subtracted (or multiplied and divided) parts."""
    if isinstance(tree, Number) or tree.op not in (plus, minus):
        return [tree], []
    up, down = _flat(tree.left, plus, minus)
    more, less = _flat(tree.right, plus, minus)
    return (up + more, down + less) if tree.op == plus else (up + less, down + more)
