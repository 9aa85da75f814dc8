"""A BERT of two small layers with random weights, in the ordinary format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_bert(folder: Path, words: Sequence[str], positions: int) -> Path:
    """Save an encoder with a vocabulary of words and letters that reads `positions` tokens."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = [letter for c in "abcdefghijklmnopqrstuvwxyz0123456789" for letter in (c, f"##{c}")]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=positions,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder
