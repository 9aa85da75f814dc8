"""Templates of unknown origin: limits of size, time and files, and errors of one line."""

from __future__ import annotations

import datetime
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.errors import PromptError
from synthkd.kinds.triple import TripleKind
from synthkd.prompts import Head, Prompt, limits, lint, load_prompt, shipped_prompts

KIND = TripleKind()
ROW = {"head": "knife", "relation": "UsedFor"}
TEXT = "{% set ns = namespace(x='a' * 1000) %}{% for i in range(60) %}"
NEST = "{% set ns = namespace(x=[1], y=[1], t=(1,), d={}) %}{% for i in range(60) %}"
NINE = "".join(f"{{% for i{n} in range(60) %}}" for n in range(9))


def rendered(source: str, folder: Path = Path("/nowhere")) -> str:
    return Prompt("t.j2", Head(), source, folder).render(ROW, KIND, "id", 0)[0]["content"]


def refused(source: str, folder: Path = Path("/nowhere")) -> str:
    with pytest.raises(PromptError) as caught:
        rendered(source, folder)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 500
    return said


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 / 0 }}",
        "{{ head + 1 }}",
        "{{ none | length }}",
        "{{ -head }}",
        "{{ head() }}",
        "{{ head[1:2:0] }}",
        "{{ 'a' * 'b' }}",
        "{{ head | tojson(1, 2, 3, 4) }}",
        "{{ head | round }}",
        "{{ [1, 'a'] | sort }}",
        "{{ 1e400 | int }}",
        "{{ {'a': 1} | join(1).b }}",
        "{% for a, b in [1] %}{% endfor %}",
        "{{ super() }}",
        "{{ '%d' % 'x' }}",
        "{{ '{' | string | format }}{{ '{'.format() }}",
        "{{ ''.__class__ }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{{ lipsum() }}",
    ],
)
def test_what_an_expression_raises_is_one_line_with_the_template_and_its_line(source: str) -> None:
    assert refused(f"\n\n{source}").startswith("template t.j2 line 3: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        "{{ range(10**9) | list }}",
        "{{ 'a' * 10**10 }}",
        "{{ [1] * 10**10 }}",
        "{{ (10 ** 9) ** (10 ** 9) }}",
        "{{ 'a' | center(10**9) }}",
        "{{ ['a'] | map('center', 10**9) | list }}",
        "{{ head | attr('ljust') }}{{ 'a'.ljust(10**9) }}",
        "{{ 'a'.zfill(10**9) }}",
        "{{ '\t'.expandtabs(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%(a)1000000000d' % {'a': 1} }}",
        "{{ '%*d' % (10**9, 1) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ '{:{w}}'.format(1, w=10**9) }}",
        "{{ '{a:>1000000000}'.format_map({'a': 1}) }}",
        "{{ ('{:>1000000000}' | safe).format(1) }}",
        "{{ 'a' | indent(10**9, true) }}",
        "{{ 'a' | indent('b' * 4000000, true) | indent('b' * 4000000, true) }}",
        "{{ 'aaa' | wordwrap(1, wrapstring='b' * 4000000) }}",
        "{{ ('<!---->' * 500000) | striptags }}",
        "{{ [1] | batch(10**9, 'x') | list }}",
        "{{ [1] | slice(10**9) | list }}",
        "{{ 5 | round(-10**9) }}",
        "{{ {'a': 1} | tojson(indent=10**9) }}",
        "{{ ('a' * 2000000).replace('a', 'b' * 4000) }}",
        "{{ ('b' * 4000000).join(['a'] * 1000) }}",
        "{{ range(100000) | join('b' * 4000000) }}",
        "{{ ('%(a)s' * 100000) % {'a': 'x' * 4000000} }}",
        "{{ ('{0}' * 100000).format('x' * 4000000) }}",
        "{{ 'aaaa'.translate({97: 'b' * 4000000}) }}",
        "{{ (1).to_bytes(10**9, 'big') }}",
        "{{ 'x' * 4000000 }}{{ 'x' * 4000000 }}",
        TEXT + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
        TEXT + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        TEXT + "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
        TEXT + "{% set ns.x = [ns.x, ns.x] | join %}{% endfor %}",
        TEXT + "{% set ns.x = ns.x.replace('a', 'aa') %}{% endfor %}",
        "{% macro f(x) %}{{ x }}{{ x }}{% endmacro %}"
        + TEXT + "{% set ns.x = f(ns.x) %}{% endfor %}",
        NEST + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        NEST + "{% set ns.d = {1: ns.d, 2: ns.d.items()} %}{% endfor %}{{ ns.d }}",
        NEST + "{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} }}",
        "{% set b = 'a' * 1000000 %}{% macro m() %}{% for i in range(100000) %}{{ [b] }}{% endfor"
        " %}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(g=3) %}{% for i in range(99) %}{% set ns.g = ns.g * ns.g %}{%"
        " endfor %}",
        "{{ " + " + ".join(["1"] * 20_000) + " }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "[" * 3000 + "]" * 3000 + " }}",
        "{% if a %}" * 300 + "{% endif %}" * 300,
        "{% for x in [1] %}" * 40 + "{% endfor %}" * 40,
        "x" * (1 << 20) + "y",
    ],
)  # fmt: skip
def test_a_value_that_would_be_too_large_is_refused_before_it_is_made(source: str) -> None:
    start = time.thread_time()
    refused(source)
    assert time.thread_time() - start < 6


@pytest.mark.parametrize(
    "source",
    [
        NINE + "{% endfor %}" * 9,
        NINE + "{% if i1 == i2 %}{% endif %}" + "{% endfor %}" * 9,
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
        "{{ f(50) }}",
        "{% set b = 'a' * 4000000 %}{% for i in range(100000) %}{% if 'b' in b %}{% endif %}{%"
        " endfor %}",
        "{% set b = 'a' * 4000000 %}{% for i in range(100000) %}{% if b.find('b') %}{% endif %}{%"
        " endfor %}",
        "{% set b = ['a'] * 50000 %}{% for i in range(100000) %}{{ 'b' in b }}{% endfor %}",
    ],
)
def test_a_rendering_that_takes_too_long_is_ended(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.1)
    assert "takes longer than 0.1 s" in refused(source)


@pytest.mark.slow
def test_the_limits_hold_in_other_threads_and_for_each_rendering_anew() -> None:
    from concurrent.futures import ThreadPoolExecutor

    source = "{% for i in range(20000) %}{{ i }} {% endfor %}"
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            good, bad = pool.submit(rendered, source), pool.submit(refused, "{{ 'a' * 10**10 }}")
            assert good.result().startswith("0 1 2 ")
            assert "4,194,304 are the most" in bad.result()


