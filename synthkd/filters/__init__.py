"""Rules, votes, order, near-duplicates, label noise, distance to real rows."""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.filters.alias import AliasRule
    from synthkd.filters.base import Filter, GlobalFilter, Reasons
    from synthkd.filters.chatter import Chatter
    from synthkd.filters.corpus_level import LastFilter
    from synthkd.filters.grounding import InText, Rouge, SourceRule
    from synthkd.filters.label_agrees import LabelAgrees
    from synthkd.filters.label_noise import LabelNoise, find_label_noise
    from synthkd.filters.language import Language
    from synthkd.filters.likelihood_ratio import LikelihoodRatio
    from synthkd.filters.off_topic import OffTopic
    from synthkd.filters.real_rows import RealRowsRule
    from synthkd.filters.repetition import Repetition
    from synthkd.filters.row_rules import RowRule, TextRule
    from synthkd.filters.rules import (
        Characters,
        Echo,
        Empty,
        SelfLoop,
        StartsWith,
        TooLong,
        TooShort,
        Unfinished,
    )
    from synthkd.filters.vote_weights import VoteWeight
    from synthkd.filters.votes import Tally, tally

_HOMES = {
    **dict.fromkeys(("RowRule", "TextRule"), "synthkd.filters.row_rules"),
    "AliasRule": "synthkd.filters.alias",
    **dict.fromkeys(("Filter", "GlobalFilter", "Reasons"), "synthkd.filters.base"),
    "Chatter": "synthkd.filters.chatter",
    "LabelAgrees": "synthkd.filters.label_agrees",
    "Language": "synthkd.filters.language",
    "LikelihoodRatio": "synthkd.filters.likelihood_ratio",
    "OffTopic": "synthkd.filters.off_topic",
    "RealRowsRule": "synthkd.filters.real_rows",
    "Repetition": "synthkd.filters.repetition",
    "LastFilter": "synthkd.filters.corpus_level",
    **dict.fromkeys(("InText", "Rouge", "SourceRule"), "synthkd.filters.grounding"),
    **dict.fromkeys(("LabelNoise", "find_label_noise"), "synthkd.filters.label_noise"),
    **dict.fromkeys(
        (
            "Characters",
            "Echo",
            "Empty",
            "SelfLoop",
            "StartsWith",
            "TooLong",
            "TooShort",
            "Unfinished",
        ),
        "synthkd.filters.rules",
    ),
    "VoteWeight": "synthkd.filters.vote_weights",
    **dict.fromkeys(("Tally", "tally"), "synthkd.filters.votes"),
}

__all__ = [
    "AliasRule", "Characters", "Chatter", "Echo", "Empty", "Filter", "GlobalFilter", "InText",
    "LabelAgrees", "LabelNoise", "Language", "LastFilter", "LikelihoodRatio", "OffTopic",
    "RealRowsRule", "Reasons", "Repetition", "Rouge", "RowRule", "SelfLoop", "SourceRule",
    "StartsWith", "Tally", "TextRule", "TooLong", "TooShort", "Unfinished", "VoteWeight",
    "find_label_noise", "tally",
]  # fmt: skip

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
