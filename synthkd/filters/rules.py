"""Fixed checks that need no training. Each looks at one row alone.

They follow the cheap validity checks of symbolic knowledge distillation (West et al. 2022) and look
at the kind's columns, so they serve every kind whose content is short text.
"""

from __future__ import annotations

import itertools
import operator
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from synthkd.filters.row_rules import TextRule, column_texts, value_text
from synthkd.finish_reasons import Finish, meaning_of, why_incomplete
from synthkd.kinds.base import Kind, Row
from synthkd.text.json_values import begins_as_json
from synthkd.text.normal_forms import marks, normal_phrase, stored

if TYPE_CHECKING:
    import pyarrow as pa


class Empty(TextRule):
    """Reject texts of nothing but space and punctuation.

    Symbols, emoji and emoticons count as content.
    """

    name: ClassVar[str] = "empty"
    #: What `str.isalnum` calls a letter or digit.
    _SOME: ClassVar[re.Pattern[str]] = re.compile(r"[^\W_]")
    _FACE: ClassVar[re.Pattern[str]] = re.compile(
        r"[:;=8]['’^o-]?[()\[\]/\\|*]+|[()\[\]]['’^o-]?[:;=8]|<3"
    )

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        found = self._SOME.search
        return [found(text) is not None for text in self.texts(batch, kind)]

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        if any(
            ch.isalnum() or unicodedata.category(ch) == "So" for ch in text
        ) or self._FACE.fullmatch(text.strip()):
            return None
        return "no letter or digit"


class TooLong(TextRule):
    """Reject texts of too many words or characters.

    Most short knowledge of 13 to 18 words is valid.
    """

    name: ClassVar[str] = "too_long"

    class Options(TextRule.Options):
        max_words: int = Field(20, ge=1, description="Words at most.")
        max_characters: int = Field(200, ge=1, description="Characters at most.")

    options: Options

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        # Words have a space between them, so few characters are few words.
        words, characters = self.options.max_words, self.options.max_characters
        return [
            len(text) <= characters and (len(text) < 2 * words or len(text.split()) <= words)
            for text in self.texts(batch, kind)
        ]

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        words, most = len(text.split()), self.options
        if words > most.max_words:
            return f"{words} words, more than {most.max_words}"
        if len(text) > most.max_characters:
            return f"{len(text)} characters, more than {most.max_characters}"
        return None


class TooShort(TextRule):
    """Reject texts of too few characters; ATOMIC-10x drops tails of at most two."""

    name: ClassVar[str] = "too_short"

    class Options(TextRule.Options):
        min_characters: int = Field(3, ge=0, description="Characters at least.")

    options: Options

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        least = self.options.min_characters
        return [len(text) >= least for text in self.texts(batch, kind)]

    def check(self, row: Row, kind: Kind) -> str | None:
        length, least = len(self.text(row, kind)), self.options.min_characters
        return f"{length} characters, fewer than {least}" if length < least else None


class SelfLoop(TextRule):
    """Reject rows whose first and last column say the same, as head and tail of a triple.

    Rows of a relation that its set calls ``reflexive`` pass: who prays wants to pray. On real
    triples most rows of such relations are valid, and most of the others are not.
    """

    name: ClassVar[str] = "self_loop"

    def reads(self, kind: Kind) -> tuple[str, ...]:
        relation = ("relation",) if "relation" in kind.columns else ()
        return tuple(dict.fromkeys([*_ends(self, kind), *relation]))

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        if len(kind.columns) < 2:
            return [True] * batch.num_rows
        pairs = zip(column_texts(batch, _subject(kind)), self.texts(batch, kind), strict=True)
        return [normal_phrase(first) != normal_phrase(last) for first, last in pairs]

    def check(self, row: Row, kind: Kind) -> str | None:
        if len(kind.columns) < 2:
            return None
        first, last = (
            normal_phrase(value_text(row[_subject(kind)])),
            normal_phrase(self.text(row, kind)),
        )
        if first != last or _reflexive(kind, row):
            return None
        return f"{_subject(kind)} and {kind.columns[-1]} are the same"


def _subject(kind: Kind) -> str:
    return kind.subject_column or kind.columns[0]


def _ends(rule: TextRule, kind: Kind) -> tuple[str, ...]:
    """Return the columns of the subject and of the texts that are compared with it."""
    return tuple(dict.fromkeys([_subject(kind), *rule.text_columns(kind)]))


def _reflexive(kind: Kind, row: Row) -> bool:
    relation = kind.relations.get(str(row.get("relation")))
    return relation is not None and relation.reflexive


