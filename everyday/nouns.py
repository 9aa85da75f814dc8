"""Articles of the table's nouns, and which of them stand in pairs."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Nouns that are not counted, or have no singular.
_UNCOUNTABLE = _words(
    "beer bread butter cheese cocoa coffee copper cotton fire garlic gold grass ice iron juice lemonade lettuce "
    "lightning milk paper plastic rain rubber silver snow spinach stone tea water weather wind wine wood wool yogurt "
    "material metal bedding clothing furniture stationery tableware poultry watercraft aircraft food drink glass "
    "scissors pliers trousers sun moon"
)
#: Nouns whose plural is disputed.
_DISPUTED = _words(
    "fish bass carp catfish clownfish cod goldfish herring jellyfish pike piranha pufferfish salmon shrimp squid "
    "starfish swordfish trout tuna eel buffalo bison moose reindeer deer sheep hippopotamus octopus platypus "
    "rhinoceros walrus cactus mango elk swan quail antelope prey "
    "mosquito flamingo ibex oryx lynx volcano grapefruit gecko wildebeest cream mongoose coral"
)
#: Parts that are said without an article.
_MASS = _words("armor baleen blood blubber fur hair ink lava milk pulp salt sand skin snow wool bark meat")


def fit_for_pairs(noun: str) -> bool:
    """Whether a noun's plural is plain enough that nobody would write another one."""
    return countable(noun) and noun.split(" ")[-1] not in _DISPUTED


def countable(noun: str) -> bool:
    """Whether one says *a* before the noun."""
    return noun.split(" ")[-1] not in _UNCOUNTABLE


def with_article(noun: str) -> str:
    """The noun with *a* or *an*, or bare where it cannot be counted."""
    if noun.split(" ")[-1] in _MASS:
        return noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
