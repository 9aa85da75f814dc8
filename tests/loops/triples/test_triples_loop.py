"""The loop over triples: the embedded teacher, the shipped critic, and a tiny student."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT, write_csv

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from synthkd import Recipe, load_corpus
from synthkd.errors import CriticError, InputError, RecipeError
from synthkd.loops import DistillResult, distill
from synthkd.loops.rounds import folder_hash
from synthkd.loops.task import ValidationResult
from synthkd.loops.triples.answers import train_examiner
from synthkd.loops.triples.questions import head_of
from synthkd.loops.triples.task import TripleTask

pytestmark = pytest.mark.slow

TINY = {
    "base": {"layers": 1, "width": 32, "vocabulary": 300, "context": 64},
    "epochs": 1,
    "batch_size": 64,
}


def recipe_in(folder: Path, *more: str) -> Recipe:
    """Return the example, small, with all that it writes in a folder."""
    places = [f"journal={folder}/j.sqlite", f"work={folder}/run", f"corpus.path={folder}/corpus"]
    small = [
        "inputs.limit=200",
        "teacher.sampling.n=4",
        "teacher.threads=1",
        "loop.rounds=2",
        "loop.rows=12",
    ]
    student = [f"student.options={json.dumps(TINY)}", f"student.path={folder}/student"]
    return Recipe.load(ROOT / "examples/pgkd-triples.yaml", [*places, *small, *student, *more])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, DistillResult]:
    recipe = recipe_in(tmp_path_factory.mktemp("loop"))
    return recipe, distill(recipe, quiet=True)


Done = tuple[Recipe, DistillResult]


def asked(recipe: Recipe) -> list[tuple[str, str]]:
    files = sorted(recipe.work_dir.glob("rounds/*/inputs.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    return [(row["head"], row["relation"]) for row in rows]


def records(recipe: Recipe) -> list[dict[str, Any]]:
    return [
        json.loads(file.read_text("utf-8"))
        for file in sorted(recipe.work_dir.glob("rounds/*/round.json"))
    ]


def test_a_round_asks_for_as_many_questions_as_the_recipe_says_and_none_twice(done: Done) -> None:
    found = asked(done[0])
    assert len(found) == len(set(found)) == 3 * 12


def test_heads_of_validation_are_never_asked_about(done: Done) -> None:
    task = TripleTask(done[0])
    assert task.validation.heads
    assert not {head for head, _ in asked(done[0])} & set(task.validation.heads)
    assert (
        not set(load_corpus(done[0].corpus_path).table().column("head").to_pylist())
        & task.validation.heads
    )


def test_each_round_has_figures_of_every_relation(done: Done) -> None:
    for record in records(done[0]):
        shown, relations = record["figures"]["shown"], record["figures"]["details"]["relations"]
        assert 0 <= shown["validity"] <= 1
        questions = sum(figures["questions"] for figures in relations.values())
        mean = (
            sum(figures["questions"] * figures["validity"] for figures in relations.values())
            / questions
        )
        assert mean == pytest.approx(shown["validity"], abs=1e-5)


def test_a_round_that_is_lost_is_done_again_to_the_same_files_and_buys_nothing(
    done: Done, tmp_path: Path
) -> None:
    recipe, result = done
    before = {
        path.name: folder_hash(path / "student")
        for path in sorted(recipe.work_dir.glob("rounds/*"))
    }
    told = (recipe.work_dir / "distill.json").read_bytes()
    shutil.rmtree(recipe.work_dir / "rounds" / "002")
    again = distill(recipe.with_parts(teacher=recipe.teacher), quiet=True)
    assert {
        p.name: folder_hash(p / "student") for p in sorted(recipe.work_dir.glob("rounds/*"))
    } == before
    assert (recipe.work_dir / "distill.json").read_bytes() == told
    assert again.best == result.best
    generated = json.loads((recipe.work_dir / "rounds/002/run/generated.json").read_text("utf-8"))
    assert generated["sent"] == 0


def test_a_loop_of_another_allocation_has_the_same_first_round_and_journal(
    done: Done, tmp_path: Path
) -> None:
    journal = f"journal={done[0].journal_path}"
    other = recipe_in(tmp_path, journal, "loop.allocate=uniform", "loop.rounds=1")
    distill(other, quiet=True)
    first = [
        file.read_bytes()
        for file in (r.work_dir / "rounds/000/inputs.jsonl" for r in (done[0], other))
    ]
    assert first[0] == first[1]
    generated = json.loads((other.work_dir / "rounds/000/run/generated.json").read_text("utf-8"))
    assert generated["sent"] == 0


def test_a_pool_that_is_asked_out_ends_the_loop(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path, "inputs.limit=60", "loop.rows=30", "loop.rounds=3")
    result = distill(recipe, quiet=True)
    assert "nothing more to ask" in result.ended
    task = TripleTask(recipe)
    assert sorted(asked(recipe)) == sorted((q.row["head"], q.relation) for q in task.questions)


def test_known_answers_give_a_loss_and_a_share_of_right_answers(tmp_path: Path) -> None:
    gold = write_csv(tmp_path / "gold.csv", [
        {"head": "acorn", "relation": "IsA", "tail": "seed"}, {"head": "actor",
        "relation": "CapableOf", "tail": "speak"},
    ])  # fmt: skip
    recipe = recipe_in(
        tmp_path, f"loop.validation={{path: {gold}}}", "loop.metric=loss", "loop.rounds=1"
    )
    distill(recipe, quiet=True)
    first = records(recipe)[0]["figures"]
    assert first["shown"]["loss"] > 0
    assert first["score"] == -first["shown"]["loss"]
    assert 0 <= first["shown"]["gold"] <= 1
    assert not {"acorn", "actor"} & {head for head, _ in asked(recipe)}


def test_rows_to_start_from_lose_the_heads_that_measure(tmp_path: Path) -> None:
    with (ROOT / "critics/everyday-labels.csv").open(encoding="utf-8") as file:
        rows = [{k: row[k] for k in ("head", "relation", "tail")} for row in csv.DictReader(file)][
            :300
        ]
    start = write_csv(tmp_path / "start.csv", rows)
    task = TripleTask(recipe_in(tmp_path, f"loop.start={{path: {start}}}"))
    kept = {head_of(task.plan.kind, row) for row in task.initial_rows()}
    assert kept
    assert not kept & task.held_out_heads
    assert any("left out" in line for line in task.notices)
    assert task.initial_inputs(task.initial_rows(), 0, []) == []


def test_an_input_with_a_held_head_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    task = TripleTask(recipe_in(tmp_path))
    with pytest.raises(InputError, match="never asked about"):
        task.check_inputs([task.validation.questions[0].row])


def test_the_student_s_weak_relations_are_asked_for_more_often(tmp_path: Path) -> None:
    task = TripleTask(recipe_in(tmp_path, "inputs.limit=3000", "loop.rows=80"))
    weak = {
        name: {"questions": 50, "validity": 0.1 if name == "HasA" else 0.9}
        for name in task.pool.relations
    }
    figures = ValidationResult(0.5, {}, {"relations": weak})
    first = task.initial_inputs([], 0, [])
    rows = [{"id": f"{i}", "relation": name} for name in task.pool.relations for i in range(20)]
    inputs = task.next_inputs(1, None, figures, rows, first)  # type: ignore[arg-type]
    counts = {name: sum(row["relation"] == name for row in inputs) for name in task.pool.relations}
    assert max(counts, key=lambda name: counts[name]) == "HasA"
    assert min(counts.values()) > 0


def test_the_examiner_knows_mistakes_that_no_teacher_made(tmp_path: Path) -> None:
    import pyarrow as pa

    task = TripleTask(recipe_in(tmp_path))
    rows = [
        ("dog", "UsedFor", "animal"),
        ("cup", "AtLocation", "swim"),
        ("bird", "MadeOf", "fly"),
        ("car", "CapableOf", "metal"),
    ]
    table = pa.table(dict(zip(("head", "relation", "tail"), zip(*rows, strict=True), strict=True)))
    critic, examiner = task.decision.trained, train_examiner(task.decision.trained, 0)
    assert examiner.score(table).mean() < 0.2 < critic.score(table).mean()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ("critic=null", RecipeError, "needs a critic"),
        ("critic.precision=0.999", Exception, "nothing is published"),
        ("critic.path=nowhere", CriticError, "no critic here"),
        ("student.name=linear", RecipeError, "learns labels"),
        ("student.options={bese: x}", RecipeError, "no option 'bese'"),
        ("loop.mine={hard: 0}", RecipeError, "loop.mine means nothing for triples"),
        ("loop.minimum=3", RecipeError, "loop.minimum means nothing"),
        ("loop.report=false", RecipeError, "loop.report means nothing"),
        ("loop.near=0.9", RecipeError, "loop.near means nothing"),
        ("loop.allocate=teacher", RecipeError, "own or uniform"),
        ("loop.metric=macro_f1", RecipeError, "no figure of a generator"),
        ("loop.metric=loss", RecipeError, "needs known answers"),
        ("loop.test={path: x.csv, label: tail}", RecipeError, "leave out text and label"),
        ("loop.validation={path: nowhere.csv}", InputError, "no such file"),
        ("inputs.limit=1", InputError, "two at least"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_anything_is_sent(
    change: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        TripleTask(recipe_in(tmp_path, change))
    assert not (tmp_path / "j.sqlite").exists()


def test_a_row_without_a_head_is_named(tmp_path: Path) -> None:
    rows = write_csv(
        tmp_path / "rows.csv", [{"head": "dog", "relation": "IsA"}, {"head": "", "relation": "IsA"}]
    )
    with pytest.raises(InputError, match=r"rows.csv row 2: no 'head'"):
        TripleTask(recipe_in(tmp_path, f"loop.test={{path: {rows}}}"))
