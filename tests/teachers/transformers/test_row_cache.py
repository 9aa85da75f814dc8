"""Rows that come and go in one key-value cache, beside the model on each row alone."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow


def network(sliding: int | None = None) -> Any:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    }  # fmt: skip
    if sliding is None:
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape)).eval()
    config = transformers.MistralConfig(**shape, sliding_window=sliding)
    return transformers.MistralForCausalLM(config).eval()


def _prefilled(model: Any, prompts: list[list[int]]) -> Any:
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    cache = transformers.DynamicCache()
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    model(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache,
        use_cache=True,
    )  # fmt: skip
    return cache


@given(seed=st.integers(0, 2**32), sliding=st.sampled_from([None, 4]))
@settings(max_examples=25, deadline=None)
@torch.inference_mode()
def test_every_row_sees_its_own_tokens_however_rows_come_and_go(
    seed: int, sliding: int | None
) -> None:
    from synthkd.teachers.transformers.row_cache import RowCache

    rng, model, cache = random.Random(seed), network(sliding), RowCache()
    rows: list[list[int]] = []
    for _ in range(rng.randint(2, 6)):
        prompts = [
            [rng.randrange(50) for _ in range(rng.randint(1, 20))] for _ in range(rng.randint(1, 4))
        ]
        owners = [place for place in range(len(prompts)) for _ in range(rng.randint(1, 3))]
        cache.reserve(len(owners), max(map(len, prompts)), 1)
        cache.append(_prefilled(model, prompts), 0, [len(p) for p in prompts], owners)
        rows += [list(prompts[owner]) for owner in owners]
        for _ in range(rng.randint(0, 12)):
            tokens = [rng.randrange(50) for _ in rows]
            for row, token in zip(rows, tokens, strict=True):
                row.append(token)
            cache.reserve(0, 0, 1)
            mask, positions = cache.masks(torch.device("cpu"))
            logits = model(
                input_ids=torch.tensor(tokens)[:, None], attention_mask=mask,
                position_ids=positions, past_key_values=cache, use_cache=True,
            ).logits[:, -1]  # fmt: skip
            cache.advance()
            for row, found in zip(rows, logits, strict=True):
                alone = model(input_ids=torch.tensor([row])).logits[0, -1]
                assert torch.allclose(found, alone, atol=1e-4)
        gone = sorted(rng.sample(range(len(rows)), rng.randint(0, len(rows))))
        rows = [rows[place] for place in cache.remove(gone)]
        assert cache.rows == len(rows)


@torch.inference_mode()
def test_memory_is_bounded_by_what_is_in_it_at_a_time() -> None:
    from synthkd.teachers.transformers.row_cache import RowCache

    model, cache = network(), RowCache()
    for _ in range(40):
        prompts = [[1, 2, 3, 4, 5]] * 4
        cache.reserve(4, 5, 10)
        cache.append(_prefilled(model, prompts), 0, [5] * 4, list(range(4)))
        for _ in range(10):
            cache.reserve(0, 0, 1)
            mask, positions = cache.masks(torch.device("cpu"))
            model(
                input_ids=torch.ones(cache.rows, 1, dtype=torch.long), attention_mask=mask,
                position_ids=positions, past_key_values=cache, use_cache=True,
            )  # fmt: skip
            cache.advance()
        # The newest row stays until the next round.
        cache.remove(range(cache.rows - 1))
    places, _, columns, _ = cache.layers[0].keys.shape
    assert places <= 8
    assert columns <= 100
