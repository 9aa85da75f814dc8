"""CommonsenseQA: recorded answers, and a student that ranks the five choices.

A generator that answers such questions better than chance takes hours to train on a core, so this
student is a small one on frozen vectors of MiniLM: question and choice are projected, and a softmax
over the five choices learns the answers. Chance is 0.2. Gold answers are used for scoring only.
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.students.seeds import Floats, format_interval, interval, interval_figures
from benchmarks.text_table import table
from synthkd.encoders.frozen import load_frozen_encoder
from synthkd.filters.votes import tally
from synthkd.keys import fraction

#: Rate, scale and form were chosen on the validation part, with voted answers: a linear layer over
#: `pair_features` gave 0.367 there, projections at 1e-3 and a scale of 20 0.367, at 3e-4 and 10
#: 0.403.
EPOCHS, LR, BATCH, SCALE, DROPOUT = 6, 3e-4, 64, 10.0, 0.2
Label = tuple[str, int, float]


class Items:
    """Questions with their choices as vectors, divided by hash of the id."""

    def __init__(self, data: Path, encoder: str, quick: bool, kept: Path | None) -> None:
        rows = pq.read_table(data / "rationales_palm/cqa_train_items.parquet").to_pylist()
        rows = rows[:800] if quick else rows
        self.place = {row["id"]: i for i, row in enumerate(rows)}
        self.choices = [row["choices"] for row in rows]
        self.gold = np.array([row["gold_index"] for row in rows])
        self.answer = [row["gold_answer"] for row in rows]
        part = [fraction(f"cqa-part|{row['id']}") for row in rows]
        self.held = np.array([share < 0.2 for share in part])
        self.validation = np.array([0.2 <= share < 0.3 for share in part])
        texts = sorted({text for row in rows for text in (row["question"], *row["choices"])})
        vectors = _vectors(texts, encoder, None if quick else kept)
        at = {text: i for i, text in enumerate(texts)}
        self.question = vectors[[at[row["question"]] for row in rows]]
        self.choice = vectors[[[at[text] for text in row["choices"]] for row in rows]]


def _vectors(texts: list[str], encoder: str, kept: Path | None) -> Any:
    path = kept / "cqa.npy" if kept else None
    if path is not None and path.is_file() and len(results := np.load(path)) == len(texts):
        return results
    results = load_frozen_encoder(encoder, 64, None).embed(texts).astype(np.float32)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, results)
    return results


def labels(data: Path, items: Items) -> tuple[list[Label], list[Label]]:
    """Return the answer of each chain, and the winner of each vote of three (two at least).

    Each is (question, choice, agreement).
    """
    answers = pq.read_table(data / "rationales_palm/cqa_train_rationales.parquet").to_pylist()
    answers = [
        row for row in answers if row["parsed_index"] is not None and row["item_id"] in items.place
    ]
    counted = tally(
        [r["item_id"] for r in answers],
        [r["parsed_answer"] for r in answers],
        [r["id"] for r in answers],
    )
    raw = [(row["item_id"], int(row["parsed_index"]), 1.0) for row in answers]
    voted: dict[str, Label] = {}
    for i, row in enumerate(answers):
        if counted.leads[i] and counted.votes[i] > 1:
            voted.setdefault(
                row["item_id"],
                (row["item_id"], int(row["parsed_index"]), float(counted.agreement[i])),
            )
    return raw, list(voted.values())


class Ranker:
    """Two projections of the frozen vectors, of questions and of choices.

    Both are the identity before training, so that the choice with the nearest vector wins.
    """

    def __init__(self, width: int) -> None:
        import torch

        self.question, self.choice = (torch.eye(width, requires_grad=True) for _ in range(2))

    def scores(self, question: Any, choice: Any) -> Any:
        """Map (B, d) and (B, 5, d) to scores (B, 5)."""
        import torch

        return SCALE * torch.einsum("bd,bkd->bk", question @ self.question, choice @ self.choice)


def train(
    items: Items, rows: list[Label], weighted: bool, seed: int, epochs: int = EPOCHS
) -> Ranker:
    """Train with cross-entropy over a question's choices."""
    import torch

    places = np.array([items.place[name] for name, _, _ in rows])
    answers = torch.tensor([choice for _, choice, _ in rows])
    weights = torch.tensor([share if weighted else 1.0 for _, _, share in rows])
    first, second = torch.from_numpy(items.question), torch.from_numpy(items.choice)
    torch.manual_seed(seed)
    ranker = Ranker(first.shape[1])
    optimizer = torch.optim.Adam([ranker.question, ranker.choice], lr=LR)
    steps = epochs * len(rows) // BATCH
    order = np.concatenate(
        [np.random.default_rng([seed, e]).permutation(len(rows)) for e in range(epochs)]
    )
    for step in range(steps):
        chosen = order[step * BATCH : (step + 1) * BATCH]
        at = places[chosen]
        scores = ranker.scores(
            *(torch.dropout(vectors[at], DROPOUT, True) for vectors in (first, second))
        )
        each = torch.nn.functional.cross_entropy(scores, answers[chosen], reduction="none")
        loss = (weights[chosen] * each).sum() / weights[chosen].sum()
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = LR * (1 - step / steps)
        optimizer.step()
    return ranker


