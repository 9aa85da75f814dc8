"""Tests of prices: those of the recipe first, then a dated table for one host, else none."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from support.recipes import Make

from synthkd import run
from synthkd.commands.dry_run import dry_run
from synthkd.prices import max_dollars, max_tokens_of, price_of, price_table
from synthkd.recipe import PricePart, TeacherPart
from synthkd.requests import Request, Sampling
from synthkd.teachers.remote.usage import token_cost
from synthkd.testing import FakeServer

OPENAI = "https://api.openai.com/v1"


def part(model: str | None, **more: Any) -> TeacherPart:
    return TeacherPart(backend="openai", model=model, **more)


def test_a_known_model_at_its_host_has_its_price() -> None:
    assert price_of(part("gpt-4o-mini"), OPENAI) == PricePart(input=0.15, output=0.6, cached=0.075)


def test_a_dated_snapshot_has_the_price_of_its_name() -> None:
    assert price_of(part("gpt-4o-2024-08-06"), OPENAI) == price_of(part("gpt-4o"), OPENAI)


@pytest.mark.parametrize("model", ["gpt-4o-mini-tts", "gpt-4", "GPT-4o", "mine", None])
def test_a_model_that_is_not_in_the_table_has_no_price(model: str | None) -> None:
    assert price_of(part(model), OPENAI) is None


@pytest.mark.parametrize(
    "base",
    [
        "https://api.example.com/v1",
        "http://127.0.0.1:8000/v1",
        "https://mine.openai.azure.com/openai",
        "https://api.openai.com.example.com/v1",
        "https://api.openai.com@example.com/v1",
    ],
)
def test_the_same_name_at_another_host_has_no_price(base: str) -> None:
    assert price_of(part("gpt-4o-mini"), base) is None


@pytest.mark.parametrize("base", [OPENAI, "http://127.0.0.1:8000/v1"])
def test_the_price_in_the_recipe_goes_before_the_table(base: str) -> None:
    price = {"input": 7.0, "output": 9.0}
    assert price_of(part("gpt-4o-mini", price=price), base) == PricePart(**price)


def test_free_is_a_price_too() -> None:
    assert price_of(part("mine", price={}), OPENAI) == PricePart(input=0.0, output=0.0)


@pytest.mark.parametrize("provider", price_table())
def test_each_table_is_dated_has_a_source_and_its_entries_are_prices(provider: str) -> None:
    table = price_table()[provider]
    assert isinstance(table["date"], datetime.date)
    assert table["date"] <= datetime.datetime.now(datetime.UTC).date()
    assert table["source"].startswith("https://")
    for name, entry in table["models"].items():
        price = PricePart(**entry)
        assert 0 < price.input <= price.output, name
        assert price.cached is None or price.cached < price.input, name


@pytest.mark.parametrize("provider", price_table())
def test_no_entry_of_a_table_looks_like_a_snapshot_which_would_never_be_found(
    provider: str,
) -> None:
    table = price_table()[provider]
    base = f"https://{table['hosts'][0]}/v1"
    assert all(price_of(part(name), base) for name in table["models"])


def test_tokens_of_the_providers_cache_cost_their_own_price() -> None:
    price = PricePart(input=10.0, output=20.0, cached=1.0)
    assert token_cost(price, read=100, written=50, cached=80) == pytest.approx(
        (20 * 10 + 80 * 1 + 50 * 20) / 1e6
    )


def test_without_a_cached_price_they_cost_as_the_rest() -> None:
    assert token_cost(PricePart(input=10.0, output=20.0), 100, 50, 80) == pytest.approx(
        (100 * 10 + 50 * 20) / 1e6
    )


def test_more_cached_than_read_is_not_paid_back() -> None:
    assert token_cost(PricePart(input=10.0, output=20.0, cached=1.0), 100, 0, 500) == pytest.approx(
        100 * 1 / 1e6
    )


@pytest.mark.parametrize(("read", "written"), [(None, 5), (5, None)])
def test_what_the_server_does_not_count_has_no_cost(read: int | None, written: int | None) -> None:
    assert token_cost(PricePart(input=1.0, output=1.0), read, written) is None
    assert token_cost(None, 5, 5) is None


def test_the_bound_of_a_sample_is_no_less_than_its_bytes_and_its_longest_answer() -> None:
    text = "größer als 😀"
    request = Request("me", ({"role": "user", "content": text},), Sampling(max_tokens=7), (0,), "a")
    read, written = max_tokens_of(request)
    assert read >= len(text.encode())
    assert written == 7
    assert max_dollars(PricePart(input=2.0, output=3.0), read, written) == pytest.approx(
        (2 * read + 21) / 1e6
    )


def priced(url: str, **price: float) -> dict[str, Any]:
    return {"backend": "openai", "model": "fake", "base_url": url, "price": price}


@pytest.mark.slow
def test_a_run_costs_its_tokens_at_the_recipes_price(make_recipe: Make, server: FakeServer) -> None:
    result = run(
        make_recipe(server.url, teacher=priced(server.url, input=1.0, output=1.0)), quiet=True
    )
    tokens = sum(tokens for _, tokens in server.times)
    assert result.generated.cost == pytest.approx(tokens / 1e6)
    assert f"${tokens / 1e6:,.4f}" in str(result)


@pytest.mark.slow
def test_a_run_without_a_price_says_that_its_cost_is_unknown(
    make_recipe: Make, server: FakeServer
) -> None:
    result = run(make_recipe(server.url), quiet=True)
    assert result.generated.cost is None
    assert "unknown (no price in the recipe)" in str(result)


@pytest.mark.slow
def test_a_dry_run_bounds_the_cost_only_where_there_is_a_price(make_recipe: Make) -> None:
    url = "http://127.0.0.1:9/v1"
    found = dry_run(make_recipe(teacher=priced(url, input=1.0, output=2.0)))
    assert found.cost == pytest.approx((found.tokens + 2 * found.written) / 1e6)
    assert "if all of them are" in str(found)
    assert dry_run(make_recipe()).cost is None
    assert "$" not in str(dry_run(make_recipe())).rpartition("---")[2]
