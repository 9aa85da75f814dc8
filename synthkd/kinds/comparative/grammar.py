"""Small words of comparisons, and the regular expression of whole answers.

An answer is a word of each set, in order: auxiliary, adverb, quantifier (optional), comparative.

` typically much heavier.`
` are typically much heavier.`    with auxiliaries, if the prompt leaves them to the answer
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from synthkd.kinds.comparative.lexicon import ADJECTIVES, graded
from synthkd.text.normal_forms import word_set

#: The sets of Howard et al. (2023), and the singular of auxiliaries for uncountable nouns.
AUXILIARIES = ("are", "can", "have", "need", "would", "may")
ADVERBS = ("typically", "usually", "generally", "often", "normally", "always")
QUANTIFIERS = ("much", "far", "slightly")
SINGULAR = {"are": "is", "have": "has", "need": "needs", "were": "was", "tend to be": "tends to be"}

_AUX = {
    **dict.fromkeys(
        ("are", "is", "'re", "be", "become", "seem", "appear", "look", "feel", "get"), "are"
    ),
    **dict.fromkeys(("were", "was"), "were"),
    **dict.fromkeys(("have", "has", "possess", "contain", "offer", "provide"), "have"),
    **dict.fromkeys(("need", "needs", "require", "requires"), "need"),
    **{word: word for word in word_set("can could may might would will should must do does")},
}
_ADVERBS = word_set(
    "typically usually generally often normally always commonly mostly frequently sometimes"
    " probably ordinarily likely naturally also overall traditionally certainly clearly definitely"
    " actually really"
)
_QUANTIFIERS = word_set(
    "much far slightly significantly considerably somewhat substantially vastly greatly way even"
    " marginally noticeably notably relatively many dramatically markedly immensely infinitely"
    " comparatively"
)
_SEVERAL = {
    ("on", "average"): ("adverb", "on average"),
    ("in", "general"): ("adverb", "in general"),
    ("as", "a", "rule"): ("adverb", "as a rule"),
    ("tend", "to", "be"): ("aux", "tend to be"),
    ("tends", "to", "be"): ("aux", "tend to be"),
    ("tend", "to", "have"): ("aux", "have"),
    ("tend", "to"): ("aux", "tend to"),
    ("a", "lot"): ("quantifier", "a lot"),
    ("a", "bit"): ("quantifier", "a bit"),
    ("a", "little"): ("quantifier", "a little"),
    ("a", "little", "bit"): ("quantifier", "a little bit"),
    ("quite", "a", "bit"): ("quantifier", "quite a bit"),
}
NEGATIONS = word_set(
    "not never no nor neither rarely seldom hardly cannot isn't aren't can't don't doesn't won't"
    " barely"
)
PRONOUNS = word_set("they it these those this")
ARTICLES = word_set("a an the most many some all any those that of")
#: Words that end a comparison.
STOPS = word_set(
    "than and but or because since while whereas which that who due when if so as compared although"
    " though"
)
#: Words behind an adjective that narrow its meaning: *easier to carry*, *better at swimming*.
PREPOSITIONS = word_set("to at for of with against")


def small_word(tokens: list[str], at: int) -> tuple[str, str, int] | None:
    """Read a small word.

    Returns:
        Its class (aux, adverb, quantifier, negation), its normal form and its number of tokens;
        None for another word.
    """
    for length in (3, 2):
        if entry := _SEVERAL.get(tuple(tokens[at : at + length])):
            return *entry, length
    word = tokens[at]
    if word in NEGATIONS:
        return "negation", word, 1
    if word in _AUX:
        return "aux", _AUX[word], 1
    if word in _ADVERBS:
        return "adverb", word, 1
    if word in _QUANTIFIERS:
        return "quantifier", word, 1
    if tokens[at + 1 : at + 2] == ["times"] and word.replace(".", "").isdigit():
        return "quantifier", f"{word} times", 2
    return None


#: Pattern of an adjective beyond the lexicon with *more* or *less*.
OPEN = r"(?:more|less) [a-z]{3,16}"


def regex_of(
    comparatives: Sequence[str] | None = None,
    adverbs: Sequence[str] = ADVERBS,
    quantifiers: Sequence[str] = QUANTIFIERS,
    auxiliaries: Sequence[str] = (),
) -> str:
    """Return the regular expression of an answer: one word of each set, in order.

    Args:
        comparatives: Comparatives; None takes the lexicon's, and *more* or *less* with any word.
        adverbs: Adverbs.
        quantifiers: Quantifiers, which are optional.
        auxiliaries: Auxiliaries; none if the prompt has them.
    """
    words = [_any(comparatives)] if comparatives else [_any(lexicon_comparatives(), OPEN)]
    if quantifiers:
        words.insert(0, f"(?:{_any(quantifiers)} )?")
    if adverbs:
        words.insert(0, f"{_any(adverbs)} ")
    if auxiliaries:
        words.insert(0, f"{_any(auxiliaries)} ")
    return " " + "".join(words) + r"\."


def lexicon_comparatives() -> list[str]:
    """Return the lexicon's comparatives of one word."""
    return sorted({word for word in map(graded, ADJECTIVES) if " " not in word})


def _any(words: Sequence[str], *open_forms: str) -> str:
    return f"(?:{'|'.join([*map(_escaped, words), *open_forms])})"


def _escaped(word: str) -> str:
    # Some engines refuse an escaped space or hyphen.
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", word)
