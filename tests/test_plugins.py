"""Plug-ins: the doors by which they come in, and what does not fit the contract."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field
from support.command_line import synthkd as command_line
from support.files import write_csv
from support.recipes import Make, write_triples_recipe

import synthkd
from synthkd import plugins
from synthkd.commands.describe import describe
from synthkd.errors import CriticError, RecipeError, UserError
from synthkd.filters.base import Filter, Reasons
from synthkd.filters.rules import TooLong
from synthkd.kinds.base import Kind
from synthkd.pipeline import run
from synthkd.testing import FakeServer


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_registered", {})
    monkeypatch.setattr(plugins, "_found_by_path", {})


def no_tails_of(
    row: Mapping[str, Any], *, word: str = "cutting", times: Annotated[int, Field(ge=1)] = 1
) -> str | None:
    """Reject a word in tails."""
    return f"says {word}" if str(row["tail"]).count(word) >= times else None


FILE = """
from synthkd.filters.row_rules import RowRule

class NoCups(RowRule):
    name = "no_cups"
    def check(self, row, kind):
        return "a cup" if "cup" in row["head"] else None

def everything(row):
    return "rejected"
"""


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_rules.py"
    path.write_text(FILE)
    return path


def test_a_rule_is_found_by_file_and_name(rules_file: Path) -> None:
    rule = plugins.make("rules", "my_rules.py:NoCups", {}, rules_file.parent)
    assert rule.name == "no_cups"


def test_a_rule_is_found_by_module_and_name(tmp_path: Path) -> None:
    assert plugins.find("rules", "synthkd.filters.rules:TooLong", tmp_path) is TooLong


def test_code_is_loaded_by_path_for_a_recipe_alone() -> None:
    with pytest.raises(CriticError, match="unknown critic 'os:system'"):
        plugins.find("critics", "os:system")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such.py:Rule", "rule 'no_such.py:Rule': no file no_such.py"),
        ("no_such_module:Rule", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("my_rules.py:NoCup", "has no 'NoCup' \\(did you mean 'NoCups'\\?\\)"),
        ("synthkd.kinds.triple:TripleKind", "is no subclass of synthkd.filters.base.Filter"),
        ("synthkd.keys:content_hash", "takes one row"),
    ],
)
def test_a_path_that_leads_to_no_rule_is_refused(rules_file: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        plugins.find("rules", name, rules_file.parent)


def test_a_module_that_raises_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(RecipeError, match=r"broken.py cannot be imported: ZeroDivisionError"):
        plugins.find("rules", "broken.py:Rule", tmp_path)


def test_a_decorated_function_is_known_by_its_name() -> None:
    synthkd.rule(no_tails_of)
    rule = plugins.make("rules", "no_tails_of", {"word": "knife"})
    assert rule.options.word == "knife"
    assert "no_tails_of" in plugins.names("rules")


def test_a_decorator_can_give_another_name() -> None:
    assert synthkd.rule(name="no-tails")(no_tails_of) is no_tails_of
    assert plugins.find("rules", "no-tails").name == "no-tails"


def test_the_name_of_an_installed_plug_in_is_not_taken() -> None:
    with pytest.raises(RecipeError, match="rule 'empty': an installed package has the name"):
        synthkd.rule(name="empty")(no_tails_of)


def test_options_of_a_function_are_its_keyword_only_parameters() -> None:
    synthkd.rule(no_tails_of)
    with pytest.raises(
        RecipeError, match="rule 'no_tails_of': times: a whole number from 1 on is needed, not 0"
    ):
        plugins.make("rules", "no_tails_of", {"times": 0})


@pytest.mark.parametrize("returned", [True, 3, ""])
def test_a_function_that_returns_no_reason_is_refused(make_recipe: Make, returned: Any) -> None:
    with (
        FakeServer() as server,
        pytest.raises(RecipeError, match="a rule returns None for a row that passes"),
    ):
        run(make_recipe(server.url), quiet=True, rules=[lambda row: returned])


def test_a_function_that_raises_is_named_with_the_row(make_recipe: Make) -> None:
    def careless(row: Mapping[str, Any]) -> str | None:
        return row["no such column"]  # type: ignore[no-any-return]

    with (
        FakeServer() as server,
        pytest.raises(RecipeError, match="rule 'careless' raised KeyError: 'no such column'; row"),
    ):
        run(make_recipe(server.url), quiet=True, rules=[careless])


class NoLetters(Filter):
    """Reject everything."""

    name = "no_letters"

    def reject(self, batch: Any, kind: Kind) -> Reasons:
        return ["has letters"] * batch.num_rows


def test_rules_given_in_python_take_the_place_of_the_recipes(make_recipe: Make) -> None:
    with FakeServer() as server:
        result = run(
            make_recipe(server.url, rules=["empty"]),
            quiet=True,
            rules=["empty", {"too_long": {"max_words": 50}}, NoLetters],
        )
    assert result.counts["accepted"] == 0
    assert result.counts["rejected"]["no_letters"] == result.counts["candidates"]


def test_a_rule_of_this_process_cannot_serve_workers(make_recipe: Make) -> None:
    with FakeServer() as server, pytest.raises(RecipeError, match="known in this process alone"):
        run(make_recipe(server.url), quiet=True, workers=2, rules=[lambda row: None])


def test_a_rule_of_a_file_is_named_in_a_recipe(make_recipe: Make, rules_file: Path) -> None:
    with FakeServer() as server:
        result = run(make_recipe(server.url, rules=["my_rules.py:everything"]), quiet=True)
    assert result.counts["rejected"]["everything"] == result.counts["candidates"]


CRITIC = """
import json
import numpy as np
from synthkd.critics import CriticModel

