"""Step-by-step rationales and their answers (the kind `rationale`)."""

from synthkd.kinds.rationale.kind import RationaleKind

__all__ = ["RationaleKind"]
