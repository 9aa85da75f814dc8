"""Tests of diversity: hand-worked values, samples that no order changes, figures of a corpus."""

from __future__ import annotations

import math
import random
import shutil
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recipes import Make
from typer.testing import CliRunner

from synthkd import load_corpus, plugins, run
from synthkd.cli.app import app
from synthkd.corpora.diversity import compare_corpora, cost_sentence, diversity_rows
from synthkd.corpora.diversity import sketch as sketches
from synthkd.corpora.diversity.measures import (
    compression,
    distinct_n,
    entropy,
    self_bleu,
    soft_unique,
    word_tokens,
)
from synthkd.corpora.diversity.sketch import DistinctCounter, TextSample, candidate_hashes
from synthkd.corpora.diversity.stages import stage_numbers
from synthkd.filters.corpus_level import LastFilter
from synthkd.testing import FakeServer


@pytest.fixture
def corpus_folder(make_recipe: Make, server: FakeServer) -> Path:
    recipe = make_recipe(server.url, heads=20)
    run(recipe, quiet=True)
    return recipe.corpus_path


TEXTS = [word_tokens(text) for text in ("a b a b", "a b c", "x")]


def test_distinct_n_is_different_over_all_ngrams() -> None:
    assert distinct_n(TEXTS, 1) == 4 / 8
    assert distinct_n(TEXTS, 2) == 3 / 5
    assert distinct_n([["x"]], 2) == 0


def test_compression_is_plain_over_packed_bytes() -> None:
    plain = b"one\ntwo"
    assert compression(["one", "two"]) == len(plain) / len(zlib.compress(plain, 6))
    assert compression([]) == 0


def test_self_bleu_of_equal_texts_is_one_and_of_strangers_zero() -> None:
    assert self_bleu([word_tokens("the cat sat on the mat")] * 3) == pytest.approx(1)
    assert self_bleu([word_tokens("a b c d"), word_tokens("e f g h")]) == 0


def test_self_bleu_is_the_mean_of_each_text_against_the_others_by_hand() -> None:
    # "a b" against "a c": 1-grams 1/2; 2-grams (0+1)/(1+1), 3-grams (0+1)/(0+1), 4-grams 1; equal
    # lengths.
    one = (1 / 2 * 1 / 2) ** (1 / 4)
    assert self_bleu([["a", "b"], ["a", "c"]]) == pytest.approx(one)


def test_self_bleu_shortens_a_text_that_is_shorter_than_the_nearest_other() -> None:
    # "a" against "a b": 1-gram 1, others (0+1)/(0+1); brevity exp(1 - 2/1). "a b" against "a": 1/2,
    # 1/2.
    short, long = math.exp(-1), (1 / 2 * 1 / 2) ** (1 / 4)
    assert self_bleu([["a"], ["a", "b"]]) == pytest.approx((short + long) / 2)


def test_a_text_of_which_a_near_copy_is_kept_is_not_soft_unique() -> None:
    near = [
        word_tokens("the cat sat on the mat"),
        word_tokens("the cat sat on a mat"),
        word_tokens("dogs bark loudly"),
    ]
    assert soft_unique(near) == 2 / 3


def test_entropy_of_equal_classes_is_the_log_of_their_number() -> None:
    assert entropy([5, 5, 5, 0]) == pytest.approx(math.log(3))
    assert entropy([]) == 0


@pytest.mark.slow
@given(st.permutations(range(40)))
def test_a_sample_is_the_same_in_any_order_of_rows(order: list[int]) -> None:
    hashes, texts = [(i * 7919) % 104_729 for i in range(40)], [f"text {i}" for i in range(40)]
    sample = TextSample(7)
    for start in range(0, 40, 9):
        places = order[start : start + 9]
        sample.add(
            sketches.np.array([hashes[i] for i in places], "uint64"),
            pa.array([texts[i] for i in places]),
        )
    smallest = sorted(range(40), key=lambda i: hashes[i])[:7]
    assert sample.first(7) == [texts[i] for i in smallest]
    assert sample.count == 40


def test_different_values_are_counted_exactly_up_to_the_bound_and_nearly_beyond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sketches, "EXACT", 1024)
    counted = DistinctCounter()
    for start in range(0, 1000, 100):
        counted.add(pa.array([f"v{i}" for i in range(start, start + 200)]))
    assert counted.estimate() == 1100 or abs(counted.estimate() - 1100) < 110
    few = DistinctCounter()
    few.add(pa.array(["a", "b", "a", None]))
    assert few.estimate() == 2
    many = DistinctCounter()
    for start in range(0, 50_000, 5000):
        many.add(pa.array([f"v{i}" for i in range(start, start + 5000)]))
    assert many.estimate() == pytest.approx(50_000, rel=0.15)


