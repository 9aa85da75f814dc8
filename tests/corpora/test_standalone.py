"""A corpus that stands alone: nothing of this machine in it, and every reader sees the same."""

from __future__ import annotations

import glob
import json
import re
import shutil
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.recipes import Make

from synthkd import Corpus, load_corpus, run
from synthkd.errors import RecipeError, StorageError
from synthkd.prompts import load_prompt
from synthkd.testing import FakeServer

PART = {
    "path": "corpus", "title": "What things are for", "license": "CC-BY-4.0", "language": "en",
    "prompts": "full", "normal_forms": True, "card": {"limits": "Not for children."},
}  # fmt: skip
KEY = "sk-verysecretverysecretverysecret"


@pytest.fixture
def corpus(make_recipe: Make, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    rules = [{"echo": {"repeats": 2}}]
    return run(make_recipe(server.url, heads=40, rules=rules, corpus=PART), quiet=True).corpus


@pytest.mark.slow
def test_no_file_has_a_host_a_path_of_this_machine_or_a_key(
    corpus: Corpus, server: FakeServer, tmp_path: Path
) -> None:
    names = [server.url.rpartition("//")[2].partition("/")[0], "127.0.0.1", "localhost", KEY]
    names += [socket.gethostname(), str(tmp_path), str(Path.home()) + "/", "private-host"]
    for path in corpus.path.rglob("*"):
        if path.suffix == ".parquet":
            text = json.dumps(pq.read_table(path).to_pylist())
        elif path.is_file():
            text = path.read_text()
        else:
            continue
        assert [name for name in names if name in text] == [], path
        assert not re.search(r"https?://(?!mlcommons|schema\.org|purl|www\.w3|docs\.ml)", text), (
            path
        )


@pytest.mark.slow
def test_the_head_of_the_card_is_complete(corpus: Corpus) -> None:
    head = yaml.safe_load((corpus.path / "README.md").read_text().split("---")[1])
    assert head["license"] == "cc-by-4.0"
    assert head["language"] == ["en"]
    assert head["size_categories"] == ["n<1K"]
    assert head["task_categories"] == ["text-generation"]
    configs = {one["config_name"]: one["data_files"][0]["split"] for one in head["configs"]}
    assert configs == dict.fromkeys(("default", "rejected", "provenance"), "train")
    (default,) = [one for one in head["dataset_info"] if one["config_name"] == "default"]
    assert default["splits"][0]["num_examples"] == len(corpus)
    assert [one["name"] for one in default["features"]] == corpus.table().column_names


@pytest.mark.slow
def test_content_stands_first_and_provenance_is_joined_by_id(corpus: Corpus) -> None:
    kind = corpus.manifest["kind"]["columns"]
    assert corpus.table().column_names == [*kind, *(f"normal_{n}" for n in kind), "score", "id"]
    whole = corpus.table(provenance=True)
    assert whole.num_rows == len(corpus)
    assert {"raw", "completion_key", "rejected_by"} <= set(whole.column_names)
    (row,) = corpus.find(whole["id"][0].as_py())
    assert row == whole.slice(0, 1).to_pylist()[0]
    messages = json.loads(row["rendered_prompt"])
    assert row["head"] in messages[-1]["content"]


@pytest.mark.slow
def test_templates_and_relations_are_in_the_corpus_as_they_were(corpus: Corpus) -> None:
    prompt = corpus.manifest["prompt"]
    (template,) = (corpus.path / "prompts").glob("*.j2")
    assert template.read_text() == prompt["text"]
    assert load_prompt(str(template)).hash == prompt["hash"]
    relations = yaml.safe_load((corpus.path / "prompts" / "relations.yaml").read_text())
    assert set(relations) == set(corpus.manifest["kind"]["relations"])


@pytest.mark.slow
def test_a_provenance_of_other_rows_is_refused(corpus: Corpus) -> None:
    path = corpus.path / "provenance" / "accepted-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(pa.array(range(table.num_rows))[::-1]), path)
    with pytest.raises(StorageError, match="differ"):
        load_corpus(corpus.path).table(provenance=True)


@pytest.mark.slow
def test_a_corpus_of_an_older_version_is_read_whole(corpus: Corpus, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(corpus.path, old)
    manifest = json.loads((old / "manifest.json").read_text())
    footer = {b"synthkd.manifest": manifest["manifest_hash"].encode()}
    table = corpus.table(provenance=True).replace_schema_metadata(footer)
    pq.write_table(table, old / "data" / "accepted-00000.parquet")
    shutil.rmtree(old / "provenance")
    del manifest["files"]["provenance/accepted-00000.parquet"]
    (old / "manifest.json").write_text(json.dumps({**manifest, "manifest_version": 1}))
    assert load_corpus(old).table(provenance=True) == corpus.table(provenance=True)
    assert load_corpus(old).dataset("provenance").count_rows() == len(corpus)


@pytest.mark.slow
def test_a_column_that_no_input_has_is_refused_before_anything_is_bought(
    make_recipe: Make, server: FakeServer
) -> None:
    part = {"path": "corpus", "input_columns": ["soure"]}
    with pytest.raises(
        RecipeError, match=r"corpus\.input_columns: no input has the column 'soure'"
    ):
        run(make_recipe(server.url, corpus=part), quiet=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_croissant_metadata_are_valid_and_lead_to_the_rows(corpus: Corpus) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    found = mlcroissant.Dataset(jsonld=str(corpus.path / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    assert found.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert sum(1 for _ in found.records("default")) == len(corpus)


@pytest.mark.slow
def test_pandas_polars_duckdb_and_spark_see_equal_rows_and_types(
    corpus: Corpus, tmp_path: Path
) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    duckdb, spark = pytest.importorskip("duckdb"), pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    files = str(corpus.path / "data" / "accepted-*.parquet")
    session = (
        spark.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(tmp_path / "spark"))
        .getOrCreate()
    )
    try:
        frame = session.read.parquet(files)
        found = {
            "spark": (frame.count(), [kind for _, kind in frame.dtypes]),
            "pandas": _of_pandas(pandas.concat(map(pandas.read_parquet, glob.glob(files)))),
            "polars": _of_polars(polars.read_parquet(files)),
            "duckdb": _of_duckdb(duckdb.sql(f"from '{files}'")),
        }
    finally:
        session.stop()
    types = ["double" if name == "score" else "string" for name in corpus.table().column_names]
    assert found == dict.fromkeys(found, (len(corpus), types))


def _of_pandas(frame: object) -> tuple[int, list[str]]:
    names = {"float64": "double", "object": "string", "str": "string"}
    return len(frame), [names[str(one)] for one in frame.dtypes]  # type: ignore[attr-defined,arg-type]


def _of_polars(frame: object) -> tuple[int, list[str]]:
    names = {"Float64": "double", "String": "string"}
    return frame.height, [names[str(one)] for one in frame.dtypes]  # type: ignore[attr-defined]


def _of_duckdb(relation: object) -> tuple[int, list[str]]:
    names = {"DOUBLE": "double", "VARCHAR": "string"}
    kinds = [names[str(one)] for one in relation.types]  # type: ignore[attr-defined]
    return len(relation.fetchall()), kinds  # type: ignore[attr-defined]
