"""Parts of the benchmark of taggers: rows, and what others' taggers read and write."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.spans.peers import tag_spans, word_tags
from benchmarks.spans.rows import DOMAINS, bond, crossner, draw
from synthkd.students.spans import TypedSpan
from synthkd.text.normal_forms import normal_text


def test_tags_of_words_give_the_spans_that_they_were_made_of() -> None:
    text = "Ada King left New York for Rome"
    spans = (
        TypedSpan(0, 8, "person"), TypedSpan(14, 22, "place"), TypedSpan(27, 31, "place"),
    )  # fmt: skip
    tags = word_tags(text, spans)
    assert tags == ["B-person", "I-person", "O", "B-place", "I-place", "O", "B-place"]
    assert tag_spans(text.split(" "), tags) == spans


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_sentence_of_crossner_is_trained_on_and_measured(domain: str, data: Path) -> None:
    train, dev = crossner(data, domain)
    forms = [normal_text(text) for text in (*train.texts, *dev.texts)]
    assert len(set(forms)) == len(forms)
    assert len(train) > 90


def test_training_rows_of_bond_have_distant_labels_and_no_row_of_dev(data: Path) -> None:
    train, dev = bond(data)
    assert len(dev) == 280
    assert not {normal_text(text) for text in dev.texts} & {normal_text(t) for t in train.texts}
    assert train.types == ["LOC", "MISC", "ORG", "PER"]


def test_a_draw_depends_on_its_seed(data: Path) -> None:
    train, _ = crossner(data, "ai")
    assert len(draw(train, 30, 0)) == 30
    assert draw(train, 30, 0) == draw(train, 30, 0) != draw(train, 30, 1)
