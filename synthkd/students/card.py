"""The card of a student: the README of its folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from synthkd.reporting.model_head import model_head
from synthkd.reporting.safe_text import markdown_block, markdown_code
from synthkd.reporting.tables import markdown_table

#: Types that a card shows.
_TYPES = 8


def student_card(manifest: dict[str, Any], folder: Path) -> str:
    """Return the card as Markdown: training, figures, use."""
    parts = [
        _head(manifest),
        f"# Student {markdown_code(manifest['student'])}",
        _trained(manifest),
        _figures(manifest["figures"]),
        _use(manifest, folder),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(manifest: dict[str, Any]) -> str:
    """Return the head that the Hugging Face hub reads, with the figures that are known."""
    figures = manifest["figures"]
    names = ("accuracy", "macro_f1", "precision", "recall", "f1", "loss", "ece")
    base = manifest["options"].get("base")
    task = "text-classification" if "classes" in manifest else "token-classification"
    return model_head(
        "text-generation" if "kind" in manifest else task,
        [manifest["student"]],
        {name: figures[name] for name in names if isinstance(figures.get(name), float)},
        str(figures.get("on", "none")),
        base if isinstance(base, str) else None,
        manifest.get("classes") or manifest.get("types") or (),
    )


def _trained(manifest: dict[str, Any]) -> str:
    source = manifest["source"]
    corpus = (
        f"the corpus {markdown_code(source['path'])} (hash"
        f" {markdown_code(source['corpus_hash'][:12])})"
        if "corpus_hash" in source
        else markdown_code(source["path"])
    )
    classes = f" of {len(manifest['classes'])} classes" if "classes" in manifest else ""
    if "types" in manifest:
        classes = f" with spans of {len(manifest['types'])} types"
    what = "examples" if "kind" in manifest else "rows"
    lines = [
        f"Trained on {manifest['rows']:,} {what}{classes} from {corpus} in"
        f" {manifest['training_seconds']:,.1f} s, seed {manifest['seed']}."
    ]
    if "sampled_from" in manifest:
        lines.append(
            "These rows are a sample, drawn by a hash with this seed, of"
            f" {manifest['sampled_from']:,} rows (option `max_rows`)."
        )
    if source.get("teacher"):
        lines.append(f"The corpus was written by {markdown_code(source['teacher'])}.")
    if manifest["options"]:
        lines.append(
            f"Options: {markdown_code(json.dumps(manifest['options'], ensure_ascii=False))}."
        )
    return " ".join(lines)


def _figures(figures: dict[str, Any]) -> str:
    if not figures:
        return "Not evaluated yet: `synthkd student eval` does it."
    head = f"## On the {figures['on']} rows ({figures['rows']:,})"
    if "per_type" in figures:
        return f"{head}\n\n{_span_figures(figures)}"
    if "accuracy" not in figures:
        return f"{head}\n\nLoss {figures['loss']:.3f} nats a token."
    rows = [["", "value", "95 % interval"]]
    for name in ("accuracy", "macro_f1", "loss", "ece"):
        ends = figures["intervals"].get(name)
        interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""
        rows.append([name, f"{figures[name]:.3f}", interval])
    weakest = sorted(
        (one for one in figures["per_class"] if one["f1"] is not None), key=lambda one: one["f1"]
    )[:5]
    named = ", ".join(f"{markdown_code(one['label'])} {one['f1']:.2f}" for one in weakest)
    note = (
        ""
        if figures["on"] == "test"
        else "\n\nThese rows also decided when to stop or how to calibrate: figures of a test split"
        " would be a little lower."
    )
    return f"{head}\n\n{markdown_table(rows)}\n\nWeakest classes by F1: {named}.{note}"


def _span_figures(figures: dict[str, Any]) -> str:
    rows = [["", "value", "95 % interval"]]
    for name in ("precision", "recall", "f1"):
        ends = figures["intervals"].get(name)
        interval = f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""
        rows.append([name, f"{figures[name]:.3f}", interval])
    types = [["type", "spans", "F1"]]
    for one in sorted(figures["per_type"], key=lambda one: one["f1"])[:_TYPES]:
        types.append([markdown_code(one["type"]), f"{one['true']:,}", f"{one['f1']:.2f}"])
    return f"{markdown_table(rows)}\n\nWeakest types:\n\n{markdown_table(types)}"


def _use(manifest: dict[str, Any], folder: Path) -> str:
    if "kind" in manifest:
        recipe = {
            "prompt": {"template": f"{folder}/prompt.j2"},
            "teacher": {"backend": "transformers", "model": str(folder)},
        }
        part = yaml.safe_dump(recipe, default_flow_style=None, sort_keys=False, width=1000)
        return (
            "## Use it\n\nThe folder is a transformers checkpoint, which can be the teacher of the"
            " next run:\n\n" + markdown_block(part.rstrip("\n"), "yaml")
        )
    code = (
        "from synthkd.students import load_student\n\n"
        f"student = load_student({json.dumps(str(folder))})\n"
        f'student.{"spans" if "types" in manifest else "predict"}(["..."])'
    )
    command = f"synthkd student predict {shlex.quote(str(folder))} ROWS OUT"
    return f"## Use it\n\n{markdown_block(command)}\n\n{markdown_block(code, 'python')}"
