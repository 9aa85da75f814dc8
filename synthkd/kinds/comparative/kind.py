"""The kind `comparative`: which of two things is more, and on which axis.

The teacher continues *Compared to cats, elephants are*, or answers a question. *Heavier* and
*lighter* are one axis; equal claims are one claim, whatever their order and words. Completions
about an unordered pair and an axis vote on which of the two is more. Source: Howard et al. 2023,
arXiv 2305.04978.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from synthkd.kinds.answer_text import LABELS, answer_lines
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.kinds.comparative.clause import Clause, read_clause
from synthkd.kinds.comparative.grammar import ADVERBS, PREPOSITIONS, QUANTIFIERS, SINGULAR, regex_of
from synthkd.kinds.comparative.lexicon import GRADERS, meaning
from synthkd.options import BaseOptions
from synthkd.text.json_values import json_value
from synthkd.text.normal_forms import normal_phrase
from synthkd.text.nouns import countable, entity_key, plural, with_article

if TYPE_CHECKING:
    pass


#: Fields of a JSON answer that may hold its text, in order of preference.
_FIELDS = ("comparative", "answer", "sentence", "text", "comparison")


def json_items(text: str) -> list[str] | None:
    """Return the texts of a JSON answer; None if the answer is not JSON."""
    value = json_value(text)
    return None if value is None else _texts(value)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict) and isinstance(value.get("answers"), list):
        value = value["answers"]
    items = value if isinstance(value, list) else [value]
    return [_text(item) for item in items]


def _text(item: Any) -> str:
    if not isinstance(item, dict):
        return item if isinstance(item, str) else ""
    comparative = next((item[name] for name in _FIELDS if isinstance(item.get(name), str)), "")
    # A bare comparative may have its adverb and quantifier in other fields.
    beside = [item.get(name) for name in ("adverb", "quantifier") if "comparative" in item]
    return " ".join([*(word for word in beside if isinstance(word, str) and word), comparative])


_LABELS = rf"sentence|comparison|comparative|{LABELS}"
_WAYS = {1: "more", -1: "less"}
#: Answers of a completion that are read.
_MOST = 50


class ComparativeKind(Kind):
    """Two things, and how the left one compares."""

    name = "comparative"
    columns = ("left", "right", "attribute", "direction", "comparative", "adverb", "quantifier")
    input_columns = ("left", "right")
    optional_columns = ("left_plural", "right_plural", "comparative", "auxiliary")
    group_column = "left"
    class_column = "attribute"
    details: ClassVar[dict[str, str]] = {"auxiliary": "string", "third": "string"}
    default_rules = ("comparative_form", "both_entities", "entity_echo", "unfinished", "order")
    keeps = "winner"
    has_claims = True

    class Options(BaseOptions):
        several: bool = Field(False, description="Read several claims per answer.")
        claims: int = Field(
            5,
            ge=1,
            description="Sentences that the template `comparative/chat` asks for, with `several`.",
        )
        asked: tuple[str, ...] = Field(
            (), description="Comparatives that a question asks about, for each pair."
        )
        swap: bool = Field(False, description="Ask about each pair in both orders.")
        adverbs: tuple[str, ...] = Field(ADVERBS, description="Adverbs of constrained decoding.")
        quantifiers: tuple[str, ...] = Field(
            QUANTIFIERS, description="Quantifiers of constrained decoding."
        )
        comparatives: tuple[str, ...] | None = Field(
            None, description="Comparatives of constrained decoding. Default: the lexicon's."
        )
        auxiliaries: tuple[str, ...] = Field(
            (),
            description="Auxiliaries of constrained decoding; with them, the prompt leaves the"
            " auxiliary to the answer.",
        )

        @field_validator("asked", "adverbs", "quantifiers", "comparatives", "auxiliaries")
        @classmethod
        def _are_words(cls, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
            if any(not word.strip() for word in words or ()):
                raise ValueError(f"a list of words is needed, not {list(words or ())!r}")
            return words

        @field_validator("asked")
        @classmethod
        def _are_comparatives(cls, words: tuple[str, ...]) -> tuple[str, ...]:
            for word in words:
                if meaning(word) is None:
                    raise ValueError(
                        f"{word!r} is no comparative, such as 'heavier' or 'more expensive'"
                    )
            return words

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        given = self.options
        self.several, self.claims = given.several, given.claims if given.several else 1
        self.asked, self.swap = given.asked, given.swap
        self.adverbs, self.quantifiers = given.adverbs, given.quantifiers
        self.auxiliaries, self.comparatives = given.auxiliaries, given.comparatives

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The text with adverb, quantifier and comparative, from which the other columns follow."""
        return ("comparative",)

    @property
    def answer_regex(self) -> str:
        """Regular expression of an answer made of the sets of words."""
        return regex_of(self.comparatives, self.adverbs, self.quantifiers, self.auxiliaries)

    def expand(self, row: Row) -> list[dict[str, Any]]:
        """Expand a pair to both orders with ``swap``, and to each comparative of ``asked``."""
        rows = [dict(row)]
        if self.swap and "left" in row and "right" in row:
            rows.append({**row, "left": row["right"], "right": row["left"]})
            for one, other in (("left_plural", "right_plural"), ("right_plural", "left_plural")):
                if other in row:
                    rows[1][one] = row[other]
        if self.asked and not row.get("comparative"):
            return [{**one, "comparative": word} for one in rows for word in self.asked]
        return rows

    def check(self, row: Row) -> str | None:
        problem = super().check(row)
        if problem is None and entity_key(str(row["left"])) == entity_key(str(row["right"])):
            problem = f"left and right are both {str(row['left'])!r}"
        comparative = str(row.get("comparative") or "")
        if problem is None and comparative and meaning(comparative) is None:
            problem = f"{comparative!r} is no comparative, such as 'heavier' or 'more expensive'"
        return problem

    def context(self, row: Row, examples: Sequence[Row], rng: random.Random) -> dict[str, Any]:
        """Add plurals, names with articles, and the auxiliary.

        Examples also get their claim, and their two names in a drawn order, so that the answer is
        not always the first.
        """
        shown = []
        for example in examples:
            named = self._named(example)
            one, other = rng.sample([named["left_a"], named["right_a"]], 2)
            claim = example.get("said") or " ".join(self._claim_words(example))
            sentence = self.verbalize(example)
            shown.append(
                {**named, "said": claim, "sentence": sentence, "one_a": one, "other_a": other}
            )
        return {"claims": self.claims, **self._named(row), "examples": shown}

    def _named(self, row: Row) -> dict[str, Any]:
        left, right = str(row["left"]), str(row["right"])
        auxiliary = str(row.get("auxiliary") or "are")
        return {
            "left_plural": plural(left), "right_plural": plural(right),
            "left_a": with_article(left),
            "right_a": with_article(right), "comparative": "", **row,
            "auxiliary": "" if self.auxiliaries else _agreeing(auxiliary, left),
        }  # fmt: skip

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        items = json_items(text)
        return self._read_all(
            answer_lines(text, _LABELS) if items is None else [item for item in items if item], row
        )

    def _read_all(self, lines: list[str], row: Row) -> list[dict[str, Any]] | Malformed:
        if not lines:
            return Malformed("no_text")
        claims: list[dict[str, Any]] = []
        first: Malformed | None = None
        for line in lines[: _MOST if self.several else 1]:
            one = self._read(line, row)
            if isinstance(one, Malformed):
                first = first or one
            else:
                claims.append(one)
        return claims or first or Malformed("no_comparative")

    def _read(self, line: str, row: Row) -> dict[str, Any] | Malformed:
        left, right = str(row["left"]), str(row["right"])
        given = "" if self.auxiliaries else str(row.get("auxiliary") or "are")
        clause = read_clause(line, left, right, str(row.get("comparative") or ""), given)
        return clause if isinstance(clause, Malformed) else _candidate(clause, left, right)

    def question(self, candidate: Row) -> dict[str, Any]:
        """Return the pair, with an auxiliary other than *are*, and a question's comparative."""
        question = super().question(candidate)
        auxiliary = str(candidate.get("auxiliary") or "")
        if auxiliary and auxiliary != "are" and not self.auxiliaries:
            question["auxiliary"] = auxiliary
        return (
            {**question, "comparative": str(candidate["comparative"] or "")}
            if self.asked
            else question
        )

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        """Write the continuation of *Compared to RIGHT, LEFT are*, or the answer to a question."""
        if row.get("comparative"):
            return f" {with_article(str(candidates[0]['left']))}"
        left = str(row["left"]) if self.auxiliaries else ""
        return " " + "\n".join(f"{' '.join(self._claim_words(one, left))}." for one in candidates)

    def verbalize(self, candidate: Row) -> str:
        left, right = str(candidate["left"]), str(candidate["right"])
        return (
            f"Compared to {plural(right)},"
            f" {' '.join([plural(left), *self._claim_words(candidate, left)])}."
        )

    def _claim_words(self, candidate: Row, left: str = "") -> list[str]:
        """Return the words of a claim: auxiliary (with ``left``), adverb, quantifier, adjective."""
        words = [str(candidate.get(name) or "") for name in ("adverb", "quantifier", "comparative")]
        if left:
            words.insert(0, _agreeing(_auxiliary(candidate), left))
        return [word for word in words if word]

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        """Return pair, axis and direction, the pair in alphabetical order; wording is ignored."""
        left, right = (entity_key(str(candidate[side] or "")) for side in ("left", "right"))
        way = str(candidate["direction"] or "")
        if left > right:
            left, right, way = right, left, {"more": "less", "less": "more"}.get(way, way)
        return left, right, normal_phrase(str(candidate["attribute"] or "")), way, "", "", ""

    def group(self, candidate: Row, column: str | None = None) -> str:
        # The normal form of a pair may swap its sides.
        if (column or self.group_column) in ("left", "right"):
            return entity_key(str(candidate[column or self.group_column]))
        return super().group(candidate, column)

    def vote_on(self, candidate: Row) -> tuple[str, ...]:
        return self.normalize(candidate)[:3]

    def vote_for(self, candidate: Row) -> str:
        left, right, _, way, *_ = self.normalize(candidate)
        return {"more": left, "less": right}.get(way, "")

    def claim(self, candidate: Row) -> tuple[str, str, str] | None:
        """Return the axis, what is more and what is less on it; None without a direction."""
        left, right, axis, way, *_ = self.normalize(candidate)
        return {"more": (axis, left, right), "less": (axis, right, left)}.get(way)


