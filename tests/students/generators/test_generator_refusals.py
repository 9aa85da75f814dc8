"""Refusals and warnings of the generator student."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from synthkd.artifacts.folder import write_hashes
from synthkd.errors import StudentError

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from support.tiny_generator import KIND, QUICK, ROWS, TINY, checkpoint, tiny

from synthkd.students.folders import load_student, save_student
from synthkd.students.generators.student import GeneratorStudent
from synthkd.students.generators.untrained import new_checkpoint

pytestmark = pytest.mark.slow

__all__ = ["checkpoint"]


# What does not fit


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(StudentError, match=r"no option 'epoch' \(did you mean 'epochs'\?\)"):
        GeneratorStudent(epoch=3)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"objective": "ece"}, "objective"),
        ({"lora": {"rank": 4}}, "lora: no option 'rank'"),
        ({"validation": 1.0}, "validation"),
        ({"schedule": "steps"}, "schedule"),
    ],
)
def test_an_invalid_option_is_refused_by_the_constructor(option: dict[str, Any], said: str) -> None:
    with pytest.raises(StudentError, match=said):
        GeneratorStudent(**option)


def test_rows_that_are_missing_or_unusable_are_refused() -> None:
    with pytest.raises(StudentError, match="no rows"):
        tiny([])
    with pytest.raises(StudentError, match="nothing to learn from: 1 of 1 rows left out"):
        tiny([{"head": "a", "relation": "HasA", "tail": None}])


def test_rows_longer_than_the_context_of_a_checkpoint_are_refused() -> None:
    with pytest.raises(StudentError, match="has room in 8 tokens"):
        tiny(base={**TINY, "context": 8})


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match=r"no config\.json"):
        tiny(base=str(tmp_path))
    with pytest.raises(StudentError, match="no such folder"):
        tiny(base=str(tmp_path / "nothing"))


def test_weights_that_can_run_code_are_not_read(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(StudentError, match=r"pytorch_model\.bin can run code"):
        tiny(base=str(folder))


def test_a_config_of_other_weights_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    with pytest.raises(StudentError, match=r"of its weights are not there, model\.layers\.1"):
        tiny(base=str(folder))


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(StudentError, match="'bert' that cannot write text"):
        tiny(base=str(tmp_path / "bert"))


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    texts = [f"word{i} other{i}" for i in range(300)] * 3
    other = new_checkpoint(tmp_path / "other", texts, **{**TINY, "vocabulary": 600})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(other / name, folder / name)
    with pytest.raises(StudentError, match="do not belong together"):
        tiny(base=str(folder))


def test_a_tokenizer_that_changes_some_completions_gives_a_warning(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "q"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    rows = [*ROWS[:20], {**ROWS[0], "tail": "quite quick"}]
    with pytest.warns(UserWarning, match="changes 1 of .* of 'quite quick' it makes"):
        tiny(base=str(folder), rows=rows)


def test_a_tokenizer_that_loses_characters_of_completions_is_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "a"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(StudentError, match="the tokenizer loses"):
        tiny(base=str(folder))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(StudentError, match="cannot be cut into 3 heads"):
        tiny(base={**TINY, "heads": 3})
    with pytest.raises(StudentError, match=r"base: .*'depth'"):
        tiny(base={**TINY, "depth": 3})


def test_the_embedded_teacher_can_be_the_base_and_keeps_what_it_knows() -> None:
    rows = [{"head": "hammer", "relation": "UsedFor", "tail": "singing"}] * 4
    student = GeneratorStudent(
        "synthkd/everyday", prompt="triple/everyday-plain", **{**QUICK, "epochs": 1, "lr": 0.0}
    )
    student.fit_rows(rows, KIND)
    assert student.loss([{**rows[0], "tail": "hammering"}])[0] < student.loss(rows[:1])[0]


def test_rows_may_come_as_a_table_and_weigh_by_any_column() -> None:
    import pyarrow as pa

    ask = {"head": "cat", "relation": "HasA"}
    rows = [
        {**ask, "tail": tail, "recurrence": many} for tail, many in (("tail", 1), ("nose", 9))
    ] * 20
    student = GeneratorStudent(base=TINY, weight="recurrence", **{**QUICK, "epochs": 6})
    student.fit_rows(pa.Table.from_pylist(rows), KIND)
    assert student.loss(pa.Table.from_pylist(rows[1:2]))[0] < student.loss(rows[:1])[0]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    student = tiny(ROWS[:12], epochs=1)
    return save_student(student, tmp_path_factory.mktemp("generator") / "student")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("prompt", "/etc/passwd", "generator.json: prompt"),
        ("prompt", "../outside.j2", "generator.json: prompt"),
        ("max_tokens", 1e300, "generator.json: max_tokens"),
        ("max_tokens", -1, "generator.json: max_tokens"),
        ("kind", {"name": "../x"}, "generator.json: name"),
        ("kind", {"name": "triple", "relations": "/etc/passwd"}, "absolute path"),
        ("options", {"base": "x", "trust_remote_code": True}, "trust_remote_code"),
        ("variables", [], "generator.json: variables"),
        ("more", 1, "generator.json: more: an unknown field"),
    ],
)
def test_an_odd_field_of_a_generators_folder_is_named(
    written: Path, tmp_path: Path, name: str, value: Any, said: str
) -> None:
    folder = shutil.copytree(written, tmp_path / "student")
    found = json.loads((folder / "generator.json").read_text())
    (folder / "generator.json").write_text(json.dumps(found | {name: value}))
    write_hashes(folder)
    with pytest.raises(StudentError, match=said) as caught:
        load_student(folder)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_config.json", "own.py"])
def test_a_generators_folder_with_code_or_another_base_is_refused_even_if_listed(
    written: Path, tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree(written, tmp_path / "student")
    (folder / name).write_text("{}")
    with pytest.raises(StudentError, match="not a file of this student"):
        load_student(folder)
    write_hashes(folder)
    with pytest.raises(StudentError, match=name.replace(".", r"\.")):
        load_student(folder)


def test_no_file_of_a_generator_holds_a_path_of_this_machine(written: Path, tmp_path: Path) -> None:
    again = (
        tiny(ROWS[:12], epochs=1, base=str(written), lora={"r": 2})
        if importlib.util.find_spec("peft")
        else None
    )
    folders = [written] + ([save_student(again, tmp_path / "again")] if again else [])
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                assert str(written.parent).encode() not in path.read_bytes(), path
