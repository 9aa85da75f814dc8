"""Tests of the OpenAI backend without a developer's own keys and proxies."""

from __future__ import annotations

import pytest
from support.ask_teacher import forget_environment


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)
