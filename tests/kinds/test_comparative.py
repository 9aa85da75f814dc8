"""Comparatives: reading an answer, and writing it again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.errors import RecipeError
from synthkd.kinds.base import Malformed
from synthkd.kinds.comparative.grammar import ADVERBS, QUANTIFIERS
from synthkd.kinds.comparative.kind import ComparativeKind
from synthkd.kinds.comparative.lexicon import ADJECTIVES, KNOWN, VERBS, graded, meaning
from synthkd.text.nouns import entity_key, plural

KIND = ComparativeKind()
ROW = {"left": "elephant", "right": "cat"}
ASKED = {**ROW, "comparative": "heavier"}


def one(text: str, row: dict[str, Any] = ROW, kind: ComparativeKind = KIND) -> dict[str, Any]:
    found = kind.parse(text, row)
    assert isinstance(found, list), found
    return found[0]


def claim(text: str, row: dict[str, Any] = ROW) -> tuple[str, str, str]:
    """Return a claim's axis, the thing that is more, and the thing that is less."""
    found = KIND.claim(one(text, row))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        " typically much heavier.",
        " heavier than cats",
        "are typically much heavier than cats.",
        "An elephant is heavier than a cat, and stronger.",
        "Cats are typically lighter than elephants.",
        "Compared to cats, elephants are much heavier.",
        "Compared with an elephant, a cat is less heavy",
        "Typically, elephants are far heavier.",
        "They are, on average, 10 times heavier.",
        "- Elephants weigh more than cats.",
        "1. The elephant is heavier",
        "tend to be heavier in weight",
        '{"comparative": "heavier", "adverb": "often"}',
        '```json\n{"answers": [{"sentence": "Elephants are heavier than cats."}]}\n```',
    ],
)
def test_many_forms_of_a_claim_give_the_same_candidate(text: str) -> None:
    assert claim(text) == ("mass", "elephant", "cat")


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("An elephant.", "elephant"),
        ("elephant", "elephant"),
        ("A cat, since elephants float.", "cat"),
        ("The cat is heavier than the elephant.", "cat"),
        ("The heavier one is the cat.", "cat"),
        ("The cat is lighter.", "elephant"),
        ("the latter", "cat"),
    ],
)
def test_answers_to_a_question_name_one_of_the_two(text: str, more: str) -> None:
    assert claim(text, ASKED)[1] == more


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_text"),
        (" not heavier.", "negated"),
        ("Elephants aren't heavier than cats.", "negated"),
        (" as heavy as cats", "no_difference"),
        ("They are the same size.", "no_difference"),
        (" often water", "no_comparative"),
        (" other animals", "no_comparative"),
        (" typically.", "no_comparative"),
        ("Elephants are heavier than elephants.", "self"),
        ("x" * 1000, "too_long"),
    ],
)
def test_a_text_without_a_claim_is_malformed_with_a_reason(text: str, reason: str) -> None:
    found = KIND.parse(text, ROW)
    assert isinstance(found, Malformed)
    assert found.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "neither",
        "An elephant or a cat",
        "They weigh the same.",
        "Both.",
        "I do not know",
        "heavier",
    ],
)
def test_an_answer_without_a_name_is_malformed(text: str) -> None:
    assert isinstance(KIND.parse(text, ASKED), Malformed)


@pytest.mark.parametrize(
    ("text", "axis", "direction"),
    [
        ("more expensive", "price", "more"),
        ("less expensive", "price", "less"),
        ("less cheap", "price", "more"),
        ("more unstable", "stability", "less"),
        ("fluffier", "fluffy", "more"),
        ("more mysterious", "mysterious", "more"),
        ("have longer trunks", "length (trunks)", "more"),
        ("have fewer legs", "amount (legs)", "less"),
        ("can run faster", "speed", "more"),
        ("live longer", "lifespan", "more"),
        ("easier to carry", "difficulty (to carry)", "less"),
        ("more likely to bark", "likely (to bark)", "more"),
    ],
)
def test_comparatives_have_an_axis_and_a_direction(text: str, axis: str, direction: str) -> None:
    found = one(f" typically {text}.")
    assert (found["attribute"], found["direction"]) == (axis, direction)


@pytest.mark.parametrize("text", ["often larger than dogs", "Dogs are larger than cats",
"Compared to dogs, elephants are larger"])  # fmt: skip
def test_a_third_thing_in_the_answer_is_noted(text: str) -> None:
    assert one(text)["third"] == "dogs"


def test_antonyms_and_the_order_of_the_pair_leave_a_claim_the_same() -> None:
    said = [
        "Elephants are heavier than cats.",
        "Cats are much lighter than elephants.",
        "weigh more",
    ]
    assert len({KIND.identity(one(text)) for text in said}) == 1
    assert KIND.identity(one("lighter")) != KIND.identity(one("heavier"))


def test_both_orders_of_a_pair_vote_on_one_question() -> None:
    yes, no = one("heavier"), one("heavier", {"left": "cat", "right": "elephants"})
    assert KIND.vote_on(yes) == KIND.vote_on(no) == ("cat", "elephant", "mass")
    assert (KIND.vote_for(yes), KIND.vote_for(no)) == ("elephant", "cat")


COMPARATIVES = st.sampled_from(
    sorted({*map(graded, ADJECTIVES), *KNOWN, "more mysterious", "less fragile", "easier to carry"})
)
OWNED = st.sampled_from(["longer trunks", "more legs", "fewer teeth", "bigger ears"])
DONE = st.sampled_from(
    [f"{verb} more" for verb in VERBS] + ["run faster", "swim faster", "jump higher"]
)


