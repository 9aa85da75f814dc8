"""Sentences and chunks of documents: places are kept, and no text is lost or repeated."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthkd.errors import KindError, RecipeError
from synthkd.kinds.proposition.blocks import MARK
from synthkd.kinds.proposition.kind import PropositionKind
from synthkd.kinds.proposition.markup import MARKUPS
from synthkd.kinds.proposition.sentences import Splitter, one_line
from synthkd.kinds.proposition.units import NO_WORDS, PIECE, SENTENCE, units

SPLITTER = Splitter()
#: What documents are made of, good and bad.
BITS = [
    "It rains. ", "Mr. Bennet came.", "\n", "\n\n", "\r\n", "\r\n\r\n", "# Head\n",
    "Title\n=====\n", "```\ncode\n```\n", "::\n\n    x = 1\n\n",
    "- item one. Two.\n", "1. first\n", "> said he\n", "| a | b |\n", "|---|---|\n", "+---+\n| a"
        " |\n+---+\n", "====  ====\na     b\n====  ====\n\n",
    ".. note:: hear\n   this\n", ".. _x: y\n", ">>> 1+1\n", "---\n", "a: b\n", "<!-- no -->\n",
    "\x00", "\x1b[31m", "\u2028", "😀👩‍👩‍👧", "你好。再见！",
    "अब। ", "שלום. ", "مرحبا؟ ", "no end", "x" * 300, "word " * 80, "!?!?", "\"Why?\" said he. ",
    "...", " ", "\t", "    deep\n", "(((((", "i.e. this",
]  # fmt: skip
DOCUMENTS = st.one_of(
    st.text(max_size=300), st.lists(st.sampled_from(BITS), max_size=25).map("".join)
)


def spans(document: str, markup: str = "plain", **options: object) -> list[str]:
    return [
        document[u.start : u.end]
        for u in units(document, SPLITTER, markup, **options)
        if u.index >= 0
    ]  # type: ignore[arg-type]


@pytest.mark.slow
@settings(max_examples=120)
@given(
    document=DOCUMENTS,
    markup=st.sampled_from(MARKUPS),
    skip=st.booleans(),
    longest=st.sampled_from([20, 1000]),
)
@example(document="", markup="plain", skip=False, longest=1000)
def test_units_are_in_order_and_only_space_and_marks_are_between_them(
    document: str, markup: str, skip: bool, longest: int
) -> None:
    found = list(
        units(
            document,
            SPLITTER,
            markup,
            ("code", "table", "heading", "markup") if skip else (),
            longest,
        )
    )
    place = 0
    for unit in found:
        assert place <= unit.start < unit.end <= len(document)
        gap = one_line(document[place : unit.start])
        assert not gap or (markup != "plain" and MARK.fullmatch(gap + " "))
        place = unit.end
        if unit.kind in (SENTENCE, PIECE):
            sentence = document[unit.start : unit.end]
            assert sentence == sentence.strip()
            assert any(map(str.isalnum, sentence))
            assert len(sentence) <= longest
    assert not one_line(document[place:])
    assert [u.index for u in found if u.index >= 0] == list(range(sum(u.index >= 0 for u in found)))


@pytest.mark.slow
@settings(max_examples=50)
@given(document=DOCUMENTS, sentences=st.integers(1, 4), words=st.integers(1, 40))
def test_chunks_have_every_sentence_once_with_its_place(
    document: str, sentences: int, words: int
) -> None:
    kind = PropositionKind(chunk_sentences=sentences, chunk_words=words)
    row = {"document_id": "d", "text": document}
    indexes = []
    for chunk in kind.expand(row):
        assert 1 <= len(chunk["sentences"]) <= sentences
        for start, end, said in zip(
            chunk["starts"], chunk["ends"], chunk["sentences"], strict=True
        ):
            base = chunk["starts"][0]
            assert chunk["text"][start - base : end - base] == document[start:end]
            assert one_line(document[start:end]) == said
            assert "\n" not in said
        indexes += range(chunk["first_index"], chunk["first_index"] + len(chunk["sentences"]))
    assert indexes == [unit.index for unit in kind.units(row) if unit.index >= 0]


@pytest.mark.slow
def test_a_hard_wrapped_sentence_has_line_breaks_in_the_source_and_none_in_the_prompt() -> None:
    document = "A truth\r\nuniversally   known.\nNext one."
    (chunk,) = PropositionKind().expand({"document_id": "d", "text": document})
    assert chunk["sentences"] == ["A truth universally known.", "Next one."]
    assert document[chunk["starts"][0] : chunk["ends"][0]] == "A truth\r\nuniversally   known."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("Mr. Bennet went to St. Ives at 5.30 p.m. with J. K. Smith. He slept.", 2),
        ('"Why?" cried his wife. "Oh! Never." He left. "I go."', 5),
        ("你好。再见！好吗？", 3),
        ("no full stop at all", 1),
        ("One.\n\nTwo", 2),
    ],
)
def test_sentences_are_found(document: str, expected: int) -> None:
    assert len(spans(document)) == expected, spans(document)


def test_an_opening_quote_belongs_to_the_sentence_after_it() -> None:
    assert spans('He left. "I go." She too.') == ["He left.", '"I go."', "She too."]


def test_a_huge_sentence_is_cut_into_pieces() -> None:
    document = "word, " * 500
    found = list(units(document, SPLITTER, longest=200))
    assert {unit.kind for unit in found} == {PIECE}
    assert all(document[u.start : u.end].endswith("word,") for u in found)


def test_a_long_run_without_space_and_a_line_of_marks_have_no_words() -> None:
    found = list(units("(" * 100_000 + "\n\n* * *\n\nEnd.", SPLITTER))
    assert [unit.kind for unit in found if unit.kind != NO_WORDS] == [SENTENCE]


MARKDOWN = """---
title: x
---
# A heading

