"""Texts in which a model speaks as an assistant, talks about its task, or repeats its instruction.

The patterns stand at the beginning of a sentence or ask for more than one sign: a customer may
write *I'd be happy if you could help me* or *Here is my card number*.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from synthkd.filters.row_rules import TextRule
from synthkd.kinds.base import Kind, Row
from synthkd.text.normal_forms import normal_text

if TYPE_CHECKING:
    import pyarrow as pa

#: The beginning of a text or of a sentence in it.
_BEGIN = r"(?:^|[.!?:…\n][\s\"'”’)]*)[\s\"'“‘(*\-–—>]*"
_I_AM = r"i(?:['’]?\s?a?m| am)"
_I_WOULD = r"i(?:['’]d| would| will|['’]ll)"
#: What an assistant does for the one it answers.
_AID = r"(?:help|assist|guide|support|walk)"
#: What a model calls the thing that it was asked for.
_WORK = (
    r"(?:texts?|sentences?|prompts?|paragraphs?|phrases?|passages?|(?:re)?writes?|rewriting"
    r"|rephras\w+|paraphras\w+)"
)
_WORK_OR_MESSAGE = rf"(?:{_WORK}|messages?|responses?|examples?|answers?|versions?|quer(?:y|ies))"
#: Words that may stand between an article and that thing.
_SORT = (
    r"(?:(?:new|other|another|revised|modified|rewritten|edited|improved|different|short(?:er)?"
    r"|simple|simplified|sample|possible|original|previous|following|above|given|provided|last"
    r"|first|second|next|final|example|unique|custom|special|clear|concise|generated|chat)[ ,]+)*"
)
_ONE = r"(?:an?|the|this|that|your|my|one|some|these|those|\d+)"

_PATTERNS: dict[str, str] = {
    "speaks as an assistant": (
        rf"{_BEGIN}(?:certainly|sure(?: thing)?|absolutely|of course|definitely)\s*[!,.:]+ *(?=$"
        r"|i\b"
        r"|i['’]|here\b|let\b|my\b|\")"
        rf"|{_BEGIN}{_I_AM} (?:always |also |just |only |really |so |very )*(?:here|happy|glad"
        r"|ready"
        rf"|pleased|delighted|designed|able|available|trained|going) to (?:(?:gladly|always|further"
        rf"|be able to) )?(?:{_AID}\b(?! (?:pay|my|our)\b)|provide you|answer (?:any|your)"
        r"|respond to"
        r" your|serve you|offer (?:you|support|guidance|assistance))"
        rf"|{_BEGIN}{_I_WOULD} be (?:more than )?(?:happy|glad|pleased|delighted) to"
        rf" (?:{_AID} (?:you|with)|answer)"
        rf"|{_BEGIN}{_I_AM} (?:an? |your |the |just )*(?:(?:helpful|friendly|virtual|digital"
        r"|personal"
        r"|smart|intelligent|online) )*(?:ai\b|a\.i\.|artificial intelligence"
        r"|assistant\b(?! (?:manager"
        r"|to|at|in|for)\b)|chat ?bot|language model)"
        rf"|{_BEGIN}as an? (?:(?:helpful|virtual|digital) )*(?:ai|language model|chat ?bot"
        r"|assistant)\b"
        rf"|\b(?:how|what) (?:can|may|could|should) i (?:do to )?(?:{_AID} you|do for you"
        rf"|{_AID} with"
        r" today)\b"
        rf"|\bwhat (?:would you like|do you want|do you need) me to (?:{_AID}|do\b|write|say)"
        rf"|\b(?:here|happy|glad|able|available|designed|willing|want(?:ed)?|like) to"
        rf" (?:{_AID}|serve|support) (?:you|everyone|users|customers|the user|people)\b"
        rf"|\bi (?:can|could|will|shall|may) (?:also |certainly |definitely |gladly |try to )*"
        rf"{_AID} (?:you|with (?:any|your|that|this|other|all))\b"
        rf"|\bi['’]ll (?:be (?:here|happy|glad) to )?{_AID} you\b"
        rf"|{_BEGIN}(?:please )?(?:feel free to|do not hesitate to|don['’]t hesitate to) (?:ask"
        r"|contact"
        r"|reach|call|let|share|use|provide|message)"
        r"|\blet me know (?:if|how|what) (?:you (?:have|need|want|would|are|['’]d)|i can"
        r"|there['’]s)"
        rf"|{_BEGIN}(?:thank you|thanks) (?:so much |very much )?for (?:contacting|reaching out"
        r"|your"
        r" (?:question|inquiry|enquiry|request|interest|patience|understanding|message|feedback"
        r"|response|text|order|purchase)|bringing|choosing|sharing|providing)"
        rf"|{_BEGIN}(?:{_I_AM} (?:so |very |really |truly )?sorry|(?:my "
        r"|our )?(?:sincere )?apologies"
        r"|(?:i|we) (?:sincerely )?apologi[sz]e) (?:for|to hear (?:about|that|of)) (?:the|any"
        r"|your|you\b"
        r"|this|that|all|it)?\s?(?:kind of )?(?:confusion|inconvenience|misunderstanding|loss"
        r"|trouble"
        r"|delay|mistake|issue|about|that|frustration|experience)"
        rf"|{_BEGIN}{_I_AM} (?:so |very |really |truly )?sorry to (?:hear|inform|tell|see|say)\b"
        rf"|{_BEGIN}(?:we|i) (?:understand|appreciate|value) your\b"
        rf"|{_BEGIN}(?:i hope (?:this|that|these|my|the) (?:message|text|email|letter|helps?"
        r"|information"
        r"|response)|hope this helps)"
        rf"|{_BEGIN}(?:i|we) (?:recommend|suggest|advise) (?:that )?you\b"
        rf"|{_BEGIN}it (?:seems|looks|sounds|appears) (?:like|as if|that) (?:you|your"
        r"|there['’]s been)\b"
    ),
    "talks about its task": (
        rf"{_BEGIN}(?:here(?:['’]s| is| are)|this is|that is|below is|the following is"
        r"|following is)"
        rf" (?:{_ONE} )?{_SORT}{_WORK_OR_MESSAGE}\b(?! (?:i|my|me|we|that i|from|number|not)\b)"
        rf"|{_BEGIN}(?:{_ONE} )?{_SORT}{_WORK} (?:(?:you|i|that|above|below|of|for|about|from|in"
        r"|to|was"
        r"|is|should|has|had|says?|reads?|conveys?|describes?|sent|given|provided|made|could|would"
        r"|and|might|may|could|can|the)\b|$)"
        rf"|{_BEGIN}(?:please )?(?:(?:re)?write|rephrase|paraphrase|compose|draft|craft|generate"
        r"|create"
        rf"|edit|replace|summari[sz]e) (?:{_ONE} )?{_SORT}{_WORK_OR_MESSAGE}\b"
        rf"|\b(?:new|original|previous|revised|modified|above|rewritten|following) {_SORT}{_WORK}\b"
        r"|\b(?:of|for|to|in|from|with) (?:the|a|this|another) class(?: [\"“'‘]| of\b|[.,;:!?]|$)"
        r"|\b(?:the|this|a|another) class(?:ification)? [\"“‘']"
        r"|\bwithout (?:naming|mentioning|using) the\b"
        r"|\bwith other words\b"
        rf"|\b(?:your|my|this|the) {_SORT}{_WORK} (?:is|was|has|arrived|conveys?|describes?"
        r"|should)\b"
        rf"|\b(?:a|the|another|more|new) {_SORT}text (?:message )?(?:of|for|with|about|that)\b"
        rf"|{_BEGIN}(?:the|this|a) (?:person|speaker|sender|author|writer|customer|user|student"
        r"|narrator"
        r"|individual|character)(?: (?:is|was|has|had|wants?|who|sending|seems?|sent|asks?"
        r"|asked|needs?|expresses|says?|just|might|could|can|of|in|would)\b|:)"
        rf"|{_BEGIN}[\[(<{{]+ ?(?:your|insert|name|customer|edit|enter|recipient|sender|bank"
        r"|user)\b"
        r"|\[(?:your|the|insert|customer|recipient|sender|bank|user|company|name)\b[^\]]{0,40}\]"
        rf"|{_BEGIN}(?:sentiment|punctuation|tone|context|scenario|narrator|actor|speaker|assistant"
        r"|agent|bot|ai|system|sender|recipient|mentor|teacher|student|subject|rewrite|title"
        r"|person [ab12]|user|[ab])\s?:"
    ),
}  # fmt: skip
#: Characters of a text that are looked at.
_HEAD = 400
#: Words of a run that a text has from the instruction.
_RUN = 4


@cache
def _compiled() -> dict[str, re.Pattern[str]]:
    return {why: re.compile(pattern, re.IGNORECASE) for why, pattern in _PATTERNS.items()}


class Chatter(TextRule):
    """Reject texts that speak as an assistant, talk about the task, or repeat the instruction.

    For texts that people send, such as those of the kind `labelled_text`; a corpus of what
    assistants or agents say is better off without it. English alone is known.
    """

    name: ClassVar[str] = "chatter"

    class Options(TextRule.Options):
        repeated: float = Field(
            0.6,
            gt=0,
            le=1,
            description="Share of a text's words that may stand in runs of four words or more of"
            " the prompt's own instruction.",
        )

    options: Options

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._runs: frozenset[tuple[str, ...]] = frozenset()

    def use_prompt(self, instruction: str, examples: Sequence[Row]) -> None:
        lines = [normal_text(line).split() for line in instruction.splitlines()]
        self._runs = frozenset(run for words in lines for run in _runs_of(words))

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        return [self._why(text) is None for text in self.texts(batch, kind)]

    def check(self, row: Row, kind: Kind) -> str | None:
        return self._why(self.text(row, kind))

    def _why(self, text: str) -> str | None:
        head = text[:_HEAD]
        for why, pattern in _compiled().items():
            if found := pattern.search(head):
                return f"{why}: {found.group().strip()[:60]!r}"
        if self._runs and self._repeated(text) >= self.options.repeated:
            return "repeats the instruction"
        return None

    def _repeated(self, text: str) -> float:
        """Return the share of the words that stand in runs of the instruction."""
        words = normal_text(text).split()
        covered = {
            place + i
            for place, run in enumerate(_runs_of(words))
            if run in self._runs
            for i in range(_RUN)
        }
        return len(covered) / max(len(words), 1)


def _runs_of(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)]