def right(items: Items, ranker: Ranker, part: Any) -> Floats:
    """Return 1 for each question whose highest score is the gold choice, (n,).

    Equal texts are one choice.
    """
    import torch

    with torch.no_grad():
        scores = ranker.scores(
            torch.from_numpy(items.question[part]), torch.from_numpy(items.choice[part])
        )
    at = np.flatnonzero(part)
    best = scores.argmax(1).tolist()
    return np.array(
        [items.choices[i][choice] == items.answer[i] for i, choice in zip(at, best, strict=True)],
        float,
    )


def figures(options: Options) -> Figures:
    """Print a table; return the figures by name, none without an encoder."""
    if not options.encoder:
        print("\nCommonsenseQA: skipped without an encoder; name one with --encoder")
        return {}
    data = options.data_folder
    items = Items(data, str(options.encoder), options.quick, options.keep)
    raw, voted = (
        [
            row
            for row in rows
            if not items.held[items.place[row[0]]] and not items.validation[items.place[row[0]]]
        ]
        for rows in labels(data, items)
    )
    questions = sorted({row[0] for row in raw})
    gold = [(name, int(items.gold[items.place[name]]), 1.0) for name in questions]
    ways: dict[str, tuple[Any, bool]] = {
        "raw, as many rows": (lambda seed: _drawn(raw, len(voted), seed), False),
        "raw, all chains": (lambda seed: raw, False),
        "voted": (lambda seed: voted, False),
        "voted, weighted by agreement": (lambda seed: voted, True),
        "gold answers": (lambda seed: _drawn(gold, len(voted), seed), False),
    }
    scores: dict[str, Floats] = {
        "untrained, nearest vector": right(items, Ranker(items.question.shape[1]), items.held)[None]
    }
    lines: list[tuple[Any, ...]] = [("trained on", "rows", "of them right", "answers right")]
    lines.append(
        (
            "untrained, nearest vector",
            0,
            "",
            format_interval(interval(scores["untrained, nearest vector"])),
        )
    )
    for way, (rows_of, weighted) in ways.items():
        results = []
        for seed in range(options.seeds):
            rows = rows_of(seed)
            # The same number of steps for all: more rows are seen fewer times.
            epochs = max(1, round(EPOCHS * len(voted) / len(rows)))
            results.append(right(items, train(items, rows, weighted, seed, epochs), items.held))
        scores[way] = np.array(results)
        true = float(
            np.mean(
                [
                    items.choices[items.place[n]][c] == items.answer[items.place[n]]
                    for n, c, _ in rows
                ]
            )
        )
        lines.append((way, len(rows), true, format_interval(interval(scores[way]))))
    print(
        f"\nCommonsenseQA: {int(items.held.sum())} held-out questions, {options.seeds} seeds,"
        " chance 0.2"
    )
    print(table(lines))
    found_figures: Figures = {}
    for name, (one, other) in {
        "voted_minus_raw": ("voted", "raw, as many rows"),
        "voted_minus_raw_all": ("voted", "raw, all chains"),
        "gold_minus_voted": ("gold answers", "voted"),
    }.items():
        difference = interval(scores[one], scores[other])
        print(f"  {name.replace('_', ' ')}: {format_interval(difference)}")
        found_figures |= interval_figures(f"cqa_{name}", difference)
    return found_figures | {
        f"cqa_{way.replace(', ', '_').replace(' ', '_')}": round(float(s.mean()), 4)
        for way, s in scores.items()
    }


def _drawn(rows: list[Label], count: int, seed: int) -> list[Label]:
    """Draw a row of each question, and of these a number of rows."""
    rng = random.Random(seed)
    by_question: dict[str, list[Label]] = defaultdict(list)
    for row in rows:
        by_question[row[0]].append(row)
    results = [rng.choice(of_one) for of_one in by_question.values()]
    rng.shuffle(results)
    return results[:count]
