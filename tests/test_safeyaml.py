"""YAML of unknown origin: excessive, doubtful and wrong values are refused with their line."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synthkd import safeyaml
from synthkd.errors import InputError, KindError, PromptError, RecipeError
from synthkd.kinds.relations import load_relations
from synthkd.prompts import load_prompt
from synthkd.recipe import Recipe
from synthkd.rows import read_rows

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
GOOD = "name: r\ninputs: {count: 1}\nteacher: {model: m}\ncorpus: {path: c}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LAUGHS, 5, "aliases"),
        ("a: 1\n" + "b: &b {c: 1}\n" + "".join(f"x{n}: *b\n" for n in range(200)), 103, "aliases"),
        ("a: &a [*a]", 1, "within what it names"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "'c' stands here twice"),
        ("a: 1\n'a': 2\n", 2, "twice"),
        ("1: x\n0x1: y\n", 2, "twice"),
        ("[" * 3000 + "]" * 3000, 1, "nested"),
        ("{a: " * 200 + "}" * 200, 1, "nested"),
        ("".join("  " * n + "- \n" for n in range(90)), 65, "nested"),
        ("a: " + "9" * 5000, 1, "number of 5,000"),
        ("a: 0x" + "f" * 5000, 1, "number of"),
        ("a: 9223372036854775808", 1, "64 bits"),
        ("a: 2024-99-99", 1, "not a date"),
        ("a: 2024-01-01 99:00:00", 1, "not a date"),
        ("a: 0x_", 1, "not a number"),
        ('a: "x\\0y"', 1, "no file can hold"),
        ('a: "\\ud800"', 1, "no file can hold"),
        ("? [a]\n: 1", 1, "a key is a text"),
        ("!!python/object/apply:os.system ['true']", 1, "constructor"),
        ("a: *nobody", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: !!bool maybe", None, "does not fit"),
        ("a: !!timestamp x", None, "does not fit"),
        ("a: \x07", None, "not allowed"),
    ],
)
def test_yaml_beyond_the_limits_is_refused_with_its_line(
    text: str, line: int | None, said: str
) -> None:
    with pytest.raises(safeyaml.YamlError, match=said) as caught:
        safeyaml.load_yaml(text)
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_ordinary_yaml_is_read_as_before() -> None:
    text = "a: &x {b: 1, c: [1.5, yes, null, 2024-01-02]}\nd:\n  <<: *x\n  b: 2\ne: *x\n"
    assert safeyaml.load_yaml(text) == yaml.safe_load(text)


@pytest.mark.slow
def test_large_files_are_read_with_the_same_checks() -> None:
    rows = "".join(f"- {{text: row {n}, label: a}}\n" for n in range(8_000))
    assert len(safeyaml.load_yaml(rows)) == 8_000
    with pytest.raises(safeyaml.YamlError, match="twice"):
        safeyaml.load_yaml(rows + "- {a: 1, a: 2}\n")


@pytest.mark.slow
@given(
    st.text(
        string.ascii_letters + string.digits + "&*!|>-?:,[]{}#'\"%@`.\n \t<=\\\0\ud800", max_size=60
    )
)
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    said = ""
    try:
        safeyaml.load_yaml(text)
    except safeyaml.YamlError as error:
        said = str(error)
    assert "\n" not in said


def test_every_file_of_yaml_goes_through_the_same_reader(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\na: 2\n")
    with pytest.raises(RecipeError, match="line 2"):
        Recipe.load(file)
    with pytest.raises(KindError, match="line 2"):
        load_relations(file)
    with pytest.raises(InputError, match="line 2"):
        list(read_rows(file))
    (tmp_path / "t.j2").write_text("---\nabout: x\nabout: y\n---\nx")
    with pytest.raises(PromptError, match="twice"):
        load_prompt("t.j2", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seed=" + "9" * 5000, "seed"), ("seed=" + "[" * 3000, "seed"), ("name=2024-99-99", "name"),
        ('inputs.path="a\\0b"', "inputs.path"), ("limits.dollars=.nan", "limits.dollars"),
        ("limits.dollars=.inf", "limits.dollars"),
        ("work=" + "a" * 300, "too long"), ("work=" + "a/" * 30_000, "no file can have it"),
        ("journal=$NOT_SET_HERE/j", "NOT_SET_HERE"),
        ("corpus.path=$NOT_SET_HERE", "NOT_SET_HERE"),
    ],
)  # fmt: skip
def test_an_odd_value_on_the_command_line_is_one_line_with_its_place(
    tmp_path: Path, change: str, said: str
) -> None:
    (tmp_path / "r.yaml").write_text(GOOD.replace("count: 1", "path: x.csv"))
    with pytest.raises(RecipeError, match=said) as caught:
        Recipe.load(tmp_path / "r.yaml", [change])
    assert len(str(caught.value)) < 300


def test_a_recipe_without_end_is_not_read_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safeyaml, "MOST_BYTES", 1 << 20)
    with pytest.raises(RecipeError, match="larger than"):
        Recipe.load("/dev/zero")


@pytest.mark.slow
@given(
    st.sampled_from(["", "-", "+"]),
    st.sampled_from(["1", "25", "0.5", "1.", ".5", "12.25"]),
    st.sampled_from("eE"),
    st.sampled_from(["-3", "+2", "5", "-07", "10"]),
)
def test_a_number_with_an_exponent_is_a_number(
    sign: str, digits: str, e: str, exponent: str
) -> None:
    text = f"{sign}{digits}{e}{exponent}"
    for written in (text, f"{{rate: {text}}}", f"- {text}"):
        found = safeyaml.load_yaml(written)
        value = (
            found["rate"]
            if isinstance(found, dict)
            else found[0]
            if isinstance(found, list)
            else found
        )
        assert value == float(text)


@pytest.mark.parametrize(
    "text", ["1e", "e5", "1e-", "4412e76", "12e4567", "1e-3x", "1e3e4", "v1e-3", "'1e-3'"]
)
def test_hashes_names_and_quoted_numbers_stay_texts(text: str) -> None:
    assert safeyaml.load_yaml(text) == text.strip("'")
