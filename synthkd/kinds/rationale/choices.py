"""Choices: which one a piece of text names. Choices with equal text are one choice, whatever their letters."""

from __future__ import annotations

import ast
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from synthkd.kinds.base import Malformed, Row
from synthkd.kinds.rationale.numeric import read_number
from synthkd.rows import CellError, cell_text, is_empty
from synthkd.text.normal_forms import normal_phrase

#: Letters by which choices are named, script by script; the first is used for choices without labels of their own.
_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz",
    "абвгдежзик",
    "αβγδεζηθικ",
    "ابجدهوزح",
    "אבגדהוזח",
    "कखगघङच",
    "অআইঈউঊ",
    "কখগঘঙচ",
    "กขคงจฉ",
    "アイウエオカキ",
    "あいうえおかき",
    "가나다라마바사",
    "甲乙丙丁戊己庚",
)
_NUMBERED = tuple(str(number) for number in range(1, 27))
_LETTER = "[" + "A-Z" + "".join(_ALPHABETS) + "]"
_INLINE = re.compile(rf"(?<![\w(])\(\s*({_LETTER}|\d{{1,2}})\s*\)\s*", re.IGNORECASE)
_LABELLED = re.compile(
    rf"^[ \t]*[(\[]?({_LETTER}|\d{{1,2}})[)\].:、．：）]\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE
)
_OWN_LABEL = re.compile(rf"\s*[(\[]?({_LETTER}|\d{{1,2}})(?:[)\]]|(?<=\w)[.:]\s)\s*(?=\S)", re.IGNORECASE)
_NESTED = re.compile(rf"(?:and|or|und|oder|et|ou|y|o|,|&|/)\b|[(\[]{_LETTER}[)\]]", re.IGNORECASE)
_ARTICLES = frozenset(["a", "an", "the", "his", "her", "their", "your", "my", "its", "our", "it", "them"])
_ENDINGS = ("ing", "ed", "es", "er", "s", "e")
_LAST_LETTER = re.compile(r"[.?!]\s*[(\[{]([A-Za-z])[)\]}][.\s]*$")
#: Words in which a lone choice is an answer, and not one of the things that a text speaks of.
_SHORT = 8
#: Characters in which a label is looked for at the beginning, and a negation before it.
_NEAR = 120
#: How the detail of an answer begins whose label and words name different choices.
CONFLICT = "the label is that of"
#: What may stand before a label.
_LEAD = (
    r"(?:option|choice|letter|answer|alternative|number|statement|boxed|text|textbf|mathbf|mathrm|the|correct|right|best"
    r"|either|both|is|be|must|would|should|will|has|to|definitely|clearly|likely|most|probably|indeed|certainly|simply"
    r"|therefore|thus|hence|so|still|again|i['’](?:d|ll)|i(?!['’])|it['’]s|it(?!['’])|ans|choose|chose|pick|select|say|think|believe|go|with)"
)
#: What follows a label that is one, though it could be an article or a pronoun.
_AFTER = (
    r"(?:because|since|as|is|was|would|must|should|due|for\s+the\s+reason|given|which|based|seems|makes|fits|not|rather"
    r"|instead|and|or|nor|but|therefore)\b"
)
_MARKED = re.compile(r"\s*[).:,;\]}'\"”’»*_`$>\\–—→=!?）】」]|\s*$|\s*[^\w\s(]|\s+-\s|\s*\n")
_OPENED = frozenset("([{<*_`$\"'“‘«「【（\\")
_JOIN = r"[^\w,/&+|;]*+(?:(?:(?:and|or|nor|und|oder|et|ou|maybe|perhaps|also|with|plus|vs|versus|no|wait|actually|sorry)(?![^\W_])|[,/&+|;])[\W_]*+)++"
_NEGATION = re.compile(
    r"(?:\b(?:not|never|neither|nor|except|excluding|without|cannot|than|of)|n['’]t)\W*(?:be\s+|is\s+)?"
    r"(?:(?:the|option|choice|letter|answer)\s+)*[\W_]*$",
    re.IGNORECASE,
)