def test_a_long_document_passes(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text(
        "{% if 'x' in head %}no{% endif %}{{ head | trim | replace('\\n', ' ') }}"
    )
    prompt = load_prompt("t.j2", tmp_path)
    text = "A line.\n" * 250_000
    assert len(prompt.render({**ROW, "head": text}, KIND, "id", 0)[0]["content"]) == len(text) - 1


def test_ordinary_templates_render_as_in_plain_jinja() -> None:
    for source, said in (
        ("{% for name, value in {'a': 1, 'b': none}.items() if value %}{{ name }}={{ value }};{%"
            " endfor %}", "a=1;"),
        ("{% for e in [3, 1, 2] | sort %}{{ loop.index }}{{ '.' if loop.last else ',' }}{%"
            " endfor %}", "1,2,3."),
        ("{{ [1, 2, 3] | batch(2, 0) | list | tojson }}", "[[1, 2], [3, 0]]"),
        ("{{ [{'a': 1}, {'a': 2}] | map(attribute='a') | join('-') }}", "1-2"),
        ("{{ 'x' ~ 1 ~ 2.0 }} {{ head.upper() }} {{ '%s-%03d' % ('a', 7) }}", "x12 KNIFE a-007"),
        ("{{ '{:>5}|{a}'.format('b', a=1) }} {{ 'a,b'.split(',')[1:] | first }}",
        "    b|1 b".strip()),
        ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{% set j = joiner(', ') %}{{"
            " j() }}{{ j() }}", "ab,"),
        ("{% macro f(x, y=2) %}<{{ x }}{{ y }}{{ caller() }}>{% endmacro %}{% call f(1) %}c{%"
            " endcall %}", "<12c>"),
        ("{% filter upper %}a{% endfilter %}{% set x %}b{% endset %}{{ x | length }}{{ 7 // 2 ** 2"
            " % 5 }}", "A11"),
        ("{{ head is string }}{{ 'n' in head }}{{ (1, 2) == (1, 2) }}{{ range(3) | join }}",
        "truetruetrue012"),
        ("{% autoescape true %}{{ '<' ~ ('<' | safe) }}{% endautoescape %}{{ 'a' | tojson }}",
        "&lt;<\"a\""),
    ):  # fmt: skip
        assert rendered(source) == said.strip()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "an empty cell"),
        (float("nan"), "an empty cell"),
        (["a", "b"], r"a list of 2 is printed, .* join"),
        ((), "an empty list"),
        ({"text": "a"}, r"an object \(text\) is printed, .* name.part"),
        (b"\xff", "bytes that are not UTF-8"),
        (datetime.timedelta(1), "a duration"),
        (float("inf"), "an infinite number"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "source",
    [
        "{{ note }}",
        "{% set x = note %}{% if true %}{{ x }}{% endif %}",
        "{{ head ~ note }}",
        "{{ note | upper }}",
        "{{ note | string }}",
        "{{ head | replace('k', note) }}",
        "{{ [head, note] | join(' ') }}",
        "{{ [{'a': note}] | map(attribute='a') | join }}",
        "{{ [{'a': note}] | join('', attribute='a') }}",
        "{{ '%s' % note if note != () else note }}",
        "{{ '%(a)s' % {'a': note} }}",
        "{{ '%s' | format(note) }}",
        "{{ '{}'.format(note) }}",
        "{{ '{:}{a}'.format(1, a=note) }}",
        "{{ '{!r}'.format(note) }}",
        "{{ note | pprint }}",
        "{{ {'q': note} | urlencode }}",
        "{% if note is none %}{{ note }}{% else %}{{ {'a': note} | xmlattr }}{% endif %}",
        "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(note) }}",
        "{% filter upper %}{{ note }}{% endfilter %}",
        "{% block b %}{{ note }}{% endblock %}",
    ],
)
def test_a_value_without_a_text_is_not_printed_in_any_way(
    value: object, said: str, source: str
) -> None:
    prompt = Prompt("t.j2", Head(), source, Path("/nowhere"), variables={"note": value})
    with pytest.raises(PromptError, match=said) as caught:
        prompt.render(ROW, KIND, "id", 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ '%(a)s' % {'a': head, 'b': none} }}", "knife"),
        ("{{ 'a b' | urlencode }}{{ {'q': 1, 'r': 'a b'} | urlencode }}", "a%20bq=1&r=a+b"),
        ("<p{{ {'id': 1, 'class': none} | xmlattr }}>", '<p id="1">'),
    ],
)
def test_a_value_that_is_not_printed_need_not_have_a_text(source: str, text: str) -> None:
    prompt = Prompt("t.j2", Head(), source, Path("/nowhere"))
    assert prompt.render(ROW, KIND, "id", 0)[0]["content"] == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"), (2.5, "2.5"), (7, "7"), (True, "true"), (Decimal("1.50"), "1.50"),
        (datetime.date(2024, 5, 1), "2024-05-01"), ("None", "None"), ("nan", "nan"), ("", ""),
        (b"a", "a"),
    ],
)  # fmt: skip
def test_a_value_is_printed_as_a_cell_is_read(value: object, text: str) -> None:
    prompt = Prompt(
        "t.j2",
        Head(),
        "<{{ v }}><{{ '' ~ v }}><{{ [v] | join }}>",
        Path("/nowhere"),
        variables={"v": value},
    )
    assert prompt.render(ROW, KIND, "id", 0)[0]["content"] == f"<{text}>" * 3


