"""sdg-hub: a flow of three blocks (prompt, chat, extractor), loaded from YAML.

    python run_sdg_hub.py BASE_URL PROMPTS.jsonl IN_FLIGHT OUTPUT

Its last line is the number of completed rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from sdg_hub import Flow

PROMPT = """\
- role: user
  content: "{{ prompt }}"
"""
FLOW = """\
metadata:
  id: peers-answer
  name: Answer
  description: One answer for each prompt.
  version: 1.0.0
  author: benchmark
  dataset_requirements:
    required_columns: [prompt]
blocks:
  - block_type: PromptBuilderBlock
    block_config:
      block_name: build
      input_cols: [prompt]
      output_cols: messages
      prompt_config_path: prompt.yaml
  - block_type: LLMChatBlock
    block_config:
      block_name: ask
      input_cols: messages
      output_cols: answers
      async_mode: true
  - block_type: LLMResponseExtractorBlock
    block_config:
      block_name: read
      input_cols: answers
      extract_content: true
      expand_lists: true
"""


def main(base_url: str, source: Path, in_flight: int, folder: Path) -> None:
    (folder / "prompt.yaml").write_text(PROMPT)
    (folder / "flow.yaml").write_text(FLOW)
    flow = Flow.from_yaml(str(folder / "flow.yaml"))
    flow.set_model_config(model="hosted_vllm/fake", api_base=base_url, api_key="none")
    result = flow.generate(pd.read_json(source, lines=True), max_concurrency=in_flight)
    result.to_json(folder / "rows.jsonl", orient="records", lines=True)
    print(int(result["read_content"].astype(bool).sum()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
