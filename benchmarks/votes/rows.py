"""Recorded chains as votes: the gold answer of each question, and the answer of each chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.base import ROOT
from synthkd import Journal, Recipe, generate
from synthkd.filters.rationales import AnswerAgrees, Arithmetic
from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.stages.plan import plan_run


@dataclass(frozen=True)
class Vote:
    """One completion: its voter, its answer in normal form, and its checks.

    The answer is None if there is none.
    """

    voter: str
    answer: str | None
    outcome: str
    right: bool
    checks: bool
    text: str
    found_by: str = ""


@dataclass
class Question:
    id: str
    votes: list[Vote] = field(default_factory=list)


def read_cqa(data: Path) -> list[Question]:
    """Read CommonsenseQA (train): PaLM once, Llama-3 twice."""
    items = {row["id"]: row for row in _rows(data / "rationales_palm/cqa_train_items.parquet")}
    kind = RationaleKind(answer="choice")
    inputs = {
        name: {
            "question": item["question"],
            "choices": item["choices"],
            "gold": item["gold_answer"],
        }
        for name, item in items.items()
    }
    rows = _rows(data / "rationales_palm/cqa_train_rationales.parquet")
    return _questions(kind, inputs, ((r["item_id"], r["run"], r["raw_text"]) for r in rows))


def read_svamp(data: Path) -> list[Question]:
    """Read SVAMP (train): PaLM once, Llama-3 three times."""
    inputs = {
        row["id"]: {"question": f"{row['body']} {row['question']}", "gold": str(row["gold_answer"])}
        for row in _rows(data / "rationales_palm/svamp_train_items.parquet")
    }
    rows = _rows(data / "rationales_palm/svamp_train_rationales.parquet")
    kind = RationaleKind(answer="number")
    return _questions(kind, inputs, ((r["item_id"], r["run"], r["raw_text"]) for r in rows))


def read_gsm8k(data: Path, method: str) -> list[Question]:
    """Read GSM8K (test): one solution of each of two models.

    `verification` rows are the best of 100 by a trained verifier, so they are no single samples and
    are never counted together with those.
    """
    inputs = {
        row["id"]: {"question": row["question"], "gold": row["gold_answer"]}
        for row in _rows(data / "gsm8k/test.parquet")
    }
    rows = _rows(data / "gsm8k/test_model_solutions.parquet")
    kind = RationaleKind(answer="number")
    chosen = ((r["item_id"], r["model"], r["solution"]) for r in rows if r["method"] == method)
    return _questions(kind, inputs, chosen)


def read_game24(data: Path, method: str) -> list[Question]:
    """Read Game of 24: 100 samples of GPT-4 for each of 50 puzzles.

    An answer is an expression in canonical form.
    """
    inputs = {
        row["id"]: {"question": row["numbers"]}
        for row in _rows(data / "game24_gpt4/puzzles.parquet")
    }
    rows = sorted(
        (r for r in _rows(data / "game24_gpt4/samples.parquet") if r["method"] == method),
        key=lambda r: (r["puzzle_id"], r["sample_index"]),
    )
    kind = RationaleKind(answer="expression")
    return _questions(
        kind,
        inputs,
        ((r["puzzle_id"], "GPT-4", r["text"]) for r in rows),
        Arithmetic(column="text"),
    )


def read_everyday(model: str, folder: Path, questions: int) -> list[Question]:
    """Read word problems of the everyday world: 20 samples of a checkpoint for each."""
    changes = [
        f"teacher.model={model}", "teacher.threads=1", f"inputs.limit={questions}",
        "votes.adaptive=null",
        f"journal={folder}/journal.sqlite", f"work={folder}/work", f"corpus.path={folder}/corpus",
    ]  # fmt: skip
    recipe = Recipe.load(ROOT / "examples" / "rationales.yaml", changes)
    generate(recipe, quiet=True)
    plan = plan_run(recipe)
    with Journal(recipe.journal_path) as journal:
        batch = [request for group in plan.batches() for request in group]
        held_out = journal.completions([request.request.request_id for request in batch])
    inputs = {request.input_id: request.row for request in batch}
    answers = [
        (request.input_id, "everyday", completion.text)
        for request in batch
        for _, completion in sorted(held_out[request.request.request_id].items())
    ]
    return _questions(RationaleKind(answer="number"), inputs, answers)


def passed_only(questions: list[Question]) -> list[Question]:
    """Return the same questions without the votes of chains that fail the checks.

    A run with these rules counts so.
    """
    return [
        Question(
            q.id,
            [
                replace(v, answer=v.answer if v.checks else None, right=v.right and v.checks)
                for v in q.votes
            ],
        )
        for q in questions
    ]


def _rows(path: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def _questions(
    kind: RationaleKind,
    inputs: dict[str, dict[str, Any]],
    answers: Iterator[tuple[str, str, str | None]] | Any,
    arithmetic: Arithmetic | None = None,
) -> list[Question]:
    rules = [arithmetic or Arithmetic(), AnswerAgrees()]
    results: dict[str, Question] = {}
    for name, voter, text in answers:
        question = results.setdefault(name, Question(name))
        parsed = kind.parse(text or "", inputs[name])
        if isinstance(parsed, Malformed):
            question.votes.append(Vote(voter, None, parsed.reason, False, False, text or ""))
            continue
        row = {**parsed[0], "text": text}
        checks = all(rule.check(row, kind) is None for rule in rules)
        question.votes.append(
            Vote(
                voter,
                kind.vote_for(row),
                "",
                bool(row["right"]),
                checks,
                text or "",
                row["found_by"],
            )
        )
    return list(results.values())
