"""What a model costs: the recipe's prices, or a small dated table. What is in neither has no price."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from synthkd.recipe import Price

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.requests import Request

#: A model's dated snapshot, such as gpt-4o-2024-08-06, has the price of its name.
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
#: What a chat's form may add to each message, and to the whole, in tokens.
_MESSAGE, _CHAT = 16, 64


@cache
def table() -> dict[str, Any]:
    """The shipped table: date, hosts, and prices by model."""
    found: dict[str, Any] = yaml.safe_load(files("synthkd").joinpath("prices.yaml").read_text("utf-8"))
    return found


def price_of(part: TeacherPart, base: str) -> Price | None:
    """The price of a recipe's model at an address; None where nobody has said it."""
    if part.price is not None:
        return part.price
    if part.model is None or urlsplit(base).hostname not in table()["hosts"]:
        # The same name costs something else elsewhere.
        return None
    found = table()["models"].get(_SNAPSHOT.sub("", part.model))
    return Price(**found) if found else None


def most_tokens(request: Request) -> tuple[int, int]:
    """Tokens that a sample of a request may read and write at most.

    A token is at least one byte of text, so bytes bound what is read, whatever the tokenizer.
    """
    text = sum(len(message["content"].encode("utf-8", "surrogatepass")) for message in request.messages)
    return text + _MESSAGE * len(request.messages) + _CHAT, request.sampling.max_tokens


def most_dollars(price: Price, read: int, written: int) -> float:
    """What so many tokens cost at most."""
    return (read * price.input + written * price.output) / 1e6