class LengthCritic(CriticModel):
    name = "length"
    def fit(self, rows, labels, groups=(), weights=None):
        self.mean = float(self.lengths(rows)[labels].mean())
    def score(self, batch):
        return np.exp(-np.abs(self.lengths(batch) - self.mean))
    def lengths(self, rows):
        return np.array([len(text) for text in rows.column("tail").to_pylist()], dtype=float)
    def save(self, folder):
        (folder / "length.json").write_text(json.dumps(self.mean))
    @classmethod
    def load(cls, folder, kind, /, **options):
        critic = cls(kind)
        critic.mean = json.loads((folder / "length.json").read_text())
        return critic
"""


def test_a_critic_of_a_file_is_trained_in_a_run(make_recipe: Make, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "lengths.py").write_text(CRITIC)
    rows = [
        {
            "head": f"thing {i}",
            "relation": "UsedFor",
            "tail": "x" * (5 if i % 2 else 30),
            "label": i % 2,
        }
        for i in range(300)
    ]
    write_csv(tmp_path / "labels.csv", rows)
    critic = {"name": "lengths.py:LengthCritic", "labels": "labels.csv", "precision": 0.8}
    with FakeServer(answer=lambda *_: " xxxxx") as server:
        result = run(make_recipe(server.url, critic=critic, rules=["empty"]), quiet=True)
    assert result.counts["accepted"] > 0


def test_a_file_that_ends_the_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("raise SystemExit")
    with pytest.raises(RecipeError, match=r"ends.py cannot be imported: SystemExit"):
        plugins.find("rules", "ends.py:Rule", tmp_path)


@pytest.mark.parametrize("rule", [NoLetters(), ("a", "tuple"), 3])
def test_what_is_no_rule_is_refused_in_python(make_recipe: Make, rule: Any) -> None:
    with pytest.raises(RecipeError, match="is no name, mapping, class or function"):
        run(make_recipe("http://127.0.0.1:9/v1"), quiet=True, rules=[rule])


FAULTY = """
from synthkd.filters import Filter, TextRule

class Careless(TextRule):
    "Fail on every row."
    name = "careless"

    def check(self, row, kind):
        return 1 / 0

class Short(Filter):
    "Answer for one row alone."
    name = "short"

    def reject(self, batch, kind):
        return [None]

class Nameless(TextRule):
    "Have no name."

    def check(self, row, kind):
        return None

class Idle(Filter):
    "Have no method."
    name = "idle"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "Careless",
            "synthkd: a plug-in failed in faulty.py line 9 (check): ZeroDivisionError: division by"
            " zero",
        ),
        ("Short", "synthkd: rule 'short' gave 1 answers for 15 rows\n"),
        (
            "Nameless",
            "synthkd: rule 'faulty.py:Nameless': the class Nameless has no name; write"
            ' `name = "…"` in the class\n',
        ),
        ("Idle", "synthkd: rule 'faulty.py:Idle': the class Idle lacks `reject`\n"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_of_a_plug_in_is_told_as_one_with_its_place(
    tmp_path: Path, rule: str, message: str, workers: int
) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    with FakeServer() as server:
        write_triples_recipe(
            tmp_path, server.url, 15, teacher={"sampling": {"n": 1}}, rules=[f"faulty.py:{rule}"]
        )
        done = command_line("run", "recipe.yaml", "--quiet", f"--workers={workers}", cwd=tmp_path)
    assert done.returncode == 2
    if not (rule == "Short" and workers == 2):
        assert done.stderr.startswith(message)
        assert done.stderr.count("\n") == 1


def test_a_package_that_cannot_be_loaded_does_not_keep_others_from_being_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = EntryPoint("broken", "synthkd.filters.rules:NoSuchRule", "synthkd.rules")
    points = {**plugins.installed("rules"), "broken": broken}
    monkeypatch.setattr(plugins, "installed", lambda group: points if group == "rules" else {})
    rules = describe("rules")["rules"]
    assert rules["broken"]["about"].startswith("cannot be loaded: rule 'broken'")
    assert rules["empty"]["about"]