@st.composite
def candidates(draw: st.DrawFn) -> dict[str, Any]:
    auxiliary, words = draw(
        st.one_of(
            st.tuples(st.sampled_from(["are", "tend to be", "may"]), COMPARATIVES),
            st.tuples(st.sampled_from(["have", "need"]), OWNED),
            st.tuples(st.sampled_from(["can", ""]), DONE),
        )
    )
    adverb, quantifier = (
        draw(st.sampled_from(("", *ADVERBS))),
        draw(st.sampled_from(("", *QUANTIFIERS))),
    )
    if auxiliary == "may" and words.split()[0] not in KNOWN | {"more", "less"}:
        auxiliary = "are"
    quantifier = "" if words.split()[0] in VERBS else quantifier
    row = draw(
        st.sampled_from(
            [ROW, {"left": "water", "right": "ox"}, {"left": "guinea pig", "right": "pig"}]
        )
    )
    said = " ".join(word for word in (auxiliary, adverb, quantifier, words) if word)
    return one(f"{plural(row['left'])} {said}", row)


@pytest.mark.slow
@given(candidate=candidates())
def test_parsing_a_verbalized_candidate_gives_the_candidate(candidate: dict[str, Any]) -> None:
    text = KIND.verbalize(candidate)
    row = {side: candidate[side] for side in ("left", "right")}
    assert one(text, row) == candidate
    bare = {name: value for name, value in candidate.items() if name in KIND.columns}
    assert KIND.identity(one(KIND.verbalize(bare), row)) == KIND.identity(candidate)


@pytest.mark.slow
@given(candidate=candidates())
def test_normal_forms_are_stable(candidate: dict[str, Any]) -> None:
    once = KIND.normalize(candidate)
    assert KIND.normalize(dict(zip(KIND.columns, once, strict=True))) == once


@pytest.mark.slow
@given(
    left=st.text(max_size=30),
    right=st.text(max_size=30),
    text=st.text(max_size=80),
    asked=st.booleans(),
)
def test_no_name_makes_the_parser_raise(left: str, right: str, text: str, asked: bool) -> None:
    row = {"left": left, "right": right, **({"comparative": "heavier"} if asked else {})}
    for said in (text, f"{left} are heavier than {right}", f"Compared to {right}, {left} {text}"):
        found = KIND.parse(said, row)
        if not isinstance(found, Malformed):
            assert isinstance(KIND.verbalize(found[0]), str)


def test_every_graded_adjective_is_read_as_its_own_axis() -> None:
    for adjective, (axis, way) in ADJECTIVES.items():
        found = meaning(graded(adjective))
        assert found is not None, adjective
        assert (found.axis, found.way) == (axis, way), adjective


@pytest.mark.parametrize(
    "word", ["other", "water", "tiger", "never", "number", "rather", "butter", "per"]
)
def test_words_that_only_end_like_a_comparative_are_not_comparatives(word: str) -> None:
    assert meaning(word) is None


@pytest.mark.parametrize(
    ("noun", "many"),
    [
        ("cat", "cats"), ("mouse", "mice"), ("guinea pig", "guinea pigs"), ("pony", "ponies"),
        ("peach", "peaches"), ("ox", "oxen"),
        ("cup of tea", "cups of tea"), ("water", "water"), ("sheep", "sheep"), ("scissors",
        "scissors"), ("cats", "cats"),
        ("bus", "buses"), ("child", "children"), ("grass snake", "grass snakes"),
    ],
)  # fmt: skip
def test_plurals(noun: str, many: str) -> None:
    assert plural(noun) == many
    assert entity_key(many) == entity_key(noun)


@pytest.mark.slow
def test_every_noun_of_the_everyday_world_is_recognised_in_the_plural() -> None:
    from everyday.table import Table

    names = [name for name in Table.load().entries if name != "glass"]
    assert {name: entity_key(plural(name)) for name in names} == {
        name: entity_key(name) for name in names
    }


def test_uncountable_nouns_take_the_singular() -> None:
    assert (
        KIND.verbalize(one("heavier", {"left": "water", "right": "oil"}))
        == "Compared to oil, water is heavier."
    )


def test_several_lines_are_several_claims() -> None:
    kind = ComparativeKind(several=True)
    found = kind.parse("1. heavier\n2. not faster\n3. more expensive", ROW)
    assert isinstance(found, list)
    assert [row["attribute"] for row in found] == ["mass", "price"]


def test_a_pair_is_asked_about_in_both_orders_and_with_each_comparative() -> None:
    kind = ComparativeKind(swap=True, asked=["heavier", "faster"])
    rows = kind.expand(ROW)
    assert {(row["left"], row["comparative"]) for row in rows} == {
        (left, word) for left in ("elephant", "cat") for word in ("heavier", "faster")
    }


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"left": "cat", "right": "the cats"}, "left and right are both 'cat'"),
        ({"left": "cat", "right": ""}, "'right' is empty"),
        ({**ROW, "comparative": "heavy"}, "'heavy' is no comparative"),
    ],
)
def test_inputs_that_cannot_be_compared_are_named(row: dict[str, str], said: str) -> None:
    assert said in str(KIND.check(row))


@pytest.mark.parametrize("options", [{"asked": ["heavy"]}, {"adverbs": "often"}, {"claims": 0}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, RecipeError), match=next(iter(options))):
        ComparativeKind(**options)
