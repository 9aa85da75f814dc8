"""What a model costs: the recipe's prices, or a small dated table. What is in neither has no price."""

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

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart
    from synthkd.requests import Answer, Request

#: A model's dated snapshot, such as gpt-4o-2024-08-06, has the price of its name.
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
#: What a chat's form may add to each message, and to the whole, in tokens.
_MESSAGE, _CHAT = 16, 64


@cache
def table() -> dict[str, Any]:
    """The shipped table: date, hosts, and prices by model."""
    found: dict[str, Any] = yaml.safe_load(files("synthkd").joinpath("prices.yaml").read_text("utf-8"))
    return found


def price_of(part: TeacherPart, base: str) -> PricePart | None:
    """The price of a recipe's model at an address; None where nobody has said it."""
    if part.price is not None:
        return part.price
    if part.model is None or urlsplit(base).hostname not in table()["hosts"]:
        # The same name costs something else elsewhere.
        return None
    found = table()["models"].get(_SNAPSHOT.sub("", part.model))
    return PricePart(**found) if found else None


def most_tokens(request: Request) -> tuple[int, int]:
    """Tokens that a sample of a request may read and write at most.

    A token is at least one byte of text, so bytes bound what is read, whatever the tokenizer.
    """
    size = sum(len(message["content"].encode("utf-8", "surrogatepass")) for message in request.messages)
    return size + _form(request), request.sampling.max_tokens


def _form(request: Request) -> int:
    """Tokens that a chat's form may add."""
    return _MESSAGE * len(request.messages) + _CHAT


#: Prompts that must have been counted before their density is used, and the margin over the densest of them.
_COUNTED, _MARGIN = 16, 1.25
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "


class PromptTokens:
    """Bounds the tokens of a prompt by what the server has counted for prompts of the same run.

    One token a byte, until 16 prompts were counted; then 1.25 times the most tokens a byte that any of them came
    to. Bytes that tokenizers split finely (digits, signs, other scripts) count in full, as far as a prompt has a
    larger share of them than every prompt that was counted.
    """

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, int]] = {}
        self._density = self._fine = 0.0
        self._counted = 0

    def most(self, request: Request) -> tuple[int, int]:
        """Tokens that a sample of a request may read and write; as `most_tokens` until enough is known."""
        strict, written = most_tokens(request)
        if self._counted < _COUNTED:
            return strict, written
        size, fine = _sizes(request)
        excess = max(0.0, fine - self._fine * size)
        return min(strict, math.ceil(_MARGIN * self._density * size + excess) + _form(request)), written

    def remember(self, requests: Sequence[Request]) -> None:
        """Keep the sizes of prompts that go, until they are answered."""
        self._sizes.update((request.request_id, _sizes(request)) for request in requests)

    def learn(self, answers: Sequence[Answer]) -> None:
        """Take in what the server counted."""
        for answer in answers:
            sizes = self._sizes.pop(answer.request_id, None)
            read = getattr(answer, "prompt_tokens", None)
            if sizes and read:
                self.add(read, *sizes)

    def add(self, read: int, size: int, fine: int) -> None:
        """Take in one prompt: tokens that the server counted, bytes, and bytes that are split finely."""
        self._counted += 1
        self._density = max(self._density, read / max(size, 1))
        self._fine = max(self._fine, fine / max(size, 1))


def _sizes(request: Request) -> tuple[int, int]:
    """Bytes of a prompt, and those of them that are neither ASCII letters nor blanks."""
    text = "".join(message["content"] for message in request.messages).encode("utf-8", "surrogatepass")
    return len(text), len(text.translate(None, _LETTERS))


def most_dollars(price: PricePart, read: int, written: int) -> float:
    """What so many tokens cost at most."""
    return (read * price.input + written * price.output) / 1e6
