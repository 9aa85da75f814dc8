"""Default rules on real rows that people labelled: precision and cost.

Precision is the share of a rule's rejected rows that are invalid, recall the share of invalid rows
that it rejects, cost the share of valid rows that it rejects. Each rule is measured alone, with its
defaults. Sets in which people wrote every row have a cost only. Only validation splits are read.
Labels say if a row is true, which is not what rules of form (of propositions, for instance) look
at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.text_table import table
from synthkd import plugins
from synthkd.filters.base import GlobalFilter
from synthkd.filters.corpus_level import LastFilter
from synthkd.kinds.base import Kind
from synthkd.kinds.comparative.kind import ComparativeKind
from synthkd.kinds.event import EventKind
from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind

#: The kind, rows with its columns and ``valid``, and True if people judged the rows (not only wrote
#: them).
Set = tuple[Kind, pa.Table, bool]
#: Kinds whose labels are about what their rules look at.
_SPOKEN = ("triple", "event", "comparative")
_WORDS = {
    "size": "bigger",
    "weight": "heavier",
    "strength": "stronger",
    "rigidness": "stiffer",
    "speed": "faster",
}
_MOST_QUICK = 2000
#: Fewest rejected labelled rows, over all sets, for a rule to count as costly.
_FEWEST = 10


def sets(data: Path, quick: bool) -> dict[str, Set]:
    """Return the sets by name."""
    concept = TripleKind(load_relations("conceptnet"))
    names = ("head", "relation", "tail", "valid")
    dev = pa.concat_tables(
        [pq.read_table(data / "conceptnet_cn100k" / f"{part}.parquet") for part in ("dev1", "dev2")]
    )
    atomic = pq.read_table(data / "atomic_v4" / "dev_triples.parquet")
    atomic = atomic.filter(pc.invert(atomic["is_none"]))
    results: dict[str, Set] = {
        "conceptnet dev1, dev2": (concept, dev.select(names), True),
        "cskb dev": (TripleKind(),
        pq.read_table(data / "cskb_population" / "dev.parquet").select(names), True),
        "wikikge names": (TripleKind(), _names(data), True),
        "atomic dev": (TripleKind(), _valid(atomic["event"], atomic["relation"], atomic["tail"]),
        False),
        "carb dev": (TripleKind(), _openie(data), False),
        "atomic events": (
            EventKind(),
            pq.read_table(data / "atomic_v4" / "dev_events.parquet").select(["event"]), False,
        ),
        "verbphysics dev": (ComparativeKind(), _comparisons(data), True),
        "creak dev": (PropositionKind(), _claims(data), True),
        "factscore": (PropositionKind(), _facts(data), True),
    }  # fmt: skip
    if quick:
        results = {
            name: (kind, rows.slice(0, _MOST_QUICK), judged)
            for name, (kind, rows, judged) in results.items()
        }
    return results


def _valid(head: Any, relation: Any, tail: Any) -> pa.Table:
    return pa.table({"head": head, "relation": relation, "tail": tail})


def _names(data: Path) -> pa.Table:
    """Return names of entities in five languages as tails.

    Names that were judged both ways are left out.
    """
    rows = []
    for one in pq.read_table(data / "wikikge" / "gold.parquet").to_pylist():
        right, wrong = set(one["correct_names"]), set(one["incorrect_names"])
        rows += [
            {"head": one["qid"], "relation": "IsA", "tail": name, "valid": name in right}
            for name in sorted(right ^ wrong)
        ]
    return pa.Table.from_pylist(rows)


def _openie(data: Path) -> pa.Table:
    rows = pq.read_table(data / "carb_openie" / "dev_tuples.parquet")
    rows = rows.filter(pc.is_valid(rows["arg2"]))
    return _valid(rows["arg1"], rows["relation"], rows["arg2"])


def _comparisons(data: Path) -> pa.Table:
    """Return each labelled comparison, and the same comparison with its sides exchanged."""
    rows = []
    for one in pq.read_table(data / "verbphysics" / "object_pairs.parquet").to_pylist():
        if (
            one["split_20"] == "dev"
            and one["agreement"] >= 2
            and one["relation"] in ("greater", "less")
        ):
            pair = (one["object_1"], one["object_2"])
            for left, right, valid in ((*pair, True), (*reversed(pair), False)):
                word = _WORDS[one["attribute"]]
                same = {
                    "attribute": one["attribute"],
                    "direction": "more",
                    "comparative": word,
                    "adverb": "",
                    "quantifier": "",
                }
                rows.append(
                    {
                        "left": left,
                        "right": right,
                        **same,
                        "valid": valid == (one["relation"] == "greater"),
                    }
                )
    return pa.Table.from_pylist(rows)


def _claims(data: Path) -> pa.Table:
    rows = pq.read_table(data / "creak" / "dev.parquet")
    # Nobody decomposed a sentence here: rules that look at it pass.
    same = {
        "document_id": rows["entity"],
        "sentence": [""] * rows.num_rows,
        "source": rows["claim"],
    }
    return pa.table({**same, "proposition": rows["claim"], "valid": rows["label"]})


def _facts(data: Path) -> pa.Table:
    """Return facts that people checked against Wikipedia, without irrelevant ones."""
    folder = data / "factscore"
    sentences = {
        one["id"]: one["text"] for one in pq.read_table(folder / "sentences.parquet").to_pylist()
    }
    rows = []
    for one in pq.read_table(folder / "human_facts.parquet").to_pylist():
        if one["label"] in ("supported", "not_supported"):
            sentence = sentences[one["sentence_id"]]
            same = {
                "document_id": one["topic"],
                "sentence": sentence,
                "source": sentence,
                "proposition": one["text"],
            }
            rows.append({**same, "valid": one["label"] == "supported"})
    return pa.Table.from_pylist(rows)


def effects(kind: Kind, rows: pa.Table, judged: bool) -> dict[str, dict[str, float | int | None]]:
    """Measure what each default rule of a kind rejects, without rules over the whole corpus."""
    for name in ("flaw", "finish_reason", "raw"):
        rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
    (batch,) = rows.combine_chunks().to_batches()
    valid = rows["valid"].to_pylist() if judged else [True] * rows.num_rows
    results: dict[str, dict[str, float | int | None]] = {}
    for name in kind.default_rules:
        rule = plugins.find("rules", name)()
        if isinstance(rule, GlobalFilter | LastFilter):
            continue
        rejected = [
            not good
            for good, reason in zip(valid, rule.reject(batch, kind), strict=True)
            if reason is not None
        ]
        wrong = valid.count(False)
        results[name] = {
            "rejected": len(rejected),
            "invalid": sum(rejected) if judged else None,
            "precision": sum(rejected) / len(rejected) if judged and rejected else None,
            "recall": sum(rejected) / wrong if wrong else None,
            "cost": (len(rejected) - sum(rejected)) / max(valid.count(True), 1),
        }
    return results


def figures(options: Options) -> Figures:
    """Measure every default rule on every set."""
    by_set: dict[str, Any] = {}
    lines: list[Sequence[Any]] = [
        ("set", "rows", "invalid", "rule", "rejected", "precision", "recall", "cost")
    ]
    totals: dict[str, list[int]] = {}
    for name, (kind, rows, judged) in sets(options.data_folder, options.quick).items():
        by_set[name] = effects(kind, rows, judged)
        wrong = rows["valid"].to_pylist().count(False) / rows.num_rows if judged else "-"
        for rule, one in by_set[name].items():
            shown = [
                "-" if one[key] is None else one[key]
                for key in ("rejected", "precision", "recall", "cost")
            ]
            lines.append((name, rows.num_rows, wrong, rule, *shown))
            if judged and kind.name in _SPOKEN:
                total = totals.setdefault(rule, [0, 0])
                total[0] += int(one["invalid"] or 0)
                total[1] += int(one["rejected"] or 0) - int(one["invalid"] or 0)
    print(table([tuple(line) for line in lines]))
    costly = sorted(
        rule
        for rule, (invalid, valid) in totals.items()
        if valid > invalid and invalid + valid >= _FEWEST
    )
    return {
        "default_rules": by_set,
        "default_rules_costly": costly,
        "default_rules_costly_count": len(costly),
    }
