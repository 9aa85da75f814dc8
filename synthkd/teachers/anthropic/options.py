"""Options of the backend `anthropic`, and the surcharge of a prompt cache.

Source: the provider's documentation of prompt caching (writes for five minutes cost 1.25 times the
price of a token, for an hour twice; a prefix below the model's minimum, 1,024 to 4,096 tokens, is
not cached).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synthkd.options import BaseOptions
from synthkd.recipe import PricePart

#: How much more a token costs that is put into the cache.
_SURCHARGE = {"5m": 1.25, "1h": 2.0}


class AnthropicOptions(BaseOptions):
    """Options of the Messages API: what the provider keeps in its prompt cache."""

    cache: Literal["system", "prompt"] | None = Field(
        None,
        description="Part of a request that the provider is asked to keep: `system`, the system"
        " message that all requests share; `prompt`, all messages, which pays for several samples"
        " of each input. Null: nothing.",
    )
    cache_time: Literal["5m", "1h"] = Field(
        "5m", description="How long it is kept after each use; an hour costs more to write."
    )


def with_surcharge(price: PricePart | None, options: AnthropicOptions) -> PricePart | None:
    """Return a price with that of tokens put into the cache, if anything is cached."""
    if price is None or options.cache is None or price.cache_write is not None:
        return price
    return price.model_copy(update={"cache_write": price.input * _SURCHARGE[options.cache_time]})
