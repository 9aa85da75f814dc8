#!/usr/bin/env python3
"""Students of rationales: is one that learns what won a vote better than one that learns whatever the teacher said?

    python -m benchmarks students --only rationales [--quick] [--seeds 3] [--keep DIR] [--json FILE]

Word problems of the everyday world: rationales of the embedded teacher (5.6 M parameters), generator students of 0.16 M made
from nothing, answers judged by exact truth on questions that nobody saw. Then real chains of PaLM-540B and Llama-3
(`rationales_palm`): SVAMP, whose students write the equation, and CommonsenseQA, whose students rank the choices;
gold answers only score.
"""

from __future__ import annotations

from typing import Any

from benchmarks.students import rationales_cqa, rationales_everyday, rationales_svamp


def run(options: Any) -> dict[str, Any]:
    """Figures by name."""
    parts = (rationales_everyday, rationales_svamp, rationales_cqa)
    return {name: figure for part in parts for name, figure in part.run(options).items()}
