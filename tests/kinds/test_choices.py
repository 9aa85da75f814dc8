"""Tests of choices in answers: labels or words, common decorations, several labels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.kinds.base import Malformed
from synthkd.kinds.rationale.choices import choices_of
from synthkd.kinds.rationale.kind import RationaleKind

METALS = ["copper", "tin", "lead ore"]
LABELS = {"A": "copper", "B": "tin", "C": "lead ore"}
PHRASES = [
    "Answer: ",
    "**Answer**: ",
    "Final answer: ",
    "ANSWER: ",
    "The answer is ",
    "The answer is: ",
    "The answer must be ",
    "So the answer would be ",
    "The correct option is ",
    "My answer: ",
    "Answer:\n",
    "#### ",
    "",
]
DECORATIONS = [
    "{}",
    "**{}**",
    "***{}***",
    "*{}*",
    "__{}__",
    "_{}_",
    "`{}`",
    "${}$",
    r"\({}\)",
    r"\boxed{{{}}}",
    r"\boxed{{\text{{{}}}}}",
    r"$\mathbf{{{}}}$",
    '"{}"',
    "“{}”",
    "«{}»",
    "'{}'",
    "({})",
    "**({})**",
    "[{}]",
    "{{{}}}",
    "<{}>",
    "option {}",
    "Option **{}**",
    "- {}",
    "👉 {}",
    "{} ✅",
]
ENDS = [
    "",
    ".",
    "!",
    ")",
    ":",
    ";",
    " ✅",
    " because the others are not asked for",
    ", since it is soft",
    "\n\nThe others melt.",
]
WIDE = {"A": "ＡⒶ", "B": "ＢⒷ", "C": "ＣⒸ"}


def read(text: str, choices: Any = METALS, question: str = "Which one?") -> str | None:
    """Return the answer to a question with choices; None if it is malformed."""
    row = {"question": question} if choices is None else {"question": question, "choices": choices}
    found = RationaleKind().parse(text, row)
    return None if isinstance(found, Malformed) else str(found[0]["answer"])


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.sampled_from([*LABELS]),
    st.sampled_from(PHRASES),
    st.sampled_from(DECORATIONS),
    st.sampled_from(ENDS),
    st.data(),
)
def test_a_label_with_any_decoration_names_its_choice(
    label: str, phrase: str, decoration: str, end: str, data: st.DataObject
) -> None:
    written = data.draw(
        st.sampled_from(
            [label, *WIDE[label], f"{label}) {LABELS[label]}", f"{label}. {LABELS[label]}"]
        )
    )
    # Without an answer phrase, a label with reasons behind it is a sentence like others.
    text = phrase + decoration.format(written) + (end if phrase or len(end) < 3 else "")
    assert read(text) == LABELS[label], text


@pytest.mark.slow
@settings(max_examples=100)
@given(
    st.permutations([*LABELS]).map(lambda labels: labels[:2]),
    st.sampled_from([" or ", " and ", ", ", "/", " & ", " or maybe ", " ", "; ", "|"]),
    st.sampled_from(PHRASES[:-1]),
    st.sampled_from(["{}", "**{}**", "({})", "${}$", "option {}"]),
)
def test_several_labels_are_malformed(
    labels: list[str], join: str, phrase: str, decoration: str
) -> None:
    assert read(phrase + join.join(decoration.format(label) for label in labels)) is None


@settings(max_examples=100)
@given(
    st.permutations([*LABELS]).map(lambda labels: labels[:2]),
    st.sampled_from(
        ["{}) {}", "{}: {}", "**{}. {}**", "({}) {}", "{} ({})", "{} - {}", "Option {}: {}"]
    ),
    st.sampled_from(PHRASES[:6]),
)
def test_a_label_with_the_words_of_another_choice_is_malformed(
    labels: list[str], form: str, phrase: str
) -> None:
    said, other = labels
    assert read(phrase + form.format(said, LABELS[other])) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is a because copper bends.", "copper"),
        ("The answer is b since it melts.", "tin"),
        ("The answer is A, since (B) melts.", "copper"),
        ("The answer is A. B melts, and (C) is an ore.", "copper"),
        ("The answer is A, not B.", "copper"),
        ("The answer is A rather than B.", "copper"),
        ("The answer is definitely (C).", "lead ore"),
        ("Option A is correct.", "copper"),
        ("(B) is right.", "tin"),
        ("It bends, and so it is soft.\n\n**A**", "copper"),
        (
            "**B) Tin**\n\nBecause it melts first, long before the two others that are asked"
            " about.",
            "tin",
        ),
        ("The answer is tin, not copper.", "tin"),
        ("The answer is a lead ore.", "lead ore"),
        ("Answer: tin (B)", "tin"),
        ("Answer: not A", None),
        ("The answer is neither A nor B", None),
        ("Answer: tin (A)", None),
        ("Answer: (a) copper or (b) tin", None),
        ("Answer: Z", None),
        ("Answer: ABC", None),
        ("Answer: 1", None),
    ],
)
def test_articles_and_remarks_on_other_choices_are_not_labels(
    text: str, answer: str | None
) -> None:
    assert read(text) == answer


@pytest.mark.parametrize(
    ("choices", "text", "answer"),
    [
        (["heat", "light", "both A and B", "none of these"], "Answer: C", "both A and B"),
        (
            ["heat", "light", "both A and B", "none of these"],
            "Answer: both A and B",
            "both A and B",
        ),
        (
            ["heat", "light", "both A and B", "none of these"],
            "Answer: **C) Both A and B**",
            "both A and B",
        ),
        (["(a) and (b)", "(b) and (c)", "only (a)"], "Answer: B", "(b) and (c)"),
        (["(a) and (b)", "(b) and (c)", "only (a)"], "Answer: (C) only (a)", "only (a)"),
    ],
)
def test_choices_may_mention_each_other(choices: list[str], text: str, answer: str) -> None:
    assert read(text, choices) == answer
    asked = RationaleKind().full_question({"question": "Which one?", "choices": choices})
    assert choices_of({"question": asked}) == tuple(choices)


def test_labels_inside_a_choice_of_the_question_are_part_of_its_text() -> None:
    question = "Which? (a) heat (b) light (c) both (a) and (b) (d) none"
    assert choices_of({"question": question}) == ("heat", "light", "both (a) and (b)", "none")


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        (["А) медь", "Б) олово"], "Answer: **Б**"),
        (["(α) χαλκός", "(β) κασσίτερος"], "Answer: β"),
        (["(क) ताँबा", "(ख) टिन"], "The answer is (ख)."),
        (["甲. 銅", "乙. 錫"], "Answer: 乙"),
        (["(ا) نحاس", "(ب) قصدير"], "Answer: ب"),
        ("1. copper\n2. tin", "Answer: 2"),
        ("(1) copper (2) tin", "Answer: ②"),
        ({"label": ["1", "2"], "text": ["copper", "tin"]}, "Answer: (2)"),
        ({"label": ["A", "B"], "text": ["copper", "tin"]}, "Answer: B"),
        ({"B": "tin", "A": "copper"}, "Answer: B"),
        ([{"label": "A", "text": "copper"}, {"label": "B", "text": "tin"}], "Answer: B"),
        ('{"A": "copper", "B": "tin"}', "Answer: B"),
    ],
)
def test_choices_keep_their_own_labels(choices: Any, text: str) -> None:
    assert read(text, choices) == choices_of({"choices": choices})[1]
    asked = RationaleKind().full_question({"question": "Which one?", "choices": choices})
    assert len(choices_of({"question": "Which one?", "choices": choices})) == 2
    assert choices_of({"choices": choices})[1] in asked


@pytest.mark.parametrize(
    ("choices", "text", "answer"),
    [
        (["5", "-5", "10"], "Answer: -5", "-5"),
        (["-5", "5"], "Answer: 5", "5"),
        (["100", "1000"], "Answer: 1,000", "1000"),
        (["1/2", "1/3"], "Answer: 0.5", "1/2"),
        (["3 km", "5 km"], "Answer: 5 km", "5 km"),
        (["3", "5"], "Answer: B) 5", "5"),
        (["3", "5"], "Answer: B) 3", None),
        (["3", "5"], "Answer: 3-5", None),
        (["3", "5"], "Answer: 7", None),
        (["C", "C++", "C#"], "Answer: C++", "C++"),
        (["A-", "A+"], "Answer: A+", "A+"),
        (["B", "A", "C"], "Answer: A", None),
        (["Vitamin C", "Vitamin A"], "Answer: Vitamin A", "Vitamin A"),
    ],
)
def test_numbers_and_signs_in_choices_keep_their_meaning(
    choices: list[str], text: str, answer: str | None
) -> None:
    assert read(text, choices) == answer


@pytest.mark.parametrize(
    ("gold", "right"),
    [("B", True), ("(b)", True), ("**B**", True), ("tin", True), ("A", False), ("Z", None)],
)
def test_a_gold_choice_is_read_like_an_answer(gold: str, right: bool | None) -> None:
    found = RationaleKind().parse(
        "Answer: **B**", {"question": "Which?", "choices": METALS, "gold": gold}
    )
    assert isinstance(found, list)
    assert found[0]["right"] is right


@settings(max_examples=80)
@given(
    st.permutations([*LABELS]).map(lambda labels: labels[:2]),
    st.sampled_from(
        [
            "The answer is not {0} but {1}",
            "Not {0} but {1}",
            "It is not ({0}), it is ({1}).",
            "{0} is wrong, so {1}",
            "{0} is not correct",
            "({0}) is incorrect.",
            "The answer isn't {0}; it's {1}",
            "{0}? No, {1}",
            "{0}... wait, {1}",
            "{0}\n{1}",
            "It cannot be {0}",
        ]
    ),
    st.booleans(),
)
def test_a_choice_that_is_denied_or_corrected_is_never_the_answer(
    labels: list[str], form: str, worded: bool
) -> None:
    said, other = (
        (LABELS[label] for label in labels)
        if worded and "?" not in form and "..." not in form
        else labels
    )
    assert read(form.format(said, other)) in (None, LABELS[labels[1]]), form.format(said, other)


@pytest.mark.parametrize(
    "text",
    ["copper or tin", "copper and tin", "(A) tin", "B: copper", "not copper", "everything but tin"],
)
def test_a_short_text_that_names_two_or_denies_one_is_malformed(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "I choose A",
        "I'd go with (A).",
        "It's A.",
        "Ans: A",
        "I would say **A**",
        "I think it's copper",
    ],
)
def test_a_choice_behind_a_verb_of_choosing_is_read(text: str) -> None:
    assert read(text) == "copper"


@pytest.mark.parametrize(
    ("choices", "texts"),
    [
        ("['red ore', 'grey ore']", ("red ore", "grey ore")),
        ('{"A": "red", "B": "grey"}', ("red", "grey")),
        ({"A": "red", "B": "grey", "C": None, "D": float("nan")}, ("red", "grey")),
        ([{"label": "A", "content": "red"}, {"label": "B", "content": "grey"}], ("red", "grey")),
        ([{"A": "red"}, {"B": "grey"}], ("red", "grey")),
        ({"options": ["red", "grey"]}, ("red", "grey")),
        ([1.0, 2.5], ("1", "2.5")),
        ([True, False], ("true", "false")),
        ([b"red", b"grey"], ("red", "grey")),
        ("A: red | B: grey", ("red", "grey")),
        ("[red] ore|[grey] ore", ("[red] ore", "[grey] ore")),
    ],
)
def test_choices_are_read_as_texts_from_every_form_of_cell(
    choices: Any, texts: tuple[str, ...]
) -> None:
    row = {"question": "Which?", "choices": choices}
    assert RationaleKind().check(row) is None
    assert choices_of(row) == texts


@pytest.mark.parametrize(
    "choices",
    [
        ["red", None], ["red", float("nan")], ["red", ""], [["red"], ["grey"]], [{"x": 1},
        {"y": 2}], [b"\xff", "red"],
        "['red' 'grey']", "['red', 'gr", {"label": ["A", "B"], "text": ["red"]}, {"A": None,
        "B": "red"}, "red", ["red"],
    ],
)  # fmt: skip
def test_choices_without_texts_are_refused(choices: Any) -> None:
    problem = RationaleKind().check({"question": "Which?", "choices": choices})
    assert problem
    assert problem.startswith("'choices'")
