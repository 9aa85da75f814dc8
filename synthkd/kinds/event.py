"""The kind `event`: heads of if-then triples, such as "PersonX pays PersonY a compliment".

Events are generated from a few seed events, drawn anew for each request (head generation of West et
al. 2022, arXiv 2110.07178). An accepted corpus of events is the input of triples about events.
"""

from __future__ import annotations

from collections.abc import Sequence

from synthkd.kinds.answer_text import LABELS, answer_lines, as_line
from synthkd.kinds.base import Kind, Malformed, Row
from synthkd.text.json_values import json_texts
from synthkd.text.normal_forms import normal_phrase


class EventKind(Kind):
    """An event: the first line of a completion."""

    name = "event"
    columns = ("event",)
    group_column = "event"
    default_rules = ("empty", "starts_with", "too_long", "unfinished", "characters", "worst_nll")

    def parse(self, text: str, row: Row) -> list[dict[str, str]] | Malformed:
        written = json_texts(text, ("event", "text", "answer"))
        if written is not None and not written:
            return Malformed("not_json", "begins as JSON, and no text is in it")
        lines = answer_lines(written[0] if written else text, rf"event|{LABELS}")
        return [{"event": lines[0]}] if lines else Malformed("no_text")

    def completion(self, candidates: Sequence[Row], row: Row) -> str:
        return " " + as_line(str(candidates[0]["event"] or ""))

    def verbalize(self, candidate: Row) -> str:
        return str(candidate["event"])

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        return (normal_phrase(str(candidate["event"])),)
