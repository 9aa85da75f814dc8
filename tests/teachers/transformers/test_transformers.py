"""The transformers backend on the embedded teacher's real checkpoint."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.transformers_teacher import PROMPTS, ask, texts

from synthkd.errors import RecipeError, TeacherError
from synthkd.recipe import TeacherPart
from synthkd.requests import Completion, Failure, Request, Sampling
from synthkd.teachers.transformers import EMBEDDED, TransformersTeacher

pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.slow


def test_every_sample_of_every_prompt_is_answered() -> None:
    found = ask()
    assert set(found) == {(prompt, i) for prompt in PROMPTS for i in range(3)}
    assert all(
        isinstance(a, Completion) and a.finish_reason == "stop" and a.text for a in found.values()
    )


def test_one_seed_gives_the_same_samples_and_another_gives_others() -> None:
    assert texts(ask(n=8)) == texts(ask(n=8))
    assert texts(ask(n=8)) != texts(ask(n=8, seed=1))


def test_samples_do_not_depend_on_what_else_is_in_the_batch() -> None:
    together = texts(ask(n=6))
    alone = {key: text for prompt in PROMPTS for key, text in texts(ask([prompt], n=6)).items()}
    single = texts(ask(n=6, part={"batch_size": 1}))
    assert together == alone == single


def test_samples_that_are_bought_later_are_those_that_would_have_come_at_once() -> None:
    at_once = texts(ask(n=6))
    later = texts(ask(n=6, wanted=(3, 4, 5)))
    assert later == {key: text for key, text in at_once.items() if key[1] >= 3}


def test_temperature_zero_is_greedy() -> None:
    found = texts(ask(n=3, temperature=0.0))
    assert all(found[prompt, 0] == found[prompt, 1] == found[prompt, 2] for prompt in PROMPTS)


@pytest.mark.parametrize("limit", [{"top_k": 1}, {"top_p": 1e-6}])
def test_keeping_only_the_likeliest_token_is_greedy_too(limit: dict[str, Any]) -> None:
    assert texts(ask(n=2, **limit)) == texts(ask(n=2, temperature=0.0))


def test_the_logprob_is_that_of_the_model_itself() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = ask(["dog can"], n=1, temperature=0.0)["dog can", 0]
    assert isinstance(found, Completion)
    folder = Path(TransformersTeacher(TeacherPart(model=EMBEDDED)).model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer("dog can")["input_ids"]
    said = tokenizer(found.text + "\n", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids + said])).logits[0].log_softmax(-1)
    expected = sum(float(logits[len(ids) - 1 + i, token]) for i, token in enumerate(said))
    assert found.logprob == pytest.approx(expected, abs=1e-3)
    assert found.completion_tokens == len(said)


def test_samples_are_drawn_as_the_model_says() -> None:
    found = texts(ask(["dog is a kind of"], n=600, temperature=1.0))
    answers = ask(["dog is a kind of"], n=600, temperature=1.0)
    share = sum(text == " animal" for text in found.values()) / 600
    likelihood = next(
        a.logprob for a in answers.values() if isinstance(a, Completion) and a.text == " animal"
    )
    assert likelihood is not None
    expected = math.exp(likelihood)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 600) + 0.01


def test_a_text_that_is_cut_by_the_limit_says_so() -> None:
    assert {
        a.finish_reason for a in ask(max_tokens=1, stop=()).values() if isinstance(a, Completion)
    } == {"length"}


def test_a_stop_of_several_characters_ends_a_text_before_it() -> None:
    found = texts(ask(["dog can"], n=20, stop=("\n\n", "e")))
    assert all("e" not in text for text in found.values())


def test_a_prompt_that_does_not_fit_is_a_fate() -> None:
    found = ask(["dog can " * 400], n=2)
    assert all(
        isinstance(a, Failure) and a.reason == "context_too_long" and a.permanent
        for a in found.values()
    )


def test_the_identity_of_a_folder_is_the_hash_of_what_is_in_it() -> None:
    one = TransformersTeacher(TeacherPart(model=EMBEDDED))
    other = TransformersTeacher(TeacherPart(model=EMBEDDED, dtype="bfloat16"))
    assert one.identity != other.identity
    assert "/" not in one.identity.replace(EMBEDDED, "")


def test_a_chat_goes_through_the_template_where_there_is_one() -> None:
    from synthkd.teachers.transformers.loading import load_sampler

    sampler = load_sampler(
        TransformersTeacher(TeacherPart(model=EMBEDDED)).model, TeacherPart(model=EMBEDDED)
    )
    chat = ({"role": "user", "content": "dog can"},)
    plain = sampler.encode(chat)
    sampler.tokenizer.chat_template = "{% for m in messages %}<s>{{ m.content }}{% endfor %}</s>"
    assert sampler.encode(chat) != plain
    assert sampler.tokenizer.decode(sampler.encode(chat)) == "<s>dog can</s>"


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"config\.json"):
        TransformersTeacher(TeacherPart(model=str(tmp_path)))


def test_a_hub_name_that_cannot_be_had_is_one_clear_line() -> None:
    code = (
        "from synthkd.recipe import TeacherPart; from synthkd.teachers.transformers.loading import"
        " load_sampler;"
        "load_sampler('nobody/nothing', TeacherPart(model='nobody/nothing'))"
    )
    # The hub client reads this variable when it is imported, so a process of its own is needed.
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert "TeacherError: cannot load nobody/nothing" in result.stderr.splitlines()[-1]


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.model"):
        TransformersTeacher(TeacherPart())


def test_a_source_that_waits_for_answers_does_not_wait_for_ever() -> None:
    # Under a cap the stage gives no more requests until some have been answered.
    who = TransformersTeacher(TeacherPart(backend="transformers", model=EMBEDDED, threads=2))
    settings = Sampling(max_tokens=8, stop=("\n",))
    came = asyncio.Event()

    async def go() -> int:
        async def source() -> AsyncIterator[Request]:
            for number in range(3):
                messages = ({"role": "prompt", "content": f"{number}\ndog can"},)
                yield Request(who.identity, messages, settings, (0,), str(number))
                if number:
                    await came.wait()

        count = 0
        async for answers in who.stream(source()):
            count += len(answers)
            came.set()
        return count

    assert asyncio.run(asyncio.wait_for(go(), 60)) == 3


def test_marks_of_thoughts_stay_in_a_text_however_many_there_are() -> None:
    from types import SimpleNamespace

    from synthkd.teachers.transformers.causal import CausalSampler

    sampler: Any = object.__new__(CausalSampler)
    sampler.tokenizer = SimpleNamespace(decode=lambda tokens, **options: "ab"[: len(tokens)])
    sampler._marks = {7: "<think>", 8: "</think>"}
    assert sampler._decode([1, 2, 7, 1, 8, 1]) == "ab<think>a</think>a"
    assert sampler._decode([7] * 5000) == "<think>" * 5000


def test_samples_do_not_depend_on_when_they_join_the_batch() -> None:
    heads = ["dog can", "knife is used for", "a very old wooden chair is often", "lemon is often"]
    prompts = [f"{head}{more}" for more in ("", " not", " still") for head in heads]
    together = texts(ask(prompts, n=3, part={"batch_size": 64}))
    joining = texts(ask(prompts, n=3, part={"batch_size": 2}))
    assert together == joining


def test_prompts_with_many_samples_do_not_all_begin_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from synthkd.teachers.transformers import causal

    prompts = [f"What is {word} made of?\n{word} is made of" for word in ("bread", "ice", "a hat")]
    together = texts(ask(prompts, n=3))
    rows: list[int] = []
    admit = causal.CausalSampler._admit

    def counted(self: causal.CausalSampler, most: int) -> Any:
        ended = admit(self, most)
        rows.append(len(self._rows) + len(ended))
        return ended

    monkeypatch.setattr(causal, "MOST_ROWS", 4)
    monkeypatch.setattr(causal.CausalSampler, "_admit", counted)
    assert texts(ask(prompts, n=3)) == together
    assert max(rows) <= 4
    assert len(rows) == 3


def test_a_beginning_that_prompts_share_does_not_change_the_samples() -> None:
    head = "What is each of these like?\n" + "oak is often hard\n" * 6
    prompts = [f"{head}{name} is often" for name in ("lemon", "old wooden chair", "ice")]
    together = texts(ask(prompts, n=3))
    alone = {key: text for prompt in prompts for key, text in texts(ask([prompt], n=3)).items()}
    assert together == alone


def test_a_stop_ends_the_samples_that_have_begun_and_reads_no_further_prompt() -> None:
    teacher = TransformersTeacher(TeacherPart(model=EMBEDDED, threads=2, batch_size=4))
    settings = Sampling(n=2, max_tokens=8, stop=("\n",))

    async def requests() -> AsyncIterator[Request]:
        for number in range(40):
            messages = ({"role": "prompt", "content": f"thing {number} is used for"},)
            yield Request(teacher.identity, messages, settings, (0, 1), str(number))

    async def work() -> list[Completion]:
        found: list[Completion] = []
        async for group in teacher.stream(requests()):
            found += [answer for answer in group if isinstance(answer, Completion)]
            teacher.stop()
        return found

    found = asyncio.run(work())
    samples = Counter(answer.request_id for answer in found)
    assert set(samples.values()) == {2}
    assert len(samples) < 40
