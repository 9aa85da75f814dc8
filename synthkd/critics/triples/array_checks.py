"""Checks of a knowledge-base critic's arrays: indices that exist, trees that end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.arrays import Array, Arrays, check_arrays
from synthkd.artifacts.folder import CRITIC_ARTIFACT
from synthkd.critics.triples.scorer import LAYERS

_MOST = 1 << 62
#: Shapes by the sizes of the vocabulary (phrases, words, relations), of the reference (rows) and of
#: its vectors.
_SHAPES = {
    "phrases": Array("int64", ("phrases",), -(1 << 63), 1 << 63),
    "words": Array("int64", ("words",), -(1 << 63), 1 << 63),
    "relations": Array("int64", ("relations",), -(1 << 63), 1 << 63),
    "known": Array("int64", ("distinct",), 0, _MOST),
    "start": Array("int64", ("ends",), 0, _MOST),
    "flat": Array("int64", ("flat",), 0, _MOST),
    "head": Array("int64", ("rows",), 0, _MOST),
    "relation": Array("int64", ("rows",), 0, _MOST),
    "tail": Array("int64", ("rows",), 0, _MOST),
    "word_vectors": Array("float32", ("vectors", "width")),
    "near": Array("float16", ("distinct", "near"), -1e4, 1e4),
    "encoder_mean": Array("float32", ("encoder",), optional=True),
    "encoder_axes": Array("float32", ("encoder", "axes"), optional=True),
    "trees_feature": Array("int32", ("nodes",), -1, 1 << 20),
    "trees_threshold": Array("float64", ("nodes",)),
    "trees_left": Array("int32", ("nodes",), 0),
    "trees_right": Array("int32", ("nodes",), 0),
    "trees_value": Array("float64", ("nodes",)),
    "trees_roots": Array("int32", ("trees",), 0),
    "trees_baseline": Array("float64", (1,)),
}
_LAYERS = len(LAYERS) + 1


def check_reference_arrays(path: Path, arrays: Arrays, vectors: Any) -> None:
    """Refuse arrays that no training produces.

    ``vectors``: of the encoder, if the critic has one.
    """
    layers = [f"{part}{number}" for number in range(_LAYERS) for part in ("scorer_w", "scorer_b")]
    own = {name: array for name, array in arrays.items() if name not in layers}
    sizes = check_arrays(path, own, _SHAPES, CRITIC_ARTIFACT)
    encoded = {"encoder_mean", "encoder_axes"} & set(arrays)
    _require(
        path,
        len(encoded) == (2 if vectors is not None else 0),
        "encoder_mean and encoder_axes: of another encoder",
    )
    near, joined = (
        sizes["axes"] if encoded else sizes["width"],
        sizes["width"] + sizes.get("axes", 0),
    )
    _require(path, sizes["near"] == near, "near: of another width than the vectors")
    _require(
        path, sizes["vectors"] == sizes["words"] + 1, "word_vectors: as many as words, and one"
    )
    _check_places(path, arrays, sizes)
    _check_trees(path, arrays, sizes["nodes"])
    if set(arrays) & set(layers):
        widths = [3 * joined + sizes["relations"] + 1, *LAYERS, 1]
        shapes = {}
        for number in range(_LAYERS):
            shapes[f"scorer_w{number}"] = Array("float32", (widths[number], widths[number + 1]))
            shapes[f"scorer_b{number}"] = Array("float32", (widths[number + 1],))
        check_arrays(
            path, {name: arrays[name] for name in layers if name in arrays}, shapes, CRITIC_ARTIFACT
        )


def _check_places(path: Path, arrays: Arrays, sizes: dict[str, int]) -> None:
    start = arrays["start"]
    whole = len(start) == sizes["distinct"] + 1 and start[0] == 0 and start[-1] == sizes["flat"]
    _require(
        path, whole and bool((np.diff(start) > 0).all()), "start: not the beginnings of the phrases"
    )
    for name in ("phrases", "words", "relations"):
        _require(path, bool((np.diff(arrays[name]) > 0).all()), f"{name}: not in order")
    for name, count in (
        ("known", sizes["phrases"] + 1), ("flat", sizes["words"] + 1), ("relation",
        sizes["relations"] + 1),
        ("head", sizes["distinct"]), ("tail", sizes["distinct"]),
    ):  # fmt: skip
        _require(
            path,
            not arrays[name].size or arrays[name].max() < count,
            f"{name}: a place that is not there",
        )


def _check_trees(path: Path, arrays: Arrays, nodes: int) -> None:
    """Refuse trees in which an inner node does not lead to a later one, so that every walk ends."""
    inner = np.flatnonzero(arrays["trees_feature"] >= 0)
    for name in ("trees_left", "trees_right"):
        to = arrays[name][inner]
        _require(
            path, bool(((to > inner) & (to < nodes)).all()), f"{name}: a way that does not end"
        )
    roots = arrays["trees_roots"]
    _require(path, not roots.size or roots.max() < nodes, "trees_roots: a place that is not there")


def _require(path: Path, good: bool, problem: str) -> None:
    if not good:
        raise CRITIC_ARTIFACT.refuse(path, problem)
