"""Texts in another language or script than the real rows.

Scripts are told by the names of characters, languages of Latin script by their small words. That
serves to find answers in the wrong language, where a whole sentence is one, at no cost; it does not
tell close relatives apart (Danish and Norwegian are one here), nor the language of two words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from synthkd.errors import RecipeError, nearest
from synthkd.filters.row_rules import TextRule
from synthkd.kinds.base import Kind, Row

if TYPE_CHECKING:
    import pyarrow as pa

#: Small words of languages, of which a sentence of some length has several.
_SMALL_WORDS = {
    "en": "the and of to is that it you my for with this have was are not be on what how why can"
    " from i me do does has been when which would there",
    "de": "der die das und ist nicht ich ein eine zu mit auf für wie warum kann meine mein es den"
    " dem von wird haben habe bei oder auch sie wenn wurde",
    "fr": "le la les des et est je ne pas une un que qui dans pour sur avec mon ma mes vous nous ce"
    " cette il elle au aux ai pourquoi comment été",
    "es": "el la los las y es no que de en un una por para con mi mis me se lo del al cómo qué está"
    " mi tarjeta puedo cuando pero fue ha",
    "it": "il lo la gli le e è non che di un una per con mio mia mi si ho del della perché come"
    " sono posso questo questa nel al stato",
    "pt": "o a os as e é não que de em um uma por para com meu minha me se do da no na como está"
    " eu posso foi você isso ao",
    "nl": "de het een en is niet ik mijn van te dat op met voor hoe waarom kan zijn er wordt maar"
    " heb heeft naar bij ook deze",
    "da": "det og er ikke jeg en et at på med for min mit mine hvordan hvorfor kan af til der har"
    " som den blev",
    "sv": "det och är inte jag en ett att på med för min mitt mina hur varför kan av till som har"
    " den när blev från",
    "pl": "nie się i w na z jest to do że jak mój moja moje czy dlaczego mogę jestem co po o od"
    " dla przez był",
    "tr": "bir ve bu için ne mi nasıl neden ben benim değil var yok ile kartım olarak daha çok"
    " ama gibi bana",
    "id": "yang dan di ini itu untuk dengan saya tidak dari ke adalah pada apa bagaimana mengapa"
    " bisa kartu akan ada",
    "vi": "tôi là và của không có cho thể được này một những các với làm thế nào tại sao trong",
}
_WORDS = {code: frozenset(words.split()) for code, words in _SMALL_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")
#: Scripts that one text is written in together.
_TOGETHER = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "HALFWIDTH": "CJK", "FULLWIDTH": "LATIN"}
#: A script is the real rows' own from this share of their letters on.
_OWN = 0.05


class Language(TextRule):
    """Reject texts that are not in the language of the real rows.

    The language is that of `kind.options.real`, else of the few-shot rows, else of the prompt's
    instruction. Known by their small words are English, German, French, Spanish, Italian,
    Portuguese, Dutch, Danish with Norwegian, Swedish, Polish, Turkish, Indonesian and Vietnamese;
    of others only the script counts.
    """

    name: ClassVar[str] = "language"

    class Options(TextRule.Options):
        language: str | None = Field(
            None, description=f"Its code: {', '.join(_SMALL_WORDS)}. Default: by the real rows."
        )
        foreign: float = Field(
            0.3, gt=0, lt=1, description="Share of the letters that may be of another script."
        )
        words: int = Field(
            2,
            ge=1,
            description="Small words of another language, more than of the own one, for which a"
            " text is rejected.",
        )

        @field_validator("language")
        @classmethod
        def _is_known(cls, language: str | None) -> str | None:
            if language is not None and language not in _WORDS:
                raise ValueError(f"unknown language{nearest(language, list(_WORDS))}")
            return language

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._prompt: tuple[str, ...] = ()
        self._own: tuple[str | None, frozenset[str]] | None = None

    def use_prompt(self, instruction: str, examples: Sequence[Row]) -> None:
        texts = tuple(str(value) for row in examples for value in row.values() if value)
        self._prompt = texts or (instruction,)

    def check_kind(self, kind: Kind) -> None:
        super().check_kind(kind)
        texts = [row.text for row in kind.real] or self._prompt
        language = self.options.language or language_of(texts)
        scripts = Counter(script for text in texts for script in _scripts(text))
        own = {script for script, count in scripts.items() if count >= _OWN * scripts.total()}
        if not own and language is None:
            raise RecipeError(
                "rule 'language': no real rows tell the language; name it with the option"
                " `language`"
            )
        self._own = language, frozenset(own or {"LATIN"})

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        texts = self.texts(batch, kind)
        return [self._why(text, kind) is None for text in texts]

    def check(self, row: Row, kind: Kind) -> str | None:
        return self._why(self.text(row, kind), kind)

    def _why(self, text: str, kind: Kind) -> str | None:
        if self._own is None:
            self.check_kind(kind)
        assert self._own is not None
        language, scripts = self._own
        found = _scripts(text)
        other = [script for script in found if script not in scripts]
        if len(other) > self.options.foreign * len(found):
            return f"written in {Counter(other).most_common(1)[0][0].capitalize()} letters"
        if language is None:
            return None
        counts = _counts([text])
        best = max(counts, key=lambda code: (counts[code], code == language))
        if counts[best] - counts[language] >= self.options.words:
            return f"looks like {best}, not {language}"
        return None


def language_of(texts: Iterable[str]) -> str | None:
    """Return the code of the language whose small words are most frequent; None without any."""
    counts = _counts(texts)
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else None


def _counts(texts: Iterable[str]) -> dict[str, int]:
    """Return how many words are small words of each language."""
    words = Counter(word for text in texts for word in _WORD.findall(text.lower()))
    return {
        code: sum(count for word, count in words.items() if word in small)
        for code, small in _WORDS.items()
    }


def _scripts(text: str) -> list[str]:
    """Return the script of each letter."""
    return [_script(ch) for ch in text if ch.isalpha()]


@lru_cache(1 << 12)
def _script(letter: str) -> str:
    first = unicodedata.name(letter, "OTHER").partition(" ")[0]
    return _TOGETHER.get(first, first)
