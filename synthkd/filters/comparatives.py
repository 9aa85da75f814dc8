"""Rules on comparatives, in the order of NeuroComparatives (Howard et al. 2023).

Grammatical form, the two things of the pair and no third, no echo. Votes decide contradictions, and
`order` decides cycles.
"""

from __future__ import annotations

import logging
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from synthkd.errors import RecipeError, require_extra
from synthkd.filters.base import Reasons
from synthkd.filters.row_rules import RowRule
from synthkd.kinds.base import Kind, Row
from synthkd.kinds.comparative.grammar import small_word
from synthkd.kinds.comparative.lexicon import GRADERS, KNOWN, meaning
from synthkd.options import BaseOptions
from synthkd.text.nouns import noun_forms, noun_words

if TYPE_CHECKING:
    import pyarrow as pa

#: Tags and features of a comparative in spaCy's English models.
_TAGS = ("JJR", "RBR")


class ComparativeForm(RowRule):
    """Reject words that are no comparative: in no list, graded twice, or cut.

    A word in -er that the lexicon does not know is refused, since most are none (*water*,
    *hunter*), unless the morphology of a spaCy model calls it a comparative.
    """

    name: ClassVar[str] = "comparative_form"
    column = "comparative"

    class Options(BaseOptions):
        model: str | None = Field(
            None, description="Trained spaCy pipeline that decides on unknown words in -er."
        )
        allowed: str | tuple[str, ...] = Field((), description="Words to let pass.")

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.model, allowed = self.options.model, self.options.allowed
        self.allowed = frozenset([allowed] if isinstance(allowed, str) else allowed)
        model = self.model
        self._known: dict[str, bool] = {}
        what = f"by the morphology of {model}" if model else "not at all: they are refused"
        logging.getLogger("synthkd").info(
            "comparative_form: %d comparatives are known; other words in -er are judged %s",
            len(KNOWN),
            what,
        )
        if model:
            _ = self._pipeline

    def check(self, row: Row, kind: Kind) -> str | None:
        words = str(row["comparative"] or "").split()
        if not words:
            return "no comparative"
        if "than" in words:
            return "'than' is no part of a comparative"
        if len(words) > 1 and words[0] in GRADERS and words[1] in KNOWN:
            return f"graded twice: {' '.join(words[:2])!r}"
        last = small_word(words, len(words) - 1)
        if last and last[0] in ("aux", "adverb"):
            return f"ends in {words[-1]!r}"
        if any(
            word in GRADERS or word == "fewer" or word in KNOWN | self.allowed for word in words
        ):
            return None
        unknown = [word for word in words if meaning(word) is not None]
        if unknown and self.model and self._is_comparative(unknown[0], row, kind):
            return None
        return f"{(unknown or words)[0]!r} is not known as a comparative"

    def _is_comparative(self, word: str, row: Row, kind: Kind) -> bool:
        if word not in self._known:
            tokens = self._pipeline(kind.verbalize(row))
            self._known[word] = any(
                token.lower_ == word and (token.tag_ in _TAGS or "Cmp" in token.morph.get("Degree"))
                for token in tokens
            )
        return self._known[word]

    @cached_property
    def _pipeline(self) -> Any:
        require_extra("morphology of comparatives", "text", "spacy")
        import spacy

        try:
            pipeline = spacy.load(str(self.model))
        except (OSError, ValueError) as error:
            said = str(error).strip().splitlines()[0]
            raise RecipeError(f"rule 'comparative_form': model {self.model!r}: {said}") from None
        if not {"tagger", "morphologizer"} & set(pipeline.pipe_names):
            raise RecipeError(
                f"rule 'comparative_form': model {self.model!r} has neither a tagger nor a"
                " morphologizer"
                f" (it has: {', '.join(pipeline.pipe_names) or 'nothing'}); name a trained pipeline"
                " such as en_core_web_sm"
            )
        return pipeline


class BothEntities(RowRule):
    """Reject answers that speak of something that is neither of the two compared."""

    name: ClassVar[str] = "both_entities"
    column = "comparative"

    def reject(self, batch: pa.RecordBatch, kind: Kind) -> Reasons:
        if "third" not in batch.schema.names:
            return [None] * batch.num_rows
        columns = [batch.column(name).to_pylist() for name in ("third", "left", "right")]
        return [
            f"speaks of {third[:60]!r}, neither {left!r} nor {right!r}" if third else None
            for third, left, right in zip(*columns, strict=True)
        ]

    def check(self, row: Row, kind: Kind) -> str | None:
        third = row.get("third")
        return f"speaks of {third!r}" if third else None


class EntityEcho(RowRule):
    """Reject comparisons that name one of the two again, or say a word twice in a row."""

    name: ClassVar[str] = "entity_echo"
    column = "comparative"

    def check(self, row: Row, kind: Kind) -> str | None:
        words = noun_words(
            " ".join(str(row[name] or "") for name in ("adverb", "quantifier", "comparative"))
        )
        for one, other in pairwise(words):
            if one == other:
                return f"says {one!r} twice"
        for side in ("left", "right"):
            for form in noun_forms(str(row[side] or "")):
                if any(tuple(words[i : i + len(form)]) == form for i in range(len(words))):
                    return f"names {str(row[side])!r} again"
        return None
