"""The pytest fixture `fake_server`: a server of the OpenAI protocol for a test.

    def test_my_recipe(fake_server):
        fake_server.answer = lambda prompt, index, seed: "cutting bread"
        result = synthkd.run("recipe.yaml", quiet=True)
        assert fake_server.requests == 20

pytest finds it by the entry point of an installed synthkd. Recipes that name no `base_url` reach
the server, and no key leaves the machine: `OPENAI_BASE_URL` and `OPENAI_API_KEY` are set meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from synthkd.testing.server import FakeServer


@pytest.fixture
def fake_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """Serve the OpenAI protocol on loopback during a test; see `synthkd.FakeServer`."""
    from synthkd.testing.server import FakeServer

    with FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key of tests")
        yield server
