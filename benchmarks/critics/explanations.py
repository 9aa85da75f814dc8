"""Critics of GPT-3's explanations: AUC in five folds by item.

The critics are those that ship: `text`, with the columns of `siblings.with_siblings` and without;
with an encoder also `text` with siblings by its vectors, and a stack of `text` and `encoder`
(frozen). A row is accepted with two votes of three. Each critic chooses its regularisation in its
training folds. The features of `text` were designed on the items of folds 0 to 4 of the data's own
`fold`; ``fresh`` are the figures on the items of folds 5 to 9, which only the training of the
critics has seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.nested import flat
from benchmarks.text_table import table
from synthkd.critics.base import CriticModel
from synthkd.critics.calibration import Curve
from synthkd.critics.cross_fitting import crossfit
from synthkd.critics.stack import StackCritic
from synthkd.critics.text.critic import TextCritic
from synthkd.critics.text.siblings import with_siblings
from synthkd.kinds.base import Kind, Malformed, Row

FOLDS, SEED, QUICK_ITEMS = 5, 0, 200
#: The critic that the figures are of.
REPORTED = "text, siblings"
#: Items of the data's folds before this one were looked at while the features were designed.
FRESH = 5


class Explanation(Kind):
    """An explanation with the columns that it explains."""

    name: ClassVar[str] = "explanation"
    group_column: ClassVar[str] = "item_id"

    def parse(self, text: str, row: Row) -> list[dict[str, Any]] | Malformed:
        return [dict(row) | {"explanation": text}]

    def verbalize(self, candidate: Row) -> str:
        return str(candidate["explanation"])

    def normalize(self, candidate: Row) -> tuple[str, ...]:
        return tuple(str(candidate[column]) for column in self.columns)


class Csqa(Explanation):
    input_columns: ClassVar[tuple[str, ...]] = ("question", "choices", "gold_answer")
    columns: ClassVar[tuple[str, ...]] = (*input_columns, "explanation")


class Snli(Explanation):
    input_columns: ClassVar[tuple[str, ...]] = ("premise", "hypothesis", "gold_label")
    columns: ClassVar[tuple[str, ...]] = (*input_columns, "explanation")


PARTS: dict[str, Explanation] = {"csqa": Csqa(), "snli": Snli()}


def read(data: Path, part: str, quick: bool) -> pa.Table:
    """Read a set with the kind's columns as text and the teacher's numbers.

    The data has a mean log-likelihood of each token but no number of tokens; words are counted
    instead. A quick run reads the first items.
    """
    rows = pq.read_table(data / "gpt3_explanations" / f"{part}_train.parquet")
    if quick:
        items = rows["item_id"].unique()[:QUICK_ITEMS]
        rows = rows.filter(pc.is_in(rows["item_id"], items))
    tokens = np.array(
        [max(1, len(text.split())) for text in rows["explanation"].to_pylist()], float
    )
    columns = {name: rows[name] for name in rows.column_names if name not in ("choices", "votes")}
    if "choices" in rows.column_names:
        columns["choices"] = pa.array(["; ".join(row) for row in rows["choices"].to_pylist()])
    likelihood = -rows["nll"].to_numpy() * tokens
    return pa.table(columns | {"logprob": likelihood, "tokens": tokens}).combine_chunks()


def vectors(texts: list[str], encoder: str) -> Any:
    """Return unit vectors (n, d) of a frozen encoder."""
    from synthkd.encoders.frozen import FrozenEncoder

    return FrozenEncoder.load(encoder, 128, "cpu").embed(texts)


def cross_fitted(rows: pa.Table, kind: Kind, encoder: str | None) -> dict[str, Any]:
    """Score every row with each critic, trained on the rows of other items."""
    accepted, items = np.array(rows["accepted"].to_pylist(), bool), rows["item_id"].to_pylist()

    def by(make: Callable[[], CriticModel], table: pa.Table) -> Any:
        return crossfit(make, table, accepted, items, FOLDS, SEED)

    siblings = with_siblings(rows, kind)
    scores = {
        "teacher's likelihood": -rows["nll"].to_numpy(),
        "text": by(lambda: TextCritic(kind), rows),
        "text, siblings": by(lambda: TextCritic(kind), siblings),
    }
    if encoder is not None:
        frozen = {"model": encoder, "frozen": True, "device": "cpu"}
        near = with_siblings(rows, kind, vectors(rows["explanation"].to_pylist(), encoder))
        scores["text, siblings by vectors"] = by(lambda: TextCritic(kind), near)
        members = ["text", {"encoder": frozen}]
        scores["stack of it and encoder"] = by(lambda: StackCritic(kind, members, folds=2), near)
    return scores


def pick_one(items: Any, scores: Any, accepted: Any) -> float:
    """Return how often an accepted explanation has the highest score of an item's five."""
    groups = [np.flatnonzero(items == item) for item in sorted(set(items))]
    return float(np.mean([accepted[here[scores[here].argmax()]] for here in groups]))


def report(part: str, rows: pa.Table, scores: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Print the figures of one set and return those of each critic."""
    accepted, items = (
        np.array(rows["accepted"].to_pylist(), bool),
        np.array(rows["item_id"].to_pylist()),
    )
    fresh = rows["fold"].to_numpy() >= FRESH
    lines: list[tuple[Any, ...]] = [
        (part, "AUC", "fresh", "P@R 0.5", "P@R 0.8", "P@R 0.9", "pick one of five")
    ]
    results: dict[str, dict[str, Any]] = {}
    for name, values in scores.items():
        curve = Curve.of(values, accepted)
        results[name] = {
            "auc": curve.auc,
            "fresh_auc": Curve.of(values[fresh], accepted[fresh]).auc,
            "precision_at_recall": {str(r): curve.precision_at_recall(r) for r in (0.5, 0.8, 0.9)},
            "pick_one_accuracy": pick_one(items, values, accepted),
            "rows": len(items),
        }
        figures = results[name]
        lines.append(
            (name, figures["auc"], figures["fresh_auc"], *figures["precision_at_recall"].values(),
             figures["pick_one_accuracy"])
        )  # fmt: skip
    print(table(lines), flush=True)
    return results


def figures(options: Options) -> Figures:
    """Measure the critics on both sets; a quick run takes 200 items of each."""
    named: dict[str, Any] = {}
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for part, kind in PARTS.items():
        began = time.perf_counter()
        rows = read(options.data_folder, part, options.quick)
        results[part] = report(part, rows, cross_fitted(rows, kind, options.encoder))
        named |= {
            f"gpt3_explanations_{part}_{name}": value
            for name, value in results[part][REPORTED].items()
        }
        print(f"{part}: {time.perf_counter() - began:.0f} s", flush=True)
    means = {
        name: float(np.mean([results[part][name]["auc"] for part in PARTS]))
        for name in results["csqa"]
    }
    named["gpt3_explanations_auc"] = means[REPORTED]
    named["gpt3_explanations_mean_auc"] = means
    print(table([("mean AUC of the two parts", ""), *means.items()]))
    return flat(named)
