"""Recipes that `synthkd init` writes for a model, and what is known of a model by its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthkd import Recipe
from synthkd.commands.dry_run import dry_run
from synthkd.commands.init import CHAT_TEMPLATES, continues_lists, write_starter
from synthkd.commands.model_traits import ModelTraits, model_traits, size_in_name
from synthkd.prompts import load_prompt


def checkpoint(folder: Path, parameters: int, chat: bool) -> Path:
    """Write what is read of a checkpoint before it is loaded."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [parameters // 2, 2], "data_offsets": [0, 0]},
    }
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": "{{ messages }}"} if chat else {})
    )
    return folder


def recipe_of(folder: Path, kind: str, model: str) -> Recipe:
    return Recipe.load(write_starter(folder, kind=kind, model=model))


@pytest.mark.parametrize("kind", CHAT_TEMPLATES)
def test_a_small_model_gets_a_list_to_continue(kind: str, tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "small", 135_000_000, chat=True)
    recipe = recipe_of(tmp_path / "new", kind, str(model))
    assert (recipe.prompt.template, recipe.teacher.backend) == (f"{kind}/continue", "transformers")
    if kind == "proposition":
        pytest.importorskip("spacy", reason="documents are cut by the extra `text`")
    assert not load_prompt(f"{kind}/continue").head.chat
    assert dry_run(recipe).prompts[0][-1] not in ".!?"


@pytest.mark.parametrize("kind", CHAT_TEMPLATES)
def test_a_large_model_with_a_chat_template_gets_an_instruction(kind: str, tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "large", 7_000_000_000, chat=True)
    recipe = recipe_of(tmp_path / "new", kind, str(model))
    template = recipe.prompt.template
    assert template == CHAT_TEMPLATES[kind]
    assert load_prompt(template).head.chat
    if kind == "proposition":
        pytest.importorskip("spacy", reason="documents are cut by the extra `text`")
    assert dry_run(recipe).prompts


def test_a_large_model_without_a_chat_template_gets_a_list(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "base", 7_000_000_000, chat=False)
    recipe = recipe_of(tmp_path / "new", "triple", str(model))
    assert recipe.prompt.template == "triple/continue"


def test_a_gguf_file_is_asked_by_transformers_for_a_list(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    recipe = recipe_of(tmp_path / "new", "triple", str(tmp_path / "model.gguf"))
    assert recipe.prompt.template == "triple/continue"
    assert recipe.teacher.backend == "transformers"


def test_a_served_model_is_asked_over_http_for_an_answer(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path / "new", "labelled_text", "gpt-4.1-mini")
    assert (recipe.teacher.backend, recipe.teacher.model) == ("openai", "gpt-4.1-mini")
    assert recipe.prompt.template == "labelled_text/chat"
    assert not recipe.prompt.variables
    assert not recipe.teacher.sampling.logprobs


def test_the_recipe_says_why_and_how_the_template_is_changed(tmp_path: Path) -> None:
    small, large = (
        write_starter(
            tmp_path / name, model=str(checkpoint(tmp_path / f"m-{name}", size, chat=True))
        ).read_text()
        for name, size in (("small", 135_000_000), ("large", 7_000_000_000))
    )
    assert "  # This model goes on with a list, since it has 135 million parameters" in small
    assert "  # For one that follows instructions: triple/everyday-chat" in small
    assert "a chat template, and 7.0 billion parameters." in large
    assert "  # For a base model, which goes on with a list: triple/continue" in large


def test_a_relative_path_of_a_model_starts_from_the_recipes_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path / "models" / "mine", 1000, chat=False)
    monkeypatch.chdir(tmp_path)
    recipe = recipe_of(Path("new"), "triple", "models/mine")
    assert recipe.teacher.model == "../models/mine"


def test_the_embedded_teacher_is_that_of_the_kinds_example(tmp_path: Path) -> None:
    with_model = write_starter(tmp_path / "a", kind="triple", model="synthkd/everyday")
    without = write_starter(tmp_path / "b", kind="triple")
    assert with_model.read_text() == without.read_text()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("SmolLM2-135M-Instruct", 135e6),
        ("Qwen2.5-0.5B", 0.5e9),
        ("pythia_70m", 70e6),
        ("Mixtral-8x7B-v0.1", 56e9),
        ("Qwen3-30B-A3B", 30e9),
        ("phi-3-mini-4k", None),
        ("v2.5mini", None),
        ("opt-125mm", None),
    ],
)
def test_the_size_of_a_model_is_read_from_its_name(name: str, size: float | None) -> None:
    assert size_in_name(name) == size


@pytest.mark.parametrize(
    ("model", "continues"),
    [
        ("org/SmolLM2-135M-Instruct", True),
        ("org/big-7B-base", True),
        ("org/big-7B-Instruct", False),
        ("org/unknown", False),
        ("org/repository:file-Q4.gguf", True),
        ("babble-0.5b", True),
    ],
)
def test_names_alone_tell_size_and_chat(model: str, continues: bool) -> None:
    assert continues_lists(model_traits(model))[0] is continues


def test_files_tell_more_than_the_name(tmp_path: Path) -> None:
    traits = model_traits(str(checkpoint(tmp_path / "big-7B-base", 1000, chat=True)))
    assert (traits.parameters, traits.has_chat_template) == (1000, True)


@pytest.mark.parametrize("file", ["chat_template.jinja", "chat_template.json"])
def test_a_chat_template_may_be_a_file_of_its_own(file: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", 1000, chat=False)
    (folder / file).touch()
    assert model_traits(str(folder)).has_chat_template


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, (4).to_bytes(8, "little") + b"[[[["])
def test_weights_that_cannot_be_read_leave_the_name(content: bytes, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model-3B", 1000, chat=True)
    (folder / "model.safetensors").write_bytes(content)
    assert model_traits(str(folder)).parameters == 3e9


def test_a_hub_model_in_the_cache_is_known_by_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--org--thing"
    checkpoint(place / "snapshots" / "abc", 1000, chat=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    traits = model_traits("org/thing")
    assert traits == ModelTraits(
        "org/thing", place / "snapshots" / "abc", True, False, 1000.0, True
    )
