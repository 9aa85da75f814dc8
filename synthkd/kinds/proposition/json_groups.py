"""Read groups of propositions from answers in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from synthkd.kinds.proposition.groups import (
    MOST,
    GroupedPropositions,
    PropositionGroup,
    clean_proposition,
)
from synthkd.text.json_values import json_value

_LISTS = (
    "propositions",
    "facts",
    "claims",
    "atomic_facts",
    "answers",
    "sentences",
    "groups",
    "output",
    "result",
)
_TEXTS = ("proposition", "fact", "claim", "text")
_NUMBERS = ("sentence", "sentence_id", "sentence_index", "sentence_number", "number", "id")
_DEPTH = 6


def read_json_groups(text: str) -> GroupedPropositions | None:
    """Read the groups of an answer in JSON; None if the answer is not JSON.

    The answer may be a list of texts, a list of lists (one per sentence), objects with a list under
    a usual name, or an object with sentence numbers as keys. Truncated JSON gives its whole
    propositions.
    """
    value = json_value(text)
    if not isinstance(value, dict | list):
        return None
    answer = GroupedPropositions([], PropositionGroup([], opened=False, closed=True, dashed=True))
    _walk(value, answer, _DEPTH)
    return answer


def _walk(value: Any, answer: GroupedPropositions, depth: int) -> None:
    if depth == 0 or len(answer.groups) >= MOST or len(answer.loose.propositions) >= MOST:
        return
    if isinstance(value, list):
        if value and all(isinstance(one, list) for one in value):
            answer.groups += [
                PropositionGroup(list(_texts(one)), dashed=True) for one in value[:MOST]
            ]
            return
        for one in value:
            _item(one, answer, depth)
    elif isinstance(value, dict):
        _object(value, answer, depth)


def _item(value: Any, answer: GroupedPropositions, depth: int) -> None:
    if isinstance(value, str):
        answer.loose.propositions += _texts([value])
    else:
        _walk(value, answer, depth - 1)


def _object(value: dict[str, Any], answer: GroupedPropositions, depth: int) -> None:
    number = next(
        (
            int(str(value[name]))
            for name in _NUMBERS
            if str(value.get(name, "")).isdecimal() and len(str(value[name])) < 6
        ),
        None,
    )
    if any(isinstance(value.get(name), str) for name in _TEXTS) and not any(
        isinstance(value.get(name), list) for name in _LISTS
    ):
        texts = list(
            _texts([next(value[name] for name in _TEXTS if isinstance(value.get(name), str))])
        )
        if number is None:
            answer.loose.propositions += texts
        else:
            answer.groups.append(PropositionGroup(texts, number, dashed=True))
        return
    by_number = {
        key: one
        for key, one in value.items()
        if key.isdecimal() and len(key) < 6 and isinstance(one, list)
    }
    if by_number:
        answer.groups += [
            PropositionGroup(list(_texts(one)), int(key), dashed=True)
            for key, one in by_number.items()
        ]
        return
    for name in _LISTS:
        inner = value.get(name)
        if not isinstance(inner, list):
            continue
        if (number is not None or "sentence" in value) and all(
            isinstance(one, str) for one in inner
        ):
            answer.groups.append(PropositionGroup(list(_texts(inner)), number, dashed=True))
        else:
            _walk(inner, answer, depth - 1)


def _texts(values: list[Any]) -> Iterator[str]:
    for value in values[:MOST]:
        if isinstance(value, dict):
            value = next((value[name] for name in _TEXTS if isinstance(value.get(name), str)), None)
        if isinstance(value, str) and (text := clean_proposition(value)):
            yield text