#: The same before the words of a choice, in lower case; and what says behind a choice that it is none.
_DENIED = re.compile(
    r"(?:\b(?:not|never|neither|nor|no|except|excluding|without|cannot|than|rather than|instead of|(?:everything|anything|all|any|nothing) but)"
    r"|n't)(?: (?:be|is|a|an|the|in|on|at|to|of|for|really|actually|necessarily|option|choice|answer))* ?$"
)
_DISMISSED = re.compile(
    r"[\W_]*(?:(?:is|was|are|were|would be|must be|seems|looks)\s+(?:[^\W_]+ly\s+)?(?:not\b|wrong|incorrect|false\b|impossible|ruled\s+out|excluded|eliminated|untrue)"
    r"|(?:is|was|are|does|do|did|would|could|ca|wo)n['’]t\b|(?:can\s?not|does\s+not|would\s+not|could\s+not)\b)",
    re.IGNORECASE,
)


class Choices(tuple[str, ...]):
    """The texts of choices, with the labels that name them."""

    labels: tuple[str, ...]

    def __new__(cls, texts: Iterable[str], labels: Iterable[str] = ()) -> Choices:
        made = super().__new__(cls, texts)
        made.labels = tuple(labels) or tuple(_ALPHABETS[0][: len(made)])
        return made


def choices_of(row: Row) -> Choices:
    """The choices of an input: its column `choices`, or those in its question.

    The column is a list (of texts, or of objects with `label` and `text`), an object (`{"label": [...], "text": [...]}`,
    `{"A": ..., "B": ...}`), JSON, lines, or `(a) x (b) y`. Keys that are null behind the last choice are no choices: files
    of columns write them for questions with fewer.

    Raises:
        CellError: A choice is empty, or has no text.
    """
    given: Any = row.get("choices")
    if given is None or given == "":
        return _labelled(str(row.get("question") or ""), numbered=False) or Choices(())
    if isinstance(given, str):
        return _from_text(given)
    return _from_object(given)


def _from_object(given: Any) -> Choices:
    if isinstance(given, dict):
        return _from_dict(given)
    if not isinstance(given, list | tuple):
        given = [given]
    if given and all(isinstance(choice, dict) for choice in given):
        if all(len(choice) == 1 for choice in given):
            pairs = [pair for choice in given for pair in choice.items()]
            if _in_order([_plain_label(str(label)) for label, _ in pairs]):
                return _with_labels(_texts([text for _, text in pairs]), [label for label, _ in pairs])
        name = next((name for name in _TEXT_KEYS if all(name in choice for choice in given)), None)
        if name is None:
            raise CellError("a list of objects without the key 'text'")
        label = next((key for key in _LABEL_KEYS if all(key in choice for choice in given)), "label")
        return _with_labels(_texts([choice[name] for choice in given]), [one.get(label) for one in given])
    return _without_labels(_texts(given))


#: Keys under which objects hold the text of a choice, and its label.
_TEXT_KEYS, _LABEL_KEYS = ("text", "content", "value", "choice", "option"), ("label", "key", "id", "letter")


def _from_dict(given: dict[Any, Any]) -> Choices:
    for name in ("choices", "options"):
        if set(given) == {name}:
            return _from_object(given[name])
    texts = given.get("text", given.get("texts"))
    if isinstance(texts, list | tuple):
        labels = given.get("label", given.get("labels"))
        if isinstance(labels, list | tuple) and len(labels) != len(texts):
            raise CellError(f"an object with {len(texts)} texts and {len(labels)} labels")
        return _with_labels(_texts(texts), labels)
    known = sorted(
        ((str(label), text) for label, text in given.items()),
        key=lambda pair: _place_of((_plain_label(pair[0]), "")),
    )
    while known and is_empty(known[-1][1]):
        known.pop()
    kept = {label for label, _ in known}
    named = [(str(label), text) for label, text in given.items() if str(label) in kept]
    return _with_labels(_texts([text for _, text in named]), [label for label, _ in named])


def _texts(values: Sequence[Any]) -> list[str]:
    """The texts of choices, none of them empty."""
    found: list[str] = []
    for number, value in enumerate(values, 1):
        try:
            text = cell_text(value)
        except CellError as error:
            raise CellError(f"a list whose choice {number} is {error}, and no text") from None
        if text is None or not text.strip():
            raise CellError(f"a list whose choice {number} is empty")
        found.append(text)
    return found


def _with_labels(texts: list[str], labels: Any) -> Choices:
    """Choices by their labels, in the order of those; labels that no alphabet begins with are none."""
    if isinstance(labels, list | tuple) and len(labels) == len(texts):
        named = sorted(zip((_plain_label(str(label)) for label in labels), texts, strict=True), key=_place_of)
        if _in_order([label for label, _ in named]):
            return Choices((text for _, text in named), (label for label, _ in named))
    return _without_labels(texts)


