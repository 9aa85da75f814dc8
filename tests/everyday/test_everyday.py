"""The everyday world: its table, its teacher, its critic, and their corpus."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.files import ROOT

from everyday.table import MAGNITUDES, RELATIONS, Table
from everyday.text import KEPT_OUT, documents, seen_facts, text_of, was_seen
from everyday.truth import Truth
from synthkd import Recipe, run
from synthkd.errors import InputError
from synthkd.kinds.relations import load_relations
from synthkd.kinds.triple import TripleKind
from synthkd.prompts import load_prompt
from synthkd.rows import read_rows

FOLDER = ROOT / "synthkd" / "teachers" / "everyday"


@pytest.fixture(scope="module")
def table() -> Table:
    return Table.load()


@pytest.mark.slow
def test_the_table_has_at_least_four_hundred_concepts_and_all_relations(table: Table) -> None:
    assert len(table.entries) >= 400
    assert {relation for _, relation, _ in table.facts} == set(RELATIONS)


@pytest.mark.slow
def test_facts_of_categories_are_inherited_unless_refused(table: Table) -> None:
    assert table.true("sparrow", "CapableOf", "breathe")
    assert table.true("dog", "IsA", "animal")
    assert not table.true("penguin", "CapableOf", "fly")


def test_part_of_is_the_inverse_of_has_a(table: Table) -> None:
    has = {(tail, head) for head, relation, tail in table.facts if relation == "HasA"}
    part = {(head, tail) for head, relation, tail in table.facts if relation == "PartOf"}
    assert has == part


@pytest.mark.parametrize("key", sorted(MAGNITUDES))
def test_each_magnitude_is_known_of_many_concepts(table: Table, key: str) -> None:
    values = [value for name in table.entries if (value := table.magnitude(name, key)) is not None]
    assert len(values) >= 80
    assert all(value >= 0 for value in values)


def test_properties_follow_from_magnitudes(table: Table) -> None:
    assert table.true("airplane", "HasProperty", "fast")
    assert table.true("airplane", "HasProperty", "expensive")
    assert not table.true("pencil", "HasProperty", "heavy")


def test_a_parent_without_an_entry_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("dog: {is: [pet]}\n")
    with pytest.raises(InputError, match="'dog' is a 'pet'"):
        Table.load(tmp_path)


def test_about_the_stated_share_of_facts_is_kept_out_of_training(table: Table) -> None:
    share = 1 - len(seen_facts(table)) / len(table.facts)
    assert abs(share - KEPT_OUT) < 0.02


@pytest.mark.slow
def test_no_kept_out_fact_is_in_the_training_text(table: Table) -> None:
    kind = TripleKind(load_relations("everyday"))
    lines = {
        line for d in documents(seen_facts(table), kind, 0) for line in text_of(d).splitlines()
    }
    hidden = [fact for fact in table.facts if not was_seen(fact)]
    for head, relation, tail in hidden:
        assert kind.verbalize({"head": head, "relation": relation, "tail": tail}) not in lines


@pytest.mark.slow
def test_facts_are_about_half_of_what_the_teacher_reads(table: Table) -> None:
    from everyday.mix import Mix

    sizes = {
        kind: sum(len(text_of(document)) for document in found)
        for kind, found in Mix(table).by_kind(0).items()
    }
    assert set(sizes) == {"triple", "comparative", "rationale", "proposition", "labelled_text"}
    assert 0.4 < sizes["triple"] / sum(sizes.values()) < 0.6


@pytest.mark.slow
def test_the_tokenizer_leaves_sentence_tags_as_plain_text() -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
    assert [tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token] == [
        "<|pad|>",
        "<|begin|>",
        "<|end|>",
    ]
    text = "<s> A dog can bark. </s>"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_no_example_of_a_prompt_is_a_kept_out_fact(table: Table) -> None:
    for rows in read_rows(ROOT / "prompts/triple/everyday-examples.jsonl"):
        for row in rows:
            fact = (row["head"], row["relation"], row["tail"])
            assert fact in table.facts
            assert was_seen(fact)


def test_the_training_text_is_laid_out_as_the_prompt_is() -> None:
    kind = TripleKind(load_relations("everyday"))
    row = {"head": "dog", "relation": "CapableOf"}
    prompt = load_prompt("triple/everyday")
    (message,) = prompt.render(row, kind, "x", 0)
    from everyday.text import few_shot

    text = text_of(few_shot(kind, "CapableOf", [("dog", "CapableOf", "bark")]))
    assert text == message["content"] + " bark\n"


def test_the_seed_inputs_are_up_to_date(table: Table) -> None:
    rows = [row for rows in read_rows(ROOT / "corpora/everyday/inputs.csv") for row in rows]
    assert [(row["head"], row["relation"]) for row in rows] == sorted(table.tails)


def test_the_checkpoint_is_small_and_was_trained_on_this_table(table: Table) -> None:
    from synthkd.keys import content_hash

    training = json.loads((FOLDER / "training.json").read_text())
    assert training["parameters"] <= 10_000_000
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 20_000_000
    assert training["table"] == content_hash(sorted(table.facts))


@pytest.mark.slow
def test_truth_depends_on_normal_forms() -> None:
    truth = Truth.load()
    assert truth.valid({"head": "Dog", "relation": "CapableOf", "tail": "bark."})
    assert not truth.valid({"head": "dog", "relation": "CapableOf", "tail": "fly"})
    assert truth.measure([]).precision == 0


@pytest.mark.slow
def test_the_example_recipe_reaches_its_target_precision_on_a_part_of_the_inputs(
    tmp_path: Path,
) -> None:
    pytest.importorskip("torch")
    changes = [
        f"journal={tmp_path}/j.sqlite",
        f"work={tmp_path}/w",
        f"corpus.path={tmp_path}/c",
        "inputs.limit=500",
    ]
    result = run(Recipe.load(ROOT / "examples/everyday.yaml", changes), quiet=True)
    truth = Truth.load()
    kept = truth.measure(result.corpus.table(provenance=True).to_pylist())
    rejected = truth.measure(
        row for row in result.corpus.rejected.to_pylist() if row["rejected_by"] == "critic"
    )
    assert kept.rows > 500
    # The bound is for the whole; a part of it may lie a little below.
    assert kept.precision > 0.88
    assert rejected.precision < 0.5
    again = run(Recipe.load(ROOT / "examples/everyday.yaml", changes), quiet=True)
    assert again.generated.sent == 0
    assert again.corpus.hash == result.corpus.hash


@pytest.mark.slow
def test_the_benchmark_prints_its_table_and_writes_its_figures(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "everyday",
        "--quick",
        "--only",
        "triple",
        "comparative",
        "--json",
        str(tmp_path / "f.json"),
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures = json.loads((tmp_path / "f.json").read_text())["figures"]
    assert "target 0.95" in printed
    assert (
        0 < figures["comparative_samples_precision"] < figures["comparative_votes_precision"] <= 1
    )
    assert 0.5 <= figures["raw_precision"] <= 0.8
    assert figures["yield_of_valid_at_asked_95"] > 1 / 3


@pytest.mark.slow
def test_the_training_script_trains(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    command = [
        sys.executable, str(ROOT / "scripts/train_everyday.py"), "--out", str(tmp_path / "m"),
        "--rows", "4",
        "--length", "32", "--width", "64", "--layers", "1", "--vocabulary", "600", "--processes",
        "1", "--save-every", "1",
    ]  # fmt: skip
    subprocess.run([*command, "--steps", "2"], check=True, capture_output=True)
    # Goes on from where it was.
    subprocess.run([*command, "--steps", "3"], check=True, capture_output=True)
    curve = json.loads((tmp_path / "m" / "training.json").read_text())["curve"]
    assert [point["step"] for point in curve] == [2, 3]
    raw = Recipe.load(
        ROOT / "examples/everyday.yaml",
        ["critic=null", f"teacher.model={tmp_path}/m", f"journal={tmp_path}/j.sqlite",
        f"work={tmp_path}/w",
         f"corpus.path={tmp_path}/c", "inputs.limit=3"],
    )  # fmt: skip
    assert run(raw, quiet=True).counts["completed"] == 30
