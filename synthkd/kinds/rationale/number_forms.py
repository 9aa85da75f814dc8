"""Forms that look like an expression but are not one number: ranges, dates, pairs, shares."""

from __future__ import annotations

import re

from synthkd.kinds.rationale.numerals import read_numeral
from synthkd.kinds.rationale.tokens import Token
from synthkd.kinds.rationale.trees import Number, Tree, tree_numbers, tree_value

_GROUP, _GROUPS_BEGIN = (
    re.compile(r"[0-9]{3}(?:[.,][0-9]+)?"),
    re.compile(r"[1-9][0-9]{0,2}(?:\u202f[0-9]{3})*"),
)


def join_digit_groups(text: str, parts: list[Token]) -> list[Token]:
    """Join groups of digits between single blanks to one number: `1 200`."""
    made: list[Token] = []
    for token in parts:
        before = made[-1] if made else None
        if (
            before is not None
            and token.kind in ("number", "bad")
            and text[before.end : token.start] == " "
            and _GROUP.fullmatch(token.text)
            and _GROUPS_BEGIN.fullmatch(before.text)
            and (read := read_numeral(f"{before.text}\u202f{token.text}"))
        ):
            made[-1] = Token(
                "number",
                f"{before.text}\u202f{token.text}",
                before.start,
                token.end,
                read.value,
                read.places,
                False,
            )
        else:
            made.append(token)
    return made


def is_range(text: str, parts: list[Token], tree: Tree, start: int, end: int) -> bool:
    """Return True if an expression is not arithmetic: `3-5`, `5/1/2024`, `3x4`, `42 of 50`."""
    if isinstance(tree, Number):
        return False
    if any(number.percent for number in tree_numbers(tree)) or is_part_of_whole(tree):
        return True
    depth, slashes, minus, other = 0, 0, 0, 0
    for place in range(start, end):
        token = parts[place]
        depth += (token.kind == "open") - (token.kind == "close")
        if token.kind != "op" or place == start:
            continue
        touches = parts[place - 1].end == token.start and token.end == parts[place + 1].start
        if token.text == "-" and parts[place - 1].kind not in ("op", "open", "currency"):
            if touches and (depth == 0 or (tree_value(tree) or 0) < 0):
                return True
            minus += depth == 0
        elif token.text == "/":
            slashes += touches and depth == 0
        elif (
            token.text == "*"
            and touches
            and not depth
            and parts[min(place + 2, len(parts) - 1)].text != "^"
        ):
            # "3x4" is a size, "3·5" may be a decimal.
            return True
        elif token.text == "*" and touches and text[token.start : token.end] in ("x", "X"):
            return True
        else:
            other += token.text != "^"
    if slashes and _is_year(tree):
        return True
    bare = all(unit == "dollar" for unit in next(tree_numbers(tree)).units)
    return slashes > 1 or bool(minus and not other and bare and parts[start].kind != "open")


def _is_year(tree: Tree) -> bool:
    """Return True for a year such as `2024/25`."""
    if isinstance(tree, Number) or not (
        isinstance(tree.left, Number) and isinstance(tree.right, Number)
    ):
        return False
    return 1900 < tree.left.value < 2100 and tree.right.value == (tree.left.value + 1) % 100


def is_pair(parts: list[Token], start: int, end: int) -> bool:
    """Return True if brackets hold two numbers rather than a decimal by comma: `[3,4]`."""
    token = parts[end]
    if token.certain or "," not in token.text or not 0 < end < len(parts) - 1:
        return False
    return parts[end - 1].text in ("(", "[", "{") and parts[end + 1].text in (")", "]", "}")


def is_part_of_whole(tree: Tree) -> bool:
    """Return True if an `of` is not a product: `42 of 50`."""
    if isinstance(tree, Number):
        return False
    if (
        tree.op == "of"
        and isinstance(tree.left, Number)
        and tree.left.value >= 1
        and not tree.left.percent
    ):
        return True
    return is_part_of_whole(tree.left) or is_part_of_whole(tree.right)


def is_bracketed_money(parts: list[Token]) -> bool:
    """Return True for an amount in brackets, as accounts write debts: `($500)`."""
    kinds = [token.kind for token in parts if token.kind != "word"]
    return kinds in (
        ["open", "currency", "number", "close"],
        ["currency", "open", "number", "close"],
    )
