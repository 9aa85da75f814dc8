"""Helpers of the tests of vllm_engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from support.vllm import part
from synthkd.teachers.vllm import api, engine


class Dead(Exception): ...


class Failed(Exception): ...


class Params(SimpleNamespace):
    __struct_fields__ = ("min_p",)


class Engine:
    """Notes what it is asked; ``error`` is raised instead of an answer."""

    def __init__(self, error: Exception | None = None, finish: str = "stop") -> None:
        self.error, self.finish = error, finish
        self.asked: list[Any] = []
        self.model_config = SimpleNamespace(max_model_len=32, get_diff_sampling_param=dict)

    async def generate(self, prompt: dict[str, Any], params: Any, name: str) -> AsyncIterator[Any]:
        self.asked.append((prompt["prompt_token_ids"], params, name))
        if self.error:
            raise self.error
        outputs = [
            SimpleNamespace(
                index=i, text=f"text {params.seed} {i}", token_ids=[1, 2],
                finish_reason=self.finish, cumulative_logprob=-1.5
            )
            for i in reversed(range(params.n))
        ]  # fmt: skip
        yield SimpleNamespace(
            prompt_token_ids=prompt["prompt_token_ids"], outputs=outputs, num_cached_tokens=0
        )


class Tokenizer:
    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [0] * add_special_tokens + [len(word) for word in text.split()]}

    def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> str:
        if messages[0]["role"] == "system":
            raise ValueError("no template")
        return " ".join(m["content"] for m in messages) + " " + "x" * len(options)


def client(fake: Engine, **values: Any) -> engine.EngineClient:
    names = api.VllmApi(None, None, Params, SimpleNamespace, "final", Dead, Failed)
    return engine.EngineClient(names, fake, Tokenizer(), part(**values))
