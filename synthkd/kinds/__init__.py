"""Kinds of knowledge: their columns, and how candidates are parsed, verbalised and normalised."""

from synthkd.kinds.base import Kind, Malformed, Row, SourceText

__all__ = ["Kind", "Malformed", "Row", "SourceText"]
