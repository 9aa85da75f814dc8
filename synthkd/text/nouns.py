"""English nouns: plurals, articles, and the forms of a name.

For prompts, and to find a thing in an answer. Uncountable nouns have no plural and no article.
"""

from __future__ import annotations

import re
from functools import lru_cache

from synthkd.text.normal_forms import normal_phrase, word_pattern, word_set

_IRREGULAR = {
    "mouse": "mice", "louse": "lice", "woodlouse": "woodlice", "goose": "geese", "ox": "oxen",
    "man": "men",
    "woman": "women", "child": "children", "person": "people", "foot": "feet", "tooth": "teeth",
    "die": "dice",
    "calf": "calves", "half": "halves", "wolf": "wolves", "knife": "knives", "life": "lives",
    "wife": "wives", "leaf": "leaves",
    "loaf": "loaves", "shelf": "shelves", "scarf": "scarves", "thief": "thieves", "elf": "elves",
    "hoof": "hooves",
    "tomato": "tomatoes", "potato": "potatoes", "hero": "heroes", "echo": "echoes",
    "mosquito": "mosquitoes", "mango": "mangoes",
    "volcano": "volcanoes", "torpedo": "torpedoes", "buffalo": "buffaloes", "cactus": "cacti",
    "fungus": "fungi",
    "nucleus": "nuclei", "larva": "larvae", "alga": "algae", "bacterium": "bacteria",
    "medium": "media", "analysis": "analyses",
    "crisis": "crises", "quiz": "quizzes", "emu": "emus", "gnu": "gnus", "menu": "menus",
    "taxi": "taxis", "ski": "skis",
    "magpie": "magpies", "movie": "movies", "cookie": "cookies", "zombie": "zombies",
    "brownie": "brownies", "pie": "pies",
    "tie": "ties", "bus": "buses", "gas": "gases", "lens": "lenses", "iris": "irises",
    "canvas": "canvases", "walrus": "walruses",
    "octopus": "octopuses", "platypus": "platypuses", "virus": "viruses",
    "hippopotamus": "hippopotamuses",
    "rhinoceros": "rhinoceroses", "mantis": "mantises", "compass": "compasses",
}  # fmt: skip
_SAME = word_set(
    "sheep deer moose bison swine salmon trout cod carp squid shrimp tuna fish aircraft spacecraft"
    " watercraft hovercraft "
    "series species offspring reindeer elk"
)
#: Nouns without a singular.
_PLURAL_ONLY = word_set(
    "scissors pliers trousers pants jeans shorts glasses goggles clothes binoculars tongs"
)
_UNCOUNTABLE = word_set(
    "air beef beer bread butter cement cheese chocolate cloth clothing coal cocoa coffee concrete"
    " copper corn cotton cream "
    "dirt dust electricity equipment fire flour food fruit fuel furniture garlic gas gold grass"
    " gravel hair heat honey ice "
    "information ink iron jewelry juice knowledge lava leather lettuce light lightning luggage meat"
    " metal milk money mud "
    "music nylon oil oxygen paper pasta plastic pork poultry rain rice rubber rust salt sand silk"
    " silver skin smoke snow soap "
    "soil spinach steam steel sugar sunlight tea traffic velvet vinegar water weather wheat wind"
    " wine wood wool yogurt")  # fmt: skip
#: Singular nouns in s.
_SINGULAR_S = word_set("bus gas lens canvas atlas christmas mars rhinoceros")
_SINGULAR = {many: one for one, many in _IRREGULAR.items()}
_WORD = re.compile(rf"{word_pattern()}(?:['’-]{word_pattern()})*")
_ES = re.compile(r"(?:s|x|z|ch|sh)$")


def plural(noun: str) -> str:
    """Return the plural of a noun; plural and uncountable nouns stay as they are."""
    words, at = _counted(noun)
    if words:
        words[at] = _plural(words[at])
    return " ".join(words) or noun


def countable(noun: str) -> bool:
    """Return True if a noun can have the article *a*."""
    words, at = _counted(noun.casefold())
    return bool(words) and words[at] not in _UNCOUNTABLE


def with_article(noun: str) -> str:
    """Return a noun with *a* or *an*; bare if it is uncountable or plural."""
    words, at = _counted(noun)
    if not words or not countable(noun) or _is_plural(words[at].casefold()):
        return noun
    return with_indefinite(noun)


def with_indefinite(noun: str) -> str:
    """Return a noun with *a* or *an*, by its first letter."""
    return f"{'an' if noun[0].casefold() in 'aeiou' else 'a'} {noun}"


@lru_cache(1 << 14)
def entity_key(noun: str) -> str:
    """Return the form under which two names are equal: the normal form, in the singular."""
    words, at = _counted(normal_phrase(noun))
    if words:
        words[at] = _singular(words[at])
    return " ".join(words)


@lru_cache(1 << 14)
def noun_forms(noun: str) -> tuple[tuple[str, ...], ...]:
    """Return all forms of a name as tuples of lower-case words, longest first."""
    plain = normal_phrase(noun)
    names = {plain, entity_key(noun), plural(entity_key(noun)), plural(plain)}
    split = {tuple(noun_words(form)) for form in names}
    return tuple(sorted(split - {()}, key=lambda form: (-len(form), form)))


def noun_words(text: str) -> list[str]:
    """Return lower-case words; an inner hyphen or apostrophe is part of a word."""
    return _WORD.findall(text.casefold())


def _counted(noun: str) -> tuple[list[str], int]:
    """Return the words, and the place of the word that takes the plural.

    That word stands before *of*, *in* …, or is the last.
    """
    words = noun.split()
    for at, word in enumerate(words[1:], 1):
        if word in ("of", "in", "with", "for", "from", "on"):
            return words, at - 1
    return words, len(words) - 1


def _is_plural(word: str) -> bool:
    if word in _PLURAL_ONLY or word in _SINGULAR:
        return True
    return (
        len(word) > 3
        and word.endswith("s")
        and not word.endswith(("ss", "us", "is"))
        and word not in _SINGULAR_S
    )


def _plural(word: str) -> str:
    plain = word.casefold()
    if plain in _IRREGULAR and plain not in _UNCOUNTABLE:
        return _IRREGULAR[plain]
    if plain in _SAME or plain in _UNCOUNTABLE or _is_plural(plain):
        return word
    if _ES.search(plain):
        return f"{word}es"
    if plain.endswith("y") and plain[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"


def _singular(word: str) -> str:
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word in _PLURAL_ONLY or word in _SAME or not _is_plural(word):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")) and word != "axes":
        return word[:-2]
    return word[:-1]
