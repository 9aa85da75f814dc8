#!/usr/bin/env python3
"""Write what is derived from the everyday world: inputs and few-shot examples of each kind.

    python scripts/make_everyday.py

Inputs are drawn with a fixed seed (for triples: all pairs of a head and a relation that the table
knows a tail for). Examples are things that the embedded teacher was trained on, so that a prompt
never tells it one that was kept out.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from everyday import comparatives, messages, problems, sentences
from everyday.table import RELATIONS, Table
from everyday.text import was_seen
from synthkd.keys import fraction
from synthkd.text.nouns import plural

ROOT = Path(__file__).resolve().parent.parent
CORPORA = ROOT / "corpora/everyday"
SEED = 20261121
#: Triples: examples of each relation.
EXAMPLES = 24
PAIRS, PROBLEMS, DOCUMENTS = 400, 300, 150


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def triples(table: Table) -> None:
    write_csv(CORPORA / "inputs.csv", ("head", "relation"), sorted(table.tails))
    rows = []
    for relation in RELATIONS:
        facts = [fact for fact in table.facts if fact[1] == relation and was_seen(fact)]
        facts.sort(key=lambda fact: fraction("example|" + "|".join(fact)))
        # One fact of a head, so that the examples are of many kinds.
        heads: set[str] = set()
        for head, _, tail in facts:
            if head not in heads and len(heads) < EXAMPLES:
                heads.add(head)
                rows.append({"head": head, "relation": relation, "tail": tail})
    write_jsonl(ROOT / "prompts/triple/everyday-examples.jsonl", rows)


def pairs(table: Table) -> None:
    world, rng = comparatives.Comparatives(table), random.Random(SEED)
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    while len(pairs) < PAIRS:
        pair = world.pair(rng)
        if world.claims(*pair):
            pairs.setdefault(frozenset(pair), pair)
    write_csv(CORPORA / "pairs.csv", ("left", "right"), sorted(pairs.values()))
    rows = []
    for document in world.documents(SEED, count=16):
        for given, answer in document:
            right, left = given.removeprefix("Compared to ").removesuffix(" are").split(", ")
            rows.append(_example(world, left, right, answer.strip().rstrip(".")))
    write_jsonl(ROOT / "prompts/comparative/everyday-examples.jsonl", rows)


def _example(
    world: comparatives.Comparatives, left: str, right: str, answer: str
) -> dict[str, str]:
    """Return a comparative with all its columns, as `prompts/comparative/everyday.j2` needs it."""
    singular = {plural(name): name for name in world.names}
    adverb, _, rest = answer.partition(" ")
    quantifier, _, word = rest.partition(" ")
    if quantifier not in ("much", "far", "slightly"):
        quantifier, word = "", rest
    axis, way = next(
        (axis, way)
        for axis, sides in comparatives.WORDS.items()
        for way, words in zip(("more", "less"), sides, strict=True)
        if word in words
    )
    return {
        "left": singular[left], "right": singular[right], "attribute": axis, "direction": way,
        "comparative": word,
        "adverb": adverb, "quantifier": quantifier, "left_plural": left, "right_plural": right,
        "said": answer,
    }  # fmt: skip


def word_problems() -> None:
    rng, by_question = random.Random(SEED), {}
    while len(by_question) < PROBLEMS:
        problem = problems.make(rng)
        by_question.setdefault(problem.question, problem)
    rows = [
        {"id": f"problem-{number:03d}", "question": problem.question, "gold": str(problem.answer)}
        for number, problem in enumerate(by_question.values())
    ]
    write_jsonl(CORPORA / "problems.jsonl", rows)
    examples = []
    while len(examples) < 40:
        problem = problems.make(rng)
        if problem.question not in by_question and all(map(problems.equation_seen, problem.steps)):
            examples.append(
                {
                    "question": problem.question,
                    "rationale": problem.rationale,
                    "answer": str(problem.answer),
                }
            )
    write_jsonl(ROOT / "prompts/rationale/everyday-examples.jsonl", examples)


def documents(table: Table) -> None:
    rng, world = random.Random(SEED), sentences.Sentences(table)
    rows = []
    for number in range(DOCUMENTS):
        text = " ".join(
            world.sentence(rng.choice(world.names), rng) for _ in range(rng.randint(2, 6))
        )
        rows.append({"document_id": f"everyday-{number:03d}", "text": text})
    write_jsonl(CORPORA / "documents.jsonl", rows)
    seen = sentences.Sentences(table, frozenset(filter(was_seen, table.facts)))
    names = [name for name in seen.names if sentences.subject_seen(name)]
    examples = []
    for number in range(30):
        document = [seen.sentence(rng.choice(names), rng) for _ in range(number % 2 + 1)]
        examples.append(
            {
                "document_id": f"example-{number:02d}",
                "sentences": document,
                "propositions": [sentences.propositions(each) for each in document],
            }
        )
    write_jsonl(ROOT / "prompts/proposition/everyday-examples.jsonl", examples)


def shop_messages() -> None:
    intents = messages.intents()
    write_csv(
        CORPORA / "messages.csv",
        ("label", "style", "contrast"),
        [
            (i.label, style, contrast)
            for i in intents.values()
            for style in messages.STYLES
            for contrast in ("", *i.near)
        ],
    )
    rng, rows = random.Random(SEED), []
    for intent in intents.values():
        for number in range(8):
            style = messages.STYLES[number % len(messages.STYLES)]
            contrast = intent.near[number % 3] if number % 2 else ""
            _, _, text = messages.random_message(intent.label, rng, style)
            rows.append({"label": intent.label, "style": style, "contrast": contrast, "text": text})
    write_jsonl(ROOT / "prompts/labelled_text/everyday-examples.jsonl", rows)


def labelled_messages() -> None:
    """Write the messages that a loop begins with, and messages to evaluate by.

    Some classes begin with the first phrase of each intent only, so that the others are still to
    learn; rows for evaluation have all phrases.
    """
    shown = (ROOT / "prompts/labelled_text/everyday-examples.jsonl").read_text("utf-8").splitlines()
    rng, used = random.Random(SEED + 1), {json.loads(line)["text"] for line in shown}
    for name, each, phrases in (("start", 2, 1), ("validation", 9, 3), ("test", 24, 3)):
        rows: list[tuple[str, str]] = []
        for intent in messages.intents().values():
            for number in range(each):
                phrase, style = (
                    intent.says[number % phrases],
                    messages.STYLES[number % len(messages.STYLES)],
                )
                text = ""
                while not text or text in used:
                    item = f"{rng.choice(messages.COLORS)} {rng.choice(messages.GOODS)}"
                    text = messages.write(phrase, item, style, rng)
                used.add(text)
                rows.append((text, intent.label))
        write_csv(CORPORA / f"messages-{name}.csv", ("text", "label"), rows)


def main() -> None:
    table = Table.load()
    triples(table)
    pairs(table)
    word_problems()
    documents(table)
    shop_messages()
    labelled_messages()
    print(f"{len(table.tails):,} inputs for triples, {len(table.facts):,} facts")


if __name__ == "__main__":
    main()
