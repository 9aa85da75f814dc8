"""All benchmarks: their parts, bounds and results."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import NAMES, __main__, base
from benchmarks.base import Benchmark, Figures, Options, at_least, at_most, load
from benchmarks.results_page import PAGE, Results, page

FOLDERS = sorted(path.parent.name for path in (base.ROOT / "benchmarks").glob("*/__init__.py"))


def counted(options: Options) -> Figures:
    return {"parts": len(options.only)}


def failing(_options: Options) -> Figures:
    raise RuntimeError("this part cannot be measured")


def example(**declared: object) -> Benchmark:
    parts = {
        "one": f"{__name__}:counted",
        "two": f"{__name__}:counted",
        "three": f"{__name__}:failing",
    }
    return Benchmark("example", "An example.", parts, **{"named_only": ("three",), **declared})  # type: ignore[arg-type]


def test_every_folder_declares_a_benchmark_of_its_name() -> None:
    assert list(NAMES) == FOLDERS == [load(name).name for name in NAMES]


def test_the_list_names_every_benchmark_and_part() -> None:
    listing = __main__.listing()
    for name in NAMES:
        assert load(name).summary in listing
        assert all(part in listing for part in load(name).parts)


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_every_benchmark_names_its_parts(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        load(name).options(["--help"])
    assert end.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert load(name).summary.split(":")[0] in printed
    assert next(iter(load(name).parts)) in printed


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_part_can_be_called(name: str) -> None:
    pytest.importorskip("sklearn")
    for path in load(name).parts.values():
        module, _, function = path.partition(":")
        assert callable(getattr(import_module(module), function))


def test_parts_of_one_function_are_measured_by_one_call() -> None:
    options = example().options([])
    assert options.only == ("one", "two")
    assert list(example().measure(options)) == [("one, two", {"parts": 2})]
    assert example().figures(example().options(["--only", "two"])) == {"parts": 1}


def test_a_part_that_only_runs_by_name_runs_by_name() -> None:
    with pytest.raises(RuntimeError, match="cannot be measured"):
        example().figures(example().options(["--only", "one,three"]))


def test_a_quick_run_takes_the_quick_parts() -> None:
    assert example(quick_parts=("two",)).options(["--quick"]).only == ("two",)
    assert example(quick_parts=("two",)).options(["--quick", "--only", "one"]).only == ("one",)


def test_an_unknown_part_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        example().options(["--only", "four"])
    assert "unknown parts: four; there are: one, two, three" in capsys.readouterr().err


def test_a_figure_is_compared_with_its_bound() -> None:
    benchmark = example(wanted={"parts": at_least(3), "errors": at_most(0)})
    assert __main__.verdict(benchmark, "parts", 2) == "NO: at least 3"
    assert __main__.verdict(benchmark, "errors", 0) == "yes: at most 0"
    assert (
        __main__.verdict(benchmark, "errors", None) == __main__.verdict(benchmark, "other", 1) == ""
    )


def test_figures_are_written_with_date_commit_and_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(__main__, "_commit", lambda: "abc1234")
    __main__.run(example(), ["--only", "one", "--json", str(tmp_path / "run.json")])
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["figures"] == {"parts": 1}
    assert record["commit"] == "abc1234"
    assert record["command"].startswith("python -m benchmarks example --only one")
    assert "parts" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_every_wanted_figure_has_a_result_or_a_reason(name: str) -> None:
    results = Results(name)
    for figure in load(name).wanted:
        assert figure in results.missing or results.value(figure) is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_run_has_its_date_commit_and_command(name: str) -> None:
    for run in Results(name).runs:
        assert run["figures"]
        assert run["date"].startswith("20")
        assert "commit" in run
        assert "command" in run


def test_the_tables_of_the_page_are_up_to_date() -> None:
    text = PAGE.read_text("utf-8")
    assert page(text) == text


def test_links_into_the_page_lead_to_its_headings() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("#")
    }
    for file in [base.ROOT / "README.md", *(base.ROOT / "docs").rglob("*.md")]:
        assert {*re.findall(r"RESULTS\.md#([\w-]+)", file.read_text("utf-8"))} <= headings, file


def test_every_table_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    for name in NAMES:
        for table in Results(name).tables:
            assert text.count(f"<!-- table {name}/{table} -->") == 1


def test_a_table_formats_its_figures(tmp_path: Path) -> None:
    figures = {
        "gain": {"value": -0.0126, "low": -0.02, "high": 0.01},
        "share": 0.125,
        "rows": 12_000,
        "equal": True,
    }
    cells = [
        "{gain:+.3f} ({gain.low:.2f} to {gain_high:.2f})",
        "{share:.1%}",
        "{rows:,}; {equal:yes}",
        "{a: 0}",
    ]
    content = {
        "runs": [{"date": "2026-11-21", "commit": "abc1234", "figures": figures}],
        "tables": {"one": {"columns": ["a", "b", "c", ""], "rows": [cells]}},
    }
    (tmp_path / "example.json").write_text(json.dumps(content))
    lines = Results("example", tmp_path).table("one").splitlines()
    assert lines[2] == "| −0.013 (−0.02 to 0.01) | 12.5 % | 12,000; yes | {a: 0} |"
    assert lines[-1] == "Recorded on 2026-11-21 (abc1234)."


def test_a_figure_in_two_runs_is_refused(tmp_path: Path) -> None:
    content = {"runs": [{"figures": {"a": 1}}, {"figures": {"a": 2}}], "tables": {}}
    (tmp_path / "example.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="figures in two runs: a"):
        Results("example", tmp_path)
