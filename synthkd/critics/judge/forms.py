"""The forms that a verdict may have: which words mean what, and how much each speaks for acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from synthkd.errors import CriticError, nearest


@dataclass(frozen=True)
class Form:
    """``words`` maps a value to the words that say it; ``worth`` says how far it speaks for acceptance, in [0, 1].

    ``nouns`` may stand before a word (``Output (a)``). With ``sentences``, a reply that has neither a first word nor
    a verdict line may say its verdict in a sentence such as ``Therefore, Output (a) is better.``
    """

    name: str
    words: Mapping[str, tuple[str, ...]]
    worth: Mapping[str, float]
    nouns: tuple[str, ...] = ()
    sentences: bool = False
    value_of: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = {word: value for value, words in self.words.items() for word in words}
        object.__setattr__(self, "value_of", found)


_NOUNS = ("output", "response", "answer", "assistant", "option", "model", "candidate", "text", "summary")

FORMS = {
    form.name: form
    for form in (
        Form("yes-no", {"yes": ("yes",), "no": ("no",)}, {"yes": 1.0, "no": 0.0}),
        Form("true-false", {"true": ("true",), "false": ("false",)}, {"true": 1.0, "false": 0.0}),
        Form(
            "accept-reject",
            {"accept": ("accept", "accepted"), "reject": ("reject", "rejected")},
            {"accept": 1.0, "reject": 0.0},
        ),
        Form(
            "pair",
            {"a": ("a", "1"), "b": ("b", "2"), "tie": ("tie", "draw")},
            {"a": 1.0, "tie": 0.5, "b": 0.0},
            nouns=_NOUNS,
            sentences=True,
        ),
        Form(
            "rating",
            {str(n): (str(n),) for n in range(1, 6)},
            {str(n): (n - 1) / 4 for n in range(1, 6)},
        ),
    )
}


def find_form(name: str) -> Form:
    """A form by its name."""
    if name not in FORMS:
        raise CriticError(f"unknown form of verdict {name!r}{nearest(name, list(FORMS))}")
    return FORMS[name]
