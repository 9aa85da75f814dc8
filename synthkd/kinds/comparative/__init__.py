"""Comparative claims: "Compared to A, B are more X" (the kind `comparative`)."""

from synthkd.kinds.comparative.kind import ComparativeKind

__all__ = ["ComparativeKind"]
