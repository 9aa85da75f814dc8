"""Generate texts, greedily or by sampling from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from synthkd.encoders.device import seeded
from synthkd.errors import StudentError
from synthkd.students.generators.batches import batches_by_length
from synthkd.students.generators.checkpoint import context_length
from synthkd.students.generators.examples import Messages
from synthkd.students.generators.objective import is_seq2seq
from synthkd.students.generators.tokens import ExampleTokenizer


@torch.inference_mode()  # type: ignore[untyped-decorator]
def generate_texts(
    model: Any,
    coder: ExampleTokenizer,
    prompts: Sequence[Messages],
    n: int,
    temperature: float,
    max_tokens: int,
    size: int,
    seed: int,
) -> list[list[str]]:
    """Return `n` texts for each prompt, in the order of the prompts.

    Args:
        model: The model.
        coder: Its tokenizer.
        prompts: The prompts.
        n: Texts for each prompt.
        temperature: 0 decodes greedily.
        max_tokens: Tokens of a text at most.
        size: Texts that are generated at a time.
        seed: Seed of the samples.

    Raises:
        StudentError: A prompt is longer than the model reads.
    """
    coded, room = coder.prompts(prompts), context_length(model)
    for number, ids in enumerate(coded, 1):
        if room is not None and len(ids) + (not coder.seq2seq) > room:
            raise StudentError(
                f"input {number}: {len(ids):,} tokens, and the model reads {room:,} at most;"
                " shorten it"
            )
    written: list[list[str]] = [[] for _ in prompts]
    model.eval()
    with seeded(seed):
        for places in batches_by_length([len(ids) for ids in coded], max(1, size // n)):
            texts = generate_batch(
                model, coder, [coded[i] for i in places], n, temperature, max_tokens
            )
            for place, i in enumerate(places):
                written[i] = texts[place * n : (place + 1) * n]
    return written


def generate_batch(
    model: Any,
    coder: ExampleTokenizer,
    prompts: Sequence[list[int]],
    n: int,
    temperature: float,
    max_tokens: int,
) -> list[str]:
    """Return `n` texts for each tokenised prompt in turn, no longer than the model's context.

    A decoder's prompts are padded on the left, so that all texts continue at the same position.
    """
    pad = coder.pad
    width = max(len(ids) for ids in prompts)
    if (room := context_length(model)) is not None:
        max_tokens = max(1, min(max_tokens, room - (1 if coder.seq2seq else width)))
    left = [width - len(ids) for ids in prompts]
    if coder.seq2seq:
        rows = [ids + [pad] * gap for ids, gap in zip(prompts, left, strict=True)]
        marks = [[1] * len(ids) + [0] * gap for ids, gap in zip(prompts, left, strict=True)]
    else:
        rows = [[pad] * gap + ids for ids, gap in zip(prompts, left, strict=True)]
        marks = [[0] * gap + [1] * len(ids) for ids, gap in zip(prompts, left, strict=True)]
    sampling: dict[str, Any] = {"do_sample": False, "num_beams": 1}
    if temperature > 0:
        sampling |= {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    out = model.generate(
        input_ids=torch.tensor(rows, device=model.device), attention_mask=torch.tensor(marks,
        device=model.device),
        max_new_tokens=max_tokens, num_return_sequences=n if temperature > 0 else 1,
        pad_token_id=pad, eos_token_id=coder.end, **sampling,
    )  # fmt: skip
    begin = 1 if is_seq2seq(model) else width
    texts = [coder.decode(_until(ids, coder.end)) for ids in out[:, begin:].tolist()]
    # Greedy decoding gives the same text n times.
    return texts if temperature > 0 else [text for text in texts for _ in range(n)]


def _until(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids
