"""The generator student: training, files, and its use as a teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkd.errors import StudentError, TrainingError, UserError
from synthkd.kinds.rationale.kind import RationaleKind
from synthkd.recipe import Recipe

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from support.gguf_file import write_gguf
from support.tiny_generator import KIND, QUICK, ROWS, THINGS, TINY, checkpoint, tiny

from synthkd.students.folders import load_student, save_student
from synthkd.students.generators.student import GeneratorStudent

pytestmark = pytest.mark.slow

__all__ = ["checkpoint"]


@pytest.fixture(scope="module")
def trained() -> GeneratorStudent:
    return tiny(base={**TINY, "layers": 2, "width": 64}, epochs=45, lr=5e-3, batch_size=8)


def weights(student: GeneratorStudent) -> dict[str, Any]:
    return {name: value.clone() for name, value in student.model.state_dict().items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(bool((value == other[name]).all()) for name, value in one.items())


# Training


def test_a_student_learns_to_write_what_its_rows_say(trained: GeneratorStudent) -> None:
    asked = [{"head": f"{thing} boat", "relation": "UsedFor"} for thing in THINGS]
    said = [answers[0][0]["tail"] for answers in trained.answers(asked)]
    assert sum(tail == f"using a {thing}" for tail, thing in zip(said, THINGS, strict=True)) >= 4


def test_the_loss_of_training_rows_is_below_that_of_other_rows(trained: GeneratorStudent) -> None:
    other = [{**row, "tail": "a thing of wood"} for row in ROWS[:10]]
    assert trained.loss(ROWS[:10]).mean() < trained.loss(other).mean()


def test_only_completions_count_in_the_loss(checkpoint: Path) -> None:
    import torch

    from synthkd.students.generators.batches import collate
    from synthkd.students.generators.checkpoint import load_checkpoint
    from synthkd.students.generators.examples import Example
    from synthkd.students.generators.objective import completion_loss, selects_logits
    from synthkd.students.generators.tokens import ExampleTokenizer

    model, tokenizer = load_checkpoint(str(checkpoint), device="cpu")
    coder = ExampleTokenizer(tokenizer, False)
    prompt = ({"role": "prompt", "content": "a cat is"},)
    coded, _ = coder.examples([Example(prompt, " here"), Example(prompt, " a boat or two")], 64)
    batch = collate(coded, [0, 1], coder.pad, False)
    assert selects_logits(model)
    with torch.no_grad():
        for picks in (True, False):
            sums, tokens = completion_loss(model, batch, picks)
            for place, completion in enumerate((" here", " a boat or two")):
                read = tokenizer("a cat is")["input_ids"]
                said = [
                    *tokenizer(completion, add_special_tokens=False)["input_ids"],
                    tokenizer.eos_token_id,
                ]
                logits = model(torch.tensor([read + said])).logits[0].log_softmax(-1)
                by_hand = -sum(
                    float(logits[len(read) + i - 1, token]) for i, token in enumerate(said)
                )
                assert float(sums[place]) == pytest.approx(by_hand, rel=1e-4)
                assert int(tokens[place]) == len(said)


def test_the_same_seed_gives_the_same_student_and_another_seed_another() -> None:
    one, again, other = (tiny(ROWS[:20], epochs=2, seed=seed) for seed in (1, 1, 2))
    assert same(weights(one), weights(again))
    assert not same(weights(one), weights(other))


def test_a_row_of_more_weight_is_learnt_more() -> None:
    ask = {"head": "cat", "relation": "HasA"}
    rows = [
        {**ask, "tail": tail, "weight": weight} for tail, weight in (("tail", 1.0), ("nose", 9.0))
    ] * 20
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


def test_a_loss_that_is_not_finite_ends_training_and_keeps_the_best_weights(
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
    from synthkd.students.train import TrainingRequest, train_student

    calls: list[int] = []
    whole = CrossEntropy.__call__

    def breaks(self: Any, sums: Any, *rest: Any) -> Any:
        calls.append(1)
        return whole(self, sums, *rest) if len(calls) < 8 else sums.sum() * torch.nan

    monkeypatch.setattr(CrossEntropy, "__call__", breaks)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n")
    asked = TrainingRequest(
        tmp_path / "rows.jsonl",
        tmp_path / "student",
        "generator",
        {"base": TINY, **QUICK},
        kind="triple",
    )
    with pytest.raises(
        TrainingError,
        match=r"nan at step 8 \(epoch 2\); the weights after step 5 are kept.*best weights before"
        r" are in",
    ):
        train_student(asked)
    assert load_student(tmp_path / "student").learns == "text"


def test_rows_that_are_too_long_are_left_out_with_a_warning() -> None:
    rows = [*ROWS[:10], {"head": "cat", "relation": "HasA", "tail": "long " * 40}]
    with pytest.warns(UserWarning, match="1 of 11 examples are longer than 64 tokens"):
        student = tiny(rows, epochs=1, max_length=64)
    assert (student.record["examples"], student.record["too_long"]) == (10, 1)
    assert np.isnan(student.loss(rows[-1:]))[0]


def test_validation_rows_that_are_left_out_give_a_warning() -> None:
    student = GeneratorStudent(base=TINY, **{**QUICK, "epochs": 1, "max_length": 64})
    long = {"head": "cat", "relation": "HasA", "tail": "long " * 40}
    with (
        pytest.warns(UserWarning, match=r"validation: 1 of 4 rows left out"),
        pytest.warns(UserWarning, match="1 of 3 validation examples are longer than 64 tokens"),
    ):
        student.fit_rows(ROWS[:20], KIND, validation=[*ROWS[:2], {**ROWS[0], "tail": None}, long])
    assert student.record["validation"] == 2


def test_lora_trains_the_adapter_alone_and_is_merged_when_saved(
    checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    from safetensors.torch import load_file

    student = tiny(base=str(checkpoint), epochs=3, lora={"r": 4, "dropout": 0.0})
    folder = save_student(student, tmp_path / "student")
    before, after = (
        load_file(checkpoint / "model.safetensors"),
        load_file(folder / "model.safetensors"),
    )
    assert before.keys() == after.keys()
    changed = {name for name in before if not bool((before[name] == after[name]).all())}
    assert changed
    assert all("proj" in name for name in changed)
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    again = load_student(folder)
    assert np.allclose(again.loss(ROWS[:5]), student.loss(ROWS[:5]), atol=1e-5)  # type: ignore[attr-defined]


def test_an_adapter_by_itself_gives_the_student_on_its_base(
    checkpoint: Path, tmp_path: Path
) -> None:
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


def test_greedy_texts_are_equal_and_drawn_ones_depend_on_the_seed(
    trained: GeneratorStudent,
) -> None:
    ask = [{"head": "cat boat", "relation": "UsedFor"}]
    assert len(set(trained.generate(ask, n=3)[0])) == 1
    drawn = [trained.generate(ask, n=8, temperature=2.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_texts_come_in_the_order_of_their_inputs_whatever_their_length(
    trained: GeneratorStudent,
) -> None:
    asked = [{"head": "cat boat" + " tree" * (i % 3), "relation": "UsedFor"} for i in range(7)]
    assert trained.generate(asked, batch_size=2) == [trained.generate([one])[0] for one in asked]


def test_texts_end_where_the_model_has_no_room_and_prompts_without_any_are_refused(
    tmp_path: Path,
) -> None:
    # A decoder with a vector for each place breaks beyond the last one.
    from transformers import GPT2Config, GPT2LMHeadModel

    from synthkd.students.generators.untrained import byte_level_bpe

    tokenizer = byte_level_bpe(["cat"], 259)
    config = GPT2Config(
        vocab_size=259,
        n_positions=128,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=1,
        eos_token_id=2,
    )
    for part in (GPT2LMHeadModel(config), tokenizer):
        part.save_pretrained(tmp_path)
    student = tiny(ROWS[:4], base=str(tmp_path), epochs=1, lr=0.0)
    assert student.generate(ROWS[:1], max_tokens=200)
    with pytest.raises(StudentError, match=r"input 2: .* and the model reads 128 at most"):
        student.generate([ROWS[0], {"head": "cat" * 40, "relation": "UsedFor"}])


def test_an_unavailable_device_is_refused() -> None:
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


def test_a_saved_student_is_read_again_and_writes_the_same(
    trained: GeneratorStudent, tmp_path: Path
) -> None:
    folder = save_student(trained, tmp_path / "student")
    again = load_student(folder)
    assert isinstance(again, GeneratorStudent)
    assert again.generate(ROWS[:6], n=2, temperature=1.0) == trained.generate(
        ROWS[:6], n=2, temperature=1.0
    )
    assert not list(folder.rglob("*.bin"))
    assert (folder / "model.safetensors").is_file()


def test_equal_students_have_equal_files(tmp_path: Path) -> None:
    folders = [save_student(tiny(ROWS[:20], epochs=1), tmp_path / name) for name in ("one", "two")]
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(path.name for path in folders[1].iterdir())
    assert all(
        (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names
    )


def test_the_kinds_options_come_back_with_the_student(tmp_path: Path) -> None:
    rows = [{"question": f"How many are {i}?", "rationale": "", "answer": str(i)} for i in range(9)]
    student = tiny(rows, RationaleKind(answer="number", phrase="first"), epochs=1)
    again = load_student(save_student(student, tmp_path / "student"))
    assert again.kind.answer == "number"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["generator.json", "model.safetensors", "config.json"])
def test_a_folder_that_is_not_whole_is_refused(
    trained: GeneratorStudent, tmp_path: Path, name: str
) -> None:
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
    found = {row["head"]: row["tail"] for row in result.corpus.table(provenance=True).to_pylist()}
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
    messages = student.builder.messages({"head": "cat", "relation": "HasA"})
    assert messages[0]["content"].splitlines()[-1] == "cat has a part called"
    assert list(student.kind.relations) == list(  # type: ignore[attr-defined]
        load_student(save_student(student, tmp_path / "student")).kind.relations  # type: ignore[attr-defined]
    )


def test_a_gguf_file_is_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setenv("SYNTHKD_CACHE", str(tmp_path / "cache"))
    student = tiny(base=str(write_gguf(tmp_path / "base.gguf")), epochs=1)
    assert student.model.config.model_type == "llama"
    assert np.isfinite(student.loss(ROWS[:4])).all()


def test_a_damaged_gguf_file_is_no_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gguf")
    monkeypatch.setenv("SYNTHKD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "base.gguf").write_bytes(b"GGUF")
    with pytest.raises(StudentError, match=r"base\.gguf.* cannot be loaded"):
        tiny(base=str(tmp_path / "base.gguf"), epochs=1)
