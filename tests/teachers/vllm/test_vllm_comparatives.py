"""Comparatives by vLLM's constrained decoding, on the real engine where vllm is installed."""

from __future__ import annotations

import csv
import re
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pytest
from support.files import ROOT

from synthkd import Recipe, pipeline
from synthkd.teachers.transformers import EMBEDDED

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        find_spec("vllm") is None,
        reason="vllm is not installed; scripts/test-vllm makes an environment that has it",
    ),
]
MACHINE = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
PAIRS = 10


def test_every_answer_of_a_constrained_run_keeps_to_the_sets_and_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in MACHINE.items():
        monkeypatch.setenv(name, value)
    with (ROOT / "corpora/everyday/pairs.csv").open() as file:
        rows = list(islice(csv.reader(file), PAIRS + 1))
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    sets = {"comparatives": ["heavier", "lighter", "more expensive"], "quantifiers": ["much"]}
    recipe = Recipe.from_dict(
        {
            "name": "sets",
            "inputs": {"path": "pairs.csv"},
            "kind": {"name": "comparative", "options": sets},
            "prompt": {"template": "comparative/everyday"},
            "teacher": {
                "backend": "vllm",
                "model": EMBEDDED,
                "dtype": "float32",
                "constrained": True,
                "options": {"args": {"max_model_len": 256, "enforce_eager": True}},
                "sampling": {"n": 4, "max_tokens": 40, "seed": 0},
            },
            "corpus": {"path": "corpus"},
        },
        folder=tmp_path,
    )
    result = pipeline.run(recipe, quiet=True)
    said = [
        row["raw"]
        for split in (result.corpus.table(provenance=True), result.corpus.rejected)
        for row in split.to_pylist()
    ]
    allowed = (
        r" (?:typically|usually|generally|often|normally|always) (?:much"
        r" )?(?:heavier|lighter|more expensive)\."
    )
    assert len(said) == 4 * PAIRS
    assert all(re.fullmatch(allowed, text) for text in said)
    assert result.counts["malformed"] == 0
    assert set(result.corpus.accepted.column("attribute").to_pylist()) <= {"mass", "price"}
