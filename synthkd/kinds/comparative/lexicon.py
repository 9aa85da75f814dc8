"""Lexicon of comparatives: the axis and the direction of each.

Antonyms share an axis: *heavier* is more mass, *lighter* less. An adjective that is not listed has
an axis of its own, named by its plain form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from synthkd.text.normal_forms import word_set

#: axis -> adjectives for more | adjectives for less.
_AXES = """
mass: heavy weighty hefty | light lightweight
size: big large huge bulky | small little tiny compact
height: tall | short
length: long lengthy |
width: wide broad | narrow
thickness: thick | thin
depth: deep | shallow
level: high | low
speed: fast quick swift speedy rapid | slow sluggish
price: expensive costly pricey | cheap inexpensive affordable
lifespan: long-lived | short-lived
age: old ancient elderly | young new modern recent
strength: strong powerful mighty muscular | weak feeble
rigidity: rigid stiff inflexible | flexible bendy supple pliable
hardness: hard firm | soft squishy
sturdiness: sturdy durable robust tough | fragile delicate brittle flimsy breakable
temperature: hot warm | cold cool chilly
brightness: bright luminous | dark dim
loudness: loud noisy | quiet silent
intelligence: intelligent smart clever | stupid dumb unintelligent
danger: dangerous deadly hazardous risky lethal | safe harmless
difficulty: difficult challenging | easy
complexity: complex complicated intricate | simple
commonness: common frequent widespread | rare uncommon unusual scarce
popularity: popular | unpopular
healthiness: healthy nutritious wholesome | unhealthy
wetness: wet damp moist humid | dry arid
cleanliness: clean hygienic | dirty filthy
smoothness: smooth | rough coarse
sharpness: sharp | blunt dull
density: dense | sparse
fullness: full | empty
wealth: rich wealthy | poor
distance: far distant remote | near close
aggression: aggressive fierce ferocious violent | gentle docile tame
friendliness: friendly sociable | unfriendly hostile
courage: brave bold courageous | timid shy
comfort: comfortable comfy cozy | uncomfortable
convenience: convenient handy | inconvenient
efficiency: efficient | inefficient wasteful
reliability: reliable dependable trustworthy | unreliable
stability: stable steady | unstable
beauty: beautiful pretty attractive | ugly unattractive
usefulness: useful | useless
importance: important significant | unimportant insignificant
quality: good | bad
activity: active energetic lively | inactive lazy passive
agility: agile nimble | clumsy
fatness: fat chubby plump | lean slim skinny slender
happiness: happy cheerful joyful | sad unhappy gloomy
taste: tasty delicious flavorful | bland tasteless
spiciness: spicy | mild
toxicity: poisonous venomous toxic | nontoxic
formality: formal | informal casual
luxury: luxurious fancy | plain
naturalness: natural | artificial synthetic
transparency: transparent clear see-through | opaque cloudy
hairiness: hairy furry | bald hairless
earliness: early | late
accuracy: accurate precise exact | inaccurate imprecise
visibility: visible | invisible
portability: portable |
"""
#: Plain adjectives graded by -er that have an axis of their own.
_OTHERS = (
    "bitter bouncy bushy calm chewy cloudy creamy crisp crunchy curly cute dusty elastic fair fancy"
    " flat fluffy foggy fresh funny fuzzy glossy grainy great greasy green grey hungry icy juicy"
    " kind leafy loose lovely lumpy messy muddy neat oily pale proud puffy pure rainy raw red ripe"
    " round rusty salty sandy scary shiny silky sleepy slimy slippery smelly snowy sour spiky"
    " spongy starchy steep sticky stormy straight strange stretchy sunny sweet tender tidy tight"
    " wavy white wild windy wise black blue brown yellow busy nice stinky strict thirsty"
)  # fmt: skip
_IRREGULAR = {
    "better": "good", "worse": "bad", "farther": "far", "further": "far", "elder": "old",
    "longer-lived": "long-lived",
    "shorter-lived": "short-lived", "lighter-weight": "lightweight",
}  # fmt: skip
#: Adjectives of two syllables without a final y that are graded by -er.
_ER = word_set("narrow shallow gentle simple clever quiet little tender bitter hollow humble")
#: Words in -er that are not comparatives.
STOP = word_set(
    "other another water after over under ever never rather whether either neither together per her"
    " their there number paper power order matter letter winter summer river finger flower tiger"
    " spider weather leather rubber silver copper butter sugar meter liter former latter inner"
    " outer upper lower-case proper super eager somber bitter tender clever slender sober sinister"
    " meager user owner maker leader member master monster mother father brother"
    " sister")  # fmt: skip
#: Axes of verbs with more, less, longer …
VERBS = {
    "weigh": "mass",
    "cost": "price",
    "live": "lifespan",
    "run": "speed",
    "move": "speed",
    "travel": "speed",
    "go": "speed",
}
#: Words before a plain adjective, and their direction.
GRADERS = {"more": 1, "less": -1}


@dataclass(frozen=True, slots=True)
class Meaning:
    """Meaning of a comparative.

    Attributes:
        axis: Name of the axis.
        way: 1 for more, -1 for less.
        in_lexicon: True if the lexicon has the adjective.
    """

    axis: str
    way: int
    in_lexicon: bool = True


def _read() -> dict[str, tuple[str, int]]:
    lexicon: dict[str, tuple[str, int]] = {}
    for line in _AXES.strip().splitlines():
        axis, _, words = line.partition(":")
        more, _, less = words.partition("|")
        lexicon |= dict.fromkeys(more.split(), (axis, 1)) | dict.fromkeys(less.split(), (axis, -1))
    return lexicon | {word: (word, 1) for word in _OTHERS.split() if word not in lexicon}


#: Plain adjective -> its axis and direction.
ADJECTIVES = _read()


def graded(adjective: str) -> str:
    """Return the comparative of an adjective."""
    for word, plain in _IRREGULAR.items():
        if plain == adjective:
            return word
    return _with_er(adjective) if _is_short(adjective) else f"more {adjective}"


def _is_short(adjective: str) -> bool:
    groups = _groups(adjective)
    return adjective in _ER or groups <= 1 or (groups == 2 and adjective.endswith("y"))


def _groups(adjective: str) -> int:
    """Count the groups of vowels, about the number of syllables."""
    return len(re.findall("[aeiouy]+", adjective.removesuffix("e")))


def _with_er(adjective: str) -> str:
    if adjective.endswith("e"):
        return f"{adjective}r"
    if adjective.endswith("ey") and _groups(adjective) > 1:
        return f"{adjective[:-2]}ier"
    if adjective.endswith("y") and adjective[-2:-1] not in "aeiou":
        return f"{adjective[:-1]}ier"
    end = adjective[-3:]
    if (
        _groups(adjective) == 1
        and len(end) == 3
        and end[0] not in "aeiou"
        and end[1] in "aeiou"
        and end[2] not in "aeiouwxy"
    ):
        return f"{adjective}{adjective[-1]}er"
    return f"{adjective}er"


_FORMS = _IRREGULAR | {
    _with_er(word): word
    for word in ADJECTIVES
    if _is_short(word) and word not in ("good", "bad", "far")
}
#: Comparatives of one word in the lexicon.
KNOWN = frozenset(_FORMS)


@lru_cache(1 << 13)
def meaning(comparative: str) -> Meaning | None:
    """Return the meaning of *heavier*, *more expensive* or *less cheap*; None for other words."""
    first, _, rest = comparative.partition(" ")
    if first in GRADERS and rest:
        return _turned(_plain(rest.rpartition(" ")[2]), GRADERS[first])
    if rest:
        return None
    if comparative in _FORMS:
        return _plain(_FORMS[comparative])
    if (
        comparative in STOP
        or not comparative.isalpha()
        or not comparative.endswith("er")
        or len(comparative) < 5
    ):
        return None
    return Meaning(_stripped(comparative), 1, in_lexicon=False)


def _turned(one: Meaning, way: int) -> Meaning:
    return Meaning(one.axis, one.way * way, one.in_lexicon)


def _plain(adjective: str) -> Meaning:
    if adjective in ADJECTIVES:
        return Meaning(*ADJECTIVES[adjective])
    if adjective.startswith("un") and adjective[2:] in ADJECTIVES:
        return _turned(Meaning(*ADJECTIVES[adjective[2:]]), -1)
    return Meaning(adjective, 1)


def _stripped(comparative: str) -> str:
    """Guess the plain form of an unknown comparative by its spelling."""
    if comparative.endswith("ier"):
        return f"{comparative[:-3]}y"
    stem = comparative[:-2]
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "ls":
        return stem[:-1]
    return stem
