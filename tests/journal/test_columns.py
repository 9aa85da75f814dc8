"""Completions as columns are the completions of `Journal.samples`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synthkd.journal import Journal
from synthkd.journal.columns import SampleReader
from synthkd.requests import Completion

NAMES = (
    "text", "finish_reason", "completion_tokens", "logprob", "price", "model", "reasoning_tokens",
)  # fmt: skip
PLAIN = {"completion_tokens": 3, "logprob": -0.1 - 0.2}
PRICED = PLAIN | {"price": 0.1 + 0.2, "model": "m", "reasoning_tokens": 2, "reasoning": "hm"}


@pytest.mark.parametrize("later", [PLAIN, PRICED, {"model": "m"}, {"logprob": None}])
def test_columns_hold_what_samples_holds(tmp_path: Path, later: dict[str, Any]) -> None:
    """Whatever columns begin to have values after many rows without one."""
    names = [f"{number:032x}" for number in range(1200)]
    answers = [
        Completion(name, index, f"{name} \0 é {index}", "stop", **(later if i > 700 else PLAIN))
        for i, name in enumerate(names)
        for index in (10, 2)
    ]
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.store_answers(answers)
        # One that is not there, and one that is asked for twice.
        asked = [*names[::-1], "0" * 31 + "x", names[0]]
        reader = SampleReader(journal)
        for part in (asked, asked[:3]):
            columns = reader.read(part)
            samples = journal.samples(part)
            wanted = [
                (place, index, *(getattr(sample, name) for name in NAMES), bool(sample.thought))
                for place, name in enumerate(part)
                for index, sample in sorted(samples.get(name, {}).items())
            ]
            found = zip(
                columns.request.tolist(),
                columns.sample_index.tolist(),
                *(getattr(columns, name).to_pylist() for name in NAMES),
                columns.thought.tolist(),
                strict=True,
            )
            assert list(found) == wanted


def test_no_request_gives_no_row(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert len(SampleReader(journal).read([])) == 0
        assert len(SampleReader(journal).read(["a" * 32])) == 0
