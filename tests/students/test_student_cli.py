"""`synthkd student`: train, evaluate, predict and export, and the messages of mistakes."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.command_line import synthkd
from support.files import ROOT, write_csv

pytest.importorskip("sklearn")

from synthkd.recipe import Recipe
from synthkd.students.folders import load_student, read_manifest
from synthkd.students.train import TrainingRequest, train_student

SAID = {
    "arrival": [
        "where is my parcel",
        "my parcel has not come",
        "when does the parcel come",
        "no parcel yet",
    ],
    "refund": [
        "I want my money back",
        "send me a refund",
        "please refund the money",
        "money back please",
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {"id": f"{label}-{i}", "text": text, "label": label}
        for label, texts in SAID.items()
        for i, text in enumerate(texts)
    ]
    write_csv(tmp_path / "rows.csv", rows)
    write_csv(
        tmp_path / "test.csv",
        [
            {"text": "has my parcel come", "label": "arrival"},
            {"text": "the money, please", "label": "refund"},
        ],
    )
    return tmp_path


def student(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return synthkd("student", *arguments, cwd=folder)


def trained(folder: Path) -> Path:
    train_student(TrainingRequest(folder / "rows.csv", folder / "s", test=folder / "test.csv"))
    return folder / "s"


@pytest.mark.slow
def test_rows_train_a_student_that_is_evaluated_and_labels_rows(folder: Path) -> None:
    done = student(folder, "train", "rows.csv", "s", "--test", "test.csv", "--option", "strength=5")
    assert done.returncode == 0, done.stderr
    assert "macro_f1" in done.stdout
    judged = student(folder, "eval", "s", "test.csv", "--json")
    assert json.loads(judged.stdout)["accuracy"] == 1.0
    assert student(folder, "predict", "s", "test.csv", "out.csv").returncode == 0
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["arrival", "refund"]


def test_the_manifest_says_what_the_student_was_made_from(folder: Path) -> None:
    manifest = read_manifest(trained(folder))
    assert manifest["rows"] == 8
    assert manifest["classes"] == ["arrival", "refund"]
    assert manifest["source"]["hash"]
    assert manifest["figures"]["on"] == "test"
    assert {"numpy", "scikit-learn", "synthkd"} <= set(manifest["versions"])
    assert manifest["training_seconds"] > 0


def test_the_folder_has_a_card_and_is_still_whole(folder: Path) -> None:
    out = trained(folder)
    assert "Trained on 8 rows of 2 classes" in (out / "README.md").read_text("utf-8")
    assert load_student(out).predict(["my parcel"]) == ["arrival"]  # type: ignore[attr-defined]


@pytest.mark.slow
def test_test_rows_among_the_training_rows_give_a_warning(folder: Path) -> None:
    done = student(folder, "train", "rows.csv", "s", "--test", "rows.csv")
    assert "test: 8 rows stand among the training rows too" in done.stderr


@pytest.mark.slow
def test_an_evaluation_on_training_rows_gives_a_warning(folder: Path) -> None:
    trained(folder)
    write_csv(
        folder / "mixed.csv",
        [
            {"text": "Where is my  parcel?", "label": "arrival"},
            {"text": "the money, please", "label": "refund"},
        ],
    )
    done = student(folder, "eval", "s", "mixed.csv", "--json")
    assert "mixed.csv: the student was trained on 1 of these 2 rows" in done.stderr
    assert json.loads(done.stdout)["trained_on"] == 1
    assert "trained on" not in student(folder, "eval", "s", "test.csv").stderr


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_predictions_have_the_key_of_the_row_and_all_probabilities_where_asked(
    folder: Path, suffix: str
) -> None:
    from synthkd.rows import read_rows
    from synthkd.students.serve import open_classifier, predict_file

    out = folder / f"out.{suffix}"
    assert predict_file(open_classifier(trained(folder)), folder / "rows.csv", out, every=True) == 8
    rows = [row for batch in read_rows(out) for row in batch]
    assert rows[0]["id"] == "arrival-0"
    assert float(rows[0]["p:arrival"]) + float(rows[0]["p:refund"]) == pytest.approx(1.0)
    assert float(rows[0]["probability"]) == max(
        float(rows[0]["p:arrival"]), float(rows[0]["p:refund"])
    )


def test_rows_without_an_id_are_keyed_by_their_text(folder: Path) -> None:
    from synthkd.students.serve import open_classifier, predict_file

    write_csv(
        folder / "more.csv", [{"text": "a parcel"}, {"text": "a refund"}, {"text": "a parcel"}]
    )
    predict_file(open_classifier(trained(folder)), folder / "more.csv", folder / "out.parquet")
    keys = pq.read_table(folder / "out.parquet").column("id").to_pylist()
    assert keys[0] == keys[2] != keys[1]


def test_batches_do_not_change_what_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkd.students import serve

    model = serve.open_classifier(trained(folder))
    serve.predict_file(model, folder / "rows.csv", folder / "a.csv")
    monkeypatch.setattr(serve, "BATCH", 3)
    serve.predict_file(model, folder / "rows.csv", folder / "b.csv")
    assert (folder / "a.csv").read_text("utf-8") == (folder / "b.csv").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "rows.csv"], "name the folder of the student"),
        (["train", "rows.csv", "s", "--student", "linaer"], "did you mean 'linear'"),
        (["train", "rows.csv", "s", "--option", "strenght=1"], "did you mean 'strength'"),
        (["train", "rows.csv", "s", "--label", "lable"], "did you mean 'label'"),
        (["train", "none.csv", "s"], "none.csv: no such file"),
        (["train", "rows.csv", "s", "--student", "generator"], "name the kind with --kind"),
        (
            ["train", "rows.csv", "s", "--test", "odd.csv"],
            "odd.csv row 1: 'odd' is none of the 2 classes",
        ),
        (["train", "gap.jsonl", "s"], "gap.jsonl row 2: no column 'label'"),
        (["train", "rows.csv", "s", "--kind", "triple"], "takes no kind"),
        (
            [
                "train",
                "rows.csv",
                "s",
                "--student",
                "generator",
                "--kind",
                "labelled_text",
                "--text",
                "body",
            ],
            "leave --text and --label out",
        ),
        (["train", "rows.csv", "s", "--option", "bits=10.5"], "bits: a whole number from 8 to 22"),
        (["train", "rows.csv", "s", "--option", "seed=-1"], "seed: a whole number from 0"),
        (["train", "rows.csv", "s", "--option", "classes=ab"], "classes: a list of names"),
        (["train", "one.csv", "s"], "one class"),
        (["eval", "none", "rows.csv"], "no student here"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    folder: Path, arguments: list[str], said: str
) -> None:
    write_csv(folder / "odd.csv", [{"text": "odd", "label": "odd"}])
    (folder / "gap.jsonl").write_text('{"text": "a", "label": "b"}\n{"text": "c"}\n')
    write_csv(
        folder / "one.csv", [{"text": "odd", "label": "odd"}, {"text": "even", "label": "odd"}]
    )
    done = student(folder, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "s").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("out.txt", "name a file that ends in"),
        ("rows.csv", "in) what is read"),
        ("s", "name a file"),
    ],
)
def test_predictions_go_into_a_file_of_their_own(folder: Path, out: str, said: str) -> None:
    done = student(folder, "predict", str(trained(folder)), "rows.csv", out)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.slow
def test_a_label_that_the_student_does_not_know_is_named_with_file_and_row(folder: Path) -> None:
    write_csv(folder / "odd.csv", [{"text": "odd", "label": "odd"}])
    done = student(folder, "eval", str(trained(folder)), "odd.csv")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "odd.csv row 1: 'odd' is none of the 2 classes of the student" in done.stderr


def test_keys_that_json_has_no_form_for_are_written_as_text(folder: Path) -> None:
    import datetime

    import pyarrow as pa

    from synthkd.students.serve import open_classifier, predict_file

    rows = pa.table({"id": [datetime.date(2020, 1, 2)], "text": ["my parcel"]})
    pq.write_table(rows, folder / "rows.parquet")
    predict_file(open_classifier(trained(folder)), folder / "rows.parquet", folder / "out.jsonl")
    assert json.loads((folder / "out.jsonl").read_text())["id"] == "2020-01-02"


@pytest.mark.slow
def test_an_empty_text_is_refused_with_its_row_and_nothing_is_written(folder: Path) -> None:
    write_csv(folder / "gap.csv", [{"text": "a parcel"}, {"text": " "}])
    done = student(folder, "predict", str(trained(folder)), "gap.csv", "out.csv")
    assert "row 2: an empty text" in done.stderr
    assert not (folder / "out.csv").exists()


@pytest.mark.slow
def test_a_linear_student_is_not_exported(folder: Path) -> None:
    done = student(folder, "export", str(trained(folder)))
    assert done.returncode == 2
    assert "plain numpy already" in done.stderr


def corpus(folder: Path, example: str, limit: int, *changes: str) -> Recipe:
    """Return a small corpus of recorded completions of the shipped recipe."""
    from synthkd import pipeline

    places = [
        f"journal={folder / 'j.sqlite'}",
        f"work={folder / 'run'}",
        f"corpus.path={folder / 'corpus'}",
    ]
    recipe = Recipe.load(ROOT / "examples" / example, [f"inputs.limit={limit}", *places, *changes])
    pipeline.run(recipe, quiet=True)
    return recipe


def test_a_corpus_of_another_kind_is_refused_and_says_what_fits(folder: Path) -> None:
    (folder / "corpus").mkdir()
    manifest = {
        "manifest_version": 1, "kind": {"name": "triple", "columns": ["head", "relation", "tail"]},
        "corpus_hash": "0",
        "counts": {"accepted": 0, "candidates": 0, "rejected": {}}, "teacher": {"identity": "t"},
        "files": {},
        "recipe": {"journal": "j.sqlite", "kind": {"name": "triple"}},
    }  # fmt: skip
    (folder / "corpus" / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    done = student(folder, "train", "corpus", "s")
    assert done.returncode == 2
    assert "a corpus of the kind 'triple'" in done.stderr
    assert "--student generator" in done.stderr


def test_a_foreign_folder_is_refused_before_training(folder: Path) -> None:
    done = student(folder, "train", "rows.csv", ".")
    assert done.returncode == 4
    assert "not a student" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_recipe_names_its_corpus_and_its_student(folder: Path) -> None:
    pytest.importorskip("torch")
    recipe = corpus(
        folder, "messages.yaml", 4, "teacher.sampling.n=4", "rules=[empty, label_known]"
    )
    import yaml

    raw = {**recipe.record(), "student": {"name": "linear", "options": {"strength": 3.0}}}
    raw["inputs"]["path"] = raw["kind"]["options"]["taxonomy"] = str(
        ROOT / "corpora/everyday/intents.yaml"
    )
    (folder / "recipe.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    done = student(folder, "train", "recipe.yaml", "s")
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(folder / "s")
    assert manifest["options"] == {"strength": 3.0}
    assert manifest["source"]["corpus_hash"]
    assert manifest["source"]["teacher"]


@pytest.mark.slow
def test_a_student_that_writes_text_is_trained_and_judged_by_its_loss(folder: Path) -> None:
    pytest.importorskip("accelerate")
    from synthkd.errors import StudentError
    from synthkd.students.serve import open_classifier

    rows = [
        {"head": f"a {thing}", "relation": "UsedFor", "tail": f"{thing}ing"}
        for thing in ("cut", "writ", "sleep")
    ]
    table = write_csv(folder / "triples.csv", rows)
    options = {"epochs": 1, "base": {"layers": 1, "width": 32, "heads": 2}}
    done = train_student(
        TrainingRequest(
            table, folder / "g", student="generator", options=options, test=table, kind="triple"
        )
    )
    assert done.manifest["figures"]["loss"] > 0
    assert done.manifest["kind"] == "triple"
    assert "teacher: {backend: transformers" in (folder / "g" / "README.md").read_text("utf-8")
    with pytest.raises(StudentError, match="run it as a teacher"):
        open_classifier(folder / "g")
