"""Kinds of knowledge: their columns, and how candidates are parsed, verbalised and normalised."""

from synthkd.kinds.answer_text import answer_lines, clean_line
from synthkd.kinds.base import Kind, Malformed, Row, SourceText
from synthkd.text.normal_forms import normal_phrase

__all__ = [
    "Kind",
    "Malformed",
    "Row",
    "SourceText",
    "answer_lines",
    "clean_line",
    "normal_phrase",
]
