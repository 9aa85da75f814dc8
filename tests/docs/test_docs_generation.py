"""The recipes on docs/guides/generation.md are recipes."""

from __future__ import annotations

from typing import Any

import yaml
from support.doc_blocks import blocks

from synthkd import Recipe

PAGE = "docs/guides/generation.md"


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """A recipe in which a part of the page stands."""
    base = yaml.safe_load(blocks(PAGE, "yaml")[0])
    return base | part | {"teacher": base["teacher"] | part.get("teacher", {})}


def test_every_recipe_and_part_on_the_page_is_accepted() -> None:
    parts = blocks(PAGE, "yaml")
    assert len(parts) >= 6
    for text in parts:
        assert Recipe.from_dict(whole(yaml.safe_load(text)))
