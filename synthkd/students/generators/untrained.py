"""Make small untrained checkpoints of the shape of Llama or T5.

The tokenizer is a byte-level BPE of given texts, so that it encodes every text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from synthkd.errors import StudentError

PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"


def new_checkpoint(
    folder: str | Path,
    texts: Iterable[str],
    layers: int = 2,
    width: int = 128,
    heads: int | None = None,
    vocabulary: int = 2048,
    context: int = 512,
    shape: Literal["llama", "t5"] = "llama",
    seed: int = 0,
) -> Path:
    """Write an untrained checkpoint into a folder, and return the folder.

    Args:
        folder: The folder.
        texts: Texts that the tokenizer learns from.
        layers: Layers, of encoder and decoder each.
        width: Dimensions.
        heads: Attention heads; by default one for 32 dimensions.
        vocabulary: Tokens at most, 256 bytes and 3 special tokens among them.
        context: Tokens that a decoder reads and writes at most.
        shape: `llama` for a causal decoder, `t5` for an encoder-decoder.
        seed: Seed of the weights.

    Raises:
        StudentError: The sizes do not fit.
    """
    import torch

    from synthkd.students.generators.checkpoint import write_checkpoint

    if shape not in ("llama", "t5"):
        raise StudentError(f"shape: {shape!r} is neither 'llama' nor 't5'")
    heads = heads or max(1, width // 32)
    if layers < 1 or width % heads or (width // heads) % 2:
        raise StudentError(
            f"{width} dimensions cannot be cut into {heads} heads of an even size, in {layers}"
            " layers"
        )
    tokenizer = byte_level_bpe(texts, vocabulary, begin=shape == "llama")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = llama(len(tokenizer), layers, width, heads, context) if shape == "llama" else _t5(
            len(tokenizer), layers, width, heads
        )  # fmt: skip
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(model, tokenizer, folder)
    return folder


def byte_level_bpe(texts: Iterable[str], size: int, begin: bool = True) -> Any:
    """Train a byte-level BPE with padding, begin and end tokens (ids 0, 1, 2).

    Args:
        texts: Texts to learn from.
        size: Tokens at most.
        begin: Texts begin with the begin token; else they end with the end token, as encoders
            expect.

    Raises:
        StudentError: `size` is below 259.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if size < 259:
        raise StudentError(f"vocabulary: 256 bytes and 3 marks are 259 tokens at least, not {size}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    single = f"{BEGIN} $A" if begin else f"$A {END}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[(BEGIN, 1), (END, 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BEGIN, eos_token=END,
        padding_side="left" if begin else "right",
    )  # fmt: skip


def llama(vocabulary: int, layers: int, width: int, heads: int, context: int) -> Any:
    """Return an untrained decoder with tied embeddings; its MLP is 2.5 times as wide."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=width * 5 // 2,
        num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=context,
        tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def _t5(vocabulary: int, layers: int, width: int, heads: int) -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=vocabulary, d_model=width, d_kv=width // heads, d_ff=width * 5 // 2,
        num_layers=layers,
        num_decoder_layers=layers, num_heads=heads, feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        tie_word_embeddings=True, pad_token_id=0, eos_token_id=2, decoder_start_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)
