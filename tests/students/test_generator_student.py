"""The generator student: training, files, and its way back as a teacher."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkd.errors import StudentError, TrainingError, UserError
from synthkd.kinds.base import Kind
from synthkd.kinds.rationale import RationaleKind
from synthkd.kinds.triple import TripleKind
from synthkd.recipe import Recipe

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from synthkd.students.folders import load_student, save_student
from synthkd.students.generators.scratch import new_checkpoint
from synthkd.students.generators.student import GeneratorStudent

KIND = TripleKind()
THINGS = ["cat", "dog", "hammer", "boat", "tree", "lamp"]
ROWS: list[dict[str, Any]] = [
    {"head": f"{one} {other}", "relation": relation, "tail": f"{word} {one}"}
    for one in THINGS
    for other in THINGS
    for relation, word in (("UsedFor", "using a"), ("AtLocation", "with a"))
]
TINY: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 330}
QUICK: dict[str, Any] = {"epochs": 12, "lr": 1e-2, "batch_size": 16, "device": "cpu"}


def tiny(rows: list[dict[str, Any]] = ROWS, kind: Kind = KIND, **options: Any) -> GeneratorStudent:
    student = GeneratorStudent(**{"base": TINY, **QUICK, **options})
    return student.fit_rows(rows, kind)


@pytest.fixture(scope="module")
def trained() -> GeneratorStudent:
    return tiny(base={**TINY, "layers": 2, "width": 64}, epochs=45, lr=5e-3, batch_size=8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f"{row['head']} {row['relation']} {row['tail']}" for row in ROWS]
    return new_checkpoint(tmp_path_factory.mktemp("base") / "tiny", texts, **TINY)


def weights(student: GeneratorStudent) -> dict[str, Any]:
    return {name: value.clone() for name, value in student.model.state_dict().items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(bool((value == other[name]).all()) for name, value in one.items())


# Training


def test_a_student_learns_to_write_what_its_rows_say(trained: GeneratorStudent) -> None:
    asked = [{"head": f"{thing} boat", "relation": "UsedFor"} for thing in THINGS]
    said = [answers[0][0]["tail"] for answers in trained.answers(asked)]
    assert sum(tail == f"using a {thing}" for tail, thing in zip(said, THINGS, strict=True)) >= 4


def test_the_loss_of_what_it_learnt_is_below_that_of_something_else(trained: GeneratorStudent) -> None:
    other = [{**row, "tail": "a thing of wood"} for row in ROWS[:10]]
    assert trained.loss(ROWS[:10]).mean() < trained.loss(other).mean()


def test_only_completions_count_in_the_loss(checkpoint: Path) -> None:
    import torch

    from synthkd.students.generators.batches import collate
    from synthkd.students.generators.checkpoint import load_checkpoint
    from synthkd.students.generators.encode import Coder
    from synthkd.students.generators.examples import Example
    from synthkd.students.generators.likelihood import completion_loss, picks_places

    model, tokenizer = load_checkpoint(str(checkpoint), device="cpu")
    coder = Coder(tokenizer, False)
    prompt = ({"role": "prompt", "content": "a cat is"},)
    coded, _ = coder.examples([Example(prompt, " here"), Example(prompt, " a boat or two")], 64)
    batch = collate(coded, [0, 1], coder.pad, False)
    assert picks_places(model)
    with torch.no_grad():
        for picks in (True, False):
            sums, tokens = completion_loss(model, batch, picks)
            for place, completion in enumerate((" here", " a boat or two")):
                read = tokenizer("a cat is")["input_ids"]
                said = [*tokenizer(completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
                logits = model(torch.tensor([read + said])).logits[0].log_softmax(-1)
                by_hand = -sum(float(logits[len(read) + i - 1, token]) for i, token in enumerate(said))
                assert float(sums[place]) == pytest.approx(by_hand, rel=1e-4)
                assert int(tokens[place]) == len(said)


def test_the_same_seed_gives_the_same_student_and_another_seed_another() -> None:
    one, again, other = (tiny(ROWS[:20], epochs=2, seed=seed) for seed in (1, 1, 2))
    assert same(weights(one), weights(again))
    assert not same(weights(one), weights(other))


def test_a_row_of_more_weight_is_learnt_more() -> None:
    ask = {"head": "cat", "relation": "HasA"}
    rows = [{**ask, "tail": tail, "weight": weight} for tail, weight in (("tail", 1.0), ("nose", 9.0))] * 20
    student = tiny(rows, epochs=6)
    assert student.loss([{**ask, "tail": "nose"}])[0] < student.loss([{**ask, "tail": "tail"}])[0]


def test_training_stops_when_validation_gets_no_better_and_keeps_the_best_epoch() -> None:
    noise = [{**row, "tail": f"{'abcdef'[i % 6]} {i}"} for i, row in enumerate(ROWS)]
    student = GeneratorStudent(base=TINY, **{**QUICK, "epochs": 30, "patience": 2})
    student.fit_rows(ROWS[:24], KIND, validation=noise[24:40])
    curve = student.record["curve"]
    best = min(curve, key=lambda point: point["validation"])
    assert len(curve) < 30
    assert student.record["best"] == best["step"]


def test_a_share_of_the_questions_can_be_kept_for_validation() -> None:
    student = tiny(ROWS, epochs=1, validation=0.25)
    assert (student.record["examples"], student.record["validation"]) == (54, 18)


def test_a_loss_that_is_no_number_ends_training_and_the_last_good_weights_stand(
    checkpoint: Path, tmp_path: Path
) -> None:
    student = GeneratorStudent(base=str(checkpoint), **{**QUICK, "lr": 1e30, "warmup": 0.0})
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step \d+ .*smaller lr"):
        student.fit_rows(ROWS, KIND)
    assert np.isfinite(student.loss(ROWS[:4])).all()
    save_student(student, tmp_path / "student")
    assert load_student(tmp_path / "student").learns == "text"


def test_the_command_writes_the_last_good_epoch_of_a_training_that_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from synthkd.students.generators.objective import CrossEntropy
    from synthkd.students.train import Training, train_student

    calls: list[int] = []
    whole = CrossEntropy.__call__

    def breaks(self: Any, sums: Any, *rest: Any) -> Any:
        calls.append(1)
        return whole(self, sums, *rest) if len(calls) < 8 else sums.sum() * torch.nan

    monkeypatch.setattr(CrossEntropy, "__call__", breaks)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n")
    asked = Training(
        tmp_path / "rows.jsonl", tmp_path / "student", "generator", {"base": TINY, **QUICK}, kind="triple"
    )
    with pytest.raises(
        TrainingError, match=r"nan at step 8 \(epoch 2\); what was there after step 5 is kept.*stands in"
    ):
        train_student(asked)
    assert load_student(tmp_path / "student").learns == "text"


def test_rows_that_are_too_long_are_left_out_counted_and_told() -> None:
    rows = [*ROWS[:10], {"head": "cat", "relation": "HasA", "tail": "long " * 40}]
    with pytest.warns(UserWarning, match="1 of 11 examples are longer than 64 tokens"):
        student = tiny(rows, epochs=1, max_length=64)
    assert (student.record["examples"], student.record["too_long"]) == (10, 1)
    assert np.isnan(student.loss(rows[-1:]))[0]


def test_validation_rows_that_are_left_out_are_told() -> None:
    student = GeneratorStudent(base=TINY, **{**QUICK, "epochs": 1, "max_length": 64})
    long = {"head": "cat", "relation": "HasA", "tail": "long " * 40}
    with (
        pytest.warns(UserWarning, match=r"validation: 1 of 4 rows left out"),
        pytest.warns(UserWarning, match="1 of 3 validation examples are longer than 64 tokens"),
    ):
        student.fit_rows(ROWS[:20], KIND, validation=[*ROWS[:2], {**ROWS[0], "tail": None}, long])
    assert student.record["validation"] == 2


def test_lora_trains_the_adapter_alone_and_is_merged_when_saved(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    from safetensors.torch import load_file

    student = tiny(base=str(checkpoint), epochs=3, lora={"r": 4, "dropout": 0.0})
    folder = save_student(student, tmp_path / "student")
    before, after = load_file(checkpoint / "model.safetensors"), load_file(folder / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not bool((before[name] == after[name]).all())}
    assert changed
    assert all("proj" in name for name in changed)
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    again = load_student(folder)
    assert np.allclose(again.loss(ROWS[:5]), student.loss(ROWS[:5]), atol=1e-5)  # type: ignore[attr-defined]


def test_an_adapter_by_itself_gives_the_student_on_its_base(checkpoint: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    student = tiny(base=str(checkpoint), epochs=2, lora={"r": 4, "dropout": 0.0})
    folder = save_student(student, tmp_path / "student")
    base = AutoModelForCausalLM.from_pretrained(checkpoint)
    dressed = peft.PeftModel.from_pretrained(base, folder / "adapter").merge_and_unload()
    merged = dressed.state_dict()
    assert all(np.allclose(v, merged[k], atol=1e-6) for k, v in student.model.state_dict().items())


def test_an_encoder_decoder_is_trained_saved_and_read_again(tmp_path: Path) -> None:
    student = tiny(base={**TINY, "shape": "t5"}, epochs=12)
    said = [texts[0] for texts in student.generate(ROWS[:4])]
    save_student(student, tmp_path / "student")
    again = load_student(tmp_path / "student")
    assert [texts[0] for texts in again.generate(ROWS[:4])] == said  # type: ignore[attr-defined]
    assert student.record["curve"][-1]["loss"] < student.record["curve"][0]["loss"]


# Writing


def test_greedy_texts_are_equal_and_drawn_ones_depend_on_the_seed(trained: GeneratorStudent) -> None:
    ask = [{"head": "cat boat", "relation": "UsedFor"}]
    assert len(set(trained.generate(ask, n=3)[0])) == 1
    drawn = [trained.generate(ask, n=8, temperature=2.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_texts_come_in_the_order_of_their_inputs_whatever_their_length(trained: GeneratorStudent) -> None:
    asked = [{"head": "cat boat" + " tree" * (i % 3), "relation": "UsedFor"} for i in range(7)]
    assert trained.generate(asked, batch_size=2) == [trained.generate([one])[0] for one in asked]


def test_texts_end_where_the_model_has_no_room_and_prompts_without_any_are_refused(tmp_path: Path) -> None:
    """A decoder with a vector for each place breaks beyond the last one."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from synthkd.students.generators.scratch import byte_level_bpe

    tokenizer = byte_level_bpe(["cat"], 259)
    config = GPT2Config(
        vocab_size=259, n_positions=128, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2
    )
    for part in (GPT2LMHeadModel(config), tokenizer):
        part.save_pretrained(tmp_path)
    student = tiny(ROWS[:4], base=str(tmp_path), epochs=1, lr=0.0)
    assert student.generate(ROWS[:1], max_tokens=200)
    with pytest.raises(StudentError, match=r"input 2: .* and the model reads 128 at most"):
        student.generate([ROWS[0], {"head": "cat" * 40, "relation": "UsedFor"}])


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"device 'gpu': .*`cuda` or `cpu`"):
        tiny(ROWS[:4], device="gpu")


