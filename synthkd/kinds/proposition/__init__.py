"""Self-contained propositions in a passage (the kind `proposition`)."""

from synthkd.kinds.proposition.kind import PropositionKind

__all__ = ["PropositionKind"]
