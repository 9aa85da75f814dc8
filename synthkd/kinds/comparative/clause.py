"""Read one clause of a comparison: its subject, its comparative, and what it compares with.

    [Compared to cats,] [elephants] [are] [typically] [much] heavier [than cats]

Parts in brackets may be missing, since the prompt has them: the clause continues *Compared to
RIGHT, LEFT are*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from synthkd.kinds.answer_text import clean_line
from synthkd.kinds.base import Malformed
from synthkd.kinds.comparative.grammar import ARTICLES, PREPOSITIONS, PRONOUNS, STOPS, small_word
from synthkd.kinds.comparative.lexicon import GRADERS, KNOWN, VERBS, Meaning, meaning
from synthkd.text.normal_forms import word_pattern
from synthkd.text.nouns import noun_forms

#: Characters of a clause; a longer one makes more than one comparison.
LONGEST = 400
_TOKEN = re.compile(rf"\d+(?:\.\d+)?|{word_pattern()}(?:['’-]{word_pattern()})*|[,.;:!?()]")
_ENDS = frozenset(",.;:!?()")
_WITH = frozenset(["to", "with"])
_OWNING = frozenset(["have", "need"])
_TAIL = 4


@dataclass(frozen=True, slots=True)
class Clause:
    """A comparison.

    Attributes:
        subject: ``left`` or ``right``.
        comparative: The comparative in the teacher's words.
        meaning: Axis and direction of the comparative.
        auxiliary: Auxiliary; "" before a verb.
        adverb: Adverb; "" without one.
        quantifier: Quantifier; "" without one.
        third: A third thing in the place of one of the two; "" without one.
    """

    subject: str
    comparative: str
    meaning: Meaning
    auxiliary: str = ""
    adverb: str = ""
    quantifier: str = ""
    third: str = ""


def read_clause(
    text: str, left: str, right: str, requested: str = "", given: str = "are"
) -> Clause | Malformed:
    """Read the comparison of a line.

    Args:
        text: The line.
        left: Name of the left thing.
        right: Name of the right thing.
        requested: The comparative of a question, which a bare name answers; "" without one.
        given: The auxiliary that the prompt ends with; "" if the prompt leaves it to the answer.
    """
    line = clean_line(text)
    if not line:
        return Malformed("no_text")
    if len(line) > LONGEST:
        return Malformed("too_long", f"{len(line)} characters, more than {LONGEST}")
    tokens = [word.replace("’", "'") for word in _TOKEN.findall(line.casefold())]
    if not tokens:
        return Malformed("no_text")
    reader = _Reader(tokens, left, right, given)
    clause = reader.read()
    if requested and (
        not reader.named or (isinstance(clause, Malformed) and clause.reason == "no_comparative")
    ):
        return reader.answer(requested)
    return clause


class _Reader:
    def __init__(self, tokens: list[str], left: str, right: str, given: str) -> None:
        self.tokens, self.given = tokens, given
        self.named = False
        self.names = {"left": noun_forms(left), "right": noun_forms(right)}
        self.at = 0
        self.words = {"aux": "", "adverb": "", "quantifier": ""}
        self.third = ""

    def read(self) -> Clause | Malformed:
        self._greeting()
        against = self._opening()
        self._small()
        while self._is(","):
            self.at += 1
        subject = self._subject(against)
        if problem := self._small():
            return problem
        begins_the = self._is("the")
        comparative = self._comparative()
        if isinstance(comparative, Malformed):
            return comparative
        words, meant = comparative
        if begins_the and not self.named:
            # *The heavier one is the cat.*
            sides = [side for side in self.names if self._occurs(side, self.at)]
            if len(sides) != 1:
                return Malformed("no_subject", " ".join(self.tokens[:8]))
            self.named, subject = True, sides[0]
        tail = self._than(subject)
        if isinstance(tail, Malformed):
            return tail
        return Clause(
            subject, words, meant, self._auxiliary(words), self.words["adverb"],
            self.words["quantifier"], self.third
        )  # fmt: skip

    def answer(self, requested: str) -> Clause | Malformed:
        """Read the answer to a question: a name at the beginning, or the only name of the text."""
        meant = meaning(requested)
        self.at = 0
        self._greeting()
        if self._word() == "the" and self._word(1) in ("former", "latter"):
            first: str | None = "left" if self._word(1) == "former" else "right"
            self.at += 2
        else:
            first = self._name()
        if (
            meant is not None
            and first
            and self._ends(self.at)
            and self._word() not in ("and", "or", "as")
        ):
            return Clause(first, requested, meant, "are")
        named = [side for side in self.names if self._occurs(side)]
        if meant is None or len(named) != 1:
            return Malformed("no_comparative" if not named else "both_named")
        if any(token in ("not", "neither", "nor") for token in self.tokens):
            return Malformed("negated")
        return Clause(named[0], requested, meant, "are")

    def _auxiliary(self, word: str) -> str:
        """Return the auxiliary of the text, or that of the prompt; "" before a verb."""
        first = word.partition(" ")[0]
        graded = first in GRADERS or first == "fewer" or meaning(first) is not None
        return self.words["aux"] or (self.given or "are" if graded else "")

    # The steps, in the order of the clause.

    def _greeting(self) -> None:
        if self.tokens[0] in ("yes", "answer", "sure", "well", "sentence"):
            self.at = 1
        while self._is(",") or self._is(":") or self._is("."):
            self.at += 1

    def _opening(self) -> str | None:
        """Read *Compared to X,*: return the side of X; set `third` if X is neither."""
        if self._word() not in ("compared", "relative") or self._word(1) not in _WITH:
            return None
        self.at += 2
        side = self._name()
        if side is None:
            end = self.tokens.index(",", self.at) if "," in self.tokens[self.at :] else None
            self.third = " ".join(self.tokens[self.at : end])[:80]
            self.at = len(self.tokens) if end is None else end
        if self._is(","):
            self.at += 1
        return side

    def _subject(self, against: str | None) -> str:
        """Read the subject: a name, a pronoun, or nothing, since the prompt names it."""
        side = self._name()
        if side is not None:
            self.named = True
            return side
        if self._word() in PRONOUNS:
            self.at += 1
        elif self._word() == "the" and self._word(1) in ("former", "latter"):
            self.at += 2
            self.named = True
            return "left" if self.tokens[self.at - 1] == "former" else "right"
        elif (other := self._stranger()) > 0:
            self.third = " ".join(self.tokens[self.at : self.at + other])
            self.at += other
        return "right" if against == "left" else "left"

    def _stranger(self) -> int:
        """Count the tokens of a subject before an auxiliary that is neither of the two."""
        for length in range(5):
            if self.at + length >= len(self.tokens) or self.tokens[self.at + length] in _ENDS:
                return 0
            small = small_word(self.tokens, self.at + length)
            if small and small[0] == "aux":
                return length
            if small or self._one(self.at + length) is not None:
                return 0
        return 0

    def _small(self) -> Malformed | None:
        """Read auxiliary, adverb and quantifier, repeated or not."""
        while self.at < len(self.tokens):
            small = small_word(self.tokens, self.at)
            # *more* and *less* grade an adjective; *far* and *much* precede a comparative.
            if small is None:
                ahead = self.at + 1 < len(self.tokens) and small_word(self.tokens, self.at + 1)
                if self._is(",") and (self.words["adverb"] or ahead):
                    self.at += 1
                    continue
                return None
            group, word, length = small
            if group == "negation":
                return Malformed("negated", word)
            if not self.words[group] or group == "aux":
                self.words[group] = word
            self.at += length
        return None

    def _comparative(self) -> tuple[str, Meaning] | Malformed:
        word = self._word()
        if word in ("as", "equally", "similar", "same", "the") and "than" not in self.tokens:
            words = " ".join(self.tokens[self.at : self.at + 4])
            if word != "the" or self._word(1) == "same":
                return Malformed("no_difference", words)
        if word == "the":
            self.at += 1
        adjective = self._one(self.at)
        if adjective is not None:
            return self._with_tail(*adjective)
        # A verb may precede: *weigh more*, *can run much faster*.
        if (
            word is None
            or word in _ENDS
            or word in STOPS
            or not word.isalpha()
            or self.words["aux"] in ("are", "were")
        ):
            return Malformed("no_comparative", " ".join(self.tokens[:8]))
        self.at += 1
        if problem := self._small():
            return problem
        if self._word() in GRADERS and self._ends(self.at + 1):
            verb, grader = word.removesuffix("s") if word not in VERBS else word, str(self._word())
            self.at += 1
            return f"{verb} {grader}", Meaning(
                VERBS.get(verb, f"amount ({verb})"), GRADERS[grader], verb in VERBS
            )
        adjective = self._one(self.at)
        if adjective is None:
            return Malformed("no_comparative", " ".join(self.tokens[:8]))
        words, meant = adjective
        self.at += len(words.split())
        axis = VERBS.get(word, f"{meant.axis} ({word})")
        return f"{word} {words}", replace(meant, axis=axis)

    def _one(self, at: int) -> tuple[str, Meaning] | None:
        """Read the comparative that begins at a token; None without one."""
        word = self.tokens[at] if at < len(self.tokens) else ""
        if word in (*GRADERS, "fewer"):
            rest = self.tokens[at + 1] if at + 1 < len(self.tokens) else ""
            if (self.words["aux"] or self.given) in _OWNING and rest and not self._ends(at + 1):
                return word, Meaning("amount", 1 if word == "more" else -1)
            if word == "fewer" or not rest.replace("-", "").isalpha() or self._ends(at + 1):
                return None
            if rest in KNOWN:
                # *more heavier*: the rule `comparative_form` rejects it.
                return f"{word} {rest}", replace(
                    meaning(rest) or Meaning(rest, 1), in_lexicon=False
                )
            meant = meaning(f"{word} {rest}")
            return None if meant is None else (f"{word} {rest}", meant)
        meant = meaning(word)
        return None if meant is None else (word, meant)

    def _with_tail(self, phrase: str, meant: Meaning) -> tuple[str, Meaning]:
        """Add the noun behind *have*, or the phrase that narrows an adjective."""
        self.at += len(phrase.split())
        tail: list[str] = []
        owning = (self.words["aux"] or self.given) in _OWNING
        if owning or self._word() in PREPOSITIONS:
            while len(tail) < _TAIL and not self._ends(self.at):
                tail.append(self.tokens[self.at])
                self.at += 1
        if not tail:
            return phrase, meant
        words = " ".join(tail)
        return f"{phrase} {words}", replace(meant, axis=f"{meant.axis} ({words})")

    def _than(self, subject: str) -> Malformed | None:
        """Read *than cats* or *compared to cats*: the other thing, or a third."""
        rest = self.tokens[self.at :]
        for i, word in enumerate(rest):
            if word == "than" or (
                word == "compared" and rest[i + 1 : i + 2] and rest[i + 1] in _WITH
            ):
                self.at += i + (1 if word == "than" else 2)
                break
        else:
            return None
        begin = self.at
        while self._word() in ARTICLES:
            self.at += 1
        side = self._name()
        if side == subject:
            return Malformed("self", " ".join(self.tokens[begin : begin + 6]))
        if side is None and self._word() not in PRONOUNS | {None, "one", "other", "others"}:
            end = next(
                (i for i in range(self.at, len(self.tokens)) if self._ends(i)), len(self.tokens)
            )
            self.third = " ".join(self.tokens[self.at : min(end, self.at + 6)])
        return None

    # Small helpers.

    def _word(self, ahead: int = 0) -> str | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def _is(self, mark: str) -> bool:
        return self._word() == mark

    def _ends(self, at: int) -> bool:
        return at >= len(self.tokens) or self.tokens[at] in _ENDS or self.tokens[at] in STOPS

    def _name(self) -> str | None:
        """Take one of the two names, with the article before it."""
        start = self.at
        if self._word() in ("a", "an", "the"):
            self.at += 1
        best: tuple[int, str] | None = None
        for side, names in self.names.items():
            for name in names:
                if tuple(self.tokens[self.at : self.at + len(name)]) == name and (
                    best is None or len(name) > best[0]
                ):
                    best = (len(name), side)
        if best is None:
            self.at = start
            return None
        self.at += best[0]
        return best[1]

    def _occurs(self, side: str, begin: int = 0) -> bool:
        return any(
            tuple(self.tokens[i : i + len(name)]) == name
            for name in self.names[side]
            for i in range(begin, len(self.tokens))
        )
