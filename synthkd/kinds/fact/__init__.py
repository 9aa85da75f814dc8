"""Triples that a text states (the kind `fact`).

module      subject
----------  -----------------------------------------------
`kind`      the plug-in
`answers`   an answer as triples, and triples as an answer
"""

from synthkd.kinds.fact.kind import FactKind

__all__ = ["FactKind"]
