"""Articles of the table's nouns, and the nouns that are fit for pairs.

These tables differ from `synthkd.text.nouns`: the embedded teacher was trained with them.
"""

from __future__ import annotations

from synthkd.text.normal_forms import word_set
from synthkd.text.nouns import with_indefinite

#: Nouns that are uncountable, or have no singular.
_UNCOUNTABLE = word_set(
    "beer bread butter cheese cocoa coffee copper cotton fire garlic gold grass ice iron juice"
    " lemonade lettuce "
    "lightning milk paper plastic rain rubber silver snow spinach stone tea water weather wind wine"
    " wood wool yogurt "
    "material metal bedding clothing furniture stationery tableware poultry watercraft aircraft"
    " food drink glass "
    "scissors pliers trousers sun moon"
)
#: Nouns whose plural is disputed.
_DISPUTED = word_set(
    "fish bass carp catfish clownfish cod goldfish herring jellyfish pike piranha pufferfish salmon"
    " shrimp squid "
    "starfish swordfish trout tuna eel buffalo bison moose reindeer deer sheep hippopotamus octopus"
    " platypus "
    "rhinoceros walrus cactus mango elk swan quail antelope prey "
    "mosquito flamingo ibex oryx lynx volcano grapefruit gecko wildebeest cream mongoose coral"
)
#: Parts without an article.
_MASS = word_set(
    "armor baleen blood blubber fur hair ink lava milk pulp salt sand skin snow wool bark meat"
)


def fit_for_pairs(noun: str) -> bool:
    """Return True if a noun has one undisputed plural."""
    return countable(noun) and noun.split(" ")[-1] not in _DISPUTED


def countable(noun: str) -> bool:
    """Return True if a noun is countable."""
    return noun.split(" ")[-1] not in _UNCOUNTABLE


def with_article(noun: str) -> str:
    """Return a noun with *a* or *an*; bare for mass nouns."""
    return noun if noun.split(" ")[-1] in _MASS else with_indefinite(noun)


def capital(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
