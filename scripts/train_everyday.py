#!/usr/bin/env python3
"""Train the embedded teacher: a small llama-shaped decoder on text about the everyday world.

    python scripts/train_everyday.py --out /tmp/everyday --processes 2

Half of what it reads is facts of the table, the rest are comparatives, word problems, sentences
with their propositions, and messages (`everyday/mix.py`). Needs the extra `local`. Writes an
ordinary transformers checkpoint (config, safetensors in float16, tokenizer), `training.json`
(settings, curve) and, every `--save-every` steps, a copy of the model so far and a `resume.pt`; the
same command goes on from there. Each process takes its rows of a batch, on one core: at this size
two processes are much faster than two threads. The same seed, steps, processes and torch version
give the same model up to the order of additions.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from everyday.mix import Mix
from everyday.table import Table
from everyday.text import KEPT_OUT, text_of
from synthkd.keys import content_hash
from synthkd.students.generators.untrained import BEGIN, END, byte_level_bpe, llama


def make_model(vocabulary: int, args: argparse.Namespace) -> LlamaForCausalLM:
    model = llama(vocabulary, args.layers, args.width, args.width // 64, context=512)
    model.config._attn_implementation = "eager"  # faster than sdpa on one core at this size
    return model


class Batches:
    """Endless blocks (rows, length) of token ids and of answers; each pass has its own order.

    Which head or question comes next cannot be known, so of what is given only a random tenth
    counts in the loss, and of what is to be said after it all: the model's few parameters go to the
    facts.
    """

    def __init__(
        self, mix: Mix, tokenizer: PreTrainedTokenizerFast, args: argparse.Namespace
    ) -> None:
        self.mix, self.tokenizer, self.args = mix, tokenizer, args
        self.rng = np.random.default_rng(args.seed)
        self.ids, self.said, self.passes = np.zeros(0, np.int64), np.zeros(0, bool), 0

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (self.args.rows, self.args.length)
        need = shape[0] * shape[1]
        while len(self.ids) < need:
            ids, is_answer = self.one_pass()
            self.ids, self.said = (
                np.concatenate([self.ids, ids]),
                np.concatenate([self.said, is_answer]),
            )
            self.passes += 1
        ids, self.ids = self.ids[:need], self.ids[need:]
        is_answer, self.said = self.said[:need], self.said[need:]
        return torch.from_numpy(ids.reshape(shape).copy()), torch.from_numpy(
            is_answer.reshape(shape).copy()
        )

    def one_pass(self) -> tuple[np.ndarray, np.ndarray]:
        pieces: list[tuple[str, bool]] = []
        for document in self.mix.one_pass(self.args.seed * 10_000 + self.passes):
            pieces.append((BEGIN, False))
            for given, is_answer in document:
                pieces += [(given, False), (is_answer, True)]
            pieces.append((END, False))
        encoded = self.tokenizer([text for text, _ in pieces], add_special_tokens=False)[
            "input_ids"
        ]
        ids = [token for tokens in encoded for token in tokens]
        said_flags = [
            is_answer
            for tokens, (_, is_answer) in zip(encoded, pieces, strict=True)
            for _ in tokens
        ]
        return np.array(ids, np.int64), np.array(said_flags, bool)

    def state(self) -> dict:
        return {
            "ids": torch.from_numpy(self.ids),
            "said": torch.from_numpy(self.said),
            "passes": self.passes,
        }

    def resume(self, state: dict) -> None:
        self.ids, self.said, self.passes = (
            state["ids"].numpy(),
            state["said"].numpy(),
            state["passes"],
        )


def loss_of(
    model, ids: torch.Tensor, is_answer: torch.Tensor, args, generator
) -> tuple[torch.Tensor, float]:
    """Return the weighted cross-entropy of the next token, and its mean over answers."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
        states = model.model(input_ids=ids).last_hidden_state[:, :-1]
        is_answer, after = is_answer[:, 1:], ids[:, 1:]
        counts = is_answer | (torch.rand(is_answer.shape, generator=generator) < args.given_share)
        logits = model.lm_head(states[counts])
    each = torch.nn.functional.cross_entropy(logits.float(), after[counts], reduction="none")
    weight = torch.where(is_answer[counts], 1.0, args.given_weight)
    return (each * weight).sum() / weight.sum(), float(each[is_answer[counts]].mean().detach())


