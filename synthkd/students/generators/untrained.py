"""Make small untrained checkpoints of the shape of Llama or T5.

The tokenizer is a byte-level BPE of given texts, so that it encodes every text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from synthkd.errors import StudentError
from synthkd.options import checked_options
from synthkd.students.generators.options import SMALLEST_VOCABULARY, UntrainedOptions

PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"


def new_checkpoint(folder: str | Path, texts: Iterable[str], **options: Any) -> Path:
    """Write an untrained checkpoint into a folder, and return the folder.

    Args:
        folder: The folder.
        texts: Texts that the tokenizer learns from.
        options: Its shape; `UntrainedOptions` lists them.

    Raises:
        StudentError: An option is unknown, or the sizes do not fit.
    """
    import torch

    from synthkd.students.generators.checkpoint import write_checkpoint

    shape: UntrainedOptions = checked_options(
        UntrainedOptions, options, "new checkpoint", StudentError
    )
    causal = shape.shape == "llama"
    tokenizer = byte_level_bpe(texts, shape.vocabulary, begin=causal)
    size, heads = len(tokenizer), shape.head_count
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shape.seed or 0)
        model = (
            llama(size, shape.layers, shape.width, heads, shape.context)
            if causal
            else _t5(size, shape.layers, shape.width, heads)
        )
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
        StudentError: `size` is below `SMALLEST_VOCABULARY`.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if size < SMALLEST_VOCABULARY:
        raise StudentError(
            f"vocabulary: 256 bytes and 3 special tokens are {SMALLEST_VOCABULARY} tokens at least,"
            f" not {size}"
        )
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
