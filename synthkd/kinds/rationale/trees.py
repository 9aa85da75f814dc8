"""Trees of arithmetic expressions and their exact values.

`arithmetic.parse` makes them. Nothing is ever evaluated as code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt

#: Larger powers and numbers (in bits) are not arithmetic that anybody wrote for people.
_HIGHEST_POWER, _MOST_BITS = 64, 4096


class UnreadableExpressionError(Exception):
    """The tokens are no expression, or an expression with an unknown."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number and how it was written.

    Attributes:
        value: The number; of a percentage, the number before the sign.
        places: Decimals that it was written with.
        percent: True if a percent sign follows.
        units: Words of its unit.
        certain: As in `Numeral`.
        other: As in `Numeral`.
    """

    value: Fraction
    places: int = 0
    percent: bool = False
    units: tuple[str, ...] = ()
    certain: bool = True
    other: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator (``+ - * / ^ of``) and its operands."""

    op: str
    left: Tree
    right: Tree


Tree = Number | Operation


def tree_numbers(tree: Tree) -> Iterator[Number]:
    """Yield the numbers of a tree, from left to right."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Number):
            yield node
        else:
            stack += [node.right, node.left]


def tree_value(tree: Tree, percent_as_part: bool = True) -> Fraction | None:
    """Compute the exact value of a tree.

    Args:
        tree: The expression.
        percent_as_part: Read `25%` as 1/4 rather than as 25.

    Returns:
        The value; None for a division by zero or a number beyond the bounds.
    """
    if isinstance(tree, Number):
        return tree.value / 100 if tree.percent and percent_as_part else tree.value
    left, right = tree_value(tree.left, percent_as_part), tree_value(tree.right, percent_as_part)
    if left is None or right is None:
        return None
    return _combined(tree.op, left, right)


def _combined(op: str, left: Fraction, right: Fraction) -> Fraction | None:
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op in ("*", "of"):
        made = left * right
    elif op == "/":
        if right == 0:
            return None
        made = left / right
    else:
        if right.denominator != 1 or abs(right) > _HIGHEST_POWER or (left == 0 and right < 0):
            return None
        made = left ** int(right)
    return (
        made
        if max(made.numerator.bit_length(), made.denominator.bit_length()) < _MOST_BITS
        else None
    )


def negated(tree: Tree) -> Tree:
    """Return a tree of the opposite sign."""
    if isinstance(tree, Number):
        other = None if tree.other is None else -tree.other
        return replace(tree, value=-tree.value, other=other)
    return Operation("-", Number(Fraction(0)), tree)


def square_root(number: Fraction | None) -> Fraction:
    """Return the exact square root.

    Raises:
        Unreadable: The number has no rational root.
    """
    if number is None or number < 0 or number.numerator.bit_length() > _MOST_BITS:
        raise UnreadableExpressionError
    root = Fraction(isqrt(number.numerator), isqrt(number.denominator))
    if root * root != number:
        raise UnreadableExpressionError
    return root


def has_units(tree: Tree) -> bool:
    """Return True if a number of the tree has a unit: `9 groups of 6` is no product."""
    return any(number.units for number in tree_numbers(tree))
