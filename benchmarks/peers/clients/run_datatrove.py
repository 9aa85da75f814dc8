"""datatrove: InferenceRunner in a local executor with one task.

    python run_datatrove.py BASE_URL PROMPTS.jsonl IN_FLIGHT OUTPUT [local|checkpoints|remote]

It speaks to an `http` address on this machine over raw sockets (`local`), and to any other address
through the `openai` package (`remote`). `checkpoints` is `local` with each answer kept in SQLite
before its row is written, as in the example of its README.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.writers import JsonlWriter


async def rollout(document: Document, generate):
    return await generate({"messages": [{"role": "user", "content": document.text}]})


def endpoint(base_url: str, path: str) -> str:
    """Return the address in the form of each path."""
    if path == "remote":
        # Still loopback, but not by a name that it takes for local.
        return base_url.replace("127.0.0.1", "0.0.0.0")
    return base_url.removesuffix("/v1")


def count_answers(folder: Path) -> int:
    """Count rows with an answer; by their bytes, since the clock is still running."""
    return sum(file.read_bytes().count(b'"finish_reason":') for file in folder.glob("*.jsonl"))


def main(base_url: str, source: Path, in_flight: int, folder: Path, path: str = "local") -> None:
    prompts = [json.loads(line)["prompt"] for line in source.open(encoding="utf-8")]
    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="fake",
        endpoint_url=endpoint(base_url, path),
        api_key="none",
        max_concurrent_generations=in_flight,
    )
    kept = path == "checkpoints"
    runner = InferenceRunner(
        rollout_fn=rollout,
        config=config,
        checkpoints_local_dir=str(folder / "checkpoints") if kept else None,
        output_writer=JsonlWriter(
            str(folder / "rows"),
            output_filename="${rank}_chunk_${chunk_index}.jsonl" if kept else "${rank}.jsonl",
            compression=None,
        ),
    )
    documents = [Document(text=prompt, id=str(number)) for number, prompt in enumerate(prompts)]
    LocalPipelineExecutor([documents, runner], tasks=1, logging_dir=str(folder / "logs")).run()
    print(count_answers(folder / "rows"))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), *sys.argv[5:])
