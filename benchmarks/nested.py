"""Nested figures under names of their own."""

from __future__ import annotations

from benchmarks.base import Figures


def flat(figures: Figures) -> Figures:
    """Name inner figures by both names.

    ``auc_by_source`` of ``all_head`` is ``auc_by_source_all_head``.
    """
    result: Figures = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            result |= {f"{name}_{inner.replace(' ', '_')}": v for inner, v in value.items()}
        else:
            result[name] = value
    return result