def test_what_a_template_asks_about_may_be_empty() -> None:
    for source in (
        "a{% if note %}{{ note }}{% endif %}",
        "a{{ note or '' }}",
        "a{{ note | default('', true) }}",
        "a{{ '' if note is none else note }}",
        "a{% for x in tags %}{{ x }}{% endfor %}",
    ):
        prompt = Prompt(
            "t.j2", Head(), source, Path("/nowhere"), variables={"note": None, "tags": []}
        )
        assert prompt.render(ROW, KIND, "id", 0)[0]["content"] == "a"


def test_a_draw_depends_on_the_seed_and_the_input_and_an_empty_one_is_refused() -> None:
    prompt = Prompt("t.j2", Head(), "{{ range(1000) | random }}", Path("/nowhere"))

    def drawn(input_id: str, seed: int) -> str:
        return prompt.render(ROW, KIND, input_id, seed)[0]["content"]

    assert drawn("a", 0) == drawn("a", 0)
    assert len({drawn(f"{i}", 0) for i in range(9)}) > 5
    assert drawn("a", 0) != drawn("a", 1)
    assert "nothing to draw from" in refused("{{ [] | random }}")


def test_objects_of_jinja_are_not_printed() -> None:
    for source in ("{{ namespace() }}", "{{ dict }}", "{% macro m() %}{% endmacro %}{{ m }}",
    "{{ range(3) }}",
                   "{{ 'ab' | map('upper') }}",
                   "{% for x in [1] %}{{ loop }}{% endfor %}"):  # fmt: skip
        assert "is printed" in refused(source)


_PIECES = st.sampled_from(
    ["{{ head", "}}", "{% for x in ", "range(9)", "%}", "{% endfor %}", " | ", "list", "upper",
    "join(", "'a'", ")", " * ",
     "10**9", " ~ ", "[", "]", "{% set y = ", "{% macro m() %}", "{% endmacro %}", "{{ m() }}",
     "{% if ", "{% endif %}", "(",
     "x", "y", ".format(", "'%9999d'", " % ", "1", "{% include '", "'", "\n", "{#", "#}", "é",
     "center(99999)", "{% block b %}"]
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(_PIECES, max_size=30).map("".join))
def test_any_text_as_a_template_is_rendered_or_refused_in_one_line(source: str) -> None:
    prompt, said = Prompt("t.j2", Head(), source, Path("/nowhere")), ""
    try:
        lint(prompt, ["head", "relation"])
        prompt.render(ROW, KIND, "id", 0)
    except PromptError as error:
        said = str(error)
    assert "\n" not in said


# Included files


