"""The package as it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.files import ROOT

HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "spacy",
    "pandas",
    "datasets",
    "pyarrow",
    "pydantic",
    "openai",
)


def python(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, check=True, **options
    )  # type: ignore[call-overload]


@pytest.mark.slow
def test_importing_synthkd_imports_nothing_heavy() -> None:
    code = f"import sys, synthkd; print([m for m in {HEAVY} if m in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"


@pytest.mark.slow
def test_importing_synthkd_takes_less_than_three_tenths_of_a_second() -> None:
    def seconds() -> float:
        lines = python("-X", "importtime", "-c", "import synthkd").stderr.splitlines()
        (line,) = [line for line in lines if line.rstrip().endswith("| synthkd")]
        return int(line.split("|")[1]) / 1e6

    # The best of three: a busy machine slows any one of them.
    assert min(seconds() for _ in range(3)) < 0.3


def test_the_public_names_can_all_be_reached() -> None:
    import synthkd

    for name in synthkd.__all__:
        assert getattr(synthkd, name) is not None


def test_the_typing_test_uses_every_public_name() -> None:
    import synthkd

    uses = (ROOT / "tests/typing/api.py").read_text("utf-8")
    assert [name for name in synthkd.__all__ if f"synthkd.{name}" not in uses] == []


@pytest.mark.slow
def test_the_command_line_loads_no_torch_to_print_its_help() -> None:
    code = (
        "import sys; from synthkd.cli.app import app; print('torch' in sys.modules, 'sklearn' in"
        " sys.modules)"
    )
    assert python("-c", code).stdout.strip() == "False False"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    python("-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT))
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_prompts_critics_corpora_examples_and_the_teacher(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "synthkd/data/prompts/triple/everyday.j2",
        "synthkd/data/critics/everyday/critic.json",
        "synthkd/data/corpora/everyday/inputs.csv",
        "synthkd/data/examples/everyday.yaml",
        "synthkd/teachers/everyday/model.safetensors",
        "synthkd/py.typed",
    ):
        assert name in names


@pytest.mark.slow
def test_the_wheel_runs_from_another_folder_in_an_environment_of_its_own(
    wheel: Path, tmp_path: Path
) -> None:
    python("-m", "venv", str(tmp_path / "env"))
    installed = tmp_path / "env" / "bin"
    constraints = str(ROOT / "constraints.txt")
    pip = [
        str(installed / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "-c",
        constraints,
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def synthkd(*args: str) -> subprocess.CompletedProcess[str]:
        command = [str(installed / "synthkd"), *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=clean)

    assert synthkd("init", "mine").returncode == 0
    dry = synthkd("run", "mine/recipe.yaml", "--dry-run", "--limit", "3")
    assert "nothing was sent" in dry.stdout
    # The core has neither scikit-learn nor torch: the error names the extra that has.
    for extra, options in (("critics", []), ("local", ["--set", "critic=null"])):
        refused = synthkd("run", "mine/recipe.yaml", "--limit", "3", *options)
        assert refused.returncode == 2, refused.stderr
        assert f"synthkd[{extra}]" in refused.stderr