def make_optimizers(model, args: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers, AdamW for embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(
            matrices, lr=args.lr, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def share_gradients(model, processes: int) -> None:
    """Give every process the mean of all processes' gradients."""
    if processes > 1:
        gradients = [p.grad for p in model.parameters()]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= processes
        for gradient, part in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))


def rate(step: int, args: argparse.Namespace) -> float:
    """Return the learning rate: linear warm-up, then a cosine down to a twentieth."""
    if step < args.warmup:
        return args.lr * (step + 1) / args.warmup
    share = min(1.0, (step - args.warmup) / max(1, args.steps - args.warmup))
    return args.lr * (0.05 + 0.475 * (1 + math.cos(math.pi * share)))


def save(model, tokenizer, folder: Path, record: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=16, help="blocks in a batch")
    parser.add_argument("--length", type=int, default=256, help="tokens in a block")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--warmup", type=int, default=60)
    parser.add_argument("--given-share", type=float, default=0.1)
    parser.add_argument("--given-weight", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--processes", type=int, default=2, help="each takes its rows of a batch, on one core"
    )
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        if args.processes == 1:
            train(0, args, folder)
        else:
            torch.multiprocessing.spawn(train, (args, folder), nprocs=args.processes)


def train(rank: int, args: argparse.Namespace, folder: str) -> None:
    if args.processes > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=args.processes
        )
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    table = Table.load()
    mix = Mix(table)
    tokenizer = byte_level_bpe([text_of(document) for document in mix.one_pass(0)], args.vocabulary)
    model = make_model(len(tokenizer), args)
    batches, optimizers = Batches(mix, tokenizer, args), make_optimizers(model, args)
    record = {
        "settings": {k: v for k, v in vars(args).items() if k != "out"},
        "parameters": sum(p.numel() for p in model.parameters()),
        "facts": len(table.facts),
        "facts_seen": len(mix.facts),
        "kept_out": KEPT_OUT,
        "documents_a_pass": {kind: len(documents) for kind, documents in mix.by_kind(0).items()},
        "table": content_hash(sorted(table.facts)),
        "torch": torch.__version__.split("+")[0],
        "curve": [],
    }
    first, resume = 0, args.out / "resume.pt"
    if resume.is_file():
        state = torch.load(resume, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        batches.resume(state["batches"])
        first, record["curve"] = state["step"], state["curve"]
    if rank == 0:
        print(
            f"{record['parameters']:,} parameters, {len(mix.facts):,} of {len(table.facts):,} facts"
        )
    generator = torch.Generator().manual_seed(args.seed * 100 + first * 10 + rank)
    start, losses = time.time(), []
    for step in range(first, args.steps):
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate(step, args)
        ids, is_answer = (block[rank :: args.processes] for block in batches.next())
        loss, of_said = loss_of(model, ids, is_answer, args, generator)
        loss.backward()
        share_gradients(model, args.processes)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(of_said)
        done = step + 1
        if rank == 0 and (done % 25 == 0 or done == args.steps):
            point = {
                "step": done,
                "passes": batches.passes,
                "loss": round(sum(losses) / len(losses), 4),
            }
            record["curve"].append(point)
            losses = []
            speed = (done - first) * args.rows * args.length / (time.time() - start)
            print(f"{point} {speed:.0f} tokens/s", flush=True)
        if rank == 0 and (done % args.save_every == 0 or done == args.steps):
            args.out.mkdir(parents=True, exist_ok=True)
            states = [optimizer.state_dict() for optimizer in optimizers]
            torch.save(
                {"model": model.state_dict(), "optimizers": states, "batches": batches.state(),
                 "step": done, "curve": record["curve"]},
                resume,
            )  # fmt: skip
            save(
                model,
                tokenizer,
                args.out if done == args.steps else args.out / f"step-{done}",
                record,
            )


if __name__ == "__main__":
    main()
