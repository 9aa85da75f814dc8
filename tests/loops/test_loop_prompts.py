"""The prompt of a loop: its parts in the order of the paper, and nothing where a part is empty."""

from __future__ import annotations

import random
from typing import Any

from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.prompts import lint, load_prompt

CLASSES = {"late": "The parcel has not come.", "refund": "The customer wants the money back."}
WRONG = [{"text": "where is my money", "label": "refund", "predicted": "late", "confidence": 0.92}]
ROW: dict[str, Any] = {
    "label": "refund", "texts": 4, "round": 2, "draw": 0, "had": [], "contrast": "",
    "report": "Accuracy 0.700, macro-F1 0.650 on 30 validation rows.",
    "shots": [{"text": "pay me back", "label": "refund"}],
    "correct": [{"text": "I want my money", "label": "refund", "predicted": "refund",
    "confidence": 0.8}],
    "incorrect": [{**WRONG[0], "text": "it never came, so pay"}], "hard": WRONG,
}  # fmt: skip
EMPTY = {"report": "", "shots": [], "correct": [], "incorrect": [], "hard": []}


def rendered(**changes: Any) -> str:
    kind = LabelledTextKind(taxonomy=CLASSES, several=True, axes=[])
    prompt = load_prompt("labelled_text/pgkd")
    row = {**ROW, **changes}
    lint(prompt, list(kind.context(row, [], random.Random(0))))
    (message,) = prompt.render(row, kind, "id", 0)
    return message["content"]


def test_the_parts_stand_in_the_order_of_the_paper() -> None:
    text = rendered()
    parts = (
        "You teach a small model", "The classes are: late, refund", "- pay me back =>"
            " refund", "Write 4 new texts",
        "JSON list", "Aim:", "Accuracy 0.700", "- I want my money => refund",
        "- it never came, so pay => it said late, right is refund",
        "- where is my money => it said late (92 % sure), right is refund",
    )  # fmt: skip
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)


def test_parts_without_content_are_left_out() -> None:
    text = rendered(**EMPTY)
    for words in ("Labelled texts", "Report", "got right", "got wrong", "told below"):
        assert words not in text
    assert "\n\n\n" not in text


def test_one_class_is_asked_for_with_what_it_means() -> None:
    text = rendered()
    assert 'Your task is the class "refund" (The customer wants the money back.)' in text
    assert 'all of the class "refund"' in text
    assert '"label": "refund"' in text
    assert "Choose the classes" not in text


def test_the_teacher_may_choose_the_classes() -> None:
    text = rendered(label="")
    assert "Choose the classes yourself" in text
    assert "Your task is the class" not in text
    assert '"label": "one of the classes"' in text
