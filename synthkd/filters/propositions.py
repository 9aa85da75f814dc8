"""Rules on propositions: from a sentence, self-contained, one claim, no copy, nothing new."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from synthkd.errors import KindError, RecipeError, nearest, require_extra
from synthkd.filters.base import Reasons
from synthkd.filters.row_rules import DetailRule, TextRule
from synthkd.finish_reasons import Finish, meaning_of
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.proposition.alignment import (
    CUT,
    EMPTY_GROUP,
    NO_GROUP,
    NO_SENTENCE,
    NO_TEXT,
    NOTHING_READ,
    TOO_MANY,
    overlap_words,
)
from synthkd.kinds.proposition.claims import (
    POINTERS,
    SIGNS,
    SMALL,
    joined_predicates,
    leading_pointer,
    name_found,
    proper_names,
    several_claims,
    source_words,
    text_numbers,
)
from synthkd.text.normal_forms import normal_phrase

if TYPE_CHECKING:
    import pyarrow as pa

_SAID = {
    NO_TEXT: "the completion is empty",
    NOTHING_READ: "nothing in the completion could be read",
    NO_GROUP: "the completion has no group for this sentence",
    EMPTY_GROUP: "the sentence's group is empty",
    NO_SENTENCE: "belongs to no sentence that was asked about",
    CUT: "breaks off",
    TOO_MANY: "the completion goes on and on; the rest of it was not read",
}


def _listed(words: str | tuple[str, ...]) -> list[str]:
    return [words] if isinstance(words, str) else list(words)


def _folded(words: str | tuple[str, ...]) -> set[str]:
    return {word.casefold() for word in _listed(words)}


class HasProposition(DetailRule, TextRule):
    """Reject sentences without propositions, groups without sentences, unfinished propositions."""

    name: ClassVar[str] = "has_proposition"
    besides: ClassVar[tuple[str, ...]] = ("flaw", "finish_reason")

    def check(self, row: Row, kind: Kind) -> str | None:
        flaw = str(row.get("flaw") or "")
        if flaw == CUT and meaning_of(row.get("finish_reason")) is Finish.COMPLETE:
            # It ended of itself: a teacher that writes no full stops.
            return None
        if flaw in _SAID:
            return f"{flaw}: {_SAID[flaw]}"
        return None if self.text(row, kind).strip() else f"{NO_GROUP}: {_SAID[NO_GROUP]}"


class SelfContained(TextRule):
    """Reject propositions that begin with a word for something said before (`it`, `he`, `this`)."""

    name: ClassVar[str] = "self_contained"

    class Options(TextRule.Options):
        allow: str | tuple[str, ...] = Field((), description="Words of these to let pass.")

        @field_validator("allow")
        @classmethod
        def _are_pointers(cls, allow: str | tuple[str, ...]) -> str | tuple[str, ...]:
            for word in sorted(_folded(allow) - POINTERS):
                raise ValueError(f"{word!r} is none of the words{nearest(word, sorted(POINTERS))}")
            return allow

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.allow = _folded(self.options.allow)

    def check(self, row: Row, kind: Kind) -> str | None:
        found = leading_pointer(self.text(row, kind))
        if found is None or found.casefold() in self.allow:
            return None
        return f"begins with {found!r}"


class OneClaim(TextRule):
    """Reject more than one claim.

    Signs are several sentences, a semicolon, joined clauses, a relative clause after a comma.
    """

    name: ClassVar[str] = "one_claim"

    class Options(TextRule.Options):
        allow: str | tuple[str, ...] = Field(
            (), description=f"Signs to let pass, of: {', '.join(SIGNS)}."
        )
        max_words: int = Field(40, ge=1, description="Words of a proposition at most.")
        model: str | None = Field(
            None, description="spaCy model whose parser finds joined predicates too."
        )

        @field_validator("allow")
        @classmethod
        def _are_signs(cls, allow: str | tuple[str, ...]) -> str | tuple[str, ...]:
            for name in _listed(allow):
                if name not in SIGNS:
                    raise ValueError(f"{name!r} is no such sign{nearest(name, list(SIGNS))}")
            return allow

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.allow = _listed(self.options.allow)
        self.max_words, self.model = self.options.max_words, self.options.model

    def check_kind(self, kind: Kind) -> None:
        super().check_kind(kind)
        if self.model is not None:
            _ = self._nlp

    @cached_property
    def _nlp(self) -> Any:
        require_extra("the rule 'one_claim' with a model", "text", "spacy")
        import spacy

        try:
            return spacy.load(str(self.model), exclude=["ner"])
        except OSError:
            raise KindError(
                f"rule 'one_claim': no spaCy model {self.model!r} is installed here"
            ) from None

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        count = len(text.split())
        if count > self.max_words:
            return f"{count} words, more than {self.max_words}"
        if found := several_claims(text, self.allow):
            return found
        if (
            self.model
            and "coordination" not in self.allow
            and (joined := joined_predicates(self._nlp(text)))
        ):
            return f"coordination: another predicate {joined[0]!r}"
        return None


class NotCopy(DetailRule, TextRule):
    """Reject propositions that repeat most words of a long sentence.

    A short sentence may be one claim as it stands.
    """

    name: ClassVar[str] = "not_copy"

    class Options(TextRule.Options):
        min_words: int = Field(20, ge=0, description="Words from which a sentence is long.")
        share: float = Field(
            0.9,
            gt=0,
            le=1,
            description="Share of the sentence's words from which a text is a copy.",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.min_words, self.share = self.options.min_words, self.options.share

    def check(self, row: Row, kind: Kind) -> str | None:
        sentence = str(row.get("sentence") or "")
        count = len(sentence.split())
        if count < self.min_words:
            return None
        if normal_phrase(sentence) == normal_phrase(self.text(row, kind)):
            return f"is the sentence, of {count} words"
        theirs = set(overlap_words(sentence))
        repeated = len(theirs & set(overlap_words(self.text(row, kind)))) / max(len(theirs), 1)
        return (
            f"repeats {repeated:.0%} of a sentence of {count} words"
            if repeated >= self.share
            else None
        )


class Grounded(DetailRule, TextRule):
    """Reject texts with a number or a name that their source does not have.

    Numbers count by value (`1,000`, `1000`; `two`, `2`); names are capitalised words that do not
    begin a sentence.
    """

    name: ClassVar[str] = "grounded"

    class Options(TextRule.Options):
        numbers: bool = Field(True, description="Check numbers.")
        names: bool = Field(True, description="Check names.")
        within: str = Field(
            "source",
            description="Column that must have them: what the teacher read, or, of propositions,"
            " the `sentence`.",
        )
        new_words: int | None = Field(
            None,
            ge=0,
            description="Other words at most that the source lacks, small words such as `is` and"
            " `the` left out."
            " Default: any number, for teachers that paraphrase.",
        )
        share: float | None = Field(
            None,
            ge=0,
            le=1,
            description="Share of the words, small ones left out, that the source must have."
            " Default: none.",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.numbers, self.names = self.options.numbers, self.options.names
        self.within, self.new_words = self.options.within, self.options.new_words
        self.share = self.options.share

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        rows = self.detailed_rows(batch, kind, (self.within, "sentence"))
        return [self.check(row, kind) for row in rows]

    def check_kind(self, kind: Kind) -> None:
        if self.within not in (known := [*kind.columns, *kind.details]):
            raise RecipeError(
                f"rule 'grounded': no column {self.within!r} in rows of the kind"
                f" {kind.name!r}{nearest(self.within, known)}; it needs the text that a row was"
                " made from"
            )
        super().check_kind(kind)

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        source = str((row.get(self.within) or row.get("sentence")) or "")
        missing = []
        if self.numbers:
            known = _numbers(source)
            missing += [
                f"number {said!r}"
                for value, said in text_numbers(text, strict=True).items()
                if value not in known
            ]
        if self.names:
            known_names = _words(source)
            missing += [
                f"name {name!r}" for name in proper_names(text) if not name_found(name, known_names)
            ]
        if not missing and (self.new_words is not None or self.share is not None):
            words = [word for word in dict.fromkeys(overlap_words(text)) if word not in SMALL]
            new = [word for word in words if word not in _all_words(source)]
            too_many = self.new_words is not None and len(new) > self.new_words
            if too_many or (len(words) - len(new)) < (self.share or 0) * len(words):
                missing += [f"word {word!r}" for word in new]
        return f"not in the {self.within}: {', '.join(dict.fromkeys(missing))}" if missing else None


@lru_cache(1 << 10)
def _numbers(source: str) -> frozenset[Any]:
    return frozenset(text_numbers(source))


@lru_cache(1 << 10)
def _words(source: str) -> frozenset[str]:
    return frozenset(source_words(source))


@lru_cache(1 << 10)
def _all_words(source: str) -> frozenset[str]:
    return frozenset(overlap_words(source))
