#!/usr/bin/env python3
"""Train the embedded teacher: a small llama-shaped decoder on a part of the everyday table.

    python scripts/train_everyday.py --out synthkd/teachers/everyday

Needs the extra `local`. Writes an ordinary transformers checkpoint (config, safetensors in float16,
tokenizer), `training.json` (settings, curve) and, every 500 steps, a copy of the model so far.
About a quarter of an hour on four cores. It stops at a third of its schedule on purpose: later it is right in
more than 80 % of what it says, and a critic has little to do. The same seed, steps and torch version give the same model up to the order
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
from synthkd.everyday.text import KEPT_OUT, documents, seen_facts, text_of
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
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        padding_side="left",
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
    """Endless blocks (rows, length) of token ids and weights; each pass over the facts has its own order.

    Which head comes next cannot be known, so what is given weighs little in the loss and what is to be said
    after it weighs one: the model's few parameters go to the facts.
    """

    def __init__(self, facts, kind, tokenizer, args: argparse.Namespace) -> None:
        self.facts, self.kind, self.tokenizer, self.args = facts, kind, tokenizer, args
        self.ids, self.weights, self.passes = np.zeros(0, np.int64), np.zeros(0, np.float32), 0

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (self.args.rows, self.args.length)
        need = shape[0] * shape[1]
        while len(self.ids) < need:
            ids, weights = self.one_pass()
            self.ids = np.concatenate([self.ids, ids])
            self.weights = np.concatenate([self.weights, weights])
            self.passes += 1
        ids, self.ids = self.ids[:need], self.ids[need:]
        weights, self.weights = self.weights[:need], self.weights[need:]
        return torch.from_numpy(ids.reshape(shape).copy()), torch.from_numpy(weights.reshape(shape).copy())

    def one_pass(self) -> tuple[np.ndarray, np.ndarray]:
        given_weight = self.args.given_weight
        pieces: list[tuple[str, float]] = []
        for document in documents(self.facts, self.kind, self.args.seed * 10_000 + self.passes):
            pieces.append(("<s>", given_weight))
            for given, said in document:
                pieces += [(given, given_weight), (said, 1.0)]
            pieces.append(("</s>", given_weight))
        encoded = self.tokenizer([text for text, _ in pieces], add_special_tokens=False)["input_ids"]
        ids = [token for tokens in encoded for token in tokens]
        weights = [w for tokens, (_, w) in zip(encoded, pieces, strict=True) for _ in tokens]
        return np.array(ids, np.int64), np.array(weights, np.float32)


def weighted_loss(model, ids: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Cross-entropy of the next token, weighted; and its mean over what is to be said, for the log."""
    logits = model(input_ids=ids).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none"
    )
    weight = weights[:, 1:].reshape(-1)
    said = weight == 1
    return (each * weight).sum() / weight.sum(), float(each[said].mean().detach())


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--stop", type=int, default=1000, help="stop here on the schedule of --steps")
    parser.add_argument("--rows", type=int, default=32, help="blocks in a batch")
    parser.add_argument("--length", type=int, default=128, help="tokens in a block")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--given-weight", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--save-every", type=int, default=500)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    table = Table.load()
    facts = seen_facts(table)
    kind = TripleKind(load_relations("everyday"))
    tokenizer = make_tokenizer([text_of(d) for d in documents(facts, kind, 0)], args.vocabulary)
    model = make_model(len(tokenizer), args)
    batches = Batches(facts, kind, tokenizer, args)
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
    print(
        f"{record['parameters']:,} parameters, {len(facts):,} of {len(table.facts):,} facts",
        flush=True,
    )
    start, loss_sum = time.time(), 0.0
    for step in range(min(args.stop, args.steps)):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, args)
        loss, said = weighted_loss(model, *batches.next())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss_sum += said
        if (step + 1) % 50 == 0:
            tokens = (step + 1) * args.rows * args.length
            record["curve"].append(
                {"step": step + 1, "passes": batches.passes, "loss": round(loss_sum / 50, 4)}
            )
            seconds = time.time() - start
            print(
                f"step {step + 1} passes {batches.passes} loss {loss_sum / 50:.4f} {tokens / seconds:.0f} tokens/s",
                flush=True,
            )
            loss_sum = 0.0
        if (step + 1) % args.save_every == 0 or step + 1 == min(args.stop, args.steps):
            save(
                model,
                tokenizer,
                args.out if step + 1 == min(args.stop, args.steps) else args.out / f"step-{step + 1}",
                record,
            )


if __name__ == "__main__":
    main()
