"""The pages say what works: the kind that is built on a page runs, and links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.doc_blocks import blocks, misplaced_sentences, page_blocks
from support.files import ROOT

from synthkd import Recipe, SynthKDError

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


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_on_a_page_imports_from_faces_alone(page: Path) -> None:
    for block in page_blocks(page):
        if block.language == "python":
            for module, name in synthkd_imports(block.text):
                face = importlib.import_module(module)
                if module == "synthkd.errors":  # public, though no package
                    assert issubclass(getattr(face, name), SynthKDError)
                else:
                    assert hasattr(face, "__path__"), f"{module} is an inner module"
                    assert not name or name in face.__all__, f"{name} is not in {module}.__all__"


def synthkd_imports(code: str) -> Iterator[tuple[str, str]]:
    """The modules of synthkd that code imports, each with a name; "" for the module itself."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "synthkd":
                    yield alias.name, ""
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "synthkd":
            for alias in node.names:
                yield str(node.module), alias.name


def test_imports_of_inner_modules_are_found() -> None:
    code = "import synthkd\nfrom synthkd.kinds import Kind\nfrom synthkd.kinds.base import Row\n"
    assert [*synthkd_imports(code)] == [
        ("synthkd", ""),
        ("synthkd.kinds", "Kind"),
        ("synthkd.kinds.base", "Row"),
    ]
