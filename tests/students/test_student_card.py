"""The card of a student: names of classes, files and models are escaped."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from synthkd.students.card import student_card
from synthkd.students.metrics import evaluate_classifier

EVIL = (
    "<img src=https://t.example/x> [a](https://p.example) ```\n# big \x1b]52;c;eA==\x07 \u202e a|b"
)


def manifest(**more: Any) -> dict[str, Any]:
    classes = [EVIL, "b"]
    found = evaluate_classifier(np.array([[0.9, 0.1], [0.2, 0.8]]), [EVIL, "b"], classes, draws=10)
    return {
        "student": "linear",
        "rows": 2,
        "classes": classes,
        "training_seconds": 1.0,
        "seed": 0,
        "options": {"encoder": EVIL},
        "source": {"path": EVIL, "corpus_hash": EVIL, "teacher": EVIL},
        "figures": found.as_dict() | {"on": "test"},
    } | more


def tokens_of(card: str) -> list[Token]:
    assert not any(char < " " and char != "\n" for char in card)
    head, body = card.split("---\n", 2)[1:]
    assert yaml.safe_load(head)["pipeline_tag"]
    parsed = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(body)
    tokens = [token for top in parsed for token in (top, *(top.children or []))]
    assert not {token.type for token in tokens} & {
        "image",
        "link_open",
        "html_inline",
        "html_block",
    }
    assert [token.tag for token in tokens if token.type == "heading_open"].count("h1") == 1
    return tokens


def test_a_card_of_a_classifier_has_no_markup_from_outside() -> None:
    folder = Path('it\'s "mine"; rm ```x')
    command, code = [
        t.content for t in tokens_of(student_card(manifest(), folder)) if t.type == "fence"
    ]
    assert shlex.split(command) == ["synthkd", "student", "predict", str(folder), "ROWS", "OUT"]
    (line,) = [line for line in code.splitlines() if line.startswith("student = ")]
    assert json.loads(line.partition("(")[2].removesuffix(")")) == str(folder)


@pytest.mark.parametrize("folder", ["s, x: y}", "a: b", "{c}", "#d"])
def test_the_recipe_on_a_card_names_the_folder_and_nothing_else(folder: str) -> None:
    (block,) = [
        t.content
        for t in tokens_of(student_card(manifest(kind="triple"), Path(folder)))
        if t.type == "fence"
    ]
    assert yaml.safe_load(block) == {
        "prompt": {"template": f"{folder}/prompt.j2"},
        "teacher": {"backend": "transformers", "model": folder},
    }


def test_an_evaluation_is_shown_clean() -> None:
    found = evaluate_classifier(
        np.array([[0.1, 0.9], [0.2, 0.8]]), [EVIL, "b"], [EVIL, "b"], draws=10
    )
    for said in (str(found), found._repr_html_()):
        assert not any(char < " " and char != "\n" for char in said)
        assert "\u202e" not in said
    assert "<img" not in found._repr_html_()
    assert "\n# big" not in str(found)
