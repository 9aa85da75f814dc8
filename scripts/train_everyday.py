#!/usr/bin/env python3
"""Train the embedded teacher: a small llama-shaped decoder on a part of the everyday table.

    python scripts/train_everyday.py --steps 2400 --out synthkd/teachers/everyday

Needs the extra `local`. Writes an ordinary transformers checkpoint (config, safetensors in float16,
tokenizer), `training.json` (settings, curve) and, every 200 steps, a copy to go on from after a stop.
About an hour on four cores. The same seed, steps and torch version give the same model up to the order
in which threads add.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from synthkd.everyday.table import Table
from synthkd.everyday.text import KEPT_OUT, documents, seen_facts
from synthkd.keys import content_hash
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind


def make_tokenizer(texts: list[str], size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE; a document begins with <s> and ends with </s>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="left"
    )


def make_model(vocabulary: int, args: argparse.Namespace) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=args.width,
        intermediate_size=args.width * 5 // 2,
        num_hidden_layers=args.layers,
        num_attention_heads=args.width // 64,
        num_key_value_heads=args.width // 64,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config)


class Batches:
    """Endless (rows, length) blocks of token ids; each pass over the facts has its own order."""

    def __init__(self, facts, kind, tokenizer, rows: int, length: int, seed: int) -> None:
        self.facts, self.kind, self.tokenizer = facts, kind, tokenizer
        self.rows, self.length, self.seed = rows, length, seed
        self.buffer, self.passes = np.zeros(0, dtype=np.int64), 0

    def next(self) -> torch.Tensor:
        need = self.rows * self.length
        while len(self.buffer) < need:
            texts = list(documents(self.facts, self.kind, self.seed * 10_000 + self.passes))
            ids = self.tokenizer(texts)["input_ids"]
            flat = [token for document in ids for token in (*document, 2)]
            self.buffer = np.concatenate([self.buffer, np.array(flat, dtype=np.int64)])
            self.passes += 1
        block, self.buffer = self.buffer[:need], self.buffer[need:]
        return torch.from_numpy(block.reshape(self.rows, self.length).copy())


def rate(step: int, args: argparse.Namespace) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < args.warmup:
        return args.lr * (step + 1) / args.warmup
    share = (step - args.warmup) / max(1, args.steps - args.warmup)
    return args.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))


def save(model, tokenizer, folder: Path, record: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--rows", type=int, default=64, help="blocks in a batch")
    parser.add_argument("--length", type=int, default=128, help="tokens in a block")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--save-every", type=int, default=200)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    table = Table.load()
    facts = seen_facts(table)
    kind = TripleKind(load_relations("everyday"))
    tokenizer = make_tokenizer(list(documents(facts, kind, 0)), args.vocabulary)
    model = make_model(len(tokenizer), args)
    batches = Batches(facts, kind, tokenizer, args.rows, args.length, args.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.05)
    record = {
        "settings": {k: v for k, v in vars(args).items() if k not in ("out", "threads")},
        "parameters": sum(p.numel() for p in model.parameters()),
        "facts": len(table.facts),
        "facts_seen": len(facts),
        "kept_out": KEPT_OUT,
        "table": content_hash(sorted(table.facts)),
        "torch": torch.__version__.split("+")[0],
        "curve": [],
    }
    print(f"{record['parameters']:,} parameters, {len(facts):,} of {len(table.facts):,} facts", flush=True)
    start, loss_sum = time.time(), 0.0
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, args)
        ids = batches.next()
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss_sum += loss.item()
        if (step + 1) % 50 == 0:
            tokens = (step + 1) * args.rows * args.length
            record["curve"].append({"step": step + 1, "passes": batches.passes, "loss": round(loss_sum / 50, 4)})
            seconds = time.time() - start
            print(f"step {step + 1} passes {batches.passes} loss {loss_sum / 50:.4f} {tokens / seconds:.0f} tokens/s", flush=True)
            loss_sum = 0.0
        if (step + 1) % args.save_every == 0 or step + 1 == args.steps:
            save(model, tokenizer, args.out if step + 1 == args.steps else args.out / f"step-{step + 1}", record)


if __name__ == "__main__":
    main()
