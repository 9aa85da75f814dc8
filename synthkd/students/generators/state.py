"""Weights that are kept while others are tried."""

from __future__ import annotations

from typing import Any

import torch


class State:
    """The best weights so far, of those that are trained, on the CPU."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.keep()

    def keep(self) -> None:
        self.held = {
            name: value.detach().to("cpu", copy=True)
            for name, value in self.model.named_parameters()
            if value.requires_grad
        }

    def restore(self) -> None:
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                if name in self.held:
                    value.copy_(self.held[name])

    def sound(self) -> bool:
        """Whether every trained weight of the model is a number."""
        return all(bool(torch.isfinite(v).all()) for v in self.model.parameters() if v.requires_grad)