class Echo(TextRule):
    """Reject texts that begin with the head again or repeat a word.

    The teacher echoes its prompt, or runs in a circle.

    Small words such as *the* or *to* may not come twice in a row; other words may, since *very very
    small* and *gorilla gorilla* are valid as often as invalid.
    """

    name: ClassVar[str] = "echo"

    class Options(TextRule.Options):
        repeats: int = Field(
            3, ge=2, description="Rejected if one word comes so many times in a row."
        )

    options: Options

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return _ends(self, kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        texts = [normal_phrase(text) for text in self.texts(batch, kind)]
        if len(kind.columns) < 2:
            return [not _doubled(text) for text in texts]
        heads = [normal_phrase(head) for head in column_texts(batch, _subject(kind))]
        return [
            not (head and text.startswith(head)) and not _doubled(text)
            for head, text in zip(heads, texts, strict=True)
        ]

    def check(self, row: Row, kind: Kind) -> str | None:
        text = normal_phrase(self.text(row, kind))
        if len(kind.columns) > 1:
            head = normal_phrase(value_text(row[_subject(kind)]))
            if head and text.startswith(head + " ") and len(text.split()) > len(head.split()) + 1:
                return "begins with the head"
        return "repeats a word" if _doubled(text) and _repeats(text, self.options.repeats) else None


@lru_cache(1 << 12)
def _doubled(text: str) -> bool:
    """Return True if a word comes twice in a row."""
    words = text.split()
    return any(map(operator.eq, words, words[1:]))


def _repeats(text: str, times: int) -> bool:
    """Return True if a word comes so many times in a row, or a small one twice."""
    return any(
        len(list(run)) >= (2 if word in _SMALL else times)
        for word, run in itertools.groupby(text.split())
    )


#: Nobody says these twice in a row.
_SMALL = frozenset(
    [
        "a",
        "an",
        "the",
        "to",
        "of",
        "and",
        "or",
        "for",
        "from",
        "with",
        "by",
        "at",
        "as",
        "their",
        "its",
    ]
)


#: Words after which an English text goes on.
_OPEN_WORDS = (
    "a", "an", "and", "as", "because", "but", "if", "its", "my", "or", "our", "than", "the",
    "their", "which", "your",
)  # fmt: skip


class Unfinished(TextRule):
    """Reject texts that the token limit cut, or that end in a word such as *the*, *and*, *because*.

    Of an answer with several candidates only the last is cut; the whole ones before it pass. A
    preposition at the end is no sign (*used for sitting on*): on real triples such rows are valid
    as often as others.
    """

    name: ClassVar[str] = "unfinished"

    class Options(TextRule.Options):
        words: tuple[str, ...] = Field(_OPEN_WORDS, description="Words that no whole text ends in.")

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.words = frozenset(word.casefold() for word in self.options.words)

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return (*self.text_columns(kind), "finish_reason", *(("raw",) if kind.several else ()))

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        open_words = self.words
        last = [normal_phrase(text).rpartition(" ")[2] for text in self.texts(batch, kind)]
        if "finish_reason" not in batch.schema.names:
            return [word not in open_words for word in last]
        ends = batch.column("finish_reason").to_pylist()
        return [
            meaning_of(end) is not Finish.TRUNCATED and word not in open_words
            for word, end in zip(last, ends, strict=True)
        ]

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        is_cut = meaning_of(row.get("finish_reason")) is Finish.TRUNCATED
        if is_cut and not (kind.several and _whole(text, row.get("raw"))):
            return why_incomplete(row["finish_reason"])
        words = normal_phrase(text).split()
        return f"ends in {words[-1]!r}" if words and words[-1] in self.words else None


def _whole(text: str, raw: str | None) -> bool:
    """Return True if a text is whole in an answer that was cut.

    Something follows a whole text, at least the end of its line.
    """
    said = _letters(text)
    if not said or not raw:
        return False
    # In JSON only items that are whole are read.
    return begins_as_json(raw) or raw[-1] == "\n" or not _letters(raw).endswith(said)


def _letters(text: str) -> str:
    return "".join(ch for ch in stored(text) if ch.isalnum())


class Characters(TextRule):
    """Reject texts with a character of markup, a hidden character, or a broken one.

    By default the signs `\\ < > { } * _`, backquotes, controls, hidden characters and U+FFFD are
    refused. Other signs are part of valid rows more often than not (`24/7`, `50 %`, `C++`, `Series
    X|S`, *Whose Line Is It Anyway?*).
    """

    name: ClassVar[str] = "characters"

    class Options(TextRule.Options):
        allowed: str | None = Field(
            None,
            description="Characters that may stand instead, as the inside of a regular-expression"
            " class: `\\w ,.\\-$\"'` is"
            " the set of ATOMIC-10x heads. `\\w` means letters and digits of every script with"
            " their combining marks"
            " and joiners, without the underscore.",
        )

        @field_validator("allowed")
        @classmethod
        def _is_a_class(cls, allowed: str | None) -> str | None:
            if allowed is not None:
                _none_of(allowed)
            return allowed

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        allowed = self.options.allowed
        self._other = re.compile(_REFUSED) if allowed is None else _none_of(allowed)

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        other = self._other.search
        return [other(text) is None for text in self.texts(batch, kind)]

    def check(self, row: Row, kind: Kind) -> str | None:
        found = self._other.search(self.text(row, kind))
        return f"character {found.group()!r}" if found else None


_REFUSED = (
    r"[\\<>{}*_`\x00-\x1f\x7f-\x9f\xad\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    r"\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]"
)


def _none_of(allowed: str) -> re.Pattern[str]:
    try:
        re.compile(f"[{allowed}]")
        if not allowed.startswith(r"\w"):
            return re.compile(f"[^{allowed}]")
        return re.compile(f"[^{allowed}{marks()}]|_")
    except re.error as error:
        raise ValueError(f"not a class of characters: {error}") from None


class StartsWith(TextRule):
    """Reject texts that do not begin with a prefix; heads of ATOMIC-10x begin with PersonX."""

    name: ClassVar[str] = "starts_with"

    class Options(TextRule.Options):
        prefix: str = Field("PersonX", description="What every text begins with.")

    options: Options

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        prefix, length = self.options.prefix, len(self.options.prefix)
        return [len(text) > length and text.startswith(prefix) for text in self.texts(batch, kind)]

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        prefix = self.options.prefix
        if not text.startswith(prefix):
            return f"does not begin with {prefix}"
        return None if len(text) > len(prefix) else f"nothing but {prefix}"
