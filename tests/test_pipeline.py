"""The main job: the promises, from a recipe to a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.files import write_csv
from support.recipes import Make

from synthkd import Journal, filter, generate, load_corpus, publish, run
from synthkd.critics.calibration import clopper_pearson_lower
from synthkd.errors import (
    InputError,
    KindError,
    NotReachableError,
    RecipeError,
    StorageError,
    TeacherError,
)
from synthkd.stages.plan import plan_run
from synthkd.testing import FakeServer


@pytest.mark.slow
def test_a_second_run_sends_nothing_and_writes_the_identical_corpus(
    make_recipe: Make, server: FakeServer
) -> None:
    recipe = make_recipe(server.url)
    first = run(recipe, quiet=True)
    files = {p.name: p.read_bytes() for p in (recipe.corpus_path).rglob("*") if p.is_file()}
    sent = server.requests
    second = run(recipe, quiet=True)
    assert server.requests == sent == 5
    assert second.corpus.hash == first.corpus.hash
    assert {p.name: p.read_bytes() for p in recipe.corpus_path.rglob("*") if p.is_file()} == files


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"rules": [{"too_long": {"max_words": 1}}]},
        {"rules": []},
        {"corpus": {"path": "other"}},
        {"kind": {"name": "triple", "several": True}},
    ],
)
def test_a_change_of_what_comes_after_the_teacher_never_calls_it(
    make_recipe: Make, server: FakeServer, change: dict[str, object]
) -> None:
    run(make_recipe(server.url), quiet=True)
    sent = server.requests
    run(make_recipe(server.url, **change), quiet=True)
    assert server.requests == sent


@pytest.mark.slow
def test_a_change_of_what_is_sent_calls_the_teacher(make_recipe: Make, server: FakeServer) -> None:
    recipe = make_recipe(server.url)
    run(recipe, quiet=True)
    teacher = recipe.teacher.model_dump() | {
        "sampling": {"n": 3, "temperature": 0.3, "logprobs": True}
    }
    run(make_recipe(server.url, teacher=teacher), quiet=True)
    assert server.requests == 10


@pytest.mark.slow
def test_asking_for_more_samples_buys_only_the_difference(
    make_recipe: Make, server: FakeServer
) -> None:
    recipe = make_recipe(server.url)
    run(recipe, quiet=True)
    teacher = recipe.teacher.model_dump() | {"sampling": {"n": 5, "logprobs": True}}
    result = run(make_recipe(server.url, teacher=teacher), quiet=True)
    assert result.generated.sent == 10
    assert result.generated.cached == 15
    assert {n for _, _, n in server.sent} == {3, 2}


@pytest.mark.slow
def test_generated_is_accepted_and_rejected_to_the_row(make_recipe: Make) -> None:
    def answer(prompt: str, index: int, seed: int) -> str:
        return ["", "cutting", "The cutting", "x" * 200, "what?", "thing 1"][
            (index + seed + len(prompt)) % 6
        ]

    with FakeServer(answer=answer) as server:
        result = run(make_recipe(server.url, heads=20), quiet=True)
    counts = result.counts
    assert counts["completed"] == 60
    assert counts["candidates"] == counts["accepted"] + sum(counts["rejected"].values())
    assert counts["completed"] == counts["candidates"] + counts["malformed"]
    rejected = result.corpus.rejected.to_pylist()
    assert len(rejected) == sum(counts["rejected"].values()) + counts["malformed"]
    assert all(row["rejected_by"] and row["reason"] for row in rejected)
    assert all(
        row["rejected_by"] is None for row in result.corpus.table(provenance=True).to_pylist()
    )


@pytest.mark.slow
def test_a_malformed_completion_keeps_its_text(make_recipe: Make) -> None:
    with FakeServer(answer=lambda p, i, s: " ... " if i == 0 else "cutting") as server:
        result = run(make_recipe(server.url), quiet=True)
    (row, *_) = [r for r in result.corpus.rejected.to_pylist() if r["rejected_by"] == "malformed"]
    assert row["raw"] == " ... "
    assert row["tail"] is None


@pytest.mark.slow
def test_the_order_of_inputs_carries_no_meaning(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    first = run(make_recipe(server.url), quiet=True).corpus
    rows, corpus_hash = first.table(provenance=True).to_pylist(), first.hash
    recipe = make_recipe(server.url)
    inputs = [{"head": f"thing {i}", "relation": "UsedFor"} for i in (3, 1, 4, 0, 2)]
    write_csv(tmp_path / "inputs.csv", inputs)
    corpus = run(recipe, quiet=True).corpus
    assert corpus.table(provenance=True).to_pylist() == rows
    # The inputs' file is part of the manifest, and its hash stands in the footers; the rows are the
    # same.
    assert corpus_hash != corpus.hash
    assert server.requests == 5


@pytest.mark.slow
def test_repeated_input_rows_are_asked_once_and_counted(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    recipe = make_recipe(server.url)
    write_csv(tmp_path / "inputs.csv", [{"head": "knife", "relation": "UsedFor"}] * 4)
    result = run(recipe, quiet=True)
    assert server.requests == 1
    assert (result.generated.inputs, result.generated.repeated_inputs) == (1, 3)


def test_one_id_on_two_different_rows_is_refused(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    recipe = make_recipe(server.url, inputs={"path": "inputs.csv", "id": "name"})
    rows = [{"name": "a", "head": head, "relation": "UsedFor"} for head in ("knife", "fork")]
    write_csv(tmp_path / "inputs.csv", rows)
    with pytest.raises(InputError, match="row 2: the id 'a'"):
        run(recipe, quiet=True)


@pytest.mark.slow
def test_stages_alone_come_to_the_same_as_the_whole(make_recipe: Make, server: FakeServer) -> None:
    recipe = make_recipe(server.url)
    whole = run(recipe, quiet=True).corpus.hash
    generate(recipe, quiet=True)
    filter(recipe, quiet=True)
    assert publish(recipe)["corpus_hash"] == whole


def test_publishing_before_filtering_is_refused(make_recipe: Make) -> None:
    with pytest.raises(StorageError, match="synthkd filter"):
        publish(make_recipe())


@pytest.mark.slow
def test_publishing_what_another_recipe_filtered_is_refused(
    make_recipe: Make, server: FakeServer
) -> None:
    run(make_recipe(server.url), quiet=True)
    with pytest.raises(StorageError, match="another recipe"):
        publish(make_recipe(server.url, rules=[]))


def test_a_folder_that_holds_something_else_is_not_replaced(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="not a corpus"):
        run(make_recipe(server.url), quiet=True)
    assert (tmp_path / "corpus" / "thesis.txt").read_text() == "years of work"


def test_an_unknown_relation_is_refused_with_its_row(make_recipe: Make, tmp_path: Path) -> None:
    recipe = make_recipe()
    write_csv(
        tmp_path / "inputs.csv",
        [{"head": "a", "relation": "UsedFor"}, {"head": "b", "relation": "UsdFor"}],
    )
    with pytest.raises(
        KindError, match=r"row 2: unknown relation 'UsdFor'.*did you mean 'UsedFor'"
    ):
        run(recipe, quiet=True)


def test_a_missing_column_is_named_with_those_there_are(make_recipe: Make, tmp_path: Path) -> None:
    recipe = make_recipe()
    write_csv(tmp_path / "inputs.csv", [{"concept": "a"}])
    with pytest.raises(InputError, match=r"no column 'head'.*there are: concept"):
        run(recipe, quiet=True)


@pytest.mark.slow
def test_where_every_request_failed_the_run_says_why(make_recipe: Make) -> None:
    with FakeServer(rates={"404": 1.0}) as server, pytest.raises(TeacherError, match="http_404 15"):
        run(make_recipe(server.url), quiet=True)


@pytest.mark.slow
def test_what_the_server_refused_for_good_is_not_asked_again_until_told(make_recipe: Make) -> None:
    with FakeServer(script=["404"]) as server:
        recipe = make_recipe(server.url)
        run(recipe, quiet=True)
        run(recipe, quiet=True)
        assert server.requests == 5
        with Journal(recipe.journal_path) as journal:
            journal.forget_failures()
        assert run(recipe, quiet=True).counts["failed"] == 0
        assert server.requests == 6


@pytest.mark.slow
def test_two_inputs_with_equal_prompts_share_one_request(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    recipe = make_recipe(server.url, inputs={"path": "inputs.csv", "id": "name"})
    rows = [{"name": name, "head": "knife", "relation": "UsedFor"} for name in ("a", "b")]
    write_csv(tmp_path / "inputs.csv", rows)
    result = run(recipe, quiet=True)
    assert server.requests == 1
    assert result.counts["candidates"] == 6
    # Both inputs' candidates have an outcome; what says the same counts once.
    assert {row["recurrence"] for row in result.corpus.table(provenance=True).to_pylist()} == {1}


def label_sheet(path: Path, valid: float, rows: int = 600) -> None:
    """Write verdicts that the words decide.

    "good" tails are valid with the given chance, "bad" ones never.
    """
    rng = np.random.default_rng(0)
    sheet = []
    for i in range(rows):
        good = i % 2 == 0
        label = bool(good and rng.random() < valid)
        sheet.append(
            {
                "head": f"thing {i}",
                "relation": "UsedFor",
                "tail": f"{'good' if good else 'bad'} {i % 7}",
                "label": label,
            }
        )
    write_csv(path, sheet)


@pytest.mark.slow
def test_a_critic_trained_in_the_run_rejects_what_it_was_taught(
    make_recipe: Make, tmp_path: Path
) -> None:
    label_sheet(tmp_path / "labels.csv", valid=1.0, rows=900)
    with FakeServer(answer=lambda p, i, s: f"{'good' if i % 2 else 'bad'} {i}") as server:
        recipe = make_recipe(server.url, critic={"labels": "labels.csv", "precision": 0.96})
        result = run(recipe, quiet=True)
    words = [row["tail"].split()[0] for row in result.corpus.table(provenance=True).to_pylist()]
    assert words.count("good") == 5
    by_critic = [r for r in result.corpus.rejected.to_pylist() if r["rejected_by"] == "critic"]
    assert {row["tail"].split()[0] for row in by_critic} == {"bad"}
    assert all(row["score"] is not None and "below" in row["reason"] for row in by_critic)
    held = pq.read_table(result.recipe.work_dir / "critic" / "held_out.parquet").to_pylist()
    above = [row["label"] for row in held if row["score"] >= result.manifest["critic"]["threshold"]]
    # Worked out here, not read from what the run says of itself.
    assert clopper_pearson_lower(sum(above), len(above), 0.05) >= 0.96


def test_nothing_is_trained_where_there_is_no_journal(make_recipe: Make, tmp_path: Path) -> None:
    label_sheet(tmp_path / "labels.csv", valid=1.0)
    recipe = make_recipe(critic={"labels": "labels.csv"})
    with pytest.raises(InputError, match="no journal here"):
        filter(recipe, quiet=True)
    assert not recipe.work_dir.exists()


@pytest.mark.slow
def test_a_precision_kept_in_each_relation_has_a_threshold_for_each(
    make_recipe: Make, tmp_path: Path
) -> None:
    label_sheet(tmp_path / "labels.csv", valid=1.0)
    with FakeServer(answer=lambda p, i, s: f"{'good' if i % 2 else 'bad'} {i}") as server:
        critic = {"labels": "labels.csv", "precision": 0.9, "each": "relation"}
        result = run(make_recipe(server.url, critic=critic), quiet=True)
    assert list(result.manifest["critic"]["thresholds"]) == ["UsedFor"]
    assert "in each of: UsedFor" in str(result)
    assert "in each relation" in (tmp_path / "corpus" / "README.md").read_text()


@pytest.mark.slow
def test_each_of_a_column_that_is_not_there_is_refused(make_recipe: Make, tmp_path: Path) -> None:
    label_sheet(tmp_path / "labels.csv", valid=1.0)
    critic = {"labels": "labels.csv", "precision": 0.9, "each": "relatoin"}
    with pytest.raises(RecipeError, match=r"critic.each: 'relatoin' .*did you mean 'relation'"):
        run(make_recipe(critic=critic), quiet=True)


@pytest.mark.slow
def test_a_precision_that_cannot_be_had_publishes_nothing_and_says_what_would_help(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    label_sheet(tmp_path / "labels.csv", valid=0.6)
    recipe = make_recipe(server.url, critic={"labels": "labels.csv", "precision": 0.95})
    with pytest.raises(NotReachableError, match="More labels alone will not help"):
        run(recipe, quiet=True)
    assert not recipe.corpus_path.exists()


@pytest.mark.slow
def test_told_to_a_run_publishes_its_best_cut_without_a_guarantee_and_says_so_everywhere(
    make_recipe: Make, tmp_path: Path
) -> None:
    label_sheet(tmp_path / "labels.csv", valid=0.6)
    critic = {"labels": "labels.csv", "precision": 0.95, "publish_anyway": True}
    with FakeServer(
        answer=lambda prompt, index, seed: f"{'good' if index else 'bad'} {index}"
    ) as server:
        result = run(make_recipe(server.url, critic=critic), quiet=True)
    found = result.manifest["critic"]
    assert found["guarantee"] == "cannot be had"
    assert result.counts["rejected"]["critic"] > 0
    scores = result.corpus.accepted.column("score").to_pylist()
    assert min(scores) >= found["threshold"]
    card = (result.recipe.corpus_path / "README.md").read_text()
    assert "could not be reached" in card
    assert "No precision is guaranteed" in card
    assert "cannot be reached: published without a guarantee, at the best cut" in str(result)


@pytest.mark.slow
def test_each_group_without_a_guarantee_keeps_its_best_cut_if_told_to(
    make_recipe: Make, tmp_path: Path
) -> None:
    label_sheet(tmp_path / "labels.csv", valid=0.6)
    critic = {"labels": "labels.csv", "precision": 0.95, "each": "relation", "publish_anyway": True}
    with FakeServer(
        answer=lambda prompt, index, seed: f"{'good' if index else 'bad'} {index}"
    ) as server:
        result = run(make_recipe(server.url, critic=critic), quiet=True)
    cuts = result.manifest["critic"]["without_guarantee"]
    assert list(cuts) == ["UsedFor"]
    assert 0 < result.counts["accepted"] < result.counts["candidates"]
    assert "No precision is guaranteed" in (result.recipe.corpus_path / "README.md").read_text()


def limited(make_recipe: Make, folder: Path, heads: list[str], limit: int) -> list[str]:
    recipe = make_recipe(heads=1)
    write_csv(folder / "inputs.csv", [{"head": head, "relation": "UsedFor"} for head in heads])
    inputs = recipe.inputs.model_copy(update={"limit": limit})
    return [
        row["head"] for row in plan_run(recipe.model_copy(update={"inputs": inputs})).inputs.rows()
    ]


@pytest.mark.slow
def test_a_limit_is_a_sample_by_hash_which_no_order_changes_and_a_larger_one_holds(
    make_recipe: Make, tmp_path: Path
) -> None:
    heads = [f"thing {i:03}" for i in range(300)]
    ten = limited(make_recipe, tmp_path, heads, 10)
    assert len(ten) == 10
    assert ten != heads[:10]
    assert sorted(limited(make_recipe, tmp_path, heads[::-1], 10)) == sorted(ten)
    assert set(ten) < set(limited(make_recipe, tmp_path, heads, 40))
    # The sample is spread over a sorted file.
    assert max(map(int, (head[6:] for head in ten))) > 150


def test_a_limit_counts_equal_rows_once_and_one_above_all_rows_leaves_them(
    make_recipe: Make, tmp_path: Path
) -> None:
    assert len(set(limited(make_recipe, tmp_path, ["a", "b", "a", "c", "b", "d"], 3))) == 3
    assert sorted(limited(make_recipe, tmp_path, ["a", "b", "c"], 50)) == ["a", "b", "c"]


@pytest.mark.slow
def test_another_precision_calls_no_teacher(
    make_recipe: Make, server: FakeServer, tmp_path: Path
) -> None:
    label_sheet(tmp_path / "labels.csv", valid=1.0)
    run(make_recipe(server.url, critic={"labels": "labels.csv", "precision": 0.8}), quiet=True)
    sent = server.requests
    run(make_recipe(server.url, critic={"labels": "labels.csv", "precision": 0.9}), quiet=True)
    assert server.requests == sent


@pytest.mark.slow
def test_no_key_reaches_a_file_of_the_run(
    make_recipe: Make, server: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-secret")
    run(make_recipe(server.url), quiet=True)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"sk-planted-secret" not in path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "value"), [("PARTITION_ROWS", 10), ("PARTITION_BYTES", 2_000)])
def test_many_partitions_come_to_the_same_rows_as_one(
    make_recipe: Make,
    server: FakeServer,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
) -> None:
    one = run(make_recipe(server.url, heads=30), quiet=True).corpus.hash
    monkeypatch.setattr(f"synthkd.stages.filter.{limit}", value)
    many = run(make_recipe(server.url, heads=30), quiet=True)
    assert many.corpus.hash == one
    assert len(list(many.recipe.work_dir.glob("filtered/part-*.parquet"))) > 2


@pytest.mark.slow
def test_the_result_reads_well_in_a_notebook(make_recipe: Make, server: FakeServer) -> None:
    result = run(make_recipe(server.url), quiet=True)
    assert "<table>" in result._repr_html_()
    assert "accepted" in str(result)
    assert "<table>" in load_corpus(result.recipe.corpus_path)._repr_html_()


@pytest.mark.slow
def test_a_run_works_while_an_event_loop_is_running(make_recipe: Make, server: FakeServer) -> None:
    import asyncio

    async def notebook() -> int:
        return int(run(make_recipe(server.url), quiet=True).counts["accepted"])

    assert asyncio.run(notebook()) > 0
