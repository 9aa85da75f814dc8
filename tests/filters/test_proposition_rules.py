"""Rules on propositions: what each rejects, what it lets pass, and what its reason names."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.base import Filter
from synthkd.filters.propositions import Grounded, HasProposition, NotCopy, OneClaim, SelfContained
from synthkd.kinds.proposition.claims import joined_predicates, text_numbers
from synthkd.kinds.proposition.kind import PropositionKind

KIND = PropositionKind()
SCHEMA = candidate_schema(KIND)


def reason(rule: Filter, proposition: str, **values: Any) -> str | None:
    row = {"document_id": "d", "sentence": "A sentence.", "proposition": proposition} | values
    return rule.reject(pa.RecordBatch.from_pylist([row], schema=SCHEMA), KIND)[0]


@pytest.mark.parametrize(
    "flaw", ["no_text", "nothing_read", "no_group", "empty_group", "no_sentence", "cut", "too_many"]
)
def test_what_stands_for_no_whole_proposition_is_rejected_by_its_name(flaw: str) -> None:
    found = reason(HasProposition(), "" if flaw != "cut" else "Ann Ho", flaw=flaw)
    assert found is not None
    assert found.startswith(f"{flaw}: ")


def test_a_proposition_at_the_end_of_a_text_that_ended_of_itself_is_not_cut() -> None:
    assert reason(HasProposition(), "Ann sings", flaw="cut", finish_reason="stop") is None
    assert reason(HasProposition(), "Ann sings", flaw="cut", finish_reason="length") is not None


def test_a_remark_is_no_reason() -> None:
    assert reason(HasProposition(), "Ann sings.", flaw="not_closed") is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("It can swim.", "It"),
        ("This is a lighthouse.", "This"),
        ("However, he left.", "he"),
        ('"They left early."', "They"),
        ("Its captain is Ann.", "Its"),
        ("Italy is a country.", None),
        ("Ann thinks that it rains.", None),
        ("There are nine planets.", None),
    ],
)
def test_a_pronoun_at_the_beginning_dangles(text: str, word: str | None) -> None:
    found = reason(SelfContained(), text)
    assert found == (None if word is None else f"begins with {word!r}")


def test_a_pronoun_can_be_allowed_and_another_word_cannot() -> None:
    assert reason(SelfContained(allow=["it"]), "It rains.") is None
    with pytest.raises(RecipeError, match="allow"):
        SelfContained(allow=["italy"])


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Ann sings. Bob dances.", "sentences"),
        ("Ann sings; Bob dances.", "semicolon"),
        ("Ann can sing, and Bob can dance.", "coordination"),
        ("A cat can run and is soft.", "coordination"),
        ("Ann sings and she dances.", "coordination"),
        ("The ferry, which was built in 1961, links two islands.", "relative"),
        ("Mr. Smith met J. K. Rowling in St. Ives.", None),
        ("Ann Holm and Bob Lee are engineers.", None),
        ("The house is black and white.", None),
        ("Ann said that she had read the book.", None),
        ("The lighthouse that burned down in 1990 was rebuilt.", None),
        ("The U.S. Senate has 100 members.", None),
    ],
)
def test_more_than_one_claim_is_seen_by_its_sign(text: str, sign: str | None) -> None:
    found = reason(OneClaim(), text)
    assert (found and found.partition(":")[0]) == sign
    if sign:
        assert reason(OneClaim(allow=[sign]), text) is None


def test_too_many_words_are_more_than_one_claim() -> None:
    assert reason(OneClaim(max_words=3), "one two three four") == "4 words, more than 3"


@pytest.mark.slow
def test_joined_predicates_are_found_in_what_a_parser_says() -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc

    words = ["Ann", "sings", "and", "dances", "well"]
    doc = Doc(
        spacy.blank("en").vocab, words, pos=["PROPN", "VERB", "CCONJ", "VERB", "ADV"], heads=[1, 1,
        1, 1, 3],
        deps=["nsubj", "ROOT", "cc", "conj", "advmod"], tags=["NNP", "VBZ", "CC", "VBZ", "RB"],
    )  # fmt: skip
    assert joined_predicates(doc) == ["dances"]


LONG = " ".join(f"word{i}" for i in range(24)) + "."


def test_a_copy_of_a_long_sentence_is_rejected_and_one_of_a_short_sentence_is_not() -> None:
    assert reason(NotCopy(), LONG.upper(), sentence=LONG) == "is the sentence, of 24 words"
    assert "repeats 96%" in str(reason(NotCopy(), LONG.replace("word3 ", ""), sentence=LONG))
    assert reason(NotCopy(), "word1 word2 word3.", sentence=LONG) is None
    assert reason(NotCopy(), "A cat sleeps.", sentence="A cat sleeps.") is None


@pytest.mark.parametrize(
    ("proposition", "source", "missing"),
    [
        ("The town has 1000 people.", "The town has 1,000 people.", None),
        ("The town has 2 schools.", "The town has two schools.", None),
        ("The town has twenty-one shops.", "The town has 21 shops.", None),
        ("It cost 3 million euros.", "It cost 3,000,000 euros.", None),
        ("He ruled until 1995.", "He ruled 1990-95.", None),
        ("He was the 3rd king.", "He was the third king.", None),
        ("One of the schools is old.", "A school is old.", None),
        ("The town has 1001 people.", "The town has 1,000 people.", "number '1001'"),
        ("The town has three schools.", "The town has two schools.", "number 'three'"),
        ("The mayor is Ann Holm.", "Ann Holm, the mayor, came.", None),
        ("The mayor is Ann's son.", "Ann has a son, the mayor.", None),
        ("She is an American singer.", "The singer was born in America.", None),
        ("The mayor is Bob Holm.", "Ann Holm, the mayor, came.", "name 'Bob'"),
        ("Bob is the mayor.", "Ann is the mayor.", None),
    ],
)
def test_numbers_and_names_must_stand_in_the_source(
    proposition: str, source: str, missing: str | None
) -> None:
    found = reason(Grounded(), proposition, source=source)
    assert found == (None if missing is None else f"not in the source: {missing}")


def test_what_is_missing_is_all_named_and_each_check_can_be_left_out() -> None:
    text, source = "The mayor Bob is 40.", "Ann is the mayor."
    assert reason(Grounded(), text, source=source) == "not in the source: number '40', name 'Bob'"
    assert reason(Grounded(numbers=False), text, source=source) == "not in the source: name 'Bob'"
    assert reason(Grounded(numbers=False, names=False), text, source=source) is None
    assert "not in the sentence" in str(reason(Grounded(within="sentence"), text, source=text))


def test_other_words_are_counted_where_asked() -> None:
    source = "A hawk, an animal, sees mice."
    assert reason(Grounded(), "A waterbird is an animal.", source=source) is None
    strict = Grounded(new_words=0)
    assert (
        reason(strict, "A waterbird is an animal.", source=source)
        == "not in the source: word 'waterbird'"
    )
    assert reason(strict, "The hawk can see a mouse.", source=source) is not None
    assert reason(strict, "A hawk is an animal.", source=source) is None
    assert reason(Grounded(new_words=1), "A waterbird is an animal.", source=source) is None


def test_without_a_source_the_sentence_is_looked_at() -> None:
    assert (
        reason(Grounded(), "The mayor is Bob.", sentence="The mayor is Bob.", source=None) is None
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("two hundred and five", 205), ("three thousand", 3000), ("1.5 million", 1_500_000),
    ("ninety-nine", 99), ("seventh", 7)],
)  # fmt: skip
def test_numbers_in_words_have_a_value(text: str, value: int) -> None:
    assert Fraction(value) in text_numbers(text)


@pytest.mark.slow
@given(text=st.text(max_size=200))
def test_no_rule_raises_whatever_the_text(text: str) -> None:
    for rule in (HasProposition(), SelfContained(), OneClaim(), NotCopy(min_words=1), Grounded()):
        reason(rule, text, sentence=text, source="x")