First one. Second
one.

Setext
======

- An item. Of two.
- Another item

```python
x = 1

y. z
```

| a | b |
|---|---|
| 1 | 2 |

> A quotation.

    indented code

<!-- a
comment -->

[ref]: there

***

Last.
"""
RST = """PEP: 1
Title: X
  goes on

=====
Title
=====

Part
----

Text with code::

    x = 1

    y = 2

After it.

.. code-block:: python

   z = 3

.. note:: Mind
   the gap.

.. [1] A footnote.

* One item.
* Two items.

====  ====
a     b
====  ====
1     2
====  ====

+---+
| a |
+---+

>>> 1 + 1
2

:field: value

End.
"""


def kinds(document: str, markup: str) -> list[tuple[str, str]]:
    skip = ("code", "table", "heading", "markup")
    return [(u.kind, document[u.start : u.end]) for u in units(document, SPLITTER, markup, skip)]


def test_blocks_of_markdown() -> None:
    found = kinds(MARKDOWN, "markdown")
    assert [text for kind, text in found if kind == "sentence"] == [
        "First one.", "Second\none.", "An item.", "Of two.", "Another item", "A quotation.",
        "Last.",
    ]  # fmt: skip
    assert [kind for kind, _ in found if kind != "sentence"] == [
        "markup", "heading", "heading", "code", "table", "code", "markup", "markup", "markup",
    ]  # fmt: skip


def test_blocks_of_restructured_text() -> None:
    found = kinds(RST, "rst")
    assert [text for kind, text in found if kind == "sentence"] == [
        "Text with code::", "After it.", "the gap.", "One item.", "Two items.", "End.",
    ]  # fmt: skip
    assert [kind for kind, _ in found if kind != "sentence"] == [
        "markup", "heading", "heading", "code", "code", "markup", "markup", "table", "table",
        "code", "markup",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_chunk_does_not_cross_a_skipped_block_and_a_kept_heading_is_a_sentence() -> None:
    text = "# One\n\nA. B.\n\n# Two\n\nC."
    row = {"document_id": "d.md", "text": text}
    assert [chunk["sentences"] for chunk in PropositionKind().expand(row)] == [["A. B."], ["C."]]
    (chunk,) = PropositionKind(skip=[]).expand(row)
    assert chunk["sentences"] == ["# One", "A. B.", "# Two", "C."]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("a.md", "", "heading"),
        ("a.rst", "", "sentence"),
        ("a.txt", "", "sentence"),
        ("a.txt", "markdown", "heading"),
        ("pep-1", "reStructuredText", "sentence"),
        ("a.md", "plain text", "sentence"),
    ],
)
def test_the_markup_comes_from_the_row_or_the_name(name: str, said: str, expected: str) -> None:
    row = {"document_id": name, "text": "# Head", "markup": said}
    assert [unit.kind for unit in PropositionKind().units(row)] == [expected]


@pytest.mark.slow
def test_context_sentences_precede_a_chunk() -> None:
    kind = PropositionKind(chunk_sentences=1, context_sentences=2)
    found = kind.expand({"document_id": "d", "text": "Ann came. Bob left. It rained. We slept."})
    assert [chunk["before"] for chunk in found] == [
        "",
        "Ann came.",
        "Ann came. Bob left.",
        "Bob left. It rained.",
    ]


def test_a_model_that_is_not_installed_is_named() -> None:
    with pytest.raises(KindError, match="no spaCy model 'no_such_model'"):
        Splitter("no_such_model").name  # noqa: B018


def test_a_language_that_spacy_does_not_know_is_named() -> None:
    with pytest.raises(KindError, match="no language 'xq'"):
        list(Splitter(language="xq").spans("x"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chunk_sentences": 0}, "chunk_sentences: a whole number from 1 on is needed, not 0"),
        ({"longest": "x"}, "longest"),
        ({"markup": "rts"}, "did you mean 'rst'"),
        ({"skip": ["codes"]}, "did you mean 'code'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises((ValueError, RecipeError), match=re.escape(said)):
        PropositionKind(**options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_no_character_of_forty_documents_and_a_novel_is_lost_or_repeated(data: Path) -> None:
    kind = PropositionKind(chunk_words=80)
    for row in pq.read_table(data / "documents" / "documents.parquet").to_pylist():
        document = {"document_id": row["id"], "text": row["text"], "markup": row["markup"]}
        found, text, place = list(kind.units(document)), row["text"], 0
        for unit in found:
            gap = one_line(text[place : unit.start])
            assert place <= unit.start
            assert not gap or MARK.fullmatch(gap + " "), (row["id"], gap)
            place = unit.end
        assert not one_line(text[place:])
        chunks = kind.expand(document)
        assert sum(len(chunk["sentences"]) for chunk in chunks) == sum(
            unit.index >= 0 for unit in found
        )
        for chunk in chunks:
            assert text[chunk["starts"][0] : chunk["ends"][-1]] == chunk["text"]