def _candidate(clause: Clause, left: str, right: str) -> dict[str, Any]:
    """Return the row of a clause; its subject is the left one."""
    if clause.subject == "right":
        left, right = right, left
    return {
        "left": left,
        "right": right,
        "attribute": clause.meaning.axis,
        "direction": _WAYS[clause.meaning.way],
        "comparative": clause.comparative,
        "adverb": clause.adverb,
        "quantifier": clause.quantifier,
        "auxiliary": clause.auxiliary,
        "third": clause.third or None,
    }


def _auxiliary(candidate: Mapping[str, Any]) -> str:
    """Return the auxiliary of a claim; without one, the auxiliary that fits its comparative."""
    auxiliary = candidate.get("auxiliary")
    first, _, rest = str(candidate["comparative"] or "").partition(" ")
    verb = meaning(first) is None and first not in (*GRADERS, "fewer")
    if auxiliary is not None:
        return str(auxiliary)
    if verb:
        return ""
    inside = str(candidate.get("attribute") or "").partition(" (")[2]
    owned = inside and rest and inside.partition(" ")[0] not in PREPOSITIONS
    return "have" if owned else "are"


def _agreeing(auxiliary: str, noun: str) -> str:
    return auxiliary if countable(noun) else SINGULAR.get(auxiliary, auxiliary)
