"""Expressions as answers, as in the Game of 24: exactly the given numbers, and a value that is asked for."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.arithmetic import Number, Operation, Tree, Unreadable, numbers, parse, value
from synthkd.kinds.rationale.numeric import write_number
from synthkd.kinds.rationale.tokens import plain, tokens

_LABEL = re.compile(
    r"^\W*(?:(?:so|hence|thus|therefore),?\s+)?(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?\s*",
    re.IGNORECASE,
)


def read_expression(text: str) -> tuple[str, int] | Malformed:
    """The expression of the last line, left of its equals sign, and where that line begins."""
    lines = [found for found in re.finditer(r"[^\n]+", text) if found[0].strip()]
    if not lines:
        return Malformed("no_text")
    written = _LABEL.sub("", lines[-1][0].strip()).partition("=")[0].strip().rstrip(".").strip()
    if expression_tree(written) is None:
        labelled = _LABEL.match(lines[-1][0])
        return Malformed("not_an_expression" if labelled else "no_answer", lines[-1][0].strip()[:80])
    return " ".join(written.split()), lines[-1].start()


def expression_tree(text: str) -> Tree | None:
    """The tree of a text that is one expression of two numbers at least."""
    found = tokens(plain(text))
    try:
        tree, after = parse(found, 0, units=False)
    except Unreadable:
        return None
    return tree if after == len(found) and isinstance(tree, Operation) else None


def given_numbers(text: str) -> list[Fraction]:
    """The numbers that an input gives."""
    return [token.value for token in tokens(plain(text)) if token.kind == "number"]


def objection(text: str, given: list[Fraction], target: Fraction) -> str | None:
    """What is wrong with an expression: numbers, or value; None where nothing is."""
    tree = expression_tree(text)
    if tree is None:
        return "no expression"
    used = [number.value for number in numbers(tree)]
    if Counter(used) != Counter(given):
        return f"uses {_listed(used)}, given are {_listed(given)}"
    made = value(tree)
    if made != target:
        return f"comes to {'nothing' if made is None else write_number(made)}, not {write_number(target)}"
    return None


def _listed(found: list[Fraction]) -> str:
    return " ".join(write_number(number) for number in sorted(found))


def canonical_expression(text: str) -> str:
    """An expression in one order and with no bracket that it can do without: a * (b + c) and (c + b) * a are one."""
    tree = expression_tree(text)
    return " ".join(text.split()) if tree is None else _write(tree)


def _write(tree: Tree) -> str:
    if isinstance(tree, Number):
        return write_number(tree.value)
    if tree.op == "^":
        return f"{_bracket(tree.left)} ^ {_bracket(tree.right)}"
    plus, minus = ("+", "-") if tree.op in "+-" else ("*", "/")
    up, down = _flat(tree, plus, minus)
    # In a product, sums stand in brackets; in a sum, nothing does.
    shown = [
        sorted(_bracket(part) if plus == "*" else _write(part) for part in parts) for parts in (up, down)
    ]
    return f" {plus} ".join(shown[0]) + "".join(f" {minus} {part}" for part in shown[1])


def _bracket(tree: Tree) -> str:
    return _write(tree) if isinstance(tree, Number) and tree.value >= 0 else f"({_write(tree)})"


def _flat(tree: Tree, plus: str, minus: str) -> tuple[list[Tree], list[Tree]]:
    """What is added and what is taken away (or times and divided by), through all levels of the same kind."""
    if isinstance(tree, Number) or tree.op not in (plus, minus):
        return [tree], []
    up, down = _flat(tree.left, plus, minus)
    more, less = _flat(tree.right, plus, minus)
    return (up + more, down + less) if tree.op == plus else (up + less, down + more)