def _place_of(named: tuple[str, str]) -> tuple[int, str]:
    return len(named[0]), named[0]


def _plain_label(label: str) -> str:
    return unicodedata.normalize("NFKC", label).strip(" ().[]:").casefold()


def _in_order(labels: Sequence[str]) -> bool:
    """Whether labels are the first of an alphabet, or 1, 2, 3 …"""
    return len(labels) > 1 and any(
        tuple(labels) == tuple(letters[: len(labels)]) for letters in (*_ALPHABETS, _NUMBERED)
    )


def _from_text(given: str) -> Choices:
    if given.lstrip().startswith(("[", "{")):
        read = _written(given)
        if isinstance(read, list | tuple | dict):
            return _from_object(read)
    labelled = _labelled(given, numbered=True)
    if labelled:
        return labelled
    separator = "\n" if "\n" in given.strip() else "|" if "|" in given else ";" if ";" in given else ","
    return _without_labels([part.strip() for part in given.split(separator) if part.strip()])


def _written(given: str) -> Any:
    """A list or an object that a cell of text holds as JSON, or as Python writes it (pandas, into CSV).

    Raises:
        CellError: It begins as one and is none: numpy writes no commas.
    """
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        pass
    if not re.match(r"\s*[\[{]\s*(?:['\"{\[]|[\]}])", given):
        return None
    try:
        # Texts side by side would become one.
        read = None if re.search(r"(?<!\\)['\"]\s+['\"]", given) else ast.literal_eval(given.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        read = None
    if read is None:
        raise CellError("a text that begins as a list and is neither JSON nor one of Python's")
    return read


def _labelled(text: str, numbered: bool) -> Choices | None:
    """One labelled choice on each line, or `(a) x (b) y`; labels must be the first of an alphabet, in its order."""
    text = text if text.isascii() else _WIDE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    found = _LABELLED.findall(text)
    labels = [label.casefold() for label, _ in found]
    if _in_order(labels) and (numbered or not labels[0].isdigit()):
        return Choices((choice.strip(" ,;") for _, choice in found), labels)
    return _inline(text, numbered)


#: Full-width and circled letters, digits and brackets.
_WIDE = re.compile(r"[（）［］：．\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]|[\u2460-\u24ff]")


def _inline(text: str, numbered: bool) -> Choices | None:
    """`(a) x (b) y`. A label that is not the next one belongs to its choice's text: `(c) both (a) and (b)`."""
    alphabets = (*_ALPHABETS, _NUMBERED) if numbered else _ALPHABETS
    marks = [(match[1].casefold(), match.start(), match.end()) for match in _INLINE.finditer(text)]
    for letters in alphabets:
        first = next((place for place, mark in enumerate(marks) if mark[0] == letters[0]), None)
        if first is None:
            continue
        taken: list[tuple[str, int, int]] = []
        for mark in marks[first:]:
            if len(taken) < len(letters) and mark[0] == letters[len(taken)]:
                taken.append(mark)
        if len(taken) > 1:
            ends = [start for _, start, _ in taken[1:]] + [len(text)]
            texts = [text[mark[2] : end].partition("\n")[0] for mark, end in zip(taken, ends, strict=True)]
            return Choices((choice.strip().rstrip(" ,;") for choice in texts), (mark[0] for mark in taken))
    return None


def _without_labels(texts: list[str]) -> Choices:
    """Choices whose texts begin with their labels, without them; labels are taken off all of them or none."""
    found = [_OWN_LABEL.match(text) for text in texts]
    labels = [match[1].casefold() for match in found if match]
    rests = [text[match.end() :] for text, match in zip(texts, found, strict=True) if match]
    if len(rests) == len(texts) and _in_order(labels) and not any(_NESTED.match(rest) for rest in rests):
        return Choices((rest.strip() for rest in rests), labels)
    return Choices(text.strip() for text in texts)


def labels_of(choices: Sequence[str]) -> tuple[str, ...]:
    """The labels of choices, in lower case."""
    return choices.labels if isinstance(choices, Choices) else tuple(_ALPHABETS[0][: len(choices)])


def with_choices(question: str, choices: Sequence[str]) -> str:
    """A question with its choices behind it, unless it names them itself."""
    if not choices or _labelled(question, numbered=False):
        return question
    named = list(zip(labels_of(choices), choices, strict=False))
    # A label inside a choice's text (`both (a) and (b)`) would be taken for that of a choice.
    mark = "\n" if any(_INLINE.search(choice) for choice in choices) else " "
    return question + "".join(f"{mark}({label}) {choice}" for label, choice in named)


@lru_cache(256)
def _patterns(labels: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Patterns of a label at the beginning, of another one behind a join, and of one in brackets."""
    label = rf"(?P<label>{'|'.join(re.escape(label) for label in labels) or '(?!)'})(?![^\W_]|['’]\w)"
    return (
        re.compile(rf"[\W_]*+(?:{_LEAD}(?![^\W_])[\W_]*+)*+{label}", re.IGNORECASE),
        re.compile(
            rf"(?:{_JOIN}|[^\w.:;\n]*+(?=option\b|choice\b))(?:{_LEAD}(?![^\W_])[\W_]*+)*+{label}",
            re.IGNORECASE,
        ),
        re.compile(rf"(?:[(\[{{]\s*+|\b(?:option|choice|letter)\s[\W_]*+){label}", re.IGNORECASE),
    )


def read_choice(text: str, choices: Sequence[str]) -> str | Malformed:
    """The choice that the text after an answer phrase names: by its label, by its words, or by both.

    Decorations (bold, quotes, brackets, LaTeX, bullets, emoji, full-width letters) are looked through. Several labels, or
    a label and the words of another choice, are `ambiguous`.
    """
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    names = [normal_phrase(choice) for choice in choices]
    labels = labels_of(choices)
    whole = _letters_only(text)
    same = [place for place, choice in enumerate(choices) if whole and _letters_only(choice) == whole]
    bare = _plain_label(whole)
    if same and bare in labels and names[labels.index(bare)] != names[same[0]]:
        return Malformed(
            "ambiguous", f"{CONFLICT} {names[labels.index(bare)]!r}, the text is {choices[same[0]]!r}"
        )
    if same:
        return choices[same[0]]
    begun = _begun(text, names, labels)
    if isinstance(begun, Malformed):
        return begun
    if begun is not None:
        return choices[begun]
    numeric = _by_number(text, choices)
    if numeric is not None:
        return numeric
    lettered = _bracketed(text, labels)
    said = {names[place] for place in lettered if place < len(names)}
    if len(said) > 1:
        return Malformed("ambiguous", " and ".join(sorted(said)))
    if said:
        worded = first_choice(text, choices)
        if worded is not None and normal_phrase(worded) not in said:
            return Malformed("ambiguous", f"{CONFLICT} {said.pop()!r}, the text says {worded!r}")
        return choices[lettered[0]]
    if choices and re.fullmatch(r"\W*\w\W*", text.strip()):
        return Malformed("not_a_choice", text.strip()[:80])
    words = first_choice(text, choices)
    if words is not None and not is_joined(text, words):
        return words
    named = read_named(text, choices)
    stems = (
        named_by_stems(text, choices) if isinstance(named, Malformed) and named.reason != "ambiguous" else []
    )
    return stems[0] if len(stems) == 1 else named


def _begun(text: str, names: list[str], labels: tuple[str, ...]) -> int | Malformed | None:
    """The place of the choice whose label a text begins with; None if it begins with none."""
    head, joined, _ = _patterns(labels)
    found = head.match(text, 0, _NEAR)
    if found is None or not _is_label(text, found, names, labels):
        return None
    place = labels.index(found["label"].casefold())
    if place >= len(names):
        return None
    if _DISMISSED.match(text, _behind_own(text, found.end(), names[place])):
        return Malformed("not_a_choice", " ".join(text.split())[:80])
    end, said = _behind_own(text, found.end(), names[place]), {names[place]}
    while again := joined.match(text, end):
        other = labels.index(again["label"].casefold())
        if other >= len(names) or not _is_label(text, again, names, labels):
            break
        said.add(names[other])
        end = _behind_own(text, again.end(), names[other])
    rest = text[found.end() :]
    lone = re.fullmatch(r"[\W_]*+((?:\w(?!\w)[\W_]*+)++)", text[end : end + _NEAR])
    if lone:
        said |= {
            names[labels.index(c)] for c in lone[1].casefold() if c in labels and labels.index(c) < len(names)
        }
    if len(said) > 1:
        return Malformed("ambiguous", " and ".join(sorted(said)))
    words = normal_phrase(
        re.split(r"[.,;\n(]|\b(?:because|since|as)\b", rest.strip(" ).:]}*_`$\"'-–—=>(\\"), maxsplit=1)[
            0
        ].strip(" )*_`$\"'")
    )
    if words and words != names[place] and words in names:
        return Malformed("ambiguous", f"{CONFLICT} {names[place]!r}, the text says {words!r}")
    return place


_LATEX_WORDS = frozenset(["boxed", "text", "mathbf", "mathrm", "textbf"])
_ARTICLE = re.compile(r"[\W_]*(?:(?:an?|the)\s+)?", re.IGNORECASE)


def _behind_own(text: str, end: int, name: str) -> int:
    """The place behind a label and the text of its choice, if that follows."""
    lead = _ARTICLE.match(text, end)
    start = lead.end() if lead else end
    return start + len(name) if name and text[start : start + len(name)].casefold() == name else end


def label_alone(line: str, choices: Sequence[str]) -> str | None:
    """The choice of a line that is its label, its text, or both: `**A**`, `A) River`, `River`."""
    line = line if line.isascii() else unicodedata.normalize("NFKC", line)
    whole = _letters_only(line)
    if whole not in labels_of(choices) and (
        same := [c for c in choices if whole and _letters_only(c) == whole]
    ):
        return same[0]
    place = (
        _begun(line, [normal_phrase(choice) for choice in choices], labels_of(choices))
        if is_short(line)
        else None
    )
    if not isinstance(place, int):
        return None
    said = [word for word in re.sub(r"[_$]", " ", _letters_only(line)).split() if word not in _LATEX_WORDS]
    label, name = labels_of(choices)[place], _letters_only(choices[place]).split()
    while said and said[0] in ("option", "choice", "answer", "letter"):
        said = said[1:]
    return choices[place] if said in ([label], [label, *name]) else None


def _is_label(text: str, found: re.Match[str], names: list[str], labels: tuple[str, ...]) -> bool:
    """Whether a lone letter is a label, and not an article or a pronoun."""
    label, start, end = found["label"], found.start("label"), found.end("label")
    if (start and text[start - 1] in _OPENED) or _MARKED.match(text, end):
        return True
    if label.isdigit() and len(label) < 3:
        return bool(re.match(rf"\s*{_AFTER}", text[end:], re.IGNORECASE))
    if re.match(rf"\s+{_AFTER}", text[end:], re.IGNORECASE):
        return True
    rest, place = normal_phrase(text[end:]), labels.index(label.casefold())
    if place < len(names) and names[place] and rest.startswith(names[place]):
        return label.isupper() or label not in "ai"
    if label in "aAiI":
        return bool(re.match(r"\s+\(", text[end:])) and label.isupper()
    return label.isupper() or not label.isascii() or bool(re.match(r"\s+\(", text[end:]))


def _bracketed(text: str, labels: tuple[str, ...]) -> list[int]:
    """Places of the labels that stand in brackets, or after `option`, each once, unless they are ruled out."""
    found = []
    for match in _patterns(labels)[2].finditer(text):
        label = match["label"]
        if match[0][0] in "([{" and text[match.end() : match.end() + 5].lstrip()[:1] not in (")", "]", "}"):
            continue
        if not _NEGATION.search(text[max(0, match.start() - _NEAR) : match.start()]):
            found.append(labels.index(label.casefold()))
    return list(dict.fromkeys(found))


@lru_cache(1 << 12)
def _numbers_of(choices: tuple[str, ...]) -> tuple[Fraction, ...]:
    """The numbers that choices are; nothing unless all of them are numbers, and different ones."""
    if not all(any(character.isdigit() for character in choice) for choice in choices):
        return ()
    read = [read_number(choice) for choice in choices]
    found = [number for number in read if not isinstance(number, Malformed)]
    return tuple(found) if len(found) == len(choices) == len(set(found)) else ()


def _by_number(text: str, choices: Sequence[str]) -> str | Malformed | None:
    """The choice of the number that a text gives, if all choices are numbers: -5 is not 5."""
    numbers = _numbers_of(tuple(choices))
    if not numbers or not any(character.isdigit() for character in text):
        return None
    said = read_number(text)
    if isinstance(said, Malformed):
        return said if said.reason == "ambiguous" else Malformed("not_a_choice", said.detail)
    if said in numbers:
        return choices[numbers.index(said)]
    return Malformed("not_a_choice", " ".join(text.split())[:80])


def is_joined(text: str, begun: str) -> bool:
    """Whether the choice that a text begins with is one of several: `library or bookstore`."""
    rest = _letters_only(text)[len(_letters_only(begun)) :].split()
    if rest and rest[0] in ("not", "rather", "instead", "because", "since"):
        return False
    return (bool(rest) and rest[0] in ("or", "and")) or "," in text[len(begun) : len(begun) + 2]


def read_named(text: str, choices: Sequence[str], question: str = "") -> str | Malformed:
    """The one choice whose words stand in a text; one that the question does not speak of goes first."""
    said = named_choices(text, choices)
    if len(said) > 1:
        asked = {normal_phrase(choice) for choice in named_choices(question, choices)}
        fresh = [choice for choice in said if normal_phrase(choice) not in asked]
        if len(fresh) != 1:
            names = " and ".join(repr(choice) for choice in said)
            return Malformed("ambiguous", names)
        said = fresh
    if not said:
        return Malformed("not_a_choice", " ".join(text.split())[:80])
    return said[0]


def named_choices(text: str, choices: Sequence[str]) -> list[str]:
    """Choices whose words stand in a text, in order of their last place; equal texts once. A choice inside a longer one
    (`room` in `living room`) counts only where it stands alone."""
    return list(_named(text, choices)[0])


def _named(text: str, choices: Sequence[str]) -> tuple[list[str], bool]:
    """The choices that a text names, and whether it denies one (`not the library`, `the library is wrong`)."""
    low = _letters_only(text)
    taken = [False] * len(low)
    denied = False
    last: dict[str, tuple[int, str]] = {}
    distinct = {_letters_only(choice).strip(): choice for choice in reversed(choices)}
    for name in sorted(distinct, key=lambda name: (-len(name), name)):
        for start in _places(low, name):
            if not any(taken[start : start + len(name)]):
                taken[start : start + len(name)] = [True] * len(name)
                if _DENIED.search(low, max(0, start - _NEAR), start) or _DISMISSED.match(
                    low, start + len(name)
                ):
                    denied = True
                else:
                    last[name] = (start, distinct[name])
    return [choice for _, choice in sorted(last.values())], denied


def letter_at_end(text: str) -> str:
    """`(b)` where a text ends with it after its last sentence, else ""."""
    found = _LAST_LETTER.search(text)
    return f"({found[1]})" if found else ""


def first_choice(text: str, choices: Sequence[str]) -> str | None:
    """The choice that a text begins with, as in `Library: a place …` or `Bicycles use a chain`."""
    low = _letters_only(text)
    begins = [choice for choice in choices if 0 in _places(low, _letters_only(choice))]
    begun = max(begins, key=len, default=None)
    return None if begun and _DISMISSED.match(low, len(_letters_only(begun))) else begun


def named_by_stems(text: str, choices: Sequence[str]) -> list[str]:
    """Choices all of whose words stand side by side in a text in another form (`watered the garden`): weaker."""
    if _named(text, choices)[1]:
        return []
    said = [_stem(word) for word in _letters_only(text).split() if word not in _ARTICLES]
    found: dict[str, str] = {}
    for choice in choices:
        name = [_stem(word) for word in _letters_only(choice).split() if word not in _ARTICLES]
        places = range(len(said) - len(name) + 1)
        together = [a + b for a, b in itertools.pairwise(said)]
        if name and (any(said[i : i + len(name)] == name for i in places) or "".join(name) in together):
            found.setdefault(" ".join(name), choice)
    return list(found.values())


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 5:
        word = word[:-3] + "y"
    for _ in range(2):
        ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 3), "")
        word = word[: len(word) - len(ending)]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _places(low: str, name: str) -> list[int]:
    if not name:
        return []
    pattern = rf"(?<![^ ]){re.escape(name)}(?:s|es)?(?![^ ])"
    return [found.start() for found in re.finditer(pattern, low)]


def _letters_only(text: str) -> str:
    """Words and numbers in lower case; signs that carry meaning stay: -5, C++, A-."""
    return " ".join(_DROPPED.sub(" ", text.casefold().replace("’", "'").replace("−", "-")).split())


_DROPPED = re.compile(
    r"(?!(?<!\w)[-+](?=\d)|(?<=[a-z])#(?!\w)|(?<=[a-z])\+(?!\w)|(?<=\+)\+|(?<=\b[a-z])-(?!\w))[^\w'$%.]|(?<!\d)\.|\.(?!\d)"
)


def is_short(text: str) -> bool:
    """Whether a text is an answer and nothing else."""
    return len(text.split()) <= _SHORT and "\n" not in text.strip()
