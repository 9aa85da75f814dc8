"""A tiny GGUF file of a Llama with random weights and a byte-level tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HIDDEN, INNER, LAYERS, HEADS, KEY_HEADS = 32, 64, 2, 4, 2


def write_gguf(path: Path, seed: int = 0) -> Path:
    """Write the file; equal seeds give equal files."""
    import gguf
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    rng = np.random.default_rng(seed)
    tokens = ["<|endoftext|>", *bytes_to_unicode().values(), "th", "he"]
    kinds = [gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (len(tokens) - 1)
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(128)
    out.add_embedding_length(HIDDEN)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(INNER)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KEY_HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(HIDDEN // HEADS)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("gpt2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges(["t h", "h e"])
    for add in (out.add_bos_token_id, out.add_eos_token_id, out.add_pad_token_id):
        add(0)

    def tensor(name: str, *shape: int) -> None:
        values = np.ones(shape) if len(shape) == 1 else rng.normal(0, 0.5, shape)
        out.add_tensor(name, values.astype(np.float32))

    tensor("token_embd.weight", len(tokens), HIDDEN)
    tensor("output_norm.weight", HIDDEN)
    narrow = HIDDEN // HEADS * KEY_HEADS
    for number in range(LAYERS):
        tensor(f"blk.{number}.attn_norm.weight", HIDDEN)
        tensor(f"blk.{number}.ffn_norm.weight", HIDDEN)
        tensor(f"blk.{number}.attn_q.weight", HIDDEN, HIDDEN)
        tensor(f"blk.{number}.attn_k.weight", narrow, HIDDEN)
        tensor(f"blk.{number}.attn_v.weight", narrow, HIDDEN)
        tensor(f"blk.{number}.attn_output.weight", HIDDEN, HIDDEN)
        tensor(f"blk.{number}.ffn_gate.weight", INNER, HIDDEN)
        tensor(f"blk.{number}.ffn_up.weight", INNER, HIDDEN)
        tensor(f"blk.{number}.ffn_down.weight", HIDDEN, INNER)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path
