"""The everyday world beyond triples: training text, prompts, inputs and truth of each kind."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from support.files import ROOT

from everyday import comparatives, messages, problems, sentences
from everyday.table import Table
from everyday.text import Document, text_of, was_seen
from everyday.truth import truth_of
from synthkd.errors import InputError
from synthkd.plugins import find
from synthkd.prompts import load_prompt
from synthkd.rows import read_rows

QUESTION = "Tom has 12 apples. He gives 5 apples to Ann. How many apples does Tom have left?"
CLAIMS = {
    "document_id": "d",
    "text": "An elephant is an animal that has a trunk and can swim. A dog can bark.",
}
#: kind, an input, what the embedded teacher may say to it, and which of what is read there is true.
COMPLETIONS: list[tuple[str, dict[str, str], str, list[bool]]] = [
    ("comparative", {"left": "elephant", "right": "cat"}, " typically much heavier.", [True]),
    ("comparative", {"left": "cat", "right": "elephant"}, " usually slightly"
        " longer-lived.", [False]),
    ("rationale", {"question": QUESTION}, " Tom has 12 apples. 12 - 5 = 7. The answer is 7.",
    [True]),
    ("rationale", {"question": QUESTION}, " Tom has 12 apples. 12 - 5 = 8. The answer is 8.",
    [False]),
    ("proposition", CLAIMS,
     "\n<s>\n- An elephant is an animal.\n- An elephant has a tail.\n</s>\n<s>\n- A dog can"
     " bark.\n</s>", [True, False, True]),
    ("labelled_text", {"label": "refund", "style": "short"}, " Refund the blue cups.", [True]),
    ("labelled_text", {"label": "refund", "style": "short"},
    " Swap the blue cups for another size.", [False]),
]  # fmt: skip


class Plain:
    """Stands for a kind: an input's columns are the prompt's variables."""

    group_column: ClassVar[str] = "none"

    def context(
        self, row: Mapping[str, Any], examples: Sequence[Mapping[str, Any]], rng: random.Random
    ) -> dict[str, Any]:
        return {**row, "examples": list(examples)}  # fmt: skip


def rendered(kind: str, row: Mapping[str, Any]) -> str:
    prompt = load_prompt(f"{kind}/everyday")
    assert prompt.head.examples
    (message,) = replace(prompt, examples=rows_of(f"prompts/{prompt.head.examples}")).render(
        {**row, "none": "query"}, Plain(), "x", 0
    )
    return message["content"]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table.load()


@pytest.fixture(scope="module")
def pairs(table: Table) -> comparatives.Comparatives:
    return comparatives.Comparatives(table)


def first(documents: Any) -> Document:
    return next(iter(documents))


# The layout: the training text reads as a rendered prompt and what the teacher says to it.


@pytest.mark.slow
def test_the_prompt_for_comparatives_is_laid_out_as_the_training_text(
    pairs: comparatives.Comparatives,
) -> None:
    text = rendered("comparative", {"left_plural": "elephants", "right_plural": "cats"})
    assert text.endswith(".\n" + comparatives.stem("elephant", "cat"))
    assert text.count("Compared to") == 3
    said = pairs.say(("elephant", "cat", "mass", "more"), random.Random(0))
    assert said[0] == "Compared to cats, elephants are"
    assert said[1].endswith("heavier.\n")


def test_the_prompt_for_rationales_is_laid_out_as_the_training_text() -> None:
    problem = problems.make(random.Random(0))
    text = rendered("rationale", {"question": problem.question})
    block = text_of(first(problems.documents(0)))
    assert text.endswith(".\n\n" + problems.say(problem)[0])
    assert text.count("\n\n") == 1
    assert block.count("\n\n") == 2
    assert "Answer: " in block


def test_the_prompt_for_propositions_is_laid_out_as_the_training_text() -> None:
    chunk = ["An elephant is an animal that has a trunk and can swim.", "A dog can bark."]
    text = rendered("proposition", {"sentences": chunk})
    given, said = sentences.say(chunk)
    assert text.endswith("</s>\n\n" + given)
    assert said == (
        "\n<s>\n- An elephant is an animal.\n- An elephant has a trunk.\n- An elephant can"
        " swim.\n</s>\n"
        "<s>\n- A dog can bark.\n</s>\n\n"
    )


@pytest.mark.parametrize("contrast", ["", "refund"])
def test_the_prompt_for_messages_is_laid_out_as_the_training_text(contrast: str) -> None:
    text = rendered(
        "labelled_text", {"label": "cancel order", "style": "polite", "contrast": contrast}
    )
    given, said = messages.say("cancel order", "polite", contrast, "Cancel it.")
    assert text.endswith("\n\n" + given)
    assert said == " Cancel it.\n"
    assert "\n\n\n" not in text


@pytest.mark.slow
@pytest.mark.parametrize("module", [comparatives, problems, sentences, messages])
def test_training_text_depends_on_its_seed_alone(module: Any) -> None:
    once = [text_of(document) for document in module.documents(3, 20)]
    assert once == [text_of(document) for document in module.documents(3, 20)]
    assert once != [text_of(document) for document in module.documents(4, 20)]


# Truth: exact, for each kind.


@pytest.mark.slow
def test_a_comparative_is_true_if_the_magnitudes_differ_enough(
    pairs: comparatives.Comparatives,
) -> None:
    def holds(left: str, right: str, axis: str, way: str) -> bool:
        return pairs.valid({"left": left, "right": right, "attribute": axis, "direction": way})

    assert holds("elephant", "cat", "mass", "more")
    assert holds("Cats", "elephants", "mass", "less")
    assert not holds("cat", "elephant", "mass", "more")
    assert not holds("cat", "hope", "mass", "more")
    assert not holds("elephant", "cat", "bravery", "more")


@pytest.mark.slow
def test_near_equals_are_neither_more_nor_less(pairs: comparatives.Comparatives) -> None:
    near = [
        (a, b)
        for a in pairs.names[:80]
        for b in pairs.names[:80]
        if pairs.direction(a, b, "mass") == "equal"
    ]
    assert near
    for left, right in near:
        for way in ("more", "less"):
            assert not pairs.valid(
                {"left": left, "right": right, "attribute": "mass", "direction": way}
            )


def test_every_training_comparative_is_true_and_not_kept_out(
    pairs: comparatives.Comparatives, table: Table
) -> None:
    for row in rows_of("prompts/comparative/everyday-examples.jsonl"):
        assert pairs.valid(row)
        assert pairs.seen(row)


def test_the_answer_of_a_problem_is_read_from_its_words() -> None:
    question = "Tom has 12 apples. He gives 5 apples to Ann. How many apples does Tom have left?"
    problem = problems.read(question)
    assert problem is not None
    assert problem.steps == ((12, "-", 5),)
    assert problem.answer == 7
    assert problem.rationale == "Tom has 12 apples. 12 - 5 = 7."


@pytest.mark.parametrize("seed", range(5))
def test_parsing_a_problem_gives_the_problem(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        problem = problems.make(rng)
        assert problems.read(problem.question) == problem
        assert problems.valid(
            {
                "question": problem.question,
                "rationale": problem.rationale,
                "answer": str(problem.answer),
            }
        )


@pytest.mark.parametrize(
    ("rationale", "answer", "right", "right_answer"),
    [
        ("Tom has 12 apples. 12 - 5 = 7.", "7", True, True),
        ("12 - 5 = 7. The answer is 7.", "7 apples", True, True),
        ("12 - 5 = 8.", "7", False, True),
        ("12 + 5 = 17.", "17", False, False),
        ("12 - 4 = 8.", "7", False, True),
        ("He has fewer.", "7", False, True),
        ("12 / 0 = 7.", "7", False, True),
    ],
)
def test_a_rationale_is_right_in_every_step_and_in_its_answer(
    rationale: str, answer: str, right: bool, right_answer: bool
) -> None:
    question = "Tom has 12 apples. He gives 5 apples to Ann. How many apples does Tom have left?"
    row = {"question": question, "rationale": rationale, "answer": answer}
    assert problems.valid(row) is right
    assert problems.answer_valid(row) is right_answer


def test_a_question_of_no_template_has_no_answer() -> None:
    for question in ("How tall is Tom?", "", "Tom has 12 apples.", "Tom has 12 apples. How many"
        " apples does Tom have now?"):  # fmt: skip
        assert problems.read(question) is None
        assert not problems.valid({"question": question, "rationale": "1 + 1 = 2.", "answer": "2"})


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("An elephant is an animal that has a trunk and can swim.",
         ["An elephant is an animal.", "An elephant has a trunk.", "An elephant can swim."]),
        ("A dog, an animal that can bark, has a tail and a nose.",
         ["A dog is an animal.", "A dog can bark.", "A dog has a tail.", "A dog has a nose."]),
        ("A cat is soft, and it can meow and jump.", ["A cat is soft.", "A cat can meow.",
        "A cat can jump."]),
        ("A bus, which is big, has a door, while a pen is made of plastic.",
         ["A bus is big.", "A bus has a door.", "A pen is made of plastic."]),
    ],
)  # fmt: skip
def test_parsing_a_sentence_gives_its_propositions(sentence: str, said: list[str]) -> None:
    assert sentences.propositions(sentence) == said
    assert all(sentences.valid({"sentence": sentence, "proposition": each}) for each in said)


def test_a_proposition_that_is_not_in_its_sentence_is_not_supported() -> None:
    sentence = "An elephant is an animal that has a trunk and can swim."
    for proposition in ("An elephant has a tail.", "A dog can swim.", "It can swim.", ""):
        assert not sentences.valid({"sentence": sentence, "proposition": proposition})


@pytest.mark.slow
def test_every_sentence_has_two_to_four_facts_of_the_table(table: Table) -> None:
    world, rng = sentences.Sentences(table), random.Random(0)
    said = {
        " ".join(["a", fact[0], sentences.predicate(fact)])
        for fact in table.facts
        if fact[1] != "PartOf"
    }
    for _ in range(300):
        found = sentences.propositions(world.sentence(rng.choice(world.names), rng))
        assert 2 <= len(found) <= 4
        assert {f"a {each.split(' ', 1)[1]}".rstrip(".") for each in found} <= said


@pytest.mark.slow
def test_no_training_sentence_has_a_kept_out_fact_or_subject(table: Table) -> None:
    told = {
        line.removeprefix("- ").split(" ", 1)[1].rstrip(".")
        for document in sentences.documents(0, 300)
        for line in text_of(document).splitlines()
        if line.startswith("- ")
    }
    hidden = {
        f"{fact[0]} {sentences.predicate(fact)}"
        for fact in table.facts
        if fact[1] != "PartOf" and not was_seen(fact)
    }
    assert not told & hidden
    assert all(sentences.seen({"sentence": f"A {line}."}) for line in told)


def test_every_message_of_the_grammar_has_one_intent() -> None:
    rng = random.Random(0)
    for label, intent in messages.intents().items():
        for phrase in intent.says:
            for style in messages.STYLES:
                text = messages.write(phrase, "red shoes", style, rng)
                assert messages.labels(text) == [label]
                assert messages.valid({"text": text, "label": label})


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Refund the red shoes.", "exchange"),
        ("Refund the red moon.", "refund"),
        ("Refund the red shoes and swap the blue cups for another size.", "refund"),
        ("", "refund"),
        ("Refund the red shoes.", "no such intent"),
    ],
)
def test_a_message_outside_its_intents_grammar_is_wrong(text: str, label: str) -> None:
    assert not messages.valid({"text": text, "label": label})


def test_the_stated_share_of_training_messages_has_a_wrong_intent() -> None:
    told = [unit for document in messages.documents(0, 400) for unit in document]
    wrong = sum(
        messages.labels(said.strip()) != [given.split("\n")[0].removeprefix("Intent: ")]
        for given, said in told
    )
    assert abs(wrong / len(told) - messages.WRONG) < 0.05


def test_a_kind_without_truth_is_named() -> None:
    assert truth_of("rationale") is problems.valid
    with pytest.raises(InputError, match="'event'"):
        truth_of("event")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row", "said", "right"), COMPLETIONS)
def test_the_teachers_answers_are_parsed_by_their_kinds_and_checked(
    name: str, row: dict[str, str], said: str, right: list[bool]
) -> None:
    if name == "proposition":
        pytest.importorskip("spacy", reason="documents are cut by the extra `text`")
    kind = find("kinds", name)()
    (asked,) = kind.expand(row)
    found = kind.parse(said, asked)
    assert isinstance(found, list)
    assert [truth_of(name)(candidate) for candidate in found] == right


# Inputs and examples that are shipped.


def rows_of(path: str) -> list[dict[str, Any]]:
    return [row for rows in read_rows(ROOT / path) for row in rows]


def test_no_pair_is_repeated_in_either_order(pairs: comparatives.Comparatives) -> None:
    rows = rows_of("corpora/everyday/pairs.csv")
    assert len({frozenset((row["left"], row["right"])) for row in rows}) == len(rows) == 400
    assert all(pairs.claims(row["left"], row["right"]) for row in rows)


def test_the_gold_of_every_problem_is_its_answer() -> None:
    rows = rows_of("corpora/everyday/problems.jsonl")
    assert len({row["question"] for row in rows}) == len(rows)
    for row in rows:
        problem = problems.read(row["question"])
        assert problem is not None
        assert str(problem.answer) == row["gold"]


def test_examples_of_rationales_and_messages_are_right_and_not_kept_out() -> None:
    questions = {row["question"] for row in rows_of("corpora/everyday/problems.jsonl")}
    for row in rows_of("prompts/rationale/everyday-examples.jsonl"):
        assert problems.valid(row)
        assert problems.seen(row)
        assert row["question"] not in questions
    for row in rows_of("prompts/labelled_text/everyday-examples.jsonl"):
        assert messages.valid(row)
        assert messages.seen(row)


def test_every_input_for_messages_names_known_intents() -> None:
    known = set(messages.intents())
    for row in rows_of("corpora/everyday/messages.csv"):
        assert row["label"] in known
        assert row["style"] in messages.STYLES
        assert row["contrast"] in {"", *messages.intents()[row["label"]].near}
