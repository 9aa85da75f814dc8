"""Templates of other packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from synthkd import Recipe, plugins
from synthkd.commands.describe import describe
from synthkd.commands.dry_run import dry_run
from synthkd.errors import PromptError
from synthkd.kinds.triple import TripleKind
from synthkd.prompts import installed_prompts, load, load_prompt


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package `mypackage` with templates, and one whose folder is missing."""
    metadata = tmp_path / "mypackage-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mypackage\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[synthkd.prompts]\nmine = mypackage.prompts\ndamaged = mypackage.no_such\n"
    )
    prompts = tmp_path / "mypackage" / "prompts"
    (prompts / "parts").mkdir(parents=True)
    (tmp_path / "mypackage" / "__init__.py").write_text("raise RuntimeError('code was run')")
    (prompts / "broken.j2").write_text("---\n{\n---\n")
    (prompts / "uses.j2").write_text(
        "---\nkind: triple\nabout: Uses of a thing.\n---\n{% include 'parts/end.j2' %}{{ stem }}\n"
    )
    (prompts / "parts" / "end.j2").write_text("Complete the sentence.\n")
    monkeypatch.syspath_prepend(tmp_path)
    for cached in (plugins._all_points, plugins.installed, load._package_folder):
        cached.cache_clear()
    yield prompts
    for cached in (plugins._all_points, plugins.installed, load._package_folder):
        cached.cache_clear()


@pytest.mark.usefixtures("package")
def test_a_template_of_a_package_is_found_by_its_name_and_includes_its_parts() -> None:
    prompt = load_prompt("mine/uses")
    row = {"head": "A knife", "relation": "UsedFor"}
    messages = prompt.render(row, TripleKind(), "1", 0)
    assert messages[0]["content"] == "Complete the sentence.A knife is used for"


@pytest.mark.usefixtures("package")
def test_templates_of_packages_are_listed_beside_those_of_synthkd() -> None:
    assert {"mine/uses", "triple/everyday"} <= set(installed_prompts())
    templates = describe("templates")["templates"]
    assert templates["mine/uses"] == {"about": "Uses of a thing."}
    assert templates["mine/broken"]["about"].startswith("cannot be loaded: ")


@pytest.mark.usefixtures("package")
def test_a_name_does_not_lead_out_of_the_package() -> None:
    with pytest.raises(PromptError, match="neither a file nor installed"):
        load_prompt("mine/../../secret")


@pytest.mark.usefixtures("package")
def test_a_package_whose_folder_is_missing_is_named() -> None:
    with pytest.raises(PromptError, match=r"no folder mypackage\.no_such in the packages"):
        load_prompt("damaged/uses")


def test_few_shot_rows_that_are_not_there_are_named_with_the_template(tmp_path: Path) -> None:
    (tmp_path / "mine.j2").write_text(
        "---\nkind: triple\nexamples: no.jsonl\nshots: 2\n---\n{{ stem }}\n"
    )
    (tmp_path / "inputs.csv").write_text("head,relation\na knife,UsedFor\n")
    recipe = Recipe.from_dict(
        {
            "name": "few", "inputs": {"path": "inputs.csv"},
            "kind": {"name": "triple", "relations": "everyday"},
            "prompt": {"template": "mine.j2"},
            "teacher": {"backend": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"},
            "corpus": {"path": "corpus"},
        },
        folder=tmp_path,
    )  # fmt: skip
    with pytest.raises(PromptError, match=r"template mine.j2: no file no.jsonl of few-shot rows"):
        dry_run(recipe)
