"""Options of students: refused in one line before anything is trained or bought."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.recipes import write_triples_recipe

from synthkd import plugins, run
from synthkd.errors import StudentError
from synthkd.options import described
from synthkd.recipe import Recipe
from synthkd.students.train import make_student

WRONG = [
    ("linear", {"strenght": 3}, "no option 'strenght' (did you mean 'strength'?)"),
    ("linear", {"bits": "many"}, "bits: a whole number from 8 to 22 is needed, not 'many'"),
    ("linear", {"calibrate": 1.5}, "calibrate: true or false is needed, not 1.5"),
    ("linear", {"strength": 0}, "strength: a number above 0 is needed, not 0"),
    ("linear", {"features": "embeddings"}, "`encoder` and `features: embeddings` belong together"),
    ("encoder", {"start": "none"}, "base: needed (a text)"),
    ("encoder", {"base": "x", "epochs": True}, "epochs: a whole number from 1 on is needed"),
    ("encoder", {"base": "x", "dropout": 1}, "dropout: a number from 0 on and below 1 is needed"),
    (
        "encoder",
        {"base": "x", "start": "contrastive", "soft": "kl"},
        "a contrastive start compares texts by their labels and reads no soft ones",
    ),
    ("generator", {"lora": {"rank": 4}}, "lora: no option 'rank'"),
    ("generator", {"lora": {"r": 0}}, "lora.r: a whole number from 1 on is needed, not 0"),
    ("generator", {"base": {"vocabulary": 3}}, "base.vocabulary: a whole number from 259 on"),
    ("generator", {"schedule": "steps"}, "schedule: one of linear, cosine, constant is needed"),
    (
        "generator",
        {"objective_options": {"beta": 1}},
        "objective_options: the objective ce has none; take objective qcrd",
    ),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_a_wrong_option_is_refused_with_field_type_and_bounds(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudentError) as caught:
        make_student(name, options)
    assert str(caught.value).startswith(f"student {name!r}: ")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("name", "options", "message"), [WRONG[0], WRONG[1], WRONG[3], WRONG[4]])
def test_a_run_refuses_a_wrong_option_of_its_student_before_anything_is_sent(
    tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    student = {"name": name, "options": options}
    path = write_triples_recipe(tmp_path, "http://127.0.0.1:9/v1", 3, student=student)
    recipe = Recipe.load(path)
    with pytest.raises(StudentError) as caught:
        run(recipe)
    assert message in str(caught.value)
    assert not recipe.journal_path.exists()


@pytest.mark.parametrize(
    ("options", "epochs", "lr"),
    [
        ({}, 20, 5e-5),
        ({"start": "contrastive"}, 5, 3e-5),
        ({"start": "contrastive", "epochs": 2}, 2, 3e-5),
    ],
)
def test_defaults_of_an_encoder_depend_on_its_start(
    options: dict[str, Any], epochs: int, lr: float
) -> None:
    made = plugins.find("students", "encoder").checked({"base": "x", **options})
    assert (made.epochs, made.lr) == (epochs, lr)


@pytest.mark.parametrize("name", ["linear", "encoder", "generator"])
def test_every_option_has_a_meaning(name: str) -> None:
    options = described(plugins.find("students", name).Options)
    assert [option for option, facts in options.items() if not facts["about"]] == []


def test_options_within_an_option_are_described_after_it() -> None:
    options = described(plugins.find("students", "generator").Options)
    assert options["lora.r"]["default"] == 16
    assert list(options).index("lora.r") == list(options).index("lora") + 1


@pytest.mark.slow
def test_options_are_described_without_loading_a_library_of_training() -> None:
    code = (
        "import sys; from synthkd.commands.describe import describe; describe('students');"
        "print({'torch', 'sklearn', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
