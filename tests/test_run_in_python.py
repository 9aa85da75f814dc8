"""`run` and the other verbs with what Python has: rows, rules, critics and limits in memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import synthkd
from synthkd.errors import InputError, Interrupted, RecipeError
from synthkd.stages.interrupt import HANDLE, StopHandle

ROWS = [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(5)]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keys of a recipe without inputs, as a notebook has them."""
    monkeypatch.chdir(tmp_path)
    return {
        "name": "triples",
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": {"backend": "openai", "model": "fake", "sampling": {"n": 2}},
        "corpus": {"path": "corpus"},
    }


@pytest.fixture
def fake_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[synthkd.FakeServer]:
    with synthkd.FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key of tests")
        yield server


def frame(rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows)


@pytest.mark.slow
@pytest.mark.parametrize("make", [list, iter, pa.Table.from_pylist, frame])
def test_rows_in_memory_ask_what_the_same_rows_in_a_file_ask(
    make: Any, recipe: dict[str, Any], fake_server: synthkd.FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("head,relation\n" + "".join(
        f"{row['head']},{row['relation']}\n" for row in ROWS
    ))  # fmt: skip
    of_file = synthkd.run({**recipe, "inputs": {"path": "rows.csv"}}, quiet=True)
    sent = fake_server.requests

    of_memory = synthkd.run(recipe, inputs=make(ROWS), quiet=True)

    assert fake_server.requests == sent == 5
    assert of_memory.corpus.accepted["id"] == of_file.corpus.accepted["id"]


@pytest.mark.slow
def test_a_recipe_of_rows_is_run_more_than_once(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    made = synthkd.Recipe(**recipe, inputs=iter(ROWS))

    first, second = synthkd.run(made, quiet=True), synthkd.run(made, quiet=True)

    assert first.corpus.hash == second.corpus.hash
    assert fake_server.requests == 5


@pytest.mark.slow
def test_the_stages_one_by_one_leave_what_run_leaves(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    made = synthkd.Recipe(**recipe, inputs=ROWS)
    synthkd.generate(made, quiet=True)
    synthkd.filter(made, quiet=True)
    manifest = synthkd.publish(made)

    assert manifest["corpus_hash"] == synthkd.run(made, quiet=True).corpus.hash


@pytest.mark.slow
def test_a_corpus_of_one_run_is_the_inputs_of_the_next(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    corpus = synthkd.run(recipe, inputs=ROWS, quiet=True).corpus
    second = {**recipe, "name": "second", "corpus": {"path": "second"}}
    second["inputs"] = {"path": ".", "columns": ["head", "relation"]}

    result = synthkd.run(second, inputs=corpus, quiet=True)

    assert result.counts["asked"] == 2 * len({row["head"] for row in corpus})


@pytest.mark.slow
def test_a_rule_of_a_notebook_rejects_rows(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    def not_zero(row: dict[str, Any]) -> str | None:
        return "it is zero" if row["head"].endswith("0") else None

    result = synthkd.run(recipe, inputs=ROWS, rules=["empty", not_zero], quiet=True)

    assert result.corpus.rejected.where(rejected_by="not_zero").to_pylist()
    assert all(not row["head"].endswith("0") for row in result.corpus)


@pytest.mark.slow
def test_a_budget_ends_a_run_and_a_larger_one_goes_on(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    teacher = {"price": {"input": 0.0, "output": 1000.0}, "sampling": {"n": 1, "max_tokens": 10}}
    part = synthkd.run(recipe, inputs=ROWS, teacher=teacher, budget=0.011, quiet=True)
    assert 0 < part.generated.completed < 5
    assert part.generated.cost is not None
    assert part.generated.cost <= 0.011

    rest = synthkd.run(recipe, inputs=ROWS, teacher=teacher, budget=1, quiet=True)
    assert rest.generated.completed == 5 - part.generated.completed


@pytest.mark.slow
def test_limit_reads_a_part_of_the_rows_and_target_ends_at_so_many(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    assert synthkd.dry_run(recipe, inputs=ROWS, limit=2).inputs == 2  # type: ignore[union-attr]
    result = synthkd.run(recipe, inputs=ROWS, target=3, quiet=True)

    assert len(result.corpus) >= 3
    assert fake_server.requests < 10


def test_a_dry_run_of_rows_writes_nothing(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer, tmp_path: Path
) -> None:
    plan = synthkd.dry_run(recipe, inputs=ROWS)

    assert "reads outside   none" in str(plan)
    assert list(tmp_path.iterdir()) == []
    assert fake_server.requests == 0


@pytest.mark.slow
def test_a_probe_of_rows_sends_a_few(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    estimate = synthkd.probe(recipe, 2, inputs=ROWS)

    assert estimate is not None
    assert fake_server.requests == 2
    assert repr(estimate).startswith("<Probe: 2 of 5 requests asked")


def test_messages_call_the_rows_inputs_and_not_by_a_file(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    with pytest.raises(InputError) as error:
        synthkd.run(recipe, inputs=[{"heads": "a", "relation": "UsedFor"}], quiet=True)

    assert str(error.value).startswith("inputs row 1: no column 'head', but 'heads'")


@pytest.mark.slow
def test_a_run_works_inside_of_a_running_loop(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    async def cell() -> synthkd.RunResult:
        return synthkd.run(recipe, inputs=ROWS, quiet=True)

    assert asyncio.run(cell()).counts["asked"] == 10


@pytest.mark.slow
def test_the_loop_goes_on_while_a_twin_runs(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    fake_server.latency = 0.3
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    async def both() -> synthkd.RunResult:
        ticking = asyncio.create_task(tick())
        result = await synthkd.arun(recipe, inputs=ROWS, quiet=True)
        ticking.cancel()
        return result

    assert len(asyncio.run(both()).corpus) > 0
    assert ticks >= 5


@pytest.mark.slow
def test_a_cancelled_twin_keeps_what_was_paid_for(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    fake_server.latency = 0.3
    teacher = {"concurrency": 2, "adaptive": False}
    rows = [{"head": f"thing {i}", "relation": "UsedFor"} for i in range(40)]

    async def cancelled() -> None:
        running = asyncio.create_task(
            synthkd.arun(recipe, inputs=rows, teacher=teacher, quiet=True)
        )
        while fake_server.requests < 4:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    sent = fake_server.requests
    assert sent < 40
    fake_server.latency = 0.0

    synthkd.run(recipe, inputs=rows, teacher=teacher, quiet=True)
    # What was in flight when it was stopped was waited for, and committed.
    assert fake_server.requests == 40


@pytest.mark.slow
def test_a_run_in_a_thread_is_stopped_by_the_handle_of_its_context(
    recipe: dict[str, Any], fake_server: synthkd.FakeServer
) -> None:
    fake_server.latency = 0.2
    handle, raised = StopHandle(), list[BaseException]()

    def work() -> None:
        HANDLE.set(handle)
        try:
            synthkd.run(recipe, inputs=ROWS, teacher={"concurrency": 1}, quiet=True)
        except Interrupted as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while fake_server.requests < 1:
        time.sleep(0.01)
    handle.stop()
    thread.join(20)

    assert "the same command goes on from there" in str(raised[0])
    assert fake_server.requests < 5


def test_a_recipe_in_python_names_all_mistakes_at_once() -> None:
    with pytest.raises(RecipeError) as error:
        synthkd.Recipe(name="a b", inputz=[], teacher={"modl": "x"})  # type: ignore[call-arg]

    said = str(error.value)
    assert "inputz: unknown key (did you mean 'inputs'?)" in said
    assert "teacher.modl: unknown key (did you mean 'model'?)" in said
    assert "corpus: Field required" in said
