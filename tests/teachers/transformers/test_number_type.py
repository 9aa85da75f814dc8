"""The number type of a local model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from synthkd.recipe import TeacherPart  # noqa: E402
from synthkd.teachers.transformers import EMBEDDED, number_type  # noqa: E402
from synthkd.teachers.transformers.checkpoint import asked_dtype, published_dtype  # noqa: E402

HALF = SimpleNamespace(dtype=torch.bfloat16, hidden_size=64, intermediate_size=128)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNTHKD_CACHE", str(tmp_path))
    return tmp_path / "number-types.json"


def test_a_checkpoint_in_single_precision_stays_so() -> None:
    config = SimpleNamespace(dtype=torch.float32)
    assert number_type.number_type("auto", config, "cpu") is torch.float32
    assert number_type.number_type("auto", SimpleNamespace(), "cpu") is torch.float32


def test_a_named_type_is_taken_as_it_is() -> None:
    assert number_type.number_type("float16", HALF, "cpu") is torch.float16


def test_a_gpu_computes_in_the_type_of_the_checkpoint() -> None:
    assert number_type.number_type("auto", HALF, "cuda:0") is torch.bfloat16


@pytest.mark.parametrize(("speed", "expected"), [(3.0, "bfloat16"), (0.4, "float32")])
def test_half_precision_is_taken_where_it_is_faster(
    speed: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: 1.0 / speed}
    monkeypatch.setattr(number_type, "_seconds", lambda kind, *sizes: seconds[kind])
    assert number_type.number_type("auto", HALF, "cpu") is getattr(torch, expected)


def test_a_machine_is_measured_once(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = number_type.number_type("auto", HALF, "cpu")
    (key,) = json.loads(own_cache.read_text())
    assert "64 x 128" in key
    monkeypatch.setattr(number_type, "_seconds", lambda *_: pytest.fail("measured again"))
    assert number_type.number_type("auto", HALF, "cpu") is first


@pytest.mark.parametrize("content", ["", "[1]", '{"x": "y"}'])
def test_a_damaged_cache_is_measured_again(content: str, own_cache: Path) -> None:
    own_cache.write_text(content)
    number_type.number_type("auto", HALF, "cpu")
    assert len(json.loads(own_cache.read_text())) == 1


def test_the_name_of_who_answers_is_the_same_on_all_machines(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"dtype": "bfloat16"}')
    assert published_dtype(tmp_path, "auto") == "auto"
    (tmp_path / "config.json").write_text('{"torch_dtype": "float32"}')
    assert published_dtype(tmp_path, "auto") == "float32"
    assert published_dtype(tmp_path, "bfloat16") == "bfloat16"


def test_the_embedded_teacher_computes_in_single_precision() -> None:
    assert asked_dtype(TeacherPart(model=EMBEDDED)) == "float32"
    assert asked_dtype(TeacherPart(model="other")) == "auto"
