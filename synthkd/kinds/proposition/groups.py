"""Read the groups of propositions in an answer: tagged by sentence, or a plain list.

Nothing here raises, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from synthkd.kinds.answer_text import peel, without_emphasis
from synthkd.text.normal_forms import normal_phrase, stored

#: `<s>`, `</s>` and variants: `<S>`, `< s >`, `[s]`, `<s1>`, `<s id="1">`, `<sentence>`, `<\s>`.
_TAG = re.compile(
    r"[<\[]\s*(?P<close>[/\\]?)\s*(?:s|sent|sentence)\s*[-_#:]?\s*(?:(?:id|n|no|number|index)\s*=\s*)?[\"']?"
    r"(?P<number>\d{1,4})?[\"']?\s*(?P<empty>/?)\s*[>\]]",
    re.IGNORECASE,
)
_DASH = re.compile(
    r"\s*(?:(?:(?:[-–—−‐‑‒―•*·▪◦‣⁃●○▸►+]|>)+\s+)+|[–—−‒―•·▪◦‣⁃●○▸►]+(?=\S)|-(?=[^\W\d])|(?P<bold>\*\*|__)?\(?\d{1,3}\\?[.):](?(bold)(?P=bold))\s+"
    r"|\(?[a-zA-Z][.)]\s+(?=[A-Z]))"
)
_INLINE = re.compile(r"(?<=[.!?])\s+[-–—•]\s+")
_LABEL = re.compile(
    r"\s*(?:\*\*)?(?:atomic\s+)?(?:propositions?|facts?|claims?)(?:\*\*)?\s*:(?:\*\*)?\s*$",
    re.IGNORECASE,
)
#: Beginnings of lines with which a completion goes on to another input, or repeats its own.
_RUNAWAY = re.compile(
    r"(?:^|\n)[ \t]*(?:Sentences?|Text|Input|Passage)\s*:[ \t]*(?:\n|$)", re.IGNORECASE
)
_FENCE = re.compile(r"^[ \t]*```[\w-]*[ \t]*$", re.MULTILINE)
#: Names of a proposition that may precede it, as a pattern.
_NAMES = "(?:atomic |simple )?(?:proposition|fact|claim|statement)"
#: Groups, propositions of a group, and characters of a completion that are read; more count as
#: `too_many`.
MOST, LONGEST = 500, 400_000


@dataclass(slots=True)
class PropositionGroup:
    """Propositions of one sentence.

    Attributes:
        propositions: The propositions, in order.
        number: Number of the sentence in the tag, from 1; None without one.
        opened: True if the group has an opening tag.
        closed: True if the group has a closing tag.
        dashed: True if its propositions are list items.
        cut: True if the last proposition breaks off within a line.
    """

    propositions: list[str] = field(default_factory=list)
    number: int | None = None
    opened: bool = True
    closed: bool = True
    dashed: bool = False
    cut: bool = False


@dataclass(slots=True)
class GroupedPropositions:
    """The groups of an answer.

    Attributes:
        groups: The groups, in order.
        loose: List items outside of any group.
        more: True if the answer has more than is read.
    """

    groups: list[PropositionGroup]
    loose: PropositionGroup
    more: bool = False


def read_groups(text: str, sentences: Sequence[str]) -> GroupedPropositions:
    """Read a completion in tagged form, or a plain list.

    Args:
        text: The completion.
        sentences: The sentences of the prompt.
    """
    own = _own(text)
    answer = GroupedPropositions([], PropositionGroup([], opened=False, closed=False))
    current: PropositionGroup | None = None
    place = 0
    for tag in _TAG.finditer(own):
        if len(answer.groups) >= MOST:
            answer.more = True
            break
        inside = own[place : tag.start()]
        place = tag.end()
        closes = bool(tag["close"] or tag["empty"])
        if current is None and closes and _listed(inside):
            # A group without its opening tag.
            current = PropositionGroup(opened=False)
        (current or answer.loose).propositions += _lines(inside, current or answer.loose)
        if current is not None:
            current.closed = closes
            answer.groups.append(current)
        number = int(tag["number"]) if tag["number"] else None
        current = None
        if tag["empty"]:
            answer.groups.append(PropositionGroup(number=number))
        elif not closes:
            current = PropositionGroup(number=number, closed=False)
    _last(answer, current, "" if answer.more else own[place:])
    answer.groups = _without_echo(answer.groups, sentences)
    if not answer.groups and not answer.loose.dashed:
        # Neither tags nor list marks: every line is a proposition.
        answer.loose = PropositionGroup(
            list(_plain_lines(own)), opened=False, closed=False, cut=_breaks(own)
        )
    cropped = [_cropped(group) for group in (*answer.groups, answer.loose)]
    answer.more |= len(text) > LONGEST or True in cropped
    return answer


def _last(answer: GroupedPropositions, current: PropositionGroup | None, rest: str) -> None:
    """Read the text behind the last tag."""
    into = current or answer.loose
    into.propositions += _lines(rest, into)
    into.cut = bool(into.propositions) and _breaks(rest)
    if current is not None:
        answer.groups.append(current)


def _own(text: str) -> str:
    """Return a completion without a repeated prompt and without an invented next input."""
    text = text[:LONGEST]
    text = _FENCE.sub("", text)
    if (again := _RUNAWAY.match(text)) and (
        label := re.search(r"\n[ \t]*Propositions?\s*:", text, re.IGNORECASE)
    ):
        text = text[max(label.end(), again.end()) :]
    repetition = _RUNAWAY.search(text)
    return text[: repetition.start()] if repetition and text[: repetition.start()].strip() else text


def _cropped(group: PropositionGroup) -> bool:
    """Keep the first `MOST` propositions of a group; return True if there were more."""
    more = len(group.propositions) > MOST
    del group.propositions[MOST:]
    return more


def _listed(text: str) -> bool:
    return any(_DASH.match(line) for line in text.split("\n") if line.strip())


def _lines(text: str, group: PropositionGroup) -> list[str]:
    """Read the propositions between two tags.

    In a group, a line without a list mark continues the proposition before it, or is one of its own
    if no line has a mark. Outside of groups, only list items count.
    """
    propositions: list[str] = []
    dashed = _listed(text)
    inside = group.opened or group.closed
    for line in text.split("\n"):
        if not line.strip() or _LABEL.match(line):
            continue
        mark = _DASH.match(line)
        if mark:
            group.dashed = True
            propositions += [
                one
                for part in _INLINE.split(line[mark.end() :])
                if (one := clean_proposition(part))
            ]
        elif not inside:
            continue
        elif dashed and propositions and not propositions[-1].endswith((".", "!", "?")):
            propositions[-1] = f"{propositions[-1]} {clean_proposition(line)}".strip()
        elif one := clean_proposition(line):
            propositions.append(one)
        if len(propositions) > MOST:
            break
    return propositions


def _plain_lines(text: str) -> Iterator[str]:
    for line in text.split("\n")[: MOST + 1]:
        if (
            line.strip()
            and not _LABEL.match(line)
            and (one := clean_proposition(_TAG.sub(" ", line)))
        ):
            yield one


def clean_proposition(line: str) -> str:
    """Return a stored line without list marks, labels, quotes and emphasis."""
    return peel(without_emphasis(" ".join(stored(line).split())), _NAMES)


def _breaks(text: str) -> bool:
    """Return True if a text ends within a line, and not at the end of a sentence."""
    return (
        bool(text.strip())
        and text == text.rstrip("\n")
        and not text.rstrip().endswith((".", "!", "?", '"', "”", ")"))
    )


def _without_echo(
    groups: list[PropositionGroup], sentences: Sequence[str]
) -> list[PropositionGroup]:
    """Drop groups that only repeat a sentence of the prompt, if others remain."""
    echoed = {normal_phrase(sentence) for sentence in sentences}
    own = [
        group
        for group in groups
        if group.dashed
        or not group.propositions
        or normal_phrase(" ".join(group.propositions)) not in echoed
    ]
    return own if any(group.dashed for group in own) else groups
