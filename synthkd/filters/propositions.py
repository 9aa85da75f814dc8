"""Rules on propositions: each stands for a sentence, stands alone, is one claim, no copy, and says nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from synthkd.errors import KindError, nearest, require_extra
from synthkd.filters.base import Reasons
from synthkd.filters.rules import RowRule
from synthkd.finish_reasons import Finish, meaning_of
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.proposition.align import (
    CUT,
    EMPTY_GROUP,
    NO_GROUP,
    NO_SENTENCE,
    NO_TEXT,
    NOTHING_READ,
    TOO_MANY,
    words,
)
from synthkd.kinds.proposition.claims import (
    POINTERS,
    SIGNS,
    SMALL,
    joined_predicates,
    known_words,
    name_found,
    names,
    numbers,
    pointer,
    several_claims,
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


class PropositionRule(RowRule):
    """A rule that looks at the details of the kind too, such as the source."""

    besides: ClassVar[tuple[str, ...]] = ()

    def judge(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        wanted = [*kind.columns, *self.besides]
        rows = batch.select([name for name in wanted if name in batch.schema.names]).to_pylist()
        return [self.check(row, kind) for row in rows]


class HasProposition(PropositionRule):
    """A sentence of which nothing is said, a group that belongs to no sentence, or a proposition that breaks off."""

    name: ClassVar[str] = "has_proposition"
    besides: ClassVar[tuple[str, ...]] = ("flaw", "finish_reason")

    def check(self, row: Row, kind: Kind) -> str | None:
        flaw = str(row.get("flaw") or "")
        if flaw == CUT and meaning_of(row.get("finish_reason")) is Finish.WHOLE:
            # It ended of itself: a teacher that writes no full stops.
            return None
        if flaw in _SAID:
            return f"{flaw}: {_SAID[flaw]}"
        return None if self.text(row, kind).strip() else f"{NO_GROUP}: {_SAID[NO_GROUP]}"


class SelfContained(RowRule):
    """Begins with a word that points at something said before: `it`, `he`, `this`, … ``allow`` leaves some through."""

    name: ClassVar[str] = "self_contained"

    def __init__(self, allow: Sequence[str] = (), column: str | None = None) -> None:
        super().__init__(column)
        self.allow = {word.casefold() for word in ([allow] if isinstance(allow, str) else allow)}
        for word in self.allow - POINTERS:
            raise ValueError(f"allow: {word!r} is none of the words{nearest(word, sorted(POINTERS))}")

    def check(self, row: Row, kind: Kind) -> str | None:
        found = pointer(self.text(row, kind))
        if found is None or found.casefold() in self.allow:
            return None
        return f"begins with {found!r}"


class OneClaim(RowRule):
    """More than one claim: several sentences, a semicolon, joined clauses, a relative clause after a comma.

    ``allow`` leaves some of these signs through; ``max_words`` of a proposition; ``model``: a spaCy model whose parser
    finds joined predicates too.
    """

    name: ClassVar[str] = "one_claim"

    def __init__(
        self,
        allow: Sequence[str] = (),
        max_words: int = 40,
        model: str | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(column)
        self.allow = [allow] if isinstance(allow, str) else list(allow)
        for name in self.allow:
            if name not in SIGNS:
                raise ValueError(f"allow: {name!r} is no such sign{nearest(name, list(SIGNS))}")
        if max_words < 1:
            raise ValueError("max_words: must be at least 1")
        self.max_words, self.model = max_words, model

    def ready(self, kind: Kind) -> None:
        super().ready(kind)
        if self.model is not None:
            _ = self._nlp

    @cached_property
    def _nlp(self) -> Any:
        require_extra("the rule 'one_claim' with a model", "text", "spacy")
        import spacy

        try:
            return spacy.load(str(self.model), exclude=["ner"])
        except OSError:
            raise KindError(f"rule 'one_claim': no spaCy model {self.model!r} is installed here") from None

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        count = len(text.split())
        if count > self.max_words:
            return f"{count} words, more than {self.max_words}"
        if found := several_claims(text, self.allow):
            return found
        if self.model and "coordination" not in self.allow and (joined := joined_predicates(self._nlp(text))):
            return f"coordination: another predicate {joined[0]!r}"
        return None


class NotCopy(PropositionRule):
    """Repeats most words of a long sentence. Sentences of fewer than ``min_words`` words may be one claim as they stand."""

    name: ClassVar[str] = "not_copy"

    def __init__(self, min_words: int = 20, share: float = 0.9, column: str | None = None) -> None:
        super().__init__(column)
        if not 0 < share <= 1:
            raise ValueError("share: must be above 0 and at most 1")
        self.min_words, self.share = min_words, share

    def check(self, row: Row, kind: Kind) -> str | None:
        sentence = str(row.get("sentence") or "")
        count = len(sentence.split())
        if count < self.min_words:
            return None
        if normal_phrase(sentence) == normal_phrase(self.text(row, kind)):
            return f"is the sentence, of {count} words"
        theirs = set(words(sentence))
        repeated = len(theirs & set(words(self.text(row, kind)))) / max(len(theirs), 1)
        return f"repeats {repeated:.0%} of a sentence of {count} words" if repeated >= self.share else None


class Grounded(PropositionRule):
    """A number or a name that its source does not have.

    Numbers count by value (`1,000`, `1000`; `two`, `2`), names are capitalised words that do not begin a sentence.
    ``within``: `source` (what the teacher read) or `sentence`. ``new_words``: at most so many other words that the
    source lacks, small words such as `is` and `the` left out; default: any number, for teachers that paraphrase.
    """

    name: ClassVar[str] = "grounded"
    besides: ClassVar[tuple[str, ...]] = ("source",)

    def __init__(
        self,
        numbers: bool = True,
        names: bool = True,
        within: Literal["source", "sentence"] = "source",
        new_words: int | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(column)
        if new_words is not None and new_words < 0:
            raise ValueError("new_words: must be at least 0")
        self.new_words = new_words
        if within not in ("source", "sentence"):
            raise ValueError(f"within: {within!r} is neither 'source' nor 'sentence'")
        self.numbers, self.names, self.within = numbers, names, within

    def check(self, row: Row, kind: Kind) -> str | None:
        text = self.text(row, kind)
        source = str((row.get(self.within) or row.get("sentence")) or "")
        missing = []
        if self.numbers:
            known = _numbers(source)
            missing += [
                f"number {said!r}" for value, said in numbers(text, strict=True).items() if value not in known
            ]
        if self.names:
            known_names = _words(source)
            missing += [f"name {name!r}" for name in names(text) if not name_found(name, known_names)]
        if self.new_words is not None and not missing:
            new = [
                word
                for word in dict.fromkeys(words(text))
                if word not in SMALL and word not in _all_words(source)
            ]
            missing += [f"word {word!r}" for word in new] if len(new) > self.new_words else []
        return f"not in the {self.within}: {', '.join(dict.fromkeys(missing))}" if missing else None


@lru_cache(1 << 10)
def _numbers(source: str) -> frozenset[Any]:
    return frozenset(numbers(source))


@lru_cache(1 << 10)
def _words(source: str) -> frozenset[str]:
    return frozenset(known_words(source))


@lru_cache(1 << 10)
def _all_words(source: str) -> frozenset[str]:
    return frozenset(words(source))
