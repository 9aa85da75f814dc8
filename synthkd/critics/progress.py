"""Progress of a training, reported by the critic being trained at any depth of a stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import pyarrow as pa

from synthkd.critics.base import CriticModel, Labels, Scores
from synthkd.progress import Progress


@dataclass
class _Work:
    progress: Progress
    done: int = 0


_CURRENT: ContextVar[_Work | None] = ContextVar("training", default=None)


def fit_with_progress(
    critic: CriticModel,
    rows: pa.Table,
    labels: Labels,
    groups: Sequence[str],
    weights: Scores | None,
    progress: Progress | None = None,
) -> None:
    """Train a critic, and at the end count as done what it did not report itself by `advance`.

    ``progress`` shows the whole training; a critic that trains others passes none.
    """
    work = critic.work(rows.num_rows)
    with _shown(progress, work):
        current = _CURRENT.get()
        begin = 0 if current is None else current.done
        critic.fit(rows, labels, groups, weights)
        if current is not None:
            advance(begin + work - current.done)


def advance(work: int) -> None:
    """Report work of the current training as done."""
    current = _CURRENT.get()
    if current is not None and work > 0:
        current.done += work
        current.progress.advance(work)


@contextmanager
def _shown(progress: Progress | None, work: int) -> Iterator[None]:
    if progress is None:
        yield
        return
    progress.more(work)
    token = _CURRENT.set(_Work(progress))
    try:
        yield
    finally:
        _CURRENT.reset(token)
