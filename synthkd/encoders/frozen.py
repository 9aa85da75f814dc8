"""A frozen encoder: each text is encoded once, and a logistic regression reads the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.critics.base import Labels, Scores
from synthkd.critics.features import row_sums
from synthkd.encoders.batches import Encoded

Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Texts whose vectors are kept in memory; what is not needed goes when there are more.
KEPT = 100_000
#: Vectors by encoder: cross-fitting trains many heads on one encoder, and each text is encoded once for all.
_SHARED: dict[str, dict[str, Any]] = {}
_CHOICES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


class Vectors:
    """Texts to unit vectors: the mean of the last layer over a text's tokens."""

    def __init__(self, model: Any, tokenizer: Any, max_length: int, device: str, content: str) -> None:
        self.model, self.tokenizer = model.to(device), tokenizer
        self.max_length, self.device, self.content = max_length, device, content
        self._known = _SHARED.setdefault(f"{content}:{max_length}:{device}", {})

    def of(self, texts: Sequence[str]) -> Floats:
        """(n, d) vectors; a text that was met before is not encoded again."""
        new = sorted({text for text in texts if text not in self._known})
        if len(self._known) + len(new) > KEPT:
            for text in set(self._known) - set(texts):
                del self._known[text]
        self._known.update(zip(new, self._encode(new), strict=True))
        return np.array([self._known[text] for text in texts], dtype=np.float64)

    def _encode(self, texts: list[str]) -> Any:
        import torch

        encoded = Encoded(self.tokenizer, [(text, None) for text in texts], self.max_length)
        found: list[Any] = [None] * len(texts)
        with torch.inference_mode():
            for batch, fields in encoded.scoring(self.device):
                states = self.model(**fields).last_hidden_state
                mask = fields["attention_mask"][..., None].to(states.dtype)
                mean = (states * mask).sum(1) / mask.sum(1)
                unit = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
                for place, vector in zip(batch, unit[: len(batch)], strict=True):
                    found[place] = vector
        return found


def compared(left: Floats, right: Floats) -> Floats:
    """(n, 4 d + 1): u, v, u*v, |u-v| and the cosine."""
    product = left * right
    return np.concatenate([left, right, product, np.abs(left - right), product.sum(1, keepdims=True)], axis=1)


@dataclass
class Head:
    """Logistic regression on standardised features: mean, scale and weight (d,), bias, and the chosen C."""

    mean: Floats
    scale: Floats
    weight: Floats
    bias: float
    strength: float

    @classmethod
    def fit(cls, features: Floats, labels: Labels, groups: Sequence[str], weights: Scores | None) -> Head:
        """Choose the L2 penalty by grouped cross-validation, then fit on all rows."""
        mean, scale = features.mean(0), features.std(0)
        constant = np.ptp(features, axis=0) == 0
        # The mean of equal numbers may be another number, by rounding.
        mean[constant], scale[constant | (scale < 1e-9)] = features[0, constant], 1.0
        scaled = (features - mean) / scale
        strength = _choose(scaled, labels, groups, weights)
        model = _regression(strength).fit(scaled, labels, weights)
        return cls(mean, scale, model.coef_[0], float(model.intercept_[0]), strength)

    def logits(self, features: Floats) -> Scores:
        """(n,) logits."""
        found: Scores = row_sums((features - self.mean) / self.scale, self.weight) + self.bias
        return found


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300, tol=1e-3)


def _choose(features: Floats, labels: Labels, groups: Sequence[str], weights: Scores | None) -> float:
    """The C with the best mean AUC over folds that share no group; a middle one where there are too few groups.

    On easy rows every C ranks alike: then the largest is taken, which is the surest of what it says.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    middle = _CHOICES[len(_CHOICES) // 2]
    if len(set(groups)) < 12:
        return middle
    gains: dict[float, list[float]] = {strength: [] for strength in _CHOICES}
    for train, test in GroupKFold(3).split(features, labels, groups):
        if len(set(labels[train])) < 2 or len(set(labels[test])) < 2:
            continue
        part = None if weights is None else weights[train]
        for strength in _CHOICES:
            model = _regression(strength).fit(features[train], labels[train], part)
            gains[strength].append(
                float(roc_auc_score(labels[test], model.decision_function(features[test])))
            )
    scored = [(float(np.mean(values)), strength) for strength, values in gains.items() if values]
    return max(scored)[1] if scored else middle
