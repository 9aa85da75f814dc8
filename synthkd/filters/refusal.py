"""Texts that are no answer: refusals, a model about itself, placeholders, a server's errors.

The patterns are anchored, and each asks for more than one sign, since knowledge and utterances may
begin alike: *I'm sorry, my card has not come* and *I can't log in* are no refusals. Measured in
`tests/filters/test_refusal.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from synthkd.filters.row_rules import TextRule
from synthkd.kinds.base import Kind, Row

if TYPE_CHECKING:
    import pyarrow as pa

_QUOTE = r"[\s\"'“”‘’`*_(\[<>{}]*"
_END = r"[\s.!…:;,\"'“”’`*_)\]<>{}]*$"
#: A text that is one of these words and no more.
_PLACEHOLDERS = (
    "none", "null", "nil", "nan", "undefined", "unknown", r"n\s?/\s?a", "not applicable",
    "not available",
    "not specified", "not provided", "not known", "no answer", "no response", "no output",
    "no result", "no results",
    "no data", "unspecified", "unclear", "no answer (?:is )?possible", "there is no"
        " answer", r"none (?:given|found|available|applicable|known|provided)", "tbd", "todo",
        "placeholder",
    "lorem ipsum.*", "(?:(?:your|insert) )?(?:answer|response|text) (?:goes"
        " )?here", "insert .{1,40} here", "empty string", "无", "没有", "不知道", "なし", "нет данных",
        "keine angabe", "sin respuesta",
)  # fmt: skip
_NOT = (
    r"(?:can\s?not|can['’]?t|could not|couldn['’]t|won['’]?t|will not|am (?:unable|not able|not"
    r" allowed) to|['’]m (?:unable|not able|not allowed) to|do not|don['’]t|am not|['’]m not)"
)
_SORRY = (
    r"(?:i['’]?\s?a?m (?:very |so |really )?(?:sorry|afraid)|(?:very |so )?sorry|my"
    r" apologies|apologies|i (?:must |have to )?apologi[sz]e|unfortunately|regrettably)"
)
#: What a model does for its user, and a customer does not for a bank.
_SERVE = (
    r"(?:answer(?:"
    r" (?:that|this|the|your|such|any)\b.*)?$|assist\b|comply\b|fulfil+\b|generate\b|provide (?:an?"
    r" |any |the |that |this |such |you |information|content|assistance|medical|legal|financial)|"
    r"(?:help|do|discuss|engage in|continue|participate"
    r" in|create|write|complete|produce|support|process)(?: you)?(?: with)? (?:that|this|your"
    r" request|such|content|requests?|topics?)\b|"
    r"feel comfortable"
    r" (?:answering|assisting|helping|providing|discussing|writing|creating|generating|with"
    r" th)|have (?:access to (?:real|current|the"
    r" internet|external|live|up-to-date|your|any|that|this|such|information)|enough"
    r" (?:information|context|data)|the (?:ability|capability)"
    r" to|personal|real-time|feelings|opinions)|"
    r"fulfil|respond\b|determine\b|browse\b|see (?:the |any"
    r" )?(?:image|picture|attachment)|understand (?:the|your) (?:question|request|prompt)|be able"
    r" to (?:answer|help|assist|comply|provide|generate|fulfil|do (?:that|this))\b)"
)
#: Names in brackets that a template or a site leaves in the place of a text.
_BRACKETED = (
    r"(?:insert\b[^\]>}]{0,40}|(?:your |the"
    r" )?(?:answer|tail|text|response|output|object|entity|completion|placeholder|sentence)(?:"
    r" here)?|redacted|removed|deleted)"
)
#: What follows a model's word for itself; a person who is one goes on otherwise (an assistant
#: manager, an AI researcher).
_ITSELF = r"(?=\s*(?:$|[,.;:!…)\"'*]|(?:i|and|so|but|with|without|that|developed|created|trained|made|designed|built|by|from|here)\b))"
_AI = (
    r"(?:an? )?(?:ai|a\.i\.|artificial intelligence|(?:large |ai )?language model|ai (?:language"
    r" )?model|(?:ai |virtual )?assistant|chatbot|llm)\b"
)
_PATTERNS: dict[str, str] = {
    "is a placeholder": (
        rf"^{_QUOTE}(?:{'|'.join(_PLACEHOLDERS)}){_END}|^[\s\"'`*]*[\[<{{]{{1,2}}\s*{_BRACKETED}\s*[\]>}}]{{1,2}}{_END}"
    ),
    "speaks of itself as a model": (
        rf"^{_QUOTE}(?:{_SORRY}[,.]? (?:but )?)?(?:as {_AI}|being {_AI}|i(?:['’]?\s?a?m| am)(?:"
        rf" just| only| merely)? {_AI}(?! for\b)){_ITSELF}"
        rf"|^{_QUOTE}i(?:['’]m| am)"
        r" (?:chatgpt|claude|gemini|bard|qwen|deepseek|llama|mistral|copilot|grok|kimi)\b"
        r"|^\W*(?:als (?:ein )?(?:ki|sprachmodell)|en tant qu['’](?:ia\b|intelligence"
        r" artificielle|un modèle de langage)"
        r"|como (?:un |uma? )?(?:ia\b|modelo de (?:lenguaje|linguagem)|inteligencia"
        r" artificial)|come (?:ia\b|modello linguistico)"
        r"|как (?:языковая модель|искусственный"
        r" интеллект|ии\b)|作为(?:一个|一名)?(?:人工智能|ai|语言模型|大型语言模型)|私はai)"
    ),
    "refuses": (
        rf"^{_QUOTE}(?:{_SORRY}[,.!]? ?(?:but |that )?)?i {_NOT} {_SERVE}"
        rf"|^{_QUOTE}(?:{_SORRY}[,.!]? ?(?:but |that )?)?i{_NOT} {_SERVE}"
        rf"|^{_QUOTE}{_SORRY}[,.!]? ?(?:but |that )?i (?:can\s?not|can['’]t|won['’]t)(?: do"
        rf" (?:that|this))?{_END}"
        rf"|^{_QUOTE}i (?:can\s?not|can['’]t|won['’]t) (?:do (?:that|this)|help(?: you)?(?: with"
        rf" (?:that|this))?){_END}"
        rf"|^{_QUOTE}i (?:must |have to |will have to )?(?:decline|refuse) to"
        r" (?:answer|help|assist|provide|write|generate|create)\b"
        r"|^\W*(?:es tut mir leid,? (?:aber )?(?:ich|dabei|das) kann|lo siento,? (?:pero )?no"
        r" puedo|je (?:suis désolée?|regrette),? (?:mais )?je ne peux"
        r"|desculpe,? (?:mas )?(?:eu )?não posso|mi dispiace,? (?:ma )?non posso|извините,? (?:но"
        r" )?я не могу|к сожалению,? я не могу"
        r"|je ne peux pas (?:répondre|(?:vous |t['’])?aider|fournir)|ich kann"
        r" (?:dabei|damit|das|diese|ihnen|dir)\b.{0,30} nicht (?:helfen|beantworten)"
        r"|przykro mi,? (?:ale )?nie mog|het spijt me,? (?:maar )?ik kan|(?:tôi )?(?:rất )?xin"
        r" lỗi,? (?:nhưng )?tôi không thể"
        r"|maaf,? (?:tetapi |tapi )?saya tidak (?:bisa|dapat)|üzgünüm,? (?:ama |ancak"
        r" )?(?:bu|size|yardım)|मुझे (?:खेद|माफ़?|क्षमा)|क्षमा करें,? (?:लेकिन )?मैं"
        r"|(?:عذر(?:ًا|اً|ا)|آسف)،? (?:ولكن |لكن )?(?:لا|ولا|أنا)|我(?:无法|不能)(?:回答|提供|帮助|协助|满足|完成)"
        r"|(?:很)?(?:抱歉|对不起)[，, ]*(?:但)?我(?:无法|不能|不会)|申し訳(?:ありません|ございません)|죄송(?:합니다|하지만))"
    ),
    "says that it does not know": (
        rf"^{_QUOTE}(?:{_SORRY}[,.!]? ?(?:but )?)?(?:i (?:do not|don['’]t|really don['’]t) know(?:"
        r" (?:the answer|that|this|what you mean))?(?:[,.] (?:sorry|i['’]m sorry))?"
        r"|i(?: have|['’]ve)?(?: got)? no idea|i(?: prefer|['’]d rather| would rather) not (?:to"
        r" )?(?:say|answer)|i(?:['’]m| am) not (?:sure|certain)(?: about (?:that|this))?|not"
        r" sure|no idea|idk|(?:it )?(?:cannot|can['’]t|can not) be determined"
        r"|(?:there is )?(?:not enough|insufficient) (?:information|context|data)(?:"
        r" (?:to|is|was|given|provided)\b.*)?"
        r"|(?:it is |it['’]s )?(?:unable|not able|impossible|not possible) to"
        r" (?:answer|determine|say|tell)(?: (?:this|that|the|from|without|based|with)\b.*)?"
        r"|(?:cannot|can['’]?t|can not) (?:answer|say)(?: (?:this|that|the) .*)?"
        r"|please (?:provide|give)(?: me)?(?: with)? (?:(?:more|additional|further)"
        r" (?:context|information|details)|the"
        r" (?:text|question|input|sentence|passage|document|context))"
        r"|how (?:can|may) i (?:help|assist)(?: you)?(?: today)?\??"
        r"|ich wei(?:ß|ss) (?:es )?nicht|no (?:lo )?sé|je ne sais pas|не"
        rf" знаю|わかりません|모르겠(?:습니다|어요)){_END}"
    ),
    "announces an answer and gives none": (
        rf"^{_QUOTE}(?:(?:sure|certainly|of course|absolutely|okay|ok|great|yes|no problem|happy to"
        r" help|got it|alright|understood|here you go)(?: thing)?[,.!:]* *)+"
        r"(?:(?:i(?:['’]d| would) be (?:happy|glad) to(?: help)?(?: (?:you )?with"
        r" (?:that|this))?|i can help(?: you)? with (?:that|this)|let me (?:help|think|see)|here"
        r" (?:is|are|it is|you are|you go)|here['’]s)(?: (?:an?|the|your|my|some|one|\d+))?(?:"
        r" (?:possible|short|brief|requested|final|completed|new|example))*(?:"
        rf" (?:answers?|responses?|lists?|completions?|texts?|examples?|output|sentences?|ones?|results?))?(?: (?:for you|below|to (?:your|the) (?:question|request)))?){_END}"
        rf"|^{_QUOTE}(?:sure(?: thing)?|certainly|absolutely|of course)[!:]+{_END}"
        rf"|^{_QUOTE}here(?: (?:is|are)|['’]s) (?:an?|the|your|my|some)"
        r" (?:(?:possible|short|brief|requested|final|completed)"
        rf" )*(?:answers?|responses?|lists?|completions?|output|results?){_END}"
    ),
    "is an error of a server": (
        rf"^{_QUOTE}(?:error|exception|fatal|failed|http(?: error)?|status(?:"
        r" code)?|code)?[\s:,\d#-]*(?:an? |the"
        r" )?(?:(?:api|server|internal|request|connection|network|unknown|unexpected) )*"
        r"(?:(?:rate|token|usage|request) ?limit(?:s|ed)? (?:exceeded|reached|error)|quota"
        r" (?:exceeded|reached)|too many requests|internal server error|bad gateway|gateway"
        r" time-?out"
        r"|service (?:temporarily"
        r" )?unavailable(?=[\s.!]*$|[:;,(]|\s*\d)|(?:request|connection|read|api) (?:timed"
        r" out|time-?out|refused|reset|failed)|error (?:occurred(?=[\s.!]*$|[:;,(]|"
        r" (?:while|during|when) (?:processing|generating|fetching|calling|handling|the"
        r" request))|while processing|generating|\d{3}(?=[\s.!]*$|[:;,(-]))|context"
        r" (?:length|window) exceeded)\b"
        rf"|^{_QUOTE}(?:traceback \(most recent call last\)|<!doctype"
        rf" html|\{{[\"']?error[\"']?\s*:)"
        rf"|^{_QUOTE}error[:,] .{{0,60}}\b(?:limit|quota|exceeded|timeout|timed"
        r" out|unauthori[sz]ed|forbidden|unavailable|server|token|request|api key)\b"
    ),
}  # fmt: skip


@cache
def _compiled() -> dict[str, re.Pattern[str]]:
    """Compile the patterns at their first use: it takes a tenth of the start of a command."""
    return {why: re.compile(pattern, re.IGNORECASE) for why, pattern in _PATTERNS.items()}


#: The first words of all patterns: most texts begin otherwise, and are looked at no further.
_FIRST = frozenset(
    [
        "none",
        "null",
        "nil",
        "nan",
        "undefined",
        "unknown",
        "n",
        "not",
        "no",
        "tbd",
        "todo",
        "placeholder",
        "lorem",
        "your",
        "insert",
        "answer",
        "response",
        "text",
        "empty",
        "as",
        "being",
        "i",
        "im",
        "sorry",
        "very",
        "so",
        "really",
        "my",
        "apologies",
        "unfortunately",
        "regrettably",
        "als",
        "en",
        "como",
        "come",
        "как",
        "es",
        "lo",
        "je",
        "desculpe",
        "mi",
        "извините",
        "к",
        "sure",
        "certainly",
        "of",
        "absolutely",
        "okay",
        "ok",
        "great",
        "yes",
        "happy",
        "got",
        "alright",
        "understood",
        "here",
        "error",
        "exception",
        "fatal",
        "failed",
        "http",
        "status",
        "code",
        "api",
        "server",
        "internal",
        "request",
        "connection",
        "network",
        "unexpected",
        "rate",
        "token",
        "usage",
        "quota",
        "too",
        "bad",
        "gateway",
        "service",
        "read",
        "context",
        "traceback",
        "doctype",
        "ich",
        "не",
        "there",
        "insufficient",
        "it",
        "cannot",
        "can",
        "idk",
        "keine",
        "sin",
        "нет",
        *(
            "unspecified",
            "unclear",
            "tail",
            "output",
            "object",
            "entity",
            "completion",
            "sentence",
            "redacted",
            "removed",
        ),
        *(
            "deleted",
            "the",
            "unable",
            "impossible",
            "please",
            "how",
            "przykro",
            "het",
            "tôi",
            "rất",
            "xin",
            "maaf",
            "üzgünüm",
        ),
        # Combining marks end a word here.
        *("म", "क", "عذر", "عذرا", "آسف"),
    ]
)
_WORD = re.compile(r"[^\W\d_]+")
#: Words that say nothing yet: "An error occurred".
_ARTICLES = frozenset(["a", "an", "the"])
#: From here on, scripts without blanks between words.
_WIDE = "\u1100"
#: Characters of a text that are looked at: a non-answer says so at its beginning.
_HEAD = 300


class Refusal(TextRule):
    """Reject refusals, placeholders such as ``None``, and other texts that are no answer.

    On by default, but for templates of base models (`chat: false`).
    """

    name: ClassVar[str] = "refusal"

    def reads(self, kind: Kind) -> tuple[str, ...]:
        return self.text_columns(kind)

    def passes(self, batch: pa.RecordBatch, kind: Kind) -> Sequence[bool]:
        return [not _may_be_none(text) for text in self.texts(batch, kind)]

    def check(self, row: Row, kind: Kind) -> str | None:
        return why_no_answer(self.text(row, kind))


def why_no_answer(text: str) -> str | None:
    """Return the reason why a text is no answer; None if nothing says so."""
    if not _may_be_none(text):
        return None
    head = text[:_HEAD]
    return next((why for why, pattern in _compiled().items() if pattern.match(head)), None)


def _may_be_none(text: str) -> bool:
    """Return True if a text begins with a word that begins non-answers."""
    first = _WORD.search(text, 0, _HEAD)
    if first is not None and first.group().lower() in _ARTICLES:
        first = _WORD.search(text, first.end(), _HEAD)
    return first is not None and (first.group().lower() in _FIRST or first.group()[0] >= _WIDE)
