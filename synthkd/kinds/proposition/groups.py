"""What a teacher wrote, as groups of propositions: tagged by sentence, a plain list, or JSON. Nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from synthkd.kinds.answer_text import peel, without_emphasis
from synthkd.text.normal_forms import normal_phrase, stored

#: `<s>`, `</s>` and what is written for them: `<S>`, `< s >`, `[s]`, `<s1>`, `<s id="1">`, `<sentence>`, `<\s>`.
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
    r"\s*(?:\*\*)?(?:atomic\s+)?(?:propositions?|facts?|claims?)(?:\*\*)?\s*:(?:\*\*)?\s*$", re.IGNORECASE
)
#: With these a completion goes on to another input, or repeats its own.
_RUNAWAY = re.compile(r"(?:^|\n)[ \t]*(?:Sentences?|Text|Input|Passage)\s*:[ \t]*(?:\n|$)", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*```[\w-]*[ \t]*$", re.MULTILINE)
#: Names of a proposition that a teacher may write before it, as a pattern.
_NAMES = "(?:atomic |simple )?(?:proposition|fact|claim|statement)"
#: More groups, propositions of one, or characters of a completion are noise, and counted as `too_many`.
MOST, LONGEST = 500, 400_000


@dataclass(slots=True)
class Group:
    """Propositions of one sentence as they were written. ``number`` counts from 1 where the tag bears one."""

    said: list[str] = field(default_factory=list)
    number: int | None = None
    opened: bool = True
    closed: bool = True
    dashed: bool = False
    #: The last proposition breaks off in the middle of a line.
    cut: bool = False


@dataclass(slots=True)
class Written:
    """Groups in their order, and listed propositions outside of any."""

    groups: list[Group]
    loose: Group
    #: There was more than is read.
    more: bool = False


def read_groups(text: str, sentences: Sequence[str]) -> Written:
    """A completion in the tagged form, or a plain list. ``sentences`` are those that were asked about."""
    own = _own(text)
    written = Written([], Group([], opened=False, closed=False))
    current: Group | None = None
    place = 0
    for tag in _TAG.finditer(own):
        if len(written.groups) >= MOST:
            written.more = True
            break
        inside = own[place : tag.start()]
        place = tag.end()
        closes = bool(tag["close"] or tag["empty"])
        if current is None and closes and _listed(inside):
            # A group without its opening tag.
            current = Group(opened=False)
        (current or written.loose).said += _lines(inside, current or written.loose)
        if current is not None:
            current.closed = closes
            written.groups.append(current)
        number = int(tag["number"]) if tag["number"] else None
        current = None
        if tag["empty"]:
            written.groups.append(Group(number=number))
        elif not closes:
            current = Group(number=number, closed=False)
    _last(written, current, "" if written.more else own[place:])
    written.groups = _without_echo(written.groups, sentences)
    if not written.groups and not written.loose.dashed:
        # Neither tags nor dashes: every line is one.
        written.loose = Group(list(_plain_lines(own)), opened=False, closed=False, cut=_breaks(own))
    cropped = [_cropped(group) for group in (*written.groups, written.loose)]
    written.more |= len(text) > LONGEST or True in cropped
    return written


def _last(written: Written, current: Group | None, rest: str) -> None:
    """What stands behind the last tag."""
    into = current or written.loose
    into.said += _lines(rest, into)
    into.cut = bool(into.said) and _breaks(rest)
    if current is not None:
        written.groups.append(current)


def _own(text: str) -> str:
    """A completion without its prompt, should the teacher have repeated it, and without the next one it made up."""
    text = text[:LONGEST]
    text = _FENCE.sub("", text)
    if (again := _RUNAWAY.match(text)) and (
        label := re.search(r"\n[ \t]*Propositions?\s*:", text, re.IGNORECASE)
    ):
        text = text[max(label.end(), again.end()) :]
    found = _RUNAWAY.search(text)
    return text[: found.start()] if found and text[: found.start()].strip() else text


def _cropped(group: Group) -> bool:
    """Leave the first `MOST` propositions of a group; whether there were more."""
    more = len(group.said) > MOST
    del group.said[MOST:]
    return more


def _listed(text: str) -> bool:
    return any(_DASH.match(line) for line in text.split("\n") if line.strip())


def _lines(text: str, group: Group) -> list[str]:
    """Propositions between two tags. In a group, a line without a dash goes on with the one before it, or stands
    alone where nothing is dashed; outside, only what is listed counts."""
    found: list[str] = []
    dashed = _listed(text)
    inside = group.opened or group.closed
    for line in text.split("\n"):
        if not line.strip() or _LABEL.match(line):
            continue
        mark = _DASH.match(line)
        if mark:
            group.dashed = True
            found += [one for part in _INLINE.split(line[mark.end() :]) if (one := cleaned(part))]
        elif not inside:
            continue
        elif dashed and found and not found[-1].endswith((".", "!", "?")):
            found[-1] = f"{found[-1]} {cleaned(line)}".strip()
        elif one := cleaned(line):
            found.append(one)
        if len(found) > MOST:
            break
    return found


def _plain_lines(text: str) -> Iterator[str]:
    for line in text.split("\n")[: MOST + 1]:
        if line.strip() and not _LABEL.match(line) and (one := cleaned(_TAG.sub(" ", line))):
            yield one


def cleaned(line: str) -> str:
    """One line as it is stored, without marks, labels and quotes around it, and without emphasis."""
    return peel(without_emphasis(" ".join(stored(line).split())), _NAMES)


def _breaks(text: str) -> bool:
    """Whether a text ends within a line, and not at the end of a sentence."""
    return (
        bool(text.strip())
        and text == text.rstrip("\n")
        and not text.rstrip().endswith((".", "!", "?", '"', "”", ")"))
    )


def _without_echo(groups: list[Group], sentences: Sequence[str]) -> list[Group]:
    """Groups without those that only repeat a sentence of the prompt, where others are left."""
    known = {normal_phrase(sentence) for sentence in sentences}
    own = [
        group
        for group in groups
        if group.dashed or not group.said or normal_phrase(" ".join(group.said)) not in known
    ]
    return own if any(group.dashed for group in own) else groups
