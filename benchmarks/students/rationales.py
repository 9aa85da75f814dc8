"""Students of rationales, trained on voted answers and on raw ones.

Word problems of the everyday world: rationales of the embedded teacher (5.6 M parameters),
generator students of 0.16 M made from nothing, answers checked by exact truth on unseen questions.
Then real chains of PaLM-540B and Llama-3 (`rationales_palm`): SVAMP, whose students write the
equation, and CommonsenseQA, whose students rank the choices; gold answers are used for scoring
only.
"""

from __future__ import annotations

from benchmarks.base import Figures, Options
from benchmarks.students import rationales_cqa, rationales_everyday, rationales_svamp


def figures(options: Options) -> Figures:
    """Measure the three sets."""
    parts = (rationales_everyday, rationales_svamp, rationales_cqa)
    return {name: figure for part in parts for name, figure in part.figures(options).items()}
