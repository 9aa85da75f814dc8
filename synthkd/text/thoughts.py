"""Split a reply into a model's thoughts and its answer.

    form                                          models
    --------------------------------------------  -------------------------------------------------
    <think>…</think>, and the names of `NAMES`    DeepSeek-R1, Qwen3, GLM, MiniMax, EXAONE, Claude
    [THINK]…[/THINK]                              Magistral
    ◁think▷…◁/think▷                              Kimi-VL
    <|channel|>analysis<|message|>…               gpt-oss (harmony), even without special tokens
    <|channel>thought…<channel|>                  Gemma
    <|START_THINKING|>…<|END_THINKING|>           Command A
    <|begin_of_thought|>…<|end_of_thought|>       Sky-T1, OpenThinker
    <details type="reasoning">…</details>         front ends such as Open WebUI
    Here is my thought process: …                 Granite 3.2

The answer is the text after the last closing tag, with or without an opening tag: chat templates of
reasoning models open the thoughts themselves. Unclosed thoughts leave no answer. Names are read in
any case, with blanks and attributes. A mentioned tag (in quotes or backticks, or "the <think> tag")
opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

#: Names of tags of thoughts, in angle brackets.
NAMES = (
    "think", "thinking", "thought", "thoughts", "thought_process", "thinking_process",
    "deep_think", "deep_thinking", "longcat_think", "reason", "reasoning", "reasoning_content",
    "reflection", "chain_of_thought", "cot", "scratchpad", "scratch_pad", "inner_monologue",
    "internal_monologue", "inner_thoughts", "internal_thoughts", "analysis", "deliberation",
    "seed:think", "seed:cot_budget_reflect", "ant:thinking", "antml:thinking", "antthinking",
)  # fmt: skip
#: Reason for a reply of thoughts alone.
ONLY_THOUGHTS = "only_thoughts"


@dataclass(frozen=True, slots=True)
class SplitReply:
    """A reply, split.

    Attributes:
        text: The answer; "" without one.
        thoughts: The text before the answer.
        unclosed: True if the thoughts have no end, so that the reply has no answer.
    """

    text: str
    thoughts: str = ""
    unclosed: bool = False


_LT, _GT = r"(?:<\|?|&lt;)", r"(?:\|?>|&gt;)"
#: `chain-of-thought` and `ChainOfThought` are `chain_of_thought`.
_NAMED = "|".join(
    re.escape(name).replace("_", "[-_ ]?") for name in sorted(NAMES, key=len, reverse=True)
)
_MARK = re.compile(
    # Possessive: a model that runs on in blanks must not cost the square of them.
    rf"(?P<named>{_LT}\s*+(?P<slash>/)?\s*+(?:{_NAMED})(?:\s[^<>\n]{{0,200}}?)?\s*+(?P<empty>/)?\s*+{_GT})"
    r"|(?P<square>\[\s*+(?P<square_slash>/)?\s*+(?:think(?:ing)?|thought|reasoning)\s*+\])"
    r"|(?P<wedge>◁\s*+(?P<wedge_slash>/)?\s*+think(?:ing)?\s*+▷)"
    # Harmony, whole and as decoders leave it that drop special tokens.
    r"|(?P<begin><\|channel\|>\s*(?:analysis|commentary)\b[^<\n]{0,200}(?:<\|constrain\|>[^<\n]{0,50})?<\|message\|>"
    r"|<\|channel>\s*(?:thought|analysis)\b|<\|START_THINKING\|>|<\|begin_of_thought\|>|<\|inner_prefix\|>|<unused94>thought\b"
    r"|<details\s[^<>\n]{0,200}type=\"?reasoning\"?[^<>\n]{0,200}>"
    r"|\A\s*(?-i:analysis(?=[A-Z]))|\A\s*here(?:'s|’s| is) my thought process:)"
    r"|(?P<end><\|channel\|>\s*final\b[^<\n]{0,200}(?:<\|constrain\|>[^<\n]{0,50})?<\|message\|>"
    r"|<channel\|>|<\|END_THINKING\|>|<\|end_of_thought\|>|<\|inner_suffix\|>|<unused95>)"
    r"|(?P<details></details>)|(?P<bare>assistantfinal)|(?P<granite>here(?:'s|’s| is) my"
    r" response:)",
    re.IGNORECASE,
)
#: Beginnings of replies that are thoughts without a tag.
_BARE = ("analysis", "here")
#: Marks that close thoughts only if their own form opened them.
_ONLY_AFTER = {
    "bare": re.compile("analysis", re.IGNORECASE),
    "granite": re.compile("thought process", re.IGNORECASE),
}
_DETAILS = re.compile("<details", re.IGNORECASE)
#: Quotes around a mentioned tag.
_QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "„": "“", "«": "»", "「": "」"}
_SPOKEN_OF = re.compile(r"[ -](?:tags?|tokens?|elements?|markers?|blocks?)\b", re.IGNORECASE)
_SPEAKS_OF = re.compile(
    r"\b(?:an?|the|of|with|in|by|and|or|its|each|opening|closing|start|end) \Z", re.IGNORECASE
)
#: Wrappers of an answer behind thoughts, and the tokens that end it.
_WRAPPED = re.compile(
    r"\s*(?:<(?P<name>answer|response|output|final_answer|solution)\s*>|<\|START_RESPONSE\|>|<\|begin_of_solution\|>|<\|begin_of_box\|>)"
    r"(?P<text>.*?)(?:(?:</(?P=name)\s*>|<\|END_RESPONSE\|>|<\|end_of_solution\|>|<\|end_of_box\|>).*)?\Z",
    re.IGNORECASE | re.DOTALL,
)
_ENDS = re.compile(
    r"<\|(?:return|end|im_end|eot_id|eom_id|endoftext|end_of_text|END_OF_TURN_TOKEN)\|>.*\Z"
    r"|(?:(?<=\S)</s>|<eos>|<end_of_turn>|<｜end▁of▁sentence｜>)\s*+\Z",
    re.DOTALL,
)
_OPEN_AT_END = re.compile(
    rf"(?:{_LT}\s*(?:{_NAMED})\s*{_GT}|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|channel\|>analysis<\|message\|>)\s*\Z",
    re.IGNORECASE,
)


def may_hold_thoughts(text: str) -> bool:
    """Return False if a reply clearly has no mark of thoughts, as nearly all replies."""
    return (
        "<" in text
        or "[" in text
        or "◁" in text
        or "&lt;" in text
        or text.lstrip()[:8].lower().startswith(_BARE)
    )


def split_thoughts(text: str, reasoning: str | None = None) -> SplitReply:
    """Split a reply into thoughts and answer. Never raises, whatever the text.

    Args:
        text: The reply.
        reasoning: Thoughts that the server has already split off.
    """
    before = reasoning or ""
    if not may_hold_thoughts(text):
        return SplitReply(text, before)
    last, opened = None, False
    for mark, opens in _marks(text):
        if opens:
            opened = True
        else:
            last, opened = mark, False
    if opened:
        return SplitReply("", before + text, unclosed=True)
    if last is None:
        return SplitReply(_without_end(text), before)
    answer = text[last.end() :]
    if wrapped := _WRAPPED.match(answer):
        answer = wrapped["text"]
    return SplitReply(_without_end(answer).strip("\r\n\t "), before + text[: last.end()])


def _without_end(text: str) -> str:
    """Cut an answer at the token that ends it, which some servers leave in."""
    match = _ENDS.search(text) if "<" in text else None
    # A pair of tags is markup, such as groups of propositions.
    if match is None or (match[0].startswith("</s>") and "<s>" in text):
        return text
    return text[: match.start()]


def _marks(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Yield the marks of a reply that are not mentions, and True for those that open thoughts."""
    # Open <details> within thoughts, and the place up to which they are counted.
    depth, place = 0, 0
    begun: dict[str, re.Match[str] | None] = {}
    for mark in _MARK.finditer(text):
        form = str(mark.lastgroup)
        if form in ("slash", "empty", "named"):
            if _is_mention(text, mark):
                continue
            # `<think/>` is an empty thought.
            yield mark, not (mark["slash"] or mark["empty"])
        elif form in ("square", "square_slash", "wedge", "wedge_slash"):
            if not _is_mention(text, mark):
                yield mark, not (mark["square_slash"] or mark["wedge_slash"])
        elif form == "details":
            if depth:
                depth += len(_DETAILS.findall(text, place, mark.start())) - 1
                place = mark.end()
                if not depth:
                    yield mark, False
        elif form in _ONLY_AFTER:
            if form not in begun:
                begun[form] = _ONLY_AFTER[form].search(text)
            first = begun[form]
            if first is not None and first.end() <= mark.start():
                yield mark, False
        else:
            if not depth and _DETAILS.match(text, mark.start()):
                depth, place = 1, mark.end()
            yield mark, form == "begin"