def test_an_input_without_its_column_is_named(trained: GeneratorStudent) -> None:
    with pytest.raises(StudentError, match="input 2: no column 'relation'"):
        trained.generate([ROWS[0], {"head": "cat"}])
    with pytest.raises(StudentError, match="input 1: unknown relation 'UsedTo'"):
        trained.generate([{"head": "cat", "relation": "UsedTo"}])


def test_a_student_that_is_not_trained_says_so() -> None:
    with pytest.raises(StudentError, match="not trained"):
        GeneratorStudent().generate([{"head": "cat", "relation": "HasA"}])


# Files


def test_a_saved_student_is_read_again_and_writes_the_same(trained: GeneratorStudent, tmp_path: Path) -> None:
    folder = save_student(trained, tmp_path / "student")
    again = load_student(folder)
    assert isinstance(again, GeneratorStudent)
    assert again.generate(ROWS[:6], n=2, temperature=1.0) == trained.generate(ROWS[:6], n=2, temperature=1.0)
    assert not list(folder.rglob("*.bin"))
    assert (folder / "model.safetensors").is_file()


def test_equal_students_have_equal_files(tmp_path: Path) -> None:
    folders = [save_student(tiny(ROWS[:20], epochs=1), tmp_path / name) for name in ("one", "two")]
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(path.name for path in folders[1].iterdir())
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)


