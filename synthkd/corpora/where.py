"""Conditions on the rows of a corpus, written as in SQL.

    relation = 'IsA' and score < 0.3
    rejected_by in ('critic', 'duplicate') and not text like '%cat%'
    score is null or (score >= 0.5 and recurrence between 2 and 5)

Columns stand as they are, or in double quotes if they hold other characters than letters, digits
and underscores; texts stand in single quotes (two of them for one in the text). As in SQL, a
comparison with an empty cell is neither true nor false, so that neither it nor its negation keeps
the row: `is null` finds such cells. A condition is read by the parser below and nothing else: no
part of it is run as code.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from synthkd.errors import InputError, nearest

_TOKENS = re.compile(
    r"\s*(?:"
    r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))"
    r"|(?P<text>'(?:[^']|'')*')"
    r'|(?P<column>"(?:[^"]|"")*"|`[^`]*`)'
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<mark><=|>=|<>|!=|==|=|<|>|\(|\)|,)"
    r"|(?P<odd>\S)"
    r")"
)
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_WORDS = frozenset({"and", "or", "not", "in", "like", "is", "between", *_CONSTANTS})
#: Parentheses and negations inside one another at most: the parser calls itself for each.
_DEEPEST = 50
#: Characters of the condition that a message shows.
_SHOWN = 60


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def condition(text: str, schema: pa.Schema) -> pc.Expression:
    """Read a condition as an expression that datasets and tables filter by.

    Args:
        text: The condition.
        schema: The columns that it may name.

    Raises:
        InputError: The condition cannot be read, names an unknown column, or compares a column with
            a value of another type.
    """
    return _Parser(text, schema).whole()


class _Parser:
    """Reads one condition by recursive descent."""

    def __init__(self, text: str, schema: pa.Schema) -> None:
        self.text, self.schema = text, schema
        self.tokens: list[_Token] = []
        for match in _TOKENS.finditer(text):
            kind = str(match.lastgroup)
            self.tokens.append(_Token(kind, match[kind], match.start(kind)))
        self.tokens.append(_Token("end", "", len(text.rstrip())))
        self.next = 0
        self.depth = 0

    def whole(self) -> pc.Expression:
        expression = self._either()
        if self._token.kind != "end":
            self._refuse("expected `and`, `or` or the end")
        return expression

    @property
    def _token(self) -> _Token:
        return self.tokens[self.next]

    def _refuse(self, problem: str, token: _Token | None = None) -> NoReturn:
        token = token or self._token
        if token.kind == "odd" and token.text == "'":
            problem = "a text has no end: a single quote is missing"
        place = "at the end" if token.kind == "end" else f"at {self.text[token.place :][:_SHOWN]!r}"
        self._fail(
            f"{problem} {place}; write it as in SQL, such as relation = 'IsA' and score < 0.3"
        )

    def _fail(self, problem: str) -> NoReturn:
        raise InputError(f"condition {self.text[:_SHOWN]!r}: {problem}")

    def _is_word(self, *words: str) -> bool:
        token = self._token
        return token.kind == "word" and token.text.lower() in words

    def _take_word(self, word: str) -> bool:
        if not self._is_word(word):
            return False
        self.next += 1
        return True

    def _take_mark(self, mark: str) -> bool:
        if self._token.kind != "mark" or self._token.text != mark:
            return False
        self.next += 1
        return True

    def _expect_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            self._refuse(f"expected {mark!r}")

    def _either(self) -> pc.Expression:
        expression = self._both()
        while self._take_word("or"):
            expression = expression | self._both()
        return expression

    def _both(self) -> pc.Expression:
        expression = self._one()
        while self._take_word("and"):
            expression = expression & self._one()
        return expression

    def _one(self) -> pc.Expression:
        self.depth += 1
        if self.depth > _DEEPEST:
            self._refuse(f"nested deeper than {_DEEPEST}")
        try:
            if self._take_word("not"):
                return ~self._one()
            if self._take_mark("("):
                expression = self._either()
                self._expect_mark(")")
                return expression
            return self._comparison()
        finally:
            self.depth -= 1

    def _comparison(self) -> pc.Expression:
        column = self._column()
        field = pc.field(column.name)
        if self._take_word("is"):
            is_not = self._take_word("not")
            if not self._take_word("null"):
                self._refuse("expected `null`")
            return ~field.is_null() if is_not else field.is_null()
        is_not = self._take_word("not")
        if self._is_word("in", "like", "between"):
            expression = self._set_or_pattern(column, field)
            return ~expression if is_not else expression
        token = self._token
        if is_not or token.kind != "mark" or token.text not in _COMPARISONS:
            self._refuse("expected a comparison such as =, <, in, like or is null")
        self.next += 1
        value = self._value(column)
        if value is None:
            self._refuse("null equals nothing: write `is null` or `is not null`", token)
        return _COMPARISONS[token.text](field, pa.scalar(value))

    def _set_or_pattern(self, column: pa.Field, field: pc.Expression) -> pc.Expression:
        if self._take_word("in"):
            self._expect_mark("(")
            values = [self._value(column)]
            while self._take_mark(","):
                values.append(self._value(column))
            self._expect_mark(")")
            known = [value for value in values if value is not None]
            found = field.isin(pa.array(known, column.type) if known else pa.array([], column.type))
            # As in SQL, and unlike `isin`: whether an empty cell is in a set is not known.
            return pc.if_else(field.is_valid(), found, pa.scalar(None, pa.bool_()))
        if self._take_word("between"):
            low = self._value(column)
            if not self._take_word("and"):
                self._refuse("expected `and`")
            high = self._value(column)
            return (field >= pa.scalar(low)) & (field <= pa.scalar(high))
        self.next += 1
        pattern = self._value(column)
        if not isinstance(pattern, str):
            self._fail(f"`like` compares texts, and {column.name!r} holds {_words(column)}")
        return pc.match_like(field, pattern)

    def _column(self) -> pa.Field:
        token = self._token
        if token.kind == "text":
            self._refuse("expected a column, which stands without single quotes")
        if token.kind not in ("word", "column") or self._is_word(*_WORDS):
            self._refuse("expected a column")
        self.next += 1
        return self._field(token)

    def _field(self, token: _Token) -> pa.Field:
        name = token.text
        if token.kind == "column":
            name = name[1:-1].replace('""', '"') if name[0] == '"' else name[1:-1]
        if name not in self.schema.names:
            self._fail(f"no column {name!r}{nearest(name, list(self.schema.names))}")
        return self.schema.field(name)

    def _value(self, column: pa.Field) -> Any:
        """Read a constant; refuse one of another type than the column's."""
        token = self._token
        if token.kind in ("column", "word") and not self._is_word(*_CONSTANTS):
            word = token.text.strip('"`')
            self._fail(f"{token.text} is no value; a text stands in single quotes: '{word}'")
        if token.kind not in ("number", "text", "word"):
            self._refuse("expected a value")
        self.next += 1
        if token.kind == "word":
            value: Any = _CONSTANTS[token.text.lower()]
        elif token.kind == "text":
            value = token.text[1:-1].replace("''", "'")
        else:
            is_whole = re.fullmatch(r"[-+]?\d{1,18}", token.text)
            value = int(token.text) if is_whole else float(token.text)
        if value is not None and not _fits(value, column.type):
            self._fail(f"{column.name!r} holds {_words(column)}; {token.text} is none")
        return value


def _fits(value: Any, kind: pa.DataType) -> bool:
    if isinstance(value, bool):
        return bool(pa.types.is_boolean(kind))
    if isinstance(value, str):
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _words(column: pa.Field) -> str:
    kind = column.type
    if pa.types.is_boolean(kind):
        return "true and false"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "numbers"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "texts in single quotes"
    return f"values of the type {kind}"