def test_rows_of_equal_id_and_other_completions_have_other_hashes() -> None:
    batch = pa.record_batch(
        {"id": ["ab" * 16] * 2 + ["no hex"], "completion_key": ["00" * 16, "01" + "00" * 15, "x"]}
    )
    assert len(set(candidate_hashes(batch).tolist())) == 3


def test_a_row_is_in_every_stage_before_the_one_that_rejected_it() -> None:
    fates = pa.array([None, "critic", "duplicate", "votes", "too_long", "malformed"])
    assert stage_numbers(fates).tolist() == [3, 2, 1, 1, 0, -1]


def test_filters_that_decide_last_count_with_votes_and_not_with_the_rules_on_a_row() -> None:
    last = [
        rule.name
        for rule in (plugins.find("rules", name) for name in plugins.names("rules"))
        if issubclass(rule, LastFilter)
    ]
    assert last
    assert set(stage_numbers(pa.array(last)).tolist()) == {1}


def test_the_cost_of_a_critic_names_only_what_is_beyond_chance() -> None:
    cost = {
        "distinct_2": {"difference": -0.1, "low": -0.2, "high": -0.05},
        "compression": {"difference": 0.1, "low": -0.1, "high": 0.3},
    }
    said = cost_sentence({"critic_cost": cost})
    assert "distinct-2 -0.100 (-0.200 to -0.050)" in said
    assert "compression" not in said
    assert "no measure" in cost_sentence({"critic_cost": {"compression": cost["compression"]}})
    assert cost_sentence({}) == ""


@pytest.mark.slow
def test_a_corpus_tells_its_diversity_after_each_stage(corpus_folder: Path) -> None:

    corpus = load_corpus(corpus_folder)
    stages = corpus.manifest["diversity"]["stages"]
    counts = corpus.manifest["counts"]
    assert stages["parsed"]["rows"] == counts["candidates"]
    assert stages["accepted"]["rows"] == counts["accepted"]
    assert stages["accepted"]["unique"]["tail"] <= stages["parsed"]["unique"]["tail"]
    assert "## Diversity" in (corpus_folder / "README.md").read_text("utf-8")
    rows = diversity_rows(corpus.manifest["diversity"])
    assert len({len(row) for row in rows}) == 1


@pytest.mark.slow
def test_corpora_are_compared_at_equal_rows(corpus_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(corpus_folder, other)
    # As older versions wrote it: rows with their provenance.
    table = load_corpus(corpus_folder).table(provenance=True)
    shutil.rmtree(other / "provenance")
    pq.write_table(table.slice(0, 5), other / "data" / "accepted-00000.parquet")
    found = compare_corpora([corpus_folder, other])
    assert found["rows_compared"] == 5
    assert [stage["rows"] for stage in found["stages"].values()] == [table.num_rows, 5]


@pytest.mark.slow
def test_a_corpus_that_is_named_twice_is_read_once(corpus_folder: Path) -> None:
    once, twice = compare_corpora([corpus_folder]), compare_corpora([corpus_folder, corpus_folder])
    assert twice == once


@pytest.mark.slow
def test_a_corpus_that_accepted_nothing_has_no_measures_and_takes_none_from_the_others(
    corpus_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "bare" / "data").mkdir(parents=True)
    accepted = load_corpus(corpus_folder).table(provenance=True)
    pq.write_table(accepted.slice(0, 0), tmp_path / "bare" / "data" / "accepted-00000.parquet")
    found = compare_corpora([corpus_folder, tmp_path / "bare"])
    assert found["rows_compared"] == accepted.num_rows
    assert found["stages"][str(tmp_path / "bare")] == {"rows": 0, "unique": {}}
    assert len({len(row) for row in diversity_rows(found)}) == 1


@pytest.mark.slow
def test_the_command_says_so_where_there_is_nothing_to_compare(make_recipe: Make) -> None:
    with FakeServer(answer=lambda prompt, index, seed: "") as server:
        folder = run(make_recipe(server.url), quiet=True).recipe.corpus_path
    said = CliRunner().invoke(app, ["diversity", str(folder)])
    assert (said.exit_code, said.output) == (0, "nothing to compare: no row was parsed\n")


@pytest.mark.parametrize("seed", range(3))
def test_text_measures_do_not_depend_on_the_order_of_texts(seed: int) -> None:
    texts = [word_tokens(f"w{i % 5} w{i % 7} w{i % 3} end") for i in range(30)]
    shuffled = texts[:]
    random.Random(seed).shuffle(shuffled)
    for measure in (lambda t: distinct_n(t, 2), self_bleu):
        assert measure(texts) == pytest.approx(measure(shuffled))
