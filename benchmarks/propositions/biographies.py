"""Facts of a model against facts of people for the same sentences (FActScore)."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd import plugins
from synthkd.corpora.proposition_metrics import (
    EntailmentScorer,
    ExactScorer,
    OverlapScorer,
    PropositionScores,
    mean_scores,
    reference_based,
    reference_free,
)
from synthkd.corpora.schema import candidate_schema
from synthkd.kinds.proposition.alignment import LEAST
from synthkd.kinds.proposition.alignment import SentenceOverlap as Aligner
from synthkd.kinds.proposition.claims import proper_names as names_of
from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.text.normal_forms import normal_phrase

RULES = ("self_contained", "one_claim", "not_copy", "grounded")
Rows = list[tuple[Any, ...]]
Facts = dict[str, list[str]]
#: A number that is in no biography.
PLANTED = "70817"


class Biographies:
    """Sentences with their facts.

    The source of a sentence is the person's name and the whole biography.
    """

    def __init__(self, data: Path) -> None:
        folder = data / "factscore"
        self.sentences = [
            row
            for row in pq.read_table(folder / "sentences.parquet").to_pylist()
            if row["n_human_facts"]
        ]
        self.texts = {
            row["id"]: row["output"]
            for row in pq.read_table(folder / "generations.parquet").to_pylist()
        }
        self.model, self.human = (
            _facts(folder / f"{name}_facts.parquet") for name in ("model", "human")
        )
        self.of = {row["id"]: row for row in self.sentences}


def _facts(path: Path) -> Facts:
    results: Facts = defaultdict(list)
    for row in pq.read_table(path).to_pylist():
        results[row["sentence_id"]].append(row["text"])
    return results


def verdicts(read: Biographies, facts: Facts, rule: str) -> dict[str, list[str | None]]:
    """Apply a rule to each fact of each sentence; the reasons of rejection."""
    kind = PropositionKind()
    rows = [
        {
            "document_id": row["generation_id"], "sentence": row["text"], "proposition": text,
            "source": f"{row['topic']}. {read.texts[row['generation_id']]}",
        }
        for row in read.sentences
        for text in facts[row["id"]]
    ]  # fmt: skip
    batch = pa.RecordBatch.from_pylist(rows, schema=candidate_schema(kind))
    verdicts_of = iter(plugins.find("rules", rule)().reject(batch, kind))
    return {row["id"]: [next(verdicts_of) for _ in facts[row["id"]]] for row in read.sentences}


def passing_facts(read: Biographies, facts: Facts, rules: tuple[str, ...]) -> Facts:
    """Return the facts that all these rules accept."""
    results = [verdicts(read, facts, rule) for rule in rules]
    return {
        name: [
            text
            for i, text in enumerate(facts[name])
            if all(one[name][i] is None for one in results)
        ]
        for name in read.of
    }


def agreement(options: Options) -> Figures:
    """Score the model's facts by sentence, before and after the rules: RB and RF.

    RB compares them with people's facts of the sentence, RF with the sentence itself.
    """
    read = Biographies(options.data_folder)
    if options.quick:
        read.sentences = read.sentences[:200]
        read.of = {row["id"]: row for row in read.sentences}
    rows: Rows = [("facts", "measure", "scorer", "precision", "recall", "F1", "facts kept")]
    figures: dict[str, Any] = {}
    whole = sum(len(read.model[name]) for name in read.of)
    for label, rules in [
        ("model", ()),
        *((f"model, {rule}", (rule,)) for rule in RULES),
        ("model, all rules", RULES),
    ]:
        facts = passing_facts(read, read.model, rules) if rules else read.model
        share = sum(len(facts[name]) for name in read.of) / whole
        for scorer in (ExactScorer(), OverlapScorer()):
            results = mean_scores(
                reference_based(read.human[name], facts[name], scorer) for name in read.of
            )
            rows.append((label, *_line(results), share))
            figures |= _figures(label, results)
        if not rules or rules == RULES:
            results = _free(read, facts)
            rows.append((label, *_line(results), share))
            figures |= _figures(label, results)
    results = _free(read, read.human)
    rows.append(("human", *_line(results), ""))
    print(table(rows), "\n")
    return figures | _figures("human", results)


def _free(read: Biographies, facts: Facts) -> PropositionScores:
    scorer: EntailmentScorer = OverlapScorer()
    return mean_scores(
        reference_free(f"{row['topic']}. {row['text']}", [row["text"]], facts[name], scorer)
        for name, row in read.of.items()
    )


def _line(results: PropositionScores) -> tuple[Any, ...]:
    return results.measure, results.scorer, results.precision, results.recall, results.f1


def _figures(label: str, results: PropositionScores) -> dict[str, float]:
    name = (
        f"{label.replace(', ', '_').replace(' ', '_')}_{results.measure.lower()}_{results.scorer}"
    )
    return {
        f"{name}_precision": results.precision,
        f"{name}_recall": results.recall,
        f"{name}_f1": results.f1,
    }


def rule_effects(options: Options) -> Figures:
    """Share that each rule rejects of facts that people kept, changed or wrote.

    A rule helps if the second share is larger than the first.
    """
    read = Biographies(options.data_folder)
    human = {name: {normal_phrase(text) for text in read.human[name]} for name in read.of}
    same: Callable[[str, str], bool] = lambda name, text: normal_phrase(text) in human[name]  # noqa: E731
    rows: Rows = [
        ("rule", "of kept by humans", "of changed by humans", "of human facts", "commonest reason")
    ]
    figures: dict[str, Any] = {}
    for rule in RULES:
        results = verdicts(read, read.model, rule)
        rejected: dict[bool, list[bool]] = {True: [], False: []}
        why: Counter[str] = Counter()
        for name in read.of:
            for text, reason in zip(read.model[name], results[name], strict=True):
                rejected[same(name, text)].append(reason is not None)
                why.update([reason.split(":")[0]] if reason else [])
        own = [
            reason is not None
            for verdicts_of in verdicts(read, read.human, rule).values()
            for reason in verdicts_of
        ]
        shares = [sum(each) / len(each) for each in (rejected[True], rejected[False], own)]
        rows.append((rule, *shares, *(f"{name} ({count})" for name, count in why.most_common(1))))
        figures |= dict(
            zip((f"{rule}_of_kept", f"{rule}_of_changed", f"{rule}_of_human"), shares, strict=True)
        )
    print(table(rows), "\n")
    return figures


def alignment(options: Options) -> Figures:
    """Align the facts of five sentences in one list: the shares at the right one, and at none."""
    read = Biographies(options.data_folder)
    chunks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read.sentences:
        chunks[row["generation_id"]].append(row)
    figures: Figures = {}
    for label, facts in (("model", read.model), ("human", read.human)):
        right = none = count = 0
        for rows in chunks.values():
            for start in range(0, len(rows), 5):
                part = rows[start : start + 5]
                aligner, place = Aligner([row["text"] for row in part]), 0
                for i, row in enumerate(part):
                    for text in facts[row["id"]]:
                        best, score = aligner.best(text, place)
                        place = best if score >= LEAST else place
                        right += best == i and score >= LEAST
                        none += score < LEAST
                        count += 1
        figures |= {f"{label}_facts_right": right / count, f"{label}_facts_to_none": none / count}
    return figures


def planted(options: Options) -> Figures:
    """Share of planted numbers and names in people's facts that `grounded` finds."""
    read, rng = Biographies(options.data_folder), random.Random(0)
    names = sorted(
        {name for texts in read.human.values() for text in texts for name in names_of(text)}
    )
    read.human, kinds = _planted(read, names, rng), defaultdict(list)
    for name, verdicts_of in verdicts(read, read.human, "grounded").items():
        for text, reason in zip(read.human[name], verdicts_of, strict=True):
            kinds["number" if PLANTED in text else "name"].append(reason is not None)
    return {
        f"planted_{kind}_found": sum(each) / len(each) for kind, each in sorted(kinds.items())
    } | {f"planted_{kind}s": len(each) for kind, each in sorted(kinds.items())}


def _planted(read: Biographies, names: list[str], rng: random.Random) -> Facts:
    results: Facts = {name: [] for name in read.of}
    for name, row in read.of.items():
        source = f"{row['topic']} {read.texts[row['generation_id']]}".casefold()
        for text in read.human[name]:
            if digits := re.search(r"\d[\d,]*", text):
                results[name].append(f"{text[: digits.start()]}{PLANTED}{text[digits.end() :]}")
            for own in list(names_of(text))[-1:]:
                other = next(
                    one
                    for one in iter(lambda: rng.choice(names), None)
                    if one.casefold() not in source
                )
                results[name].append(text.replace(own, other))
    return results
