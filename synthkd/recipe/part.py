"""What every part of a recipe is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of all parts of a recipe: frozen, and nothing unknown gets in."""

    model_config = ConfigDict(extra="forbid", frozen=True)
