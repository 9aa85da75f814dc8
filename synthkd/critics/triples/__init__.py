"""The knowledge-base critic: a reference of true triples as evidence about candidates.

module                                subject
------------------------------------  ------------------------------------------------------
`critic`, `training`                  the plug-in, and the training set from held-out triples
`reference`, `negatives`              true triples, and false ones made from them
`reference_features`                  the features of a candidate, which are
`counts`, `neighbours`, `scorer`      co-occurrence, near triples, a learned score
`phrases`, `vectors`                  phrases as numbers and as unit vectors
`trees`, `array_checks`               boosted trees as arrays, and checks of a saved critic
"""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.critics.triples.critic import KnowledgeBaseCritic
    from synthkd.critics.triples.negatives import Similar, TrueTriples, corrupt

#: Public name -> its module, imported on first use: numerical libraries are slow to import.
_HOMES = {
    "KnowledgeBaseCritic": "critic",
    "Similar": "negatives",
    "TrueTriples": "negatives",
    "corrupt": "negatives",
}

__all__ = ["KnowledgeBaseCritic", "Similar", "TrueTriples", "corrupt"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
