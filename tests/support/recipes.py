"""The type of the fixture `make_recipe`."""

from __future__ import annotations

from collections.abc import Callable

from synthkd.recipe import Recipe

Make = Callable[..., Recipe]
