"""Prices of models, and bounds on the tokens and dollars of a request.

The price is that of the recipe, or of a small dated table (`prices.yaml`); any other model has no
known price.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from synthkd.recipe import PricePart
from synthkd.requests import Completion

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.requests import Answer, Request

#: A model's dated snapshot, such as gpt-4o-2024-08-06 or claude-haiku-4-5-20251001, has the price
#: of its name.
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$|-20\d{6}$")
#: Tokens that a chat template may add to each message, and to the whole prompt.
_PER_MESSAGE, _PER_CHAT = 16, 64


@cache
def price_table() -> dict[str, Any]:
    """Return the shipped table: for each provider date, source, hosts, and prices by model."""
    table: dict[str, Any] = yaml.safe_load(
        files("synthkd").joinpath("prices.yaml").read_text("utf-8")
    )
    return table


def price_of(part: TeacherPart, base: str) -> PricePart | None:
    """Return the price of a recipe's model at an address; None if unknown."""
    if part.price is not None:
        return part.price
    # Other hosts have other prices for the same name.
    host = urlsplit(base).hostname
    model = _SNAPSHOT.sub("", (part.model or "").removeprefix("models/"))
    for table in price_table().values():
        if host in table["hosts"] and model in table["models"]:
            return PricePart(**table["models"][model])
    return None


def max_tokens_of(request: Request) -> tuple[int, int]:
    """Return the tokens that a sample of a request may read and write at most.

    A token is at least one byte of text, so the bytes bound the tokens of any tokenizer.
    """
    size = sum(
        len(message["content"].encode("utf-8", "surrogatepass")) for message in request.messages
    )
    return size + _template_tokens(request), request.sampling.max_tokens


def _template_tokens(request: Request) -> int:
    """Return the tokens that a chat template may add."""
    return _PER_MESSAGE * len(request.messages) + _PER_CHAT


#: Prompts whose counts are needed before their density is used, and the margin over the densest of
#: them.
_ENOUGH, _MARGIN = 16, 1.25
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "


class PromptTokenBound:
    """Bounds the tokens of a prompt by the server's counts of earlier prompts of the same run.

    One token per byte until 16 prompts are counted; then 1.25 times the highest density (tokens per
    byte) among them. Bytes that tokenizers split finely (digits, signs, other scripts) count in
    full, as far as a prompt has a larger share of them than every counted prompt.
    """

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, int]] = {}
        self._density = self._fine_share = 0.0
        self._counted = 0

    def bound(self, request: Request) -> tuple[int, int]:
        """Return the tokens that a sample of a request may read and write at most."""
        strict, written = max_tokens_of(request)
        if self._counted < _ENOUGH:
            return strict, written
        size, fine = _sizes(request)
        excess = max(0.0, fine - self._fine_share * size)
        return min(
            strict, math.ceil(_MARGIN * self._density * size + excess) + _template_tokens(request)
        ), written

    def track(self, requests: Sequence[Request]) -> None:
        """Keep the sizes of prompts that are sent, until they are answered."""
        self._sizes.update((request.request_id, _sizes(request)) for request in requests)

    def update(self, answers: Sequence[Answer]) -> None:
        """Take in the server's counts."""
        for answer in answers:
            sizes = self._sizes.pop(answer.request_id, None)
            if sizes and isinstance(answer, Completion) and answer.prompt_tokens:
                self.add(answer.prompt_tokens, *sizes)

    def add(self, read: int, size: int, fine: int) -> None:
        """Take in a prompt: tokens by the server's count, its bytes, its finely split bytes."""
        self._counted += 1
        self._density = max(self._density, read / max(size, 1))
        self._fine_share = max(self._fine_share, fine / max(size, 1))


def _sizes(request: Request) -> tuple[int, int]:
    """Return the bytes of a prompt, and those of them that are neither ASCII letters nor blanks."""
    text = "".join(message["content"] for message in request.messages).encode(
        "utf-8", "surrogatepass"
    )
    return len(text), len(text.translate(None, _LETTERS))


def max_dollars(price: PricePart, read: int, written: int) -> float:
    """Return the most that so many tokens cost, in dollars, without a provider's cache discount."""
    dearest = max(price.input, price.cache_write or 0.0)
    return (read * dearest + written * price.output) / 1e6