def _is_mention(text: str, mark: re.Match[str]) -> bool:
    """Return True if the text mentions a tag instead of using it."""
    before, after = text[mark.start() - 1 : mark.start()], text[mark.end() : mark.end() + 1]
    if before in _QUOTES and before:
        line = text[mark.end() : mark.end() + 400].partition("\n")[0]
        # `<think>…</think>` in one pair of backticks is a mention.
        return after == _QUOTES[before] or (before == "`" and "`" in line)
    if after == "`":
        begin = text.rfind("`", max(0, mark.start() - 400), mark.start()) + 1
        if begin and "\n" not in text[begin : mark.start()] and _MARK.match(text, begin):
            return True
    mention = _SPOKEN_OF.match(text, mark.end()) and _SPEAKS_OF.search(
        text, max(0, mark.start() - 20), mark.start()
    )
    return bool(mention)


def opened_by(prompt: str) -> str:
    """Return the tag with which a rendered prompt opens the thoughts; "" without one."""
    match = _OPEN_AT_END.search(prompt[-100:])
    return match.group().strip() if match else ""


def special_marks(tokens: Iterable[str]) -> frozenset[str]:
    """Return the special tokens of a tokenizer that mark thoughts, which decoding must keep."""
    vocabulary = frozenset(tokens)
    marks = {token for token in vocabulary if _MARK.fullmatch(token)}
    return frozenset(marks | (vocabulary & _HARMONY if "<|channel|>" in vocabulary else set()))


