"""Messages to a small shop: a phrase grammar by intent and style.

A text is right for a label if the intent's grammar generates it, in any style, and no other
intent's grammar does. The embedded teacher is trained with errors: a known share of its messages
has an intent that is near the right one, as in real labelled text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import yaml

from everyday.text import Document
from synthkd.keys import fraction
from synthkd.resources import resource

#: Share of the training messages with a wrong intent.
WRONG = 0.25
#: Share of the messages (phrase and item) that are kept out of the training data.
KEPT_OUT = 0.2

STYLES = ("polite", "short", "angry", "chatty")
COLORS = ("red", "blue", "green", "black", "white", "brown", "yellow", "gray")
GOODS = (
    "shoes",
    "boots",
    "gloves",
    "socks",
    "trousers",
    "curtains",
    "towels",
    "headphones",
    "cups",
    "lamps",
)

#: style -> beginnings of a message; a phrase without a beginning starts the sentence.
BEGINNINGS = {
    "polite": (
        "Could you please ",
        "Would you kindly ",
        "May I ask you to ",
        "I would be glad if you could ",
    ),
    "short": ("",),
    "angry": (
        "I have waited for days! Now ",
        "This is a shame! You must ",
        "I am very angry! Just ",
        "At last ",
    ),
    "chatty": (
        "Hi there, it's me again, could you ",
        "Hello, lovely shop you have! Can you ",
        "Hey, quick thing, can you ",
    ),
}
ENDINGS = {
    "polite": ("? Thank you.", "? Many thanks in advance.", "? Kind regards."),
    "short": (".", ", please."),
    "angry": ("!", " right now!", " or I will never buy here again!"),
    "chatty": ("? You are the best!", "? Hope you have a nice day!", "? Cheers!"),
}


@dataclass(frozen=True)
class Intent:
    """An intent, its description, the labels of intents near it, and its phrases."""

    label: str
    description: str
    near: tuple[str, ...]
    says: tuple[str, ...]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Pattern of all messages of the intent, in any style."""
        item = f"(?:{'|'.join(COLORS)}) (?:{'|'.join(GOODS)})"
        phrases = "|".join(
            f"(?:[{said[0]}{said[0].upper()}]{re.escape(said[1:])})".replace(r"\{item\}", item)
            for said in self.says
        )
        styles = "|".join(
            f"(?:{_any(BEGINNINGS[style])}(?:{phrases}){_any(ENDINGS[style])})" for style in STYLES
        )
        return re.compile(styles)


@cache
def intents() -> dict[str, Intent]:
    """Load the intents shipped with synthkd, by label."""
    rows = yaml.safe_load(resource("corpora/everyday/intents.yaml").read_text("utf-8"))
    return {
        row["label"]: Intent(
            row["label"], row["description"], tuple(row["near"]), tuple(row["says"])
        )
        for row in rows
    }


def labels(text: str) -> list[str]:
    """Return the labels of the intents whose grammar generates a text."""
    plain = " ".join(text.split())
    return [intent.label for intent in intents().values() if intent.pattern.fullmatch(plain)]


def valid(row: Mapping[str, Any]) -> bool:
    """Return True if the grammar of a row's label alone generates its text."""
    return labels(str(row["text"])) == [str(row["label"])]


def write(phrase: str, item: str, style: str, rng: random.Random) -> str:
    """Write a phrase about an item as a message in a style."""
    sentence = phrase.replace("{item}", item)
    begin, end = rng.choice(BEGINNINGS[style]), rng.choice(ENDINGS[style])
    return f"{begin}{sentence}{end}" if begin else f"{sentence[0].upper()}{sentence[1:]}{end}"


def message_seen(phrase: str, item: str) -> bool:
    """Return True if a phrase about an item may be in the training data."""
    return fraction(f"message|{phrase}|{item}") >= KEPT_OUT


def seen(row: Mapping[str, Any]) -> bool:
    """Return True if a row's phrase about its item may be in the training data, in any style."""
    item = re.search(f"(?:{'|'.join(COLORS)}) (?:{'|'.join(GOODS)})", str(row["text"]))
    if item is None:
        return False
    plain = str(row["text"]).replace(item[0], "{item}")
    phrases = [
        phrase for intent in intents().values() for phrase in intent.says if phrase[1:] in plain
    ]
    return any(message_seen(phrase, item[0]) for phrase in phrases)


def say(label: str, style: str, contrast: str, text: str) -> tuple[str, str]:
    """Return the prompt of a message and its continuation."""
    unlike = f"Not: {contrast}\n" if contrast else ""
    return f"Intent: {label}\nStyle: {style}\n{unlike}Message:", f" {text}\n"


def random_message(
    label: str, rng: random.Random, style: str | None = None
) -> tuple[str, str, str]:
    """Draw a message of an intent that is not kept out: phrase, style and text."""
    style = style or rng.choice(STYLES)
    while True:
        phrase, item = (
            rng.choice(intents()[label].says),
            f"{rng.choice(COLORS)} {rng.choice(GOODS)}",
        )
        if message_seen(phrase, item):
            return phrase, style, write(phrase, item, style, rng)


def documents(
    seed: int, count: int = 500, shots: int = 2, wrong: float = WRONG
) -> Iterator[Document]:
    """Yield blocks of messages of an intent, a share of them of an intent near it."""
    rng = random.Random(seed)  # noqa: S311
    names: Sequence[str] = sorted(intents())
    for _ in range(count):
        label = rng.choice(names)
        block: Document = []
        near = intents()[label].near
        for number in range(shots + 1):
            contrast = rng.choice(near) if rng.random() < 0.5 else ""
            true_label = label
            if rng.random() < wrong:
                true_label = rng.choice([each for each in near if each != contrast])
            _, style, text = random_message(true_label, rng)
            given, message = say(label, style, contrast, text)
            block.append((given, f"{message}\n" if number < shots else message))
        yield block


def _any(choices: Sequence[str]) -> str:
    return "(?:" + "|".join(map(re.escape, choices)) + ")"