def test_a_template_includes_files_of_its_own_folder_and_below(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.j2").write_text("[{{ head }}]{% include 'parts/b.j2' %}")
    (tmp_path / "parts" / "b.j2").write_text("{% macro m(x) %}<{{ x }}>{% endmacro %}b")
    source = "{% include 'parts/a.j2' %}{% from 'parts/b.j2' import m %}{{ m(1) }}"
    assert rendered(source, tmp_path) == "[knife]b<1>"


@pytest.mark.parametrize(
    "name", ["../out.j2", "parts/../../out.j2", "link.j2", "linked/out.j2", "..\\\\out.j2"]
)
def test_nothing_outside_the_folder_is_included_not_by_a_link_either(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "out.j2").write_text("SECRET")
    inside = tmp_path / "prompts"
    (inside / "parts").mkdir(parents=True)
    (inside / "link.j2").symlink_to(tmp_path / "out.j2")
    (inside / "linked").symlink_to(tmp_path)
    for statement in (
        "include '{}'",
        "extends '{}'",
        "import '{}' as x",
        "from '{}' import y",
        "include ['{}']",
    ):
        said = refused("{% " + statement.format(name) + " %}", inside)
        assert (
            "leads out of" in said or "not a path inside" in said or "none of the templates" in said
        )


def test_an_absolute_path_is_not_included(tmp_path: Path) -> None:
    (tmp_path / "out.j2").write_text("SECRET")
    assert "not a path inside" in refused(f"{{% include '{tmp_path}/out.j2' %}}", tmp_path)


def test_an_error_in_an_included_file_names_it_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("\n\n{{ 1 / 0 }}")
    assert (
        refused("{% include 'a.j2' %}", tmp_path)
        == "template t.j2, included a.j2 line 3: division by zero"
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"\xff", "a.j2 line 1: not UTF-8"), (b"a" * (1 << 21), "too many for a template")],
)
def test_an_included_file_that_is_not_a_template_is_refused(
    tmp_path: Path, data: bytes, said: str
) -> None:
    (tmp_path / "a.j2").write_bytes(data)
    assert said in refused("{% include 'a.j2' %}", tmp_path)


def test_files_that_include_each_other_without_end_are_ended(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{% include 'b.j2' %}{% include 'b.j2' %}")
    (tmp_path / "b.j2").write_text("{% include 'a.j2' %}{% include 'a.j2' %}")
    assert "too deeply" in refused("{% include 'a.j2' %}", tmp_path)


def test_an_imported_file_is_bounded_too(tmp_path: Path) -> None:
    (tmp_path / "m.j2").write_text("{% for i in range(100000) %}" + "x" * 1000 + "{% endfor %}")
    assert "4,194,304 are the most" in refused("{% import 'm.j2' as m %}{{ m }}", tmp_path)


def test_the_line_of_an_error_counts_the_head(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("---\nabout: x\nchat: true\n---\n\n{{ 1 / 0 }}\n")
    with pytest.raises(PromptError, match="line 6: division by zero"):
        load_prompt("t.j2", tmp_path).render(ROW, KIND, "id", 0)
    (tmp_path / "t.j2").write_text("---\nabout: x\n---\n{{ head }\n")
    with pytest.raises(PromptError, match="line 4: "):
        lint(load_prompt("t.j2", tmp_path), ["head"])


def test_included_files_are_part_of_a_prompts_hash(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{% include 'x-' ~ head ~ '.j2' %}")
    (tmp_path / "x-knife.j2").write_text("one")
    (tmp_path / "other.j2").write_text("not reached")
    prompt = Prompt("t.j2", Head(), "{% include 'a.j2' %}", tmp_path)
    assert set(prompt.included_files()) == {"a.j2", "x-knife.j2"}
    before = prompt.hash
    (tmp_path / "other.j2").write_text("changed")
    assert replace(prompt).hash == before
    (tmp_path / "x-knife.j2").write_text("two")
    assert replace(prompt).hash != before


def test_a_template_without_includes_has_the_hash_it_had(tmp_path: Path) -> None:
    from synthkd.keys import content_hash

    prompt = Prompt("t.j2", Head(), "{{ head }}", tmp_path)
    head = {
        "about": "", "kind": None, "chat": True, "system": None, "examples": None, "shots": 0,
        "by": None, "stop": [],
    }  # fmt: skip
    assert prompt.hash == content_hash(["{{ head }}", head])


def test_a_template_that_cuts_at_the_first_line_has_another_hash(tmp_path: Path) -> None:
    whole, cut = (
        Prompt("t.j2", head, "{{ head }}", tmp_path) for head in (Head(), Head(first_line=True))
    )
    assert whole.hash != cut.hash


@pytest.mark.parametrize("name", shipped_prompts())
def test_every_shipped_template_compiles_with_the_files_it_includes(name: str) -> None:
    assert load_prompt(name).hash
