"""A corpus as other teams read it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.recipes import Make

from synthkd import Corpus, load_corpus, run
from synthkd.errors import InputError
from synthkd.testing import FakeServer


@pytest.fixture
def corpus(make_recipe: Make, server: FakeServer) -> Corpus:
    # The server says some word twice, so there are rejected rows.
    return run(
        make_recipe(server.url, heads=40, rules=[{"echo": {"repeats": 2}}]), quiet=True
    ).corpus


@pytest.mark.slow
def test_datasets_loads_content_rejects_and_provenance_from_the_folder(
    corpus: Corpus, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")

    def loaded(*config: str) -> Any:
        cache = str(tmp_path / "cache")
        return datasets.load_dataset(str(corpus.path), *config, split="train", cache_dir=cache)

    content, provenance = loaded(), loaded("provenance")
    assert content.num_rows == provenance.num_rows == len(corpus)
    assert content.column_names == [*corpus.manifest["kind"]["columns"], "score", "id"]
    assert set(content["id"]) == set(provenance["id"])
    assert loaded("rejected").num_rows == corpus.rejected.num_rows


@pytest.mark.slow
def test_pandas_reads_the_files(corpus: Corpus) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(corpus.path / "data" / "accepted-00000.parquet")
    assert len(frame) == len(corpus)
    assert frame["id"].is_unique


@pytest.mark.slow
def test_duckdb_reads_the_files(corpus: Corpus) -> None:
    duckdb = pytest.importorskip("duckdb")
    (count,) = duckdb.sql(
        f"select count(*) from '{corpus.path}/data/accepted-*.parquet'"
    ).fetchall()[0]
    assert count == len(corpus)


@pytest.mark.slow
def test_a_corpus_without_rejects_loads_as_well(make_recipe: Make, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    with FakeServer(answer=lambda p, i, s: f"thing {i}") as server:
        corpus = run(make_recipe(server.url, rules=[]), quiet=True).corpus
    assert corpus.rejected.num_rows == 0
    found = datasets.load_dataset(str(corpus.path), cache_dir=str(tmp_path / "cache"))
    assert found["train"].num_rows == 15


@pytest.mark.slow
def test_datasets_gives_the_rows_that_are_there_after_another_publish_and_in_another_process(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path / "cache")

    def published(path: str, heads: int = 40, **parts: object) -> Corpus:
        return run(
            make_recipe(server.url, heads=heads, corpus={"path": path}, **parts), quiet=True
        ).corpus

    def loaded(corpus: Corpus) -> int:
        return int(datasets.load_dataset(str(corpus.path), split="train", cache_dir=cache).num_rows)

    first = published("one/corpus")
    assert loaded(first) == len(first)
    # The same place with other rules, and another folder of the same last name.
    again = published("one/corpus", rules=[{"too_short": {"min_characters": 10}}])
    assert loaded(again) == len(again) != len(first)
    other = published("two/corpus", rules=[], heads=20)
    code = (
        "import datasets, sys;"
        "print(datasets.load_dataset(sys.argv[1], split='train',"
        " cache_dir=sys.argv[2]).num_rows)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(other.path), cache],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == len(other) not in (len(first), len(again))


@pytest.mark.slow
def test_every_file_bears_the_hash_of_the_manifest(corpus: Corpus) -> None:
    for path in corpus.path.glob("*/*.parquet"):
        footer = pq.read_schema(path).metadata[b"synthkd.manifest"].decode()
        assert footer == corpus.manifest["manifest_hash"]


@pytest.mark.slow
def test_an_altered_file_is_found(corpus: Corpus) -> None:
    corpus.verify()
    path = corpus.path / "data" / "accepted-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=r"accepted-00000\.parquet: missing, cut or altered"):
        corpus.verify()


@pytest.mark.slow
def test_large_corpora_are_cut_into_files(make_recipe: Make, server: FakeServer) -> None:
    recipe = make_recipe(server.url, heads=40, corpus={"path": "corpus", "rows_per_file": 25})
    corpus = run(recipe, quiet=True).corpus
    files = sorted((corpus.path / "data").glob("accepted-*.parquet"))
    assert len(files) == -(-len(corpus) // 25)
    assert corpus.accepted.num_rows == len(corpus)


@pytest.mark.slow
def test_a_candidate_is_found_by_the_beginning_of_its_id(corpus: Corpus) -> None:
    wanted = corpus.accepted.column("id").to_pylist()[0]
    assert {row["id"] for row in corpus.find(wanted[:12])} == {wanted}


def test_a_folder_without_a_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no corpus here"):
        load_corpus(tmp_path)


@pytest.mark.slow
def test_a_corpus_is_an_input_of_another_recipe(
    corpus: Corpus, make_recipe: Make, server: FakeServer
) -> None:
    inputs = {"path": str(corpus.path), "columns": ["tail"], "rename": {"tail": "head"}}
    kind = {"name": "triple", "relations": ["IsA"]}
    again = run(
        make_recipe(server.url, inputs=inputs, kind=kind, name="again", corpus={"path": "again"}),
        quiet=True,
    )
    heads = set(again.corpus.accepted.column("head").to_pylist())
    assert heads <= set(corpus.accepted.column("tail").to_pylist())


@pytest.mark.slow
def test_the_card_says_what_was_rejected_and_that_nothing_is_known_of_the_precision(
    corpus: Corpus,
) -> None:
    card = (corpus.path / "README.md").read_text()
    assert "rejected by duplicate" in card
    assert "how many are valid is not known" in card
