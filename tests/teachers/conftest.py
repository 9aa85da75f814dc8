"""Tests of backends without a developer's own keys and proxies."""

from __future__ import annotations

import pytest
from support.ask_teacher import forget_environment

from synthkd.teachers.remote.http.plain_client import PlainClient

#: Files whose tests run over both clients of plain http.
_BOTH = ("test_bounded_body", "test_connections", "test_error_responses", "test_openai",
         "test_faults", "test_transport")  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of plain HTTP over the plain client and over aiohttp."""
    if metafunc.module.__name__.rpartition(".")[2] in _BOTH:
        metafunc.fixturenames.append("http_client")
        metafunc.parametrize("http_client", ["plain", "aiohttp"], indirect=True)


@pytest.fixture
def http_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Choose the client that addresses of plain http get; return its name."""
    if request.param == "aiohttp":
        monkeypatch.setattr(PlainClient, "of", lambda endpoint, part: None)
    return str(request.param)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)