def test_the_kinds_options_come_back_with_the_student(tmp_path: Path) -> None:
    rows = [{"question": f"How many are {i}?", "rationale": "", "answer": str(i)} for i in range(9)]
    student = tiny(rows, RationaleKind(answer="number", phrase="first"), epochs=1)
    again = load_student(save_student(student, tmp_path / "student"))
    assert again.kind.answer == "number"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["generator.json", "model.safetensors", "config.json"])
def test_a_folder_that_is_not_whole_is_refused(trained: GeneratorStudent, tmp_path: Path, name: str) -> None:
    folder = save_student(trained, tmp_path / "student")
    (folder / name).unlink()
    with pytest.raises(StudentError, match="missing"):
        load_student(folder)
    with pytest.raises(StudentError):
        GeneratorStudent.load(folder)


# A student is a teacher


@pytest.mark.parametrize("shape", ["llama", "t5"])
def test_a_student_is_the_teacher_of_a_run_without_any_change(
    trained: GeneratorStudent, tmp_path: Path, shape: str
) -> None:
    from synthkd.pipeline import run

    student = trained if shape == "llama" else tiny(base={**TINY, "shape": "t5"}, epochs=6)
    folder = save_student(student, tmp_path / "student")
    heads = [{"head": f"{thing} boat", "relation": "UsedFor"} for thing in THINGS]
    (tmp_path / "inputs.jsonl").write_text("\n".join(map(json.dumps, heads)) + "\n")
    raw = {
        "name": "second",
        "inputs": {"path": "inputs.jsonl"},
        "prompt": {"template": "student/prompt.j2"},
        "teacher": {
            "backend": "transformers",
            "model": "./student",
            "device": "cpu",
            "sampling": {"n": 1, "temperature": 0, "max_tokens": 16},
        },
        "rules": ["empty"],
        "corpus": {"path": "corpus"},
    }
    result = run(Recipe.from_dict(raw, tmp_path), quiet=True)
    found = {row["head"]: row["tail"] for row in result.corpus.accepted.to_pylist()}
    said = {answers[0][0]["head"]: answers[0][0]["tail"] for answers in student.answers(heads)}
    assert found == said
    # And its corpus trains the next student, whose template is the first one's.
    third = GeneratorStudent(base=str(folder), **{**QUICK, "epochs": 1})
    third.fit_corpus(tmp_path / "corpus")
    assert third.record["examples"] == len(found)


