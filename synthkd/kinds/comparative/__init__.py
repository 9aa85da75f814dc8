"""Comparative claims: "Compared to A, B are more X" (the kind `comparative`).

`kind` is the plug-in. `clause` reads an answer by the words of `grammar`, and `lexicon` gives the
axis and the direction of each comparative.
"""

from synthkd.kinds.comparative.kind import ComparativeKind

__all__ = ["ComparativeKind"]
