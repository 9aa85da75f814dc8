"""The pages say what works: the kind that is built on a page runs, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support.doc_blocks import blocks, misplaced_sentences
from support.files import ROOT

from synthkd import Recipe

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Pages that are written by hand.
SENTENCES = [
    *(page for page in PAGES if page.parent.name not in ("reference",)),
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks/RESULTS.md",
]


def test_the_recipe_in_the_readme_is_one() -> None:
    (text,) = [block for block in blocks("README.md", "yaml") if "teacher:" in block]
    assert Recipe.from_dict(yaml.safe_load(text)).critic


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_each_sentence_on_security_names_tests_that_exist() -> None:
    page = (ROOT / "docs/internals/security.md").read_text()
    sentences = re.findall(r"^- .*(?:\n  .*)*", page, re.MULTILINE)
    assert len(sentences) > 40
    for sentence in sentences:
        named = re.findall(r"`(tests/\S+\.py)::(\w+)`", sentence)
        assert named, sentence
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(), (file, test)


@pytest.mark.parametrize("page", SENTENCES, ids=lambda p: p.name)
def test_a_line_of_a_page_is_one_sentence(page: Path) -> None:
    assert not misplaced_sentences(page.read_text("utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "One sentence. Another one.\n",
        "- A critic scores rows (all of\n  them).\n",
        "It ends in `code`. `Code` begins.\n",
        'He said "no." Then he left.\n',
    ],
)
def test_two_sentences_or_half_of_one_on_a_line_are_found(text: str) -> None:
    assert misplaced_sentences(text)
    assert not misplaced_sentences(f"```\n{text}```\n")
