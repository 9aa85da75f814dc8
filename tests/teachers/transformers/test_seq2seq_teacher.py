"""The transformers backend on an encoder-decoder: a small untrained one of the shape of T5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.transformers_teacher import ask, texts

from synthkd.requests import Completion

pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.slow
PROMPTS = ["a dog", "what is a knife used for?", "one two three four five six seven eight nine"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from synthkd.students.generators.untrained import new_checkpoint

    made = tmp_path_factory.mktemp("t5") / "tiny"
    return new_checkpoint(made, PROMPTS, layers=2, width=32, heads=2, vocabulary=300, shape="t5")


def said(folder: Path, prompts: list[str] = PROMPTS, **rest: Any) -> dict[tuple[str, int], str]:
    part = {"model": str(folder), "device": "cpu", "batch_size": rest.pop("batch_size", 64)}
    return texts(ask(prompts, part=part, stop=(), **rest))


def test_what_else_is_in_a_batch_does_not_change_a_sample(folder: Path) -> None:
    together = said(folder, n=4, max_tokens=12)
    alone = {
        key: text
        for prompt in PROMPTS
        for key, text in said(folder, [prompt], n=4, max_tokens=12).items()
    }
    assert together == alone
    assert len(set(together.values())) > len(PROMPTS)


def test_greedy_texts_are_those_of_the_models_own_generate(folder: Path) -> None:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    found = said(folder, n=1, temperature=0.0, max_tokens=10)
    for prompt in PROMPTS:
        ids = torch.tensor([tokenizer(prompt)["input_ids"]])
        own = model.generate(ids, max_new_tokens=10, do_sample=False, num_beams=1)
        assert found[prompt, 0] == tokenizer.decode(own[0], skip_special_tokens=True)


def test_a_samples_log_probability_is_that_of_its_tokens(folder: Path) -> None:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    part = {"model": str(folder), "device": "cpu"}
    answer = ask([PROMPTS[0]], n=1, temperature=0.0, max_tokens=6, stop=(), part=part)[
        PROMPTS[0], 0
    ]
    assert isinstance(answer, Completion)
    ids = torch.tensor([tokenizer(PROMPTS[0])["input_ids"]])
    with torch.no_grad():
        own = model.generate(ids, max_new_tokens=6, do_sample=False, num_beams=1)
        logits = model(input_ids=ids, decoder_input_ids=own[:, :-1]).logits.log_softmax(-1)
    expected = float(logits[0].gather(1, own[0, 1:, None]).sum())
    assert answer.logprob == pytest.approx(expected, abs=1e-3)
