"""`synthkd describe`: what this installation offers, other people's plug-ins among it."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from synthkd import plugins
from synthkd.commands.describe import describe
from synthkd.filters.rules import Empty


class Bare(Empty):
    pass


class Blank(Empty):
    """ """


@pytest.mark.parametrize("name", ["Bare", "Blank"])
def test_a_plug_in_without_a_docstring_is_listed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points = plugins._points("rules") | {"mine": EntryPoint("mine", f"test_describe:{name}", "synthkd.rules")}
    known = plugins._points
    monkeypatch.setattr(plugins, "_points", lambda group: points if group == "rules" else known(group))
    assert describe()["rules"]["mine"]["about"] == ""


def test_students_are_listed() -> None:
    students = describe()["students"]
    assert set(students) == {"encoder", "generator", "linear"}
    assert all(member["about"] for member in students.values())
