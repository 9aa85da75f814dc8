"""`synthkd describe`: what this installation offers, other people's plug-ins among it."""

from __future__ import annotations

import pytest

from synthkd import plugins
from synthkd.commands.describe import describe, description_text
from synthkd.errors import UserError
from synthkd.filters.rules import Empty


class Bare(Empty):
    pass


class Blank(Empty):
    """ """  # noqa: D419


@pytest.mark.parametrize("rule", [Bare, Blank])
def test_a_plug_in_without_a_docstring_is_listed(
    rule: type[Empty], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_registered", {})
    plugins.register("rules", rule, "mine")
    assert describe("rules")["rules"]["mine"]["about"] == ""


def test_options_are_described_with_type_default_and_meaning() -> None:
    option = describe("rule", "too_long")["rules"]["too_long"]["options"]["max_words"]
    assert option == {
        "type": "a whole number from 1 on",
        "default": 20,
        "required": False,
        "about": "Words at most.",
    }


def test_a_member_is_described_in_lines() -> None:
    text = description_text(describe("rule", "worst_nll"), "worst_nll")
    assert (
        "share: a number above 0 and below 1; default 0.2\n      Share of the rows to reject."
        in text
    )


@pytest.mark.parametrize(
    ("group", "name", "said"),
    [
        ("rool", None, "nothing to describe under 'rool'"),
        ("rule", "to_long", "did you mean 'too_long'"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest(
    group: str, name: str | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        describe(group, name)


def test_students_are_listed() -> None:
    students = describe()["students"]
    assert set(students) == {"encoder", "generator", "linear", "tagger"}
    assert all(member["about"] for member in students.values())
