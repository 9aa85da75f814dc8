"""Rules, votes, order, near-duplicates, label noise."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkd.filters.base import Filter, GlobalFilter, Reasons
    from synthkd.filters.corpus_level import LastFilter
    from synthkd.filters.rules import (
        Characters,
        Echo,
        Empty,
        RowRule,
        SelfLoop,
        StartsWith,
        TextRule,
        TooLong,
        TooShort,
        Unfinished,
    )

_HOMES = {
    **dict.fromkeys(("Filter", "GlobalFilter", "Reasons"), "synthkd.filters.base"),
    "LastFilter": "synthkd.filters.corpus_level",
    **dict.fromkeys(
        (
            "Characters",
            "Echo",
            "Empty",
            "RowRule",
            "SelfLoop",
            "StartsWith",
            "TextRule",
            "TooLong",
            "TooShort",
            "Unfinished",
        ),
        "synthkd.filters.rules",
    ),
}

__all__ = [
    "Characters", "Echo", "Empty", "Filter", "GlobalFilter", "LastFilter", "Reasons", "RowRule",
    "SelfLoop", "StartsWith",
    "TextRule", "TooLong", "TooShort", "Unfinished",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'synthkd.filters' has no attribute {name!r}")
