"""bespokelabs-curator: a subclass of curator.LLM on the `openai` backend.

    python run_curator.py BASE_URL PROMPTS.jsonl IN_FLIGHT OUTPUT

Its last line is the number of completed rows.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import litellm
from bespokelabs import curator

#: Limits by the minute that never hold a request back.
NO_LIMIT = 1_000_000_000


class Answerer(curator.LLM):
    def prompt(self, input: dict) -> str:
        return input["prompt"]

    def parse(self, input: dict, response: str) -> dict:
        return {"prompt": input["prompt"], "response": response}


def stay_offline() -> None:
    """Use the tiktoken encoding that litellm ships, so that none is downloaded."""
    os.environ["TIKTOKEN_CACHE_DIR"] = str(
        Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers"
    )


def main(base_url: str, source: Path, in_flight: int, folder: Path) -> None:
    stay_offline()
    prompts = [json.loads(line) for line in source.open(encoding="utf-8")]
    llm = Answerer(
        model_name="fake",
        backend="openai",
        backend_params={
            "base_url": base_url,
            "api_key": "none",
            "max_concurrent_requests": in_flight,
            "max_requests_per_minute": NO_LIMIT,
            "max_tokens_per_minute": NO_LIMIT,
        },
    )
    # The working folder has the requests, the responses and the data set, so nothing else is saved.
    result = llm(prompts, working_dir=str(folder))
    print(sum(1 for text in result.dataset["response"] if text))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
