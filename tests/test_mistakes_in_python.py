"""Twenty wrong uses in Python: each is refused in one line that says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synthkd
from synthkd.errors import SynthKDError

KEYS: dict[str, Any] = {
    "name": "tools",
    "prompt": {"template": "triple/everyday-plain"},
    "teacher": {"backend": "openai", "model": "any", "base_url": "http://127.0.0.1:9/v1"},
    "corpus": {"path": "corpus"},
}
ROWS = [{"head": "a knife", "relation": "UsedFor"}]


def run(**changes: Any) -> Any:
    return synthkd.run(KEYS, **{"inputs": ROWS, "quiet": True, **changes})


def two_rows(row: Any, other: Any) -> None:
    """A rule that takes two rows."""


def untyped_option(row: Any, *, longest=8) -> None:  # type: ignore[no-untyped-def]
    """A rule whose option has no type."""


#: What is done, and what the message says of it.
MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "a recipe that is not there": (lambda: synthkd.run("recipes.yaml"), "no such recipe"),
    "a recipe that is a number": (
        lambda: synthkd.run(5),  # type: ignore[arg-type]
        "a recipe is a path, a mapping or a Recipe",
    ),
    "an unknown key": (
        lambda: synthkd.Recipe(**{**KEYS, "inputs": ROWS, "ruels": []}),
        "ruels: unknown key (did you mean 'rules'?)",
    ),
    "no inputs": (lambda: synthkd.run(KEYS), "inputs: Field required"),
    "one row in place of a list": (lambda: run(inputs=ROWS[0]), "inputs: a dict is one row"),
    "texts in place of rows": (
        lambda: run(inputs=["a knife"]),
        "inputs row 1: the text 'a knife' is no row",
    ),
    "no rows": (lambda: run(inputs=[]), "no rows"),
    "a misspelt column": (
        lambda: run(inputs=[{"heads": "a knife", "relation": "UsedFor"}]),
        "no column 'head', but 'heads'; rename it",
    ),
    "a budget of nothing": (
        lambda: run(budget=0),
        "limits: dollars: Input should be greater than 0",
    ),
    "a limit of nothing": (lambda: run(limit=0), "inputs: limit: Input should be greater than"),
    "an unknown rule": (lambda: run(rules=["to_long"]), "did you mean 'too_long'"),
    "a rule of two rows": (lambda: run(rules=[two_rows]), "a rule function takes one row"),
    "a rule's option without a type": (
        lambda: run(rules=[untyped_option]),
        "the option 'longest' has no type",
    ),
    "an object in place of a rule": (
        lambda: run(rules=[5]),
        "is no name, mapping, class or function",
    ),
    "a precision without a critic": (
        lambda: run(precision=0.9),
        "the recipe has none; give critic=",
    ),
    "an object in place of a critic": (lambda: run(critic=0.9), "give a synthkd.Critic"),
    "a critic that is not there": (lambda: run(critic="critics/mine"), "no critic here"),
    "a target of nothing": (
        lambda: run(target=0),
        "target: accepted: Input should be greater than",
    ),
    "a corpus that is not there": (lambda: synthkd.load_corpus("corpus"), "corpus"),
    "a filter before anything was bought": (
        lambda: synthkd.filter(KEYS, inputs=ROWS, quiet=True),
        "`synthkd generate` makes one",
    ),
    "a twin with a wrong recipe": (
        lambda: asyncio.run(synthkd.arun({"name": "x"})),
        "Field required",
    ),
    "a teacher that does not answer": (
        lambda: run(teacher={"max_attempts": 1, "deadline": 2}),
        "127.0.0.1:9",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(
    mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "a key of tests")
    use, says = MISTAKES[mistake]

    with pytest.raises(SynthKDError) as raised:
        use()

    message = str(raised.value)
    assert says in message
    assert "\n" not in message
    assert str(tmp_path / "runs") not in message
    # What a notebook shows: no line of synthkd itself.
    shown = raised.value._render_traceback_()
    assert shown[0] == f"{type(raised.value).__name__}: {message}"
    assert len(shown) <= 2


def test_there_are_twenty_of_them() -> None:
    assert len(MISTAKES) >= 20
