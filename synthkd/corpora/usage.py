"""Sections of the dataset card with code: read the corpus, and make it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkd.corpora.layout import FileSet, shown_sets
from synthkd.reporting.safe_text import clean, markdown_block, markdown_code

#: Stands for the folder or the repository of the corpus.
_PLACE = "PATH"


def read_it(sets: Sequence[FileSet]) -> str:
    """Return the section that reads the corpus with `datasets` and four data frame libraries."""
    shown = shown_sets(sets)
    first = shown[0].pattern
    has_provenance = any(one.config == "provenance" for one in shown)
    config = "" if shown[0].config == "default" else f'"{shown[0].config}", '
    configs = ", ".join(f'"{one.config}"' for one in shown)
    blocks = [
        (
            "datasets",
            f'import datasets\n\nrows = datasets.load_dataset("{_PLACE}", {config}split="train")\n'
            f"# Other configurations: {configs}.",
        ),
        (
            "pandas",
            "import glob\n\nimport pandas\n\n"
            f'files = sorted(glob.glob("{_PLACE}/{first}"))\n'
            "rows = pandas.concat(map(pandas.read_parquet, files))",
        ),
        ("polars", f'import polars\n\nrows = polars.read_parquet("{_PLACE}/{first}")'),
        ("DuckDB", f"import duckdb\n\nrows = duckdb.sql(\"from '{_PLACE}/{first}'\")"),
        (
            "Spark",
            "from pyspark.sql import SparkSession\n\nspark = SparkSession.builder.getOrCreate()\n"
            f'rows = spark.read.parquet("{_PLACE}/{first}")',
        ),
    ]
    if has_provenance:
        blocks[3] = (
            "DuckDB",
            f"import duckdb\n\nrows = duckdb.sql(\"from '{_PLACE}/{first}'\")\n"
            "# With how each row was made:\n"
            f'whole = duckdb.sql("""from \'{_PLACE}/{first}\' join'
            f' \'{_PLACE}/provenance/accepted-*.parquet\' using (id)""")',
        )
    parts = [
        f"## Read it\n\n`{_PLACE}` is the folder of the corpus; `datasets` takes the name of the"
        " repository too."
    ]
    parts += [f"{name}:\n\n{markdown_block(code, 'python')}" for name, code in blocks]
    code = f'from synthkd import load_corpus\n\ncorpus = load_corpus("{_PLACE}")\ncorpus.accepted'
    parts.append(f"synthkd:\n\n{markdown_block(code, 'python')}")
    return "\n\n".join(parts)


def make_again(manifest: dict[str, Any]) -> str:
    """Return the section that runs the recipe of the corpus again."""
    inputs = manifest["inputs"].get("files") or {}
    needed = [f"{markdown_code(name)} (hash {value})" for name, value in inputs.items()]
    what = f" Its inputs are not in the corpus: {', '.join(needed)}." if needed else ""
    code = (
        "import json\n\nimport synthkd\n\n"
        f'with open("{_PLACE}/manifest.json") as file:\n'
        '    recipe = synthkd.Recipe.from_dict(json.load(file)["recipe"], folder=".")\n'
        "synthkd.run(recipe)"
    )
    return (
        f"## Make it again\n\n```console\n$ pip install synthkd=={clean(manifest['synthkd'])}\n```"
        f"\n\n{markdown_block(code, 'python')}\n\nThe address and the key of the teacher are yours"
        f" to give.{what} The same completions give the same corpus: hash"
        f" {manifest['corpus_hash']}."
    )
