"""synthkd: symbolic knowledge distillation.

A teacher overgenerates, rules and critics decide, a Parquet corpus remains.

    import synthkd

    result = synthkd.run("recipe.yaml", inputs=frame, rules=[no_brands], budget=5)
    result.corpus.to_pandas()

Examples in docstrings run in a folder that `synthkd init FOLDER` wrote.
"""

from typing import TYPE_CHECKING

from synthkd._version import __version__
from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.commands.dry_run import dry_run
    from synthkd.commands.init import write_starter
    from synthkd.commands.probe_steps import probe
    from synthkd.corpora.read import Corpus, load_corpus
    from synthkd.critics.of_rows import Critic
    from synthkd.decorators import backend, critic, kind, loop_task, rule, student, vote
    from synthkd.errors import SynthKDError
    from synthkd.journal import Journal
    from synthkd.loops.engine import distill
    from synthkd.loops.result import DistillResult
    from synthkd.options import BaseOptions
    from synthkd.pipeline import RunResult, filter, generate, publish, run
    from synthkd.plots import plot_learning_curve, plot_precision_yield, plot_reliability
    from synthkd.recipe import Recipe
    from synthkd.students.of_rows import Student
    from synthkd.testing import FakeServer
    from synthkd.twins import adistill, adry_run, afilter, agenerate, aprobe, arun

#: Public name -> its module. Modules load when a name is first used: the import stays fast.
_HOMES = {
    "BaseOptions": "synthkd.options",
    "Corpus": "synthkd.corpora.read",
    "Critic": "synthkd.critics.of_rows",
    "DistillResult": "synthkd.loops.result",
    "FakeServer": "synthkd.testing",
    "Journal": "synthkd.journal",
    "Recipe": "synthkd.recipe",
    "RunResult": "synthkd.pipeline",
    "SynthKDError": "synthkd.errors",
    "Student": "synthkd.students.of_rows",
    "distill": "synthkd.loops.engine",
    "dry_run": "synthkd.commands.dry_run",
    "filter": "synthkd.pipeline",
    "generate": "synthkd.pipeline",
    "load_corpus": "synthkd.corpora.read",
    "plot_learning_curve": "synthkd.plots",
    "plot_precision_yield": "synthkd.plots",
    "plot_reliability": "synthkd.plots",
    "probe": "synthkd.commands.probe_steps",
    "publish": "synthkd.pipeline",
    "run": "synthkd.pipeline",
    "write_starter": "synthkd.commands.init",
    **dict.fromkeys(
        ("adistill", "adry_run", "afilter", "agenerate", "aprobe", "arun"), "synthkd.twins"
    ),
    **dict.fromkeys(
        ("backend", "critic", "kind", "loop_task", "rule", "student", "vote"), "synthkd.decorators"
    ),
}

__all__ = [
    "BaseOptions",
    "Corpus",
    "Critic",
    "DistillResult",
    "FakeServer",
    "Journal",
    "Recipe",
    "RunResult",
    "Student",
    "SynthKDError",
    "__version__",
    "adistill",
    "adry_run",
    "afilter",
    "agenerate",
    "aprobe",
    "arun",
    "backend",
    "critic",
    "distill",
    "dry_run",
    "filter",
    "generate",
    "kind",
    "load_corpus",
    "loop_task",
    "plot_learning_curve",
    "plot_precision_yield",
    "plot_reliability",
    "probe",
    "publish",
    "rule",
    "run",
    "student",
    "vote",
    "write_starter",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
