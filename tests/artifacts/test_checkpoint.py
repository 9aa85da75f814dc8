"""Checkpoints are read from safetensors only, and run no code."""

from __future__ import annotations

import ast
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT
from support.tiny_encoder import write_bert

from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.errors import SynthKDError

pytestmark = pytest.mark.slow

FILES = sorted((ROOT / "synthkd").rglob("*.py"))


def test_every_loader_refuses_code_and_pickled_weights_by_name() -> None:
    # `from_pretrained` calls say so themselves: a default of another version may be another one.
    calls = 0
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in ("from_pretrained", "from_config"):
                continue
            calls += 1
            said = {key.arg: key.value for key in node.keywords}
            trust = said.get("trust_remote_code")
            assert isinstance(trust, ast.Constant), f"{path}:{node.lineno}"
            assert trust.value is False, f"{path}:{node.lineno}"
            who = ast.unparse(node.func.value)
            if "Tokenizer" not in who and "Config" not in who:
                safe = said.get("use_safetensors")
                assert isinstance(safe, ast.Constant), f"{path}:{node.lineno}"
                assert safe.value is True, f"{path}:{node.lineno}"
    assert calls > 8


def test_nothing_else_loads_a_model() -> None:
    forbidden = {"SentenceTransformer", "pipeline", "hub_load", "load_dataset"}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
                "transformers",
                "sentence_transformers",
            ):
                assert not forbidden & {alias.name for alias in node.names}, path
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "torch.load",
                "torch.hub.load",
            ):
                raise AssertionError(f"{path}:{node.lineno}")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "bert").mkdir()
    return write_bert(tmp_path / "bert", ["good", "bad"], 40)


def configured(folder: Path, name: str = "config.json", **changes: Any) -> None:
    found = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
    (folder / name).write_text(json.dumps(found | changes))


class Trap:
    """Runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


HARMS: dict[str, Callable[[Path], Any]] = {
    "auto_map": lambda folder: configured(folder, auto_map={"AutoModel": "own.Own"}),
    "code on a hub": lambda folder: configured(folder, auto_map={"AutoModel": "org/name--own.Own"}),
    "tokenizer code": lambda folder: configured(folder, "tokenizer_config.json",
    auto_map={"AutoTokenizer": ["own.Own", None]}),
    "attention of a hub": lambda folder: configured(folder, _attn_implementation="org/kernel"),
    "attention of a hub, within": lambda folder: configured(folder,
    text_config={"attn_implementation": {"": "org/kernel:f"}}),
    "kernels": lambda folder: configured(folder, use_kernels=True),
    "quantisation": lambda folder: configured(folder,
    quantization_config={"quant_method": "torchao", "modules": ["own"]}),
    "an adapter": lambda folder: configured(folder, "adapter_config.json",
    base_model_name_or_path="org/name"),
    "pickled weights": lambda folder: (folder / "pytorch_model.bin").write_bytes(b"x"),
    "code": lambda folder: (folder / "own.py").write_text("raise SystemExit"),
    "no config": lambda folder: (folder / "config.json").write_text("{"),
    "a deep config": lambda folder: (folder / "config.json").write_text("[" * 100_000),
}  # fmt: skip
#: What is refused in any checkpoint, also one that the user names.
ALWAYS = {
    "attention of a hub",
    "attention of a hub, within",
    "kernels",
    "no config",
    "a deep config",
}


@pytest.mark.parametrize("harm", sorted(HARMS))
def test_a_checkpoint_within_a_folder_names_no_code_at_all(checkpoint: Path, harm: str) -> None:
    assert unsafe_checkpoint(checkpoint, own=True) == ""
    HARMS[harm](checkpoint)
    said = unsafe_checkpoint(checkpoint, own=True)
    assert str(checkpoint) in said
    assert len(said.splitlines()) == 1
    assert bool(unsafe_checkpoint(checkpoint)) == (harm in ALWAYS)


def loaders() -> dict[str, Callable[[Path], Any]]:
    from synthkd.encoders.load import load_classifier_encoder, load_transformer
    from synthkd.recipe import TeacherPart
    from synthkd.students.generators.checkpoint import load_checkpoint
    from synthkd.teachers.transformers.loading import load_sampler

    return {
        "critic": lambda folder: load_transformer(str(folder)),
        "student": lambda folder: load_classifier_encoder(str(folder)),
        "generator": lambda folder: load_checkpoint(str(folder)),
        "teacher": lambda folder: load_sampler(folder, TeacherPart(model=str(folder))),
    }


@pytest.mark.parametrize("who", ["critic", "student", "generator", "teacher"])
def test_no_loader_runs_code_or_unpickles_weights(
    checkpoint: Path, tmp_path: Path, who: str
) -> None:
    pytest.importorskip("torch")
    mark = tmp_path / "ran"
    pickled = shutil.copytree(checkpoint, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(mark)))
    code = shutil.copytree(checkpoint, tmp_path / "code")
    configured(
        code,
        model_type="own",
        auto_map={
            "AutoConfig": "own.Own",
            "AutoModel": "own.Own",
            "AutoModelForCausalLM": "own.Own",
        },
    )
    (code / "own.py").write_text(f"open({str(mark)!r}, 'w')")
    kernel = shutil.copytree(checkpoint, tmp_path / "kernel")
    configured(kernel, _attn_implementation="org/kernel")
    for folder in (pickled, code, kernel):
        with pytest.raises(SynthKDError) as caught:
            loaders()[who](folder)
        assert len(str(caught.value).splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    ("family", "positions", "reads"),
    [("Data2VecText", 66, 64), ("XLMRobertaXL", 66, 64), ("Bert", 40, 40), ("Electra", 33, 33)],
)
def test_a_model_reads_as_many_tokens_as_it_really_can(
    family: str, positions: int, reads: int
) -> None:
    transformers = pytest.importorskip("transformers")
    from synthkd.encoders.load import usable_length

    config = getattr(transformers, f"{family}Config")(
        vocab_size=50, hidden_size=16, embedding_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=positions, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    model = getattr(transformers, f"{family}Model")(config).eval()
    tokenizer = type("Tokenizer", (), {"model_max_length": 10**30, "__len__": lambda self: 50})()
    assert usable_length(model, tokenizer, 128) == reads
    assert usable_length(model, tokenizer, 20) == 20
