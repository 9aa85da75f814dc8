"""Normal forms: stored texts, equality, and the words of every script."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.text.normal_forms import (
    marks,
    normal_phrase,
    normal_text,
    shingles,
    stored,
    word_pattern,
)

#: Short texts of many scripts in the form in which they are stored: vowel signs, harakat, niqqud,
#: tones, jamo, joiners.
SCRIPTS = {
    "Hindi": "चाय पीना", "Bengali": "ঘর মোছা", "Tamil": "தண்ணீர் குடித்தல்",
    "Telugu": "నీళ్ళు తాగడం", "Sinhala": "ශ්‍රී ලංකාව",
    "Thai": "ดื่มน้ำ", "Khmer": "ផឹកទឹក", "Burmese": "ရေသောက်", "Arabic": "كِتَابَةُ رِسَالَة",
    "Hebrew": "לִכְתֹּב מִכְתָּב", "Persian": "می‌روم",
    "Vietnamese": "uống nước", "Korean": "물을 마시다", "Greek": "πίνω νερό",
    "Japanese": "水を飲む", "Yoruba": "omi mímu",
    "Malayalam": "വെള്ളം കുടിക്കുക", "Tibetan": "ཆུ་འཐུང་", "Amharic": "ውሃ መጠጣት",
}  # fmt: skip
EMOJI = ("👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "❤️", "🇳🇵", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "👁️‍🗨️")


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_a_text_of_any_script_is_stored_as_it_is(text: str) -> None:
    assert stored(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("text", EMOJI)
def test_a_sequence_of_emoji_stays_whole(text: str) -> None:
    assert stored(f"a {text} b") == f"a {text} b"


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_decomposed_texts_are_stored_composed_and_are_equal(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)
    assert stored(decomposed) == stored(text)
    assert normal_phrase(decomposed) == normal_phrase(text)
    assert normal_text(decomposed) == normal_text(text)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("tea\u200bpot", "teapot"),
        ("\ufefftea", "tea"),
        ("tea\u00a0pot", "tea pot"),
        ("tea\tpot\u2028", "tea pot "),
        ("te\u00ada", "tea"),
        ("te\u200da", "tea"),
        ("tea\u200c", "tea"),
        ("\u200fשלום", "שלום"),
        ("tea\ud800", "tea\ufffd"),
        ("tea\ue123", "tea\ufffd"),
        ("tea\U000e0068\U000e0069", "tea"),
        ("😀\ufe0f\ufe01\ufe02", "😀\ufe0f"),
        ("ഞാന\u0d4d\u200d", "ഞാന\u0d4d\u200d"),
        ("नमस\u094d\u200cते", "नमस\u094d\u200cते"),
        ("\x1b[31mtea", " [31mtea"),
    ],
)
def test_hidden_characters_are_removed_and_joiners_of_words_stay(given: str, kept: str) -> None:
    assert stored(given) == kept


@pytest.mark.slow
@given(st.text())
def test_storing_is_idempotent(text: str) -> None:
    once = stored(text)
    assert stored(once) == once
    once.encode()


DIFFERENT = [
    ("🙂", "🙁"), ("✅", "❌"), ("F#", "F♭"), ("C++", "C"), ("C#", "C"), ("A+", "A-"), ("B-", "B"),
    ("O+", "O−"), ("AB-", "AB"),
    ("−7", "+7"), ("-7", "7"), (".NET", "NET"), ("40%", "40"), ("#3", "3"), ("€7", "£7"), ("$7",
    "7"), (";)", ":("), (":)", ":("),
    (":-/", ":-)"), ("we're", "were"), ("resume", "résumé"), ("10²", "102"), ("a/b", "ab"),
    ("x > y", "x < y"), ("2.5", "25"),
    ("🇳🇱", "🇱🇺"), ("👩‍🔧", "👨‍🔧"), ("R&D", "RD"), ("@ann", "ann"), ("7'", '7"'), ("مَلِك", "مُلْك"),
    ("की", "के"), ("5 < 7", "5 > 7"), ("¬p", "p"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_signs_that_carry_meaning_tell_texts_apart(one: str, other: str) -> None:
    for form in ("{}", "I say {}", "It is {} today"):
        assert normal_text(form.format(one)) != normal_text(form.format(other))
        assert normal_phrase(form.format(one)) != normal_phrase(form.format(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my card?", "where is  my card"), ("Hi, there!", "hi there"), ("don’t go",
        "don't go"), ("say “yes”", 'say "yes"'),
        ("well-known", "well known"), ("wait — no", "wait, no"), ("It is −5", "it is -5."),
        ("100 %", "100%"), ("ｔｅａ", "tea"),
        ("❤️", "❤"), ("ﬁsh", "fish"), ("10²", "10^2"), ("1½", "1 1/2"), ("Straße", "STRASSE"),
        ("كتـــاب", "كتاب"), ("5–7", "5-7"),
        ("¿Dónde?", "dónde"), ("你好！", "你好"), ("सच।", "सच"), ('He said "5".', "he said 5"),
    ],
)  # fmt: skip
def test_case_spaces_and_sentence_punctuation_do_not_tell_texts_apart(one: str, other: str) -> None:
    assert normal_text(one) == normal_text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The bread.", "bread"),
        ("...so what", "so what"),
        ("a tea", "Tea"),
        ("'tea'", "tea"),
        ("–5", "-5"),
        ("it’s", "It's"),
    ],
)
def test_edges_and_a_leading_article_do_not_tell_phrases_apart(one: str, other: str) -> None:
    assert normal_phrase(one) == normal_phrase(other)


@pytest.mark.slow
@given(st.text(max_size=30))
def test_normal_forms_are_idempotent(text: str) -> None:
    assert normal_phrase(normal_phrase(text)) == normal_phrase(text)


@pytest.mark.slow
@given(st.lists(st.sampled_from("aB 5+-#.,'’\"%$:)(/&é²½ी\u200d👍"), max_size=12).map("".join))
def test_the_normal_text_of_a_normal_text_is_equal_to_it(text: str) -> None:
    once = normal_text(text)
    assert once == " ".join(once.split())
    assert bool(once) == bool(stored(text).strip())


def test_shingles_keep_vowel_signs_and_signs_and_close_apostrophes_up() -> None:
    assert shingles(normal_text("की")) != shingles(normal_text("के"))
    assert shingles(normal_text("C++")) != shingles(normal_text("C#"))
    assert shingles(normal_text("can't")) == shingles("cant")


@pytest.mark.parametrize("text", [*SCRIPTS.values()], ids=SCRIPTS)
def test_a_word_includes_its_marks(text: str) -> None:
    words = re.findall(word_pattern(), text)
    assert "".join(words) == re.sub(r"[\s་]", "", text)
    assert "".join(re.findall(r"[^\W_]+", text)) != "".join(words) or not re.search(
        f"[{marks()}]", text
    )


@pytest.mark.slow
def test_all_marks_of_unicode_are_in_the_class() -> None:
    found = re.compile(f"[{marks()}]")
    assert not [
        c
        for c in range(0x110000)
        if unicodedata.category(chr(c))[0] == "M" and not found.match(chr(c))
    ]


def test_endless_stops_take_linear_time() -> None:
    begin = time.perf_counter()
    assert normal_phrase("! a" + "." * 9000 + "b.") == "a" + "." * 9000 + "b"
    assert time.perf_counter() - begin < 1
