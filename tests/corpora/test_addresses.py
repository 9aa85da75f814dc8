"""Corpora at addresses: a real S3 protocol (moto's server), and a store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.recipes import Make

from synthkd import Corpus, Recipe, load_corpus, run
from synthkd.corpora.addresses import store_corpus
from synthkd.errors import InputError, StorageError
from synthkd.testing import FakeServer

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("SYNTHKD_CACHE", str(tmp_path / "cache"))
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    store.mkdir("corpora")
    yield "s3://corpora"
    server.stop()


@pytest.fixture
def corpus(make_recipe: Make, server: FakeServer) -> Corpus:
    return run(make_recipe(server.url, heads=20), quiet=True).corpus


@pytest.mark.slow
def test_a_recipe_writes_its_corpus_to_s3_and_anybody_reads_it_there(
    make_recipe: Make, server: FakeServer, bucket: str
) -> None:
    recipe = make_recipe(server.url, heads=20, corpus={"path": f"{bucket}/facts"})
    result = run(recipe, quiet=True)
    there = load_corpus(f"{bucket}/facts")
    there.verify()
    assert there.hash == result.manifest["corpus_hash"]
    assert there.accepted.num_rows == result.counts["accepted"]
    assert bucket not in (there.path / "manifest.json").read_text()
    # Another corpus in its place: the rows that are gone are gone there too.
    smaller = recipe.with_parts(inputs=recipe.inputs.model_copy(update={"limit": 5}))
    again = run(smaller, quiet=True)
    assert load_corpus(f"{bucket}/facts").hash == again.manifest["corpus_hash"] != there.hash


def test_a_place_that_holds_something_else_is_never_replaced(corpus: Corpus) -> None:
    store = fsspec.filesystem("memory")
    store.pipe_file("/notes/mine.txt", b"mine")
    with pytest.raises(StorageError, match=r"holds mine\.txt, and is no corpus"):
        store_corpus(corpus.path, "memory://notes")
    assert store.cat_file("/notes/mine.txt") == b"mine"


def test_a_copy_whose_file_was_altered_is_refused(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SYNTHKD_CACHE", str(tmp_path / "cache"))
    store_corpus(corpus.path, "memory://altered")
    assert load_corpus("memory://altered").hash == corpus.hash
    other = tmp_path / "other-cache"
    monkeypatch.setenv("SYNTHKD_CACHE", str(other))
    fsspec.filesystem("memory").pipe_file("/altered/data/accepted-00000.parquet", b"x")
    with pytest.raises(StorageError, match="not the file of the manifest"):
        load_corpus("memory://altered")


def test_an_address_without_a_corpus_and_an_unknown_store_are_named(
    make_recipe: Make, server: FakeServer
) -> None:
    with pytest.raises(InputError, match="no corpus here"):
        load_corpus("memory://nothing")
    with pytest.raises(InputError, match="no store that fsspec knows"):
        load_corpus("nostore://x")
    recipe: Recipe = make_recipe(server.url, corpus={"path": "hf://me/facts"})
    with pytest.raises(InputError, match="synthkd push"):
        run(recipe, quiet=True)


@pytest.mark.parametrize("scheme", ["local", "reference"])
def test_a_store_that_leads_elsewhere_is_no_address_of_a_corpus(scheme: str) -> None:
    with pytest.raises(InputError, match=f"{scheme}://: no address of a corpus"):
        load_corpus(f"{scheme}://somewhere/facts")
