"""Log-probabilities of texts by a local model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from synthkd.recipe import TeacherPart  # noqa: E402
from synthkd.teachers.transformers import EMBEDDED  # noqa: E402
from synthkd.teachers.transformers.scoring import TextScorer  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scorer() -> TextScorer:
    return TextScorer.load(TeacherPart(model=EMBEDDED, threads=1), Path())


def _alone(scorer: TextScorer, beginning: str, text: str) -> tuple[float, int]:
    head: Any = scorer.tokenizer(beginning)["input_ids"]
    ids: Any = scorer.tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = scorer.model(torch.tensor([head + ids])).logits[0].float().log_softmax(-1)
    return sum(float(logits[len(head) - 1 + n, token]) for n, token in enumerate(ids)), len(ids)


def test_texts_have_the_log_probability_that_the_model_gives_them_alone(
    scorer: TextScorer,
) -> None:
    texts = [" sharp\n", " used for cutting bread\n", " a\n", "", " used for cutting\n"]
    sums, counts = scorer.log_probabilities("oak is often hard\nknife is often", texts)
    for place, text in enumerate(texts):
        expected, tokens = _alone(scorer, "oak is often hard\nknife is often", text)
        assert sums[place] == pytest.approx(expected, abs=1e-3)
        assert counts[place] == tokens


def test_many_texts_are_scored_as_few(scorer: TextScorer) -> None:
    texts = [f" used for thing {number}\n" for number in range(300)]
    together, _ = scorer.log_probabilities("knife is", texts)
    some, _ = scorer.log_probabilities("knife is", texts[::50])
    np.testing.assert_allclose(together[::50], some, atol=1e-3)


def test_a_beginning_of_one_token_is_enough(scorer: TextScorer) -> None:
    (found,), _ = scorer.log_probabilities("knife", [" is"])
    assert found == pytest.approx(_alone(scorer, "knife", " is")[0], abs=1e-3)