def test_the_template_of_the_corpus_can_be_the_students(tmp_path: Path) -> None:
    from synthkd.pipeline import run

    rows = [{"id": str(i), **row} for i, row in enumerate(ROWS[:12])]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    raw = {
        "name": "recorded",
        "inputs": {"path": "rows.jsonl", "id": "id", "columns": ["head", "relation"]},
        "kind": {"name": "triple", "relations": "everyday"},
        "prompt": {"template": "triple/everyday"},
        "teacher": {
            "backend": "recorded",
            "path": "rows.jsonl",
            "columns": {"input_id": "id", "text": "tail"},
        },
        "rules": ["empty"],
        "corpus": {"path": "corpus"},
    }
    run(Recipe.from_dict(raw, tmp_path), quiet=True)
    student = GeneratorStudent(base=TINY, prompt="corpus", **{**QUICK, "epochs": 1})
    student.fit_corpus(tmp_path / "corpus")
    messages = student.writer.messages({"head": "cat", "relation": "HasA"})  # type: ignore[union-attr]
    assert messages[0]["content"].splitlines()[-1] == "cat has a part called"
    assert list(student.kind.relations) == list(  # type: ignore[attr-defined]
        load_student(save_student(student, tmp_path / "student")).kind.relations  # type: ignore[attr-defined]
    )


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
def test_an_option_that_cannot_be_is_refused_at_once(option: dict[str, Any], said: str) -> None:
    with pytest.raises(StudentError, match=said):
        GeneratorStudent(**option)


def test_no_rows_and_rows_without_use_are_told() -> None:
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

    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(StudentError, match="'bert' that reads and cannot write"):
        tiny(base=str(tmp_path / "bert"))


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    texts = [f"word{i} other{i}" for i in range(300)] * 3
    other = new_checkpoint(tmp_path / "other", texts, **{**TINY, "vocabulary": 600})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(other / name, folder / name)
    with pytest.raises(StudentError, match="do not belong together"):
        tiny(base=str(folder))


def test_a_tokenizer_that_changes_some_completions_is_told(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "q"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    rows = [*ROWS[:20], {**ROWS[0], "tail": "quite quick"}]
    with pytest.warns(UserWarning, match="changes 1 of .* of 'quite quick' it makes"):
        tiny(base=str(folder), rows=rows)


def test_a_tokenizer_that_loses_what_is_to_be_written_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "a"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(StudentError, match="the tokenizer loses"):
        tiny(base=str(folder))


def test_heads_that_do_not_divide_the_width_are_told() -> None:
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
    rows = [{**ask, "tail": tail, "recurrence": many} for tail, many in (("tail", 1), ("nose", 9))] * 20
    student = GeneratorStudent(base=TINY, weight="recurrence", **{**QUICK, "epochs": 6})
    student.fit_rows(pa.Table.from_pylist(rows), KIND)
    assert student.loss(pa.Table.from_pylist(rows[1:2]))[0] < student.loss(rows[:1])[0]
