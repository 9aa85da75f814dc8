"""Tokens and batches of the generator student: its prompts are those of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from synthkd.recipe import TeacherPart
from synthkd.students.generators.batches import IGNORE, EpochBatches, collate
from synthkd.students.generators.checkpoint import load_checkpoint
from synthkd.students.generators.examples import Example, Messages
from synthkd.students.generators.tokens import ExampleTokenizer, TokenizedExamples
from synthkd.students.generators.untrained import byte_level_bpe, new_checkpoint

pytestmark = pytest.mark.slow

TEXTS = ["a cat is an animal", "what is a boat?", "yes, it is", "é ß 漢字"]
PLAIN: Messages = ({"role": "prompt", "content": "a cat is"},)
CHAT: Messages = (
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "what is a boat?"},
)
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"


@pytest.fixture(scope="module", params=["llama", "t5"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp(request.param) / "tiny"
    return new_checkpoint(
        made, TEXTS, layers=1, width=32, heads=2, vocabulary=300, shape=request.param
    )


@pytest.mark.parametrize("chat", [False, True])
def test_training_prompts_are_those_of_a_run(folder: Path, chat: bool) -> None:
    from synthkd.teachers.transformers.loading import load_sampler

    model, tokenizer = load_checkpoint(str(folder), device="cpu")
    sampler = load_sampler(folder, TeacherPart(model=str(folder), device="cpu"))
    if chat:
        tokenizer.chat_template = sampler.tokenizer.chat_template = TEMPLATE
    coder = ExampleTokenizer(tokenizer, bool(model.config.is_encoder_decoder))
    messages = (CHAT, PLAIN) if chat else (PLAIN, ({"role": "prompt", "content": "é\n\nß"},))
    assert coder.prompts(messages) == [sampler.encode(one) for one in messages]  # type: ignore[arg-type]
    coded, _ = coder.examples([Example(one, " yes, it is") for one in messages], 64)
    for i, one in enumerate(messages):
        ids = coded.ids[coded.starts[i] : coded.starts[i + 1]].tolist()
        assert ids[: coded.prompt_lengths[i]] == sampler.encode(one)  # type: ignore[arg-type]
        assert ids[-1] == tokenizer.eos_token_id
        assert coder.decode(ids[coded.prompt_lengths[i] : -1]).strip() == "yes, it is"


def test_a_tokenizer_that_puts_a_space_before_a_text_writes_none_twice() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer.train_from_iterator(
        TEXTS * 9, trainers.BpeTrainer(special_tokens=["<e>"], show_progress=False)
    )
    coder = ExampleTokenizer(
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<e>", pad_token="<e>"), False
    )
    coded, _ = coder.examples([Example(PLAIN, " an animal")], 64)
    assert coder.decode(coded.ids[:-1].tolist()) == "a cat is an animal"


def test_examples_that_are_too_long_are_left_out_by_number(folder: Path) -> None:
    model, tokenizer = load_checkpoint(str(folder), device="cpu")
    coder = ExampleTokenizer(tokenizer, bool(model.config.is_encoder_decoder))
    examples = [Example(PLAIN, " yes"), Example(PLAIN, " yes" * 80), Example(PLAIN, " no")]
    coded, long = coder.examples(examples, 40)
    assert (coded.example_indices.tolist(), long) == ([0, 2], 1)


def coded(lengths: list[int], given: int = 1) -> TokenizedExamples:
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    count = len(lengths)
    return TokenizedExamples(
        np.arange(int(starts[-1]), dtype=np.int32), starts, np.full(count, given, np.int64),
        np.ones(count), np.arange(count),
    )  # fmt: skip


def test_every_example_comes_once_in_an_epoch_and_epochs_differ() -> None:
    lengths = np.array([3, 9, 4, 4, 7, 2, 5, 8, 6, 3])
    batches = EpochBatches(lengths, 4, seed=1)
    first, second = list(batches), list(batches)
    assert sorted(i for batch in first for i in batch) == list(range(10))
    assert len(first) == len(batches) == 3
    assert first != second
    assert list(EpochBatches(lengths, 4, seed=1)) == first


def test_the_examples_of_a_question_come_in_one_batch() -> None:
    groups = np.array([5, 7, 5, 9, 7, 5])
    found = list(EpochBatches(np.arange(1, 7), 2, groups=groups))
    assert sorted(map(sorted, found)) in (
        [[0, 1, 2, 4, 5], [3]],
        [[0, 2, 3, 5], [1, 4]],
        [[0, 2, 5], [1, 3, 4]],
    )


def test_prompt_and_padding_have_no_label() -> None:
    batch = collate(coded([3, 5], given=2), [1, 0], pad=99, seq2seq=False)
    assert batch["input_ids"].tolist() == [[3, 4, 5, 6, 7], [0, 1, 2, 99, 99]]
    assert batch["labels"].tolist() == [
        [IGNORE, IGNORE, 5, 6, 7],
        [IGNORE, IGNORE, 2, IGNORE, IGNORE],
    ]
    assert batch["attention_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0]]


def test_an_encoder_reads_the_question_and_a_decoder_writes_the_answer() -> None:
    batch = collate(coded([3, 5], given=2), [0, 1], pad=99, seq2seq=True)
    assert batch["input_ids"].tolist() == [[0, 1], [3, 4]]
    assert batch["labels"].tolist() == [[2, IGNORE, IGNORE], [5, 6, 7]]


def test_steps_of_several_batches_are_steps_of_one_large_batch(tmp_path: Path) -> None:
    from synthkd.students.generators.options import GeneratorOptions
    from synthkd.students.generators.training import GeneratorTraining

    folder = new_checkpoint(tmp_path / "tiny", TEXTS, layers=1, width=32, heads=2, vocabulary=300)
    examples = [Example(PLAIN, " an animal")] * 8
    after: list[dict[str, Any]] = []
    for size, many in ((8, 1), (4, 2)):
        model, tokenizer = load_checkpoint(str(folder), device="cpu")
        coder = ExampleTokenizer(tokenizer, False)
        found, _ = coder.examples(examples, 64)
        options = GeneratorOptions(
            batch_size=size, accumulate=many, epochs=1, warmup=0.0, half=False, device="cpu"
        )
        GeneratorTraining(model, coder.pad, found, examples, options).run(1e-2)
        after.append(model.state_dict())
    assert all(np.allclose(value, after[1][name], atol=1e-5) for name, value in after[0].items())


def test_a_new_tokenizer_decodes_every_text() -> None:
    tokenizer = byte_level_bpe(TEXTS, 300)
    for text in (*TEXTS, "tabs\tand\nlines", "🙂 <s> </s>"):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_model_of_absolute_positions_and_no_mark_at_the_beginning_is_trained_too(
    tmp_path: Path,
) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    from synthkd.kinds.triple import TripleKind
    from synthkd.students.generators.student import GeneratorStudent

    tokenizer = byte_level_bpe(TEXTS, 300)
    tokenizer.backend_tokenizer.post_processor = None
    tokenizer.pad_token = None
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64, eos_token_id=2
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    rows = [
        {"head": "cat", "relation": "HasA", "tail": "tail"},
        {"head": "a boat", "relation": "HasA", "tail": "sail"},
    ]
    student = GeneratorStudent(tmp_path / "gpt2", epochs=60, lr=1e-2, device="cpu", batch_size=2)
    student.fit_rows(rows, TripleKind())
    assert [found[0] for found in student.generate(rows)] == [" tail", " sail"]
