"""The YAML head of a model card, as the Hugging Face hub reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from synthkd.reporting.safe_text import clean


def model_head(
    pipeline_tag: str,
    tags: Sequence[str],
    metrics: Mapping[str, float],
    dataset: str,
    base_model: str | None = None,
    labels: Sequence[str] = (),
    license_name: str | None = None,
) -> str:
    """Return the head between two lines of dashes.

    Args:
        pipeline_tag: The task, as the hub names it.
        tags: Tags beside `synthkd`.
        metrics: Figures by the names of their metrics.
        dataset: Name of the data that the figures are of.
        base_model: The model that was trained further; None for one without.
        labels: Classes or types that the model tells apart.
        license_name: Licence of the model.
    """
    head: dict[str, Any] = {"library_name": "synthkd", "pipeline_tag": pipeline_tag}
    if license_name:
        head["license"] = clean(license_name)
    if base_model:
        head["base_model"] = clean(base_model)
    head["tags"] = ["synthkd", "knowledge-distillation", *map(clean, tags)]
    if labels:
        head["labels"] = list(map(clean, labels))
    if metrics:
        head["metrics"] = list(metrics)
        shown = [{"type": name, "value": round(value, 6)} for name, value in metrics.items()]
        data = {"name": clean(dataset), "type": clean(dataset)}
        result = {"task": {"type": pipeline_tag}, "dataset": data, "metrics": shown}
        head["model-index"] = [{"name": clean(tags[0]), "results": [result]}]
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"
