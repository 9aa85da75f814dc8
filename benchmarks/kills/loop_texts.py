"""Texts of three classes with words of their own, and a teacher that writes them for loops."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from synthkd.keys import seed_from

WORDS = {
    "refund": "money back return paid price dollars repay cash account charge bank cents",
    "delivery": "parcel late arrive courier door ship track street morning driver waiting van",
    "account": "password login email profile sign username reset locked verify code phone name",
}
_COMMON = "please my the for about with today again could you help question order"


def text_of(label: str, rng: random.Random, own: int = 3) -> str:
    """Return a text of a class: words of its own among words of all."""
    return " ".join(rng.sample(WORDS[label].split(), own) + rng.sample(_COMMON.split(), 4))


def rows_of(
    each: int, seed: int, own: int = 3, labels: tuple[str, ...] = tuple(WORDS)
) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {"text": text_of(label, rng, own), "label": label} for label in labels for _ in range(each)
    ]


def write(prompt: str, index: int, seed: int) -> str:
    """Answer as a teacher of `labelled_text/pgkd`: a JSON list of as many texts as requested.

    The texts are of the class that the prompt names, or of any.
    """
    wanted = int(re.search(r"Write (\d+) new texts", prompt)[1])  # type: ignore[index]
    asked = re.search(r'all of the class "(\w+)"', prompt)
    rng = random.Random(seed_from(prompt, index, seed))
    labels = [asked[1] if asked else rng.choice(list(WORDS)) for _ in range(wanted)]
    return json.dumps([{"text": text_of(label, rng), "label": label} for label in labels])
