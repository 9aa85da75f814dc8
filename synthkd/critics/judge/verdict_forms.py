"""Forms of a verdict: the words of each value, and its worth for acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from synthkd.errors import CriticError, nearest


@dataclass(frozen=True)
class Form:
    """One form of a verdict.

    Attributes:
        name: Name of the form.
        words: The words of each value.
        worth: How far each value speaks for acceptance, in [0, 1].
        nouns: Nouns that may precede a word (``Output (a)``).
        sentences: Whether a reply with neither a first word nor a verdict line may state its
            verdict in a sentence, such as ``Therefore, Output (a) is better.``
        synonyms: Other words of each value, such as ``valid`` for ``yes``. They count in the text
            of a reply, not among its first tokens.
        value_of: Value of each word and synonym.
        token_of: Value of each word.
    """

    name: str
    words: Mapping[str, tuple[str, ...]]
    worth: Mapping[str, float]
    nouns: tuple[str, ...] = ()
    sentences: bool = False
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    value_of: dict[str, str] = field(init=False, repr=False, compare=False)
    token_of: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = {word: value for value, words in self.words.items() for word in words}
        other = {word: value for value, words in self.synonyms.items() for word in words}
        object.__setattr__(self, "token_of", own)
        object.__setattr__(self, "value_of", other | own)

    def of_worth(self, worth: float) -> str | None:
        """Return the value with this worth, for a form of two values."""
        if len(self.words) != 2:
            return None
        return next((value for value, its in self.worth.items() if its == worth), None)


_NOUNS = (
    "output",
    "response",
    "answer",
    "assistant",
    "option",
    "model",
    "candidate",
    "text",
    "summary",
)

#: Words for and against acceptance in every form of two values.
_FOR = ("yes", "true", "valid", "correct", "accept", "accepted")
_AGAINST = ("no", "false", "invalid", "incorrect", "reject", "rejected")


def _two(name: str, good: tuple[str, ...], bad: tuple[str, ...]) -> Form:
    """Make a form with one value for acceptance and one against."""
    return Form(
        name, {good[0]: good, bad[0]: bad}, {good[0]: 1.0, bad[0]: 0.0},
        synonyms={good[0]: _FOR, bad[0]: _AGAINST},
    )  # fmt: skip


FORMS = {
    form.name: form
    for form in (
        _two("yes-no", ("yes",), ("no",)),
        _two("true-false", ("true",), ("false",)),
        _two("accept-reject", ("accept", "accepted"), ("reject", "rejected")),
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
    """Return the form of a name."""
    if name not in FORMS:
        raise CriticError(f"unknown form of verdict {name!r}{nearest(name, list(FORMS))}")
    return FORMS[name]
