"""synthkd: symbolic knowledge distillation.

A teacher overgenerates, rules and critics decide, a Parquet corpus remains.

    from synthkd import Recipe, run, load_corpus

    result = run("recipe.yaml")
    result.corpus.accepted
"""

from typing import TYPE_CHECKING

from synthkd._version import __version__
from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.corpora.read import Corpus, load_corpus
    from synthkd.decorators import backend, critic, kind, loop_task, rule, student, vote
    from synthkd.errors import SynthKDError
    from synthkd.journal import Journal
    from synthkd.loops.engine import distill
    from synthkd.loops.result import DistillResult
    from synthkd.options import BaseOptions
    from synthkd.pipeline import RunResult, filter, generate, publish, run
    from synthkd.recipe import Recipe

#: Public name -> its module. Modules load when a name is first used: the import stays fast.
_HOMES = {
    "BaseOptions": "synthkd.options",
    "Corpus": "synthkd.corpora.read",
    "DistillResult": "synthkd.loops.result",
    "Journal": "synthkd.journal",
    "Recipe": "synthkd.recipe",
    "RunResult": "synthkd.pipeline",
    "SynthKDError": "synthkd.errors",
    "distill": "synthkd.loops.engine",
    "filter": "synthkd.pipeline",
    "generate": "synthkd.pipeline",
    "load_corpus": "synthkd.corpora.read",
    "publish": "synthkd.pipeline",
    "run": "synthkd.pipeline",
    **dict.fromkeys(
        ("backend", "critic", "kind", "loop_task", "rule", "student", "vote"), "synthkd.decorators"
    ),
}

__all__ = [
    "BaseOptions",
    "Corpus",
    "DistillResult",
    "Journal",
    "Recipe",
    "RunResult",
    "SynthKDError",
    "__version__",
    "backend",
    "critic",
    "distill",
    "filter",
    "generate",
    "kind",
    "load_corpus",
    "loop_task",
    "publish",
    "rule",
    "run",
    "student",
    "vote",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
