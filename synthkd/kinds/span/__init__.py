"""Spans of sentences: entities, terms, clauses (the kind `span`).

`kind` is the plug-in, `answers` reads what a teacher wrote, `places` finds it in the sentence.
"""

from synthkd.kinds.span.kind import SpanKind

__all__ = ["SpanKind"]
