"""Kinds of knowledge: their columns, and how candidates are parsed, verbalised and normalised.

`base` is the contract; `triple`, `event`, `comparative/`, `labelled_text/`, `rationale/`,
`proposition/` and `span/` are the kinds. `answer_text` cleans plain answers, `structured_answers`
reads JSON, `relations` has the sets of relations, and `factory` makes the kind of a recipe.
"""

from typing import TYPE_CHECKING

from synthkd.kinds.answer_text import answer_lines, clean_line
from synthkd.kinds.base import Kind, Malformed, Row, SourceText
from synthkd.lazy_names import lazy_names
from synthkd.text.normal_forms import normal_phrase

if TYPE_CHECKING:
    from synthkd.kinds.comparative import ComparativeKind
    from synthkd.kinds.event import EventKind
    from synthkd.kinds.fact import FactKind
    from synthkd.kinds.labelled_text import LabelledTextKind
    from synthkd.kinds.proposition import PropositionKind
    from synthkd.kinds.rationale import RationaleKind
    from synthkd.kinds.record import RecordKind
    from synthkd.kinds.span import SpanKind
    from synthkd.kinds.triple import TripleKind

#: The kinds that come with synthkd; their modules load when a name is first used.
_HOMES = {
    "ComparativeKind": "comparative",
    "EventKind": "event",
    "FactKind": "fact",
    "LabelledTextKind": "labelled_text",
    "PropositionKind": "proposition",
    "RationaleKind": "rationale",
    "RecordKind": "record",
    "SpanKind": "span",
    "TripleKind": "triple",
}

__all__ = [
    "ComparativeKind",
    "EventKind",
    "FactKind",
    "Kind",
    "LabelledTextKind",
    "Malformed",
    "PropositionKind",
    "RationaleKind",
    "RecordKind",
    "Row",
    "SourceText",
    "SpanKind",
    "TripleKind",
    "answer_lines",
    "clean_line",
    "normal_phrase",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
