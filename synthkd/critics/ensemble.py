"""Ensembles: copies of one critic, each trained on other rows, that score as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthkd import plugins
from synthkd.critics.base import CriticModel, Missing, Scores
from synthkd.critics.logistic import sigmoid
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind

#: Largest absolute logit: a score of 0 or 1 has none.
_MAX_LOGIT = 12.0


class Ensemble:
    """Copies of one critic that score by the mean of their logits."""

    def __init__(self, critics: Sequence[CriticModel]) -> None:
        self.critics = list(critics)
        self.name = self.critics[0].name

    def logits(self, rows: pa.Table | pa.RecordBatch) -> Scores:
        """Return the logits of rows (n,)."""
        total: Scores = np.mean([critic_logits(critic, rows) for critic in self.critics], axis=0)
        return total

    def score(self, rows: pa.Table | pa.RecordBatch) -> Scores:
        """Return the probabilities of rows (n,)."""
        return sigmoid(self.logits(rows))

    def missing(self, rows: pa.Table) -> list[Missing | None]:
        """Explain rows without a score, by the first critic without one.

        None for a row with a score.
        """
        reasons: list[Missing | None] = [None] * rows.num_rows
        for critic in self.critics:
            if critic.asks:
                places = [
                    place
                    for place in np.flatnonzero(np.isnan(critic.score(rows))).tolist()
                    if not reasons[place]
                ]
                for place, why in zip(
                    places, critic.missing(rows.take(pa.array(places, pa.int64()))), strict=True
                ):
                    reasons[place] = why
        return reasons

    def save(self, folder: Path) -> None:
        """Save one critic into the folder itself, several into a folder each."""
        for inside, critic in zip(_folders(folder, len(self.critics)), self.critics, strict=True):
            inside.mkdir(exist_ok=True)
            critic.save(inside)

    @classmethod
    def load(
        cls,
        folder: Path,
        kind: Kind,
        name: str,
        count: int,
        options: Mapping[str, Any] | None = None,
    ) -> Ensemble:
        """Load ``count`` critics that `save` wrote, with these options of their `load`."""
        critic: type[CriticModel] = plugins.find("critics", name)
        return cls(
            [critic.load(inside, kind, **(options or {})) for inside in _folders(folder, count)]
        )


def critic_logits(critic: CriticModel, rows: pa.Table | pa.RecordBatch) -> Scores:
    """Return the log-odds of a critic's scores (n,).

    NaN for a row without a score, if the critic `asks`.
    """
    scores = np.asarray(critic.score(rows), dtype=np.float64)
    if np.isnan(scores).any() and not critic.asks:
        raise CriticError(
            f"critic 'stack': member {critic.name!r} gave {int(np.isnan(scores).sum())} rows no"
            " score"
        )
    with np.errstate(divide="ignore"):
        logits: Scores = (np.log(scores) - np.log1p(-scores)).clip(-_MAX_LOGIT, _MAX_LOGIT)
    return logits


def _folders(folder: Path, count: int) -> list[Path]:
    return [folder] if count == 1 else [folder / f"fold-{number + 1}" for number in range(count)]
