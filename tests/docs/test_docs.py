"""The pages say what works: the kind that is built on a page runs, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support.doc_blocks import blocks
from support.files import ROOT, write_csv

from synthkd import Recipe, run
from synthkd.testing import FakeServer

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.slow
def test_the_kind_that_the_page_builds_runs_as_it_is_written(
    tmp_path: Path,
) -> None:
    page = "docs/extending/kind.md"
    (tmp_path / "definition.py").write_text(blocks(page, "python")[0])
    (tmp_path / "plain.j2").write_text(blocks(page, "")[0])
    write_csv(tmp_path / "terms.csv", [{"term": "knife"}, {"term": "fork"}])
    raw = yaml.safe_load(blocks(page, "yaml")[0])
    raw["prompt"]["template"] = "plain.j2"
    raw["kind"]["name"] = "definition.py:DefinitionKind"
    with FakeServer(
        answer=lambda prompt, *_: f" something like other {prompt.split()[0]}s.\n"
    ) as server:
        raw["teacher"] |= {"backend": "openai", "model": "m", "base_url": server.url}
        result = run(Recipe.from_dict(raw, tmp_path), quiet=True)
    rows = {
        (row["term"], row["meaning"], row["text"]) for row in result.corpus.accepted.to_pylist()
    }
    assert rows == {
        ("knife", "something like other knifes", "knife means something like other knifes"),
        ("fork", "something like other forks", "fork means something like other forks"),
    }


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
