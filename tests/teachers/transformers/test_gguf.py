"""GGUF files as models of the backend `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.gguf_file import write_gguf
from support.transformers_teacher import ask, texts

from synthkd.errors import RecipeError, StorageError, TeacherError
from synthkd.recipe import TeacherPart
from synthkd.teachers.transformers import TransformersTeacher
from synthkd.teachers.transformers.checkpoint import HubFile, resolve_model
from synthkd.teachers.vllm import VllmTeacher

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf")

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {"n": 2, "max_tokens": 6, "temperature": 0.0}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GGUF file, and a cache of its own."""
    monkeypatch.setenv("SYNTHKD_CACHE", str(tmp_path / "cache"))
    return write_gguf(tmp_path / "model.gguf")


def test_a_gguf_file_answers_as_the_model_in_it(model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = texts(ask(["the", "a b"], part={"model": str(model), "dtype": "float32"}, **SETTINGS))
    options: dict[str, Any] = {"gguf_file": model.name}
    tokenizer = AutoTokenizer.from_pretrained(model.parent, **options)
    network = AutoModelForCausalLM.from_pretrained(
        model.parent, dtype=torch.bfloat16, **options
    ).to(torch.float32)
    for prompt in ("the", "a b"):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        tokens = network.generate(ids, do_sample=False, max_new_tokens=6)[0, ids.shape[1] :]
        assert found[prompt, 0] == found[prompt, 1]
        assert found[prompt, 0] == tokenizer.decode(tokens, skip_special_tokens=True)


def test_a_file_is_converted_once(model: Path, tmp_path: Path) -> None:
    part = {"model": str(model)}
    first = texts(ask(["the"], part=part, **SETTINGS))
    (folder,) = (tmp_path / "cache" / "gguf").iterdir()
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert texts(ask(["the"], part=part, **SETTINGS)) == first
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_another_model_beside_the_file_is_not_read(model: Path) -> None:
    expected = texts(ask(["the"], part={"model": str(model)}, **SETTINGS))
    (model.parent / "tokenizer.json").write_text("{}")
    (model.parent / "config.json").write_text('{"model_type": "bert"}')
    other = model.with_name("copy.gguf")
    other.write_bytes(model.read_bytes() + b"\0")
    assert texts(ask(["the"], part={"model": str(other)}, **SETTINGS)) == expected


def test_a_file_that_is_no_gguf_is_refused_in_one_line(model: Path) -> None:
    model.write_bytes(b"GGUF and nothing more")
    with pytest.raises(TeacherError, match=r"cannot load .*model\.gguf") as found:
        ask(["the"], part={"model": str(model)}, **SETTINGS)
    assert "\n" not in str(found.value)


def test_the_identity_follows_the_content_of_the_file(model: Path) -> None:
    before = TransformersTeacher(TeacherPart(model=str(model))).identity
    write_gguf(model, seed=1)
    assert TransformersTeacher(TeacherPart(model=str(model))).identity != before
    assert before.endswith(":auto")


def test_a_file_on_the_hub_is_named_after_a_colon() -> None:
    assert resolve_model("some/model:part/x.Q4_1.gguf", Path()) == HubFile(
        "some/model", "part/x.Q4_1.gguf"
    )


@pytest.mark.parametrize("name", ["missing.gguf", "./missing.gguf"])
def test_a_missing_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="no such checkpoint folder or GGUF file"):
        resolve_model(name, tmp_path)


def test_vllm_refuses_a_gguf_file(model: Path) -> None:
    with pytest.raises(RecipeError, match="GGUF file, which the backend vllm does not read"):
        VllmTeacher(TeacherPart(backend="vllm", model=str(model)))


def test_a_cache_that_cannot_be_written_is_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SYNTHKD_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="SYNTHKD_CACHE"):
        ask(["the"], part={"model": str(model)}, **SETTINGS)