def answer_tokens(tokens: Sequence[str], answer: str) -> tuple[int, int] | None:
    """Find the tokens of an answer among those of a whole reply.

    Blanks are ignored, since tokenizers and servers place them differently.

    Args:
        tokens: The reply's tokens as texts, in order; thoughts and special tokens may be among
            them.
        answer: The answer.

    Returns:
        The first token of the answer and the token after its last; None if the answer is not whole.
    """
    wanted = "".join(answer.split())
    if not wanted:
        return None
    pieces = ["".join(token.split()) for token in tokens]
    stop = len(pieces)
    while (
        stop
        and (not pieces[stop - 1] or _SPECIAL.fullmatch(pieces[stop - 1]))
        and not wanted.endswith(pieces[stop - 1] or "\0")
    ):
        stop -= 1
    left, start = len(wanted), stop
    while left > 0 and start:
        start -= 1
        left -= len(pieces[start])
    if left or "".join(pieces[start:stop]) != wanted:
        return None
    return start, stop


_HARMONY = frozenset(
    ["<|channel|>", "<|message|>", "<|constrain|>", "<|start|>", "<|end|>", "<|return|>"]
)
#: Tokens behind a reply: `<|im_end|>`, `</s>`, `<eos>`, `<end_of_turn>`.
_SPECIAL = re.compile(r"<[|/]?[\w｜▁:-]{1,40}[|]?>|<｜[^<>]{1,40}｜>")
