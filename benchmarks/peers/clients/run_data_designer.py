"""data-designer: one LLM column over a seed data set.

    python run_data_designer.py BASE_URL PROMPTS.jsonl IN_FLIGHT OUTPUT

Its last line is the number of completed rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import data_designer.config as dd
from data_designer.interface import DataDesigner


def config(source: Path, in_flight: int) -> dd.DataDesignerConfigBuilder:
    model = dd.ModelConfig(
        alias="fake",
        model="fake",
        provider="local",
        inference_parameters=dd.ChatCompletionInferenceParams(max_parallel_requests=in_flight),
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(source)))
    builder.add_column(
        dd.LLMTextColumnConfig(name="response", prompt="{{ prompt }}", model_alias="fake")
    )
    return builder


def main(base_url: str, source: Path, in_flight: int, folder: Path) -> None:
    count = sum(1 for _ in source.open(encoding="utf-8"))
    provider = dd.ModelProvider(
        name="local", endpoint=base_url, provider_type="openai", api_key="none"
    )
    designer = DataDesigner(artifact_path=folder, model_providers=[provider])
    # No metrics endpoint: it would open a port that another run may hold.
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None))
    result = designer.create(config(source, in_flight), num_records=count)
    print(int(result.load_dataset()["response"].astype(bool).sum()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
