"""distilabel: one TextGeneration step over a data set, written as a distiset.

    python run_distilabel.py BASE_URL PROMPTS.jsonl IN_FLIGHT OUTPUT

Its last line is the number of completed rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from datasets import load_dataset
from distilabel.models.llms import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps.tasks import TextGeneration


def main(base_url: str, source: Path, in_flight: int, folder: Path) -> None:
    prompts = load_dataset(
        "json", data_files=str(source), split="train", cache_dir=str(folder / "datasets")
    )
    llm = OpenAILLM(model="fake", base_url=base_url, api_key="none")
    with Pipeline(name="peers", cache_dir=folder / "cache") as pipeline:
        # All rows of an input batch are in flight at once; there is no other setting for it.
        TextGeneration(
            llm=llm, input_mappings={"instruction": "prompt"}, input_batch_size=in_flight
        )
    distiset = pipeline.run(dataset=prompts, use_cache=False)
    distiset.save_to_disk(folder / "distiset")
    rows = distiset["default"]["train"]
    print(sum(1 for text in rows["generation"] if text))


if __name__ == "__main__":
    # The guard is needed: steps run in processes of their own.
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
