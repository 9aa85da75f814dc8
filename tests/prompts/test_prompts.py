"""Loading, checking and rendering of templates."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synthkd import plugins
from synthkd.critics.judge.prompt import JudgePrompt
from synthkd.errors import PromptError
from synthkd.kinds.base import Kind
from synthkd.kinds.fact import FactKind
from synthkd.kinds.triple import TripleKind
from synthkd.prompts import lint, load_prompt, shipped_prompts
from synthkd.resources import resource
from synthkd.rows import read_rows

KIND = TripleKind()
ROW = {"head": "knife", "relation": "UsedFor"}
POOL = [
    {"head": h, "relation": "UsedFor", "tail": f"{h}ing"}
    for h in ("saw", "axe", "pen", "knife", "hat", "cup")
]


def write(folder: Path, text: str) -> str:
    (folder / "t.j2").write_text(text, "utf-8")
    return "t.j2"


def test_the_few_shot_prompt_ends_where_the_tail_begins() -> None:
    prompt = replace(load_prompt("triple/everyday"), examples=POOL)
    (message,) = prompt.render(ROW, KIND, "id", 0)
    assert message["role"] == "prompt"
    assert message["content"].startswith("What is each of these used for?\n")
    assert message["content"].endswith("\nknife is used for")
    assert len(message["content"].splitlines()) == 5


def test_the_instruction_is_what_a_template_says_without_its_variables(tmp_path: Path) -> None:
    name = write(tmp_path, "---\nsystem: Be {{ how }} now.\n---\nWrite about {{ x }} at length.\n")
    instruction = load_prompt(name, tmp_path).instruction.splitlines()
    assert instruction == ["Write about", "at length.", "Be", "now."]


def test_an_example_about_the_input_itself_is_never_shown() -> None:
    prompt = replace(load_prompt("triple/everyday"), examples=POOL, shots=5)
    for number in range(30):
        shown = prompt.draw(ROW, KIND, random.Random(number))
        assert "knife" not in {example["head"] for example in shown}


@pytest.mark.parametrize("spelled", ["Knife", "the knife", " knife ", "KNIFE.", "“knife”"])
def test_an_example_about_the_input_itself_is_never_shown_however_it_is_spelled(
    spelled: str,
) -> None:
    prompt = replace(load_prompt("triple/everyday"), examples=POOL, shots=6)
    shown = prompt.draw({**ROW, "head": spelled}, KIND, random.Random(0))
    assert sorted(example["head"] for example in shown) == ["axe", "cup", "hat", "pen", "saw"]


def test_the_draw_depends_on_the_input_and_the_seed_alone() -> None:
    prompt = replace(load_prompt("triple/everyday"), examples=POOL)
    assert prompt.render(ROW, KIND, "a", 0) == prompt.render(ROW, KIND, "a", 0)
    assert len({str(prompt.render(ROW, KIND, f"{i}", 0)) for i in range(20)}) > 1
    assert len({str(prompt.render(ROW, KIND, "a", i)) for i in range(20)}) > 1


@pytest.mark.parametrize(
    "relation", ["xWant", "xAttr", "xIntent", "xEffect", "xReact", "xNeed", "HinderedBy"]
)
def test_each_event_relation_has_a_prompt_that_stops_where_the_tail_begins(relation: str) -> None:
    examples = [
        {
            "head": f"PersonX does {i} for PersonY",
            "relation": relation,
            "tail": f"tail {i} of PersonY",
        }
        for i in range(12)
    ]
    prompt = replace(load_prompt("triple/events"), examples=examples)
    row = {"head": "PersonX meets PersonY", "relation": relation}
    (message,) = prompt.render(row, KIND, "id", 0)
    text = message["content"]
    assert "Person" not in text
    assert text.count("tail ") == 10
    assert "Alex meets Chris" in text.rsplit("\n\n\n", 1)[-1]
    assert not text.endswith(".")


def test_a_variable_that_no_input_has_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    prompt = load_prompt(write(tmp_path, "Say {{ haed }}"), tmp_path)
    with pytest.raises(PromptError, match="did you mean 'head'"):
        lint(prompt, ["head", "relation"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\nchatt: true\n---\nx", "did you mean 'chat'"),
        ("---\nchat: [\n---\nx", "not valid YAML"),
        ("{% for x in %}", "line 1"),
    ],
)
def test_a_broken_template_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        lint(load_prompt(write(tmp_path, text), tmp_path), ["head"])


def test_an_unknown_template_is_named_with_the_nearest() -> None:
    with pytest.raises(PromptError, match="triple/everyday"):
        load_prompt("triple/everyday-plan")


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ head.__init__.__globals__ }}",
        "{% include '../../../../etc/hostname' %}",
        "{{ examples.append(1) }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox(tmp_path: Path, attack: str) -> None:
    prompt = load_prompt(write(tmp_path, attack), tmp_path)
    with pytest.raises(PromptError):
        prompt.render(ROW, KIND, "id", 0)


@pytest.mark.parametrize("name", shipped_prompts())
def test_every_shipped_template_loads_and_says_what_it_is_for(name: str) -> None:
    assert load_prompt(name).head.about


def test_lazy_seeding_draws_the_same_numbers_as_immediate_seeding() -> None:
    import random

    from synthkd.keys import seed_from
    from synthkd.prompts.prompt import LazySeedRandom

    late, soon = LazySeedRandom(), random.Random()
    for number in range(20):
        late.seed_lazily("prompt", 0, str(number))
        soon.seed(seed_from("prompt", 0, str(number)))
        for draw in ("sample", "choice", "random", "shuffle", "gauss", "randrange"):
            found = []
            for rng in (late, soon):
                values = list(range(50))
                take = {
                    "sample": (values, 7),
                    "choice": (values,),
                    "shuffle": (values,),
                    "gauss": (0, 1),
                    "randrange": (9,),
                }
                found.append((getattr(rng, draw)(*take.get(draw, ())), values))
            assert found[0] == found[1]


HEAD = "kind: triple\nchat: false\nstop: [x]"


@pytest.mark.parametrize(
    "before",
    [
        b"\xef\xbb\xbf---\n%s\n---\n",
        b"\n\n---\n%s\n---\n",
        b" \t\n---\n%s\n---\n",
        b"\xef\xbb\xbf\n---\n%s\n---\n",
        b"---  \n%s\n---\t\n",
        b"--- # the head\n%s\n--- # its end\n",
        b"---\r\n%s\r\n---\r\n",
        b"---\r%s\r---\r",
        b"\xc2\xa0\n---\n\n%s\n\n---\n",
    ],
)
def test_a_head_is_read_whatever_blanks_and_line_ends_it_has(tmp_path: Path, before: bytes) -> None:
    (tmp_path / "t.j2").write_bytes(before.replace(b"%s", HEAD.encode()) + b"{{ head }}")
    prompt = load_prompt("t.j2", tmp_path)
    assert (prompt.head.kind, prompt.head.chat, prompt.head.stop) == ("triple", False, ["x"])
    assert prompt.render(ROW, KIND, "id", 0) == ({"role": "prompt", "content": "knife"},)


@pytest.mark.parametrize(
    "text",
    [
        "---\nkind: triple\n{{ head }}",
        "{# Licence #}\n---\nkind: triple\n---\n{{ head }}",
        "  ---\nkind: triple\n---\n{{ head }}",
        "# A title\n---\nabout: x\n---\n{{ head }}",
        "---- \nchat: false\n----\n{{ head }}",
    ],
)
def test_a_head_that_does_not_end_or_does_not_stand_first_is_refused(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(PromptError, match=r"t\.j2 line \d: a head must stand first in the file"):
        load_prompt(write(tmp_path, text), tmp_path)


def test_a_rule_of_markdown_is_no_head(tmp_path: Path) -> None:
    prompt = load_prompt(write(tmp_path, "{{ head }}\n---\nNote: {{ relation }}"), tmp_path)
    assert prompt.render(ROW, KIND, "id", 0)[0]["content"] == "knife\n---\nNote: UsedFor"


def test_the_line_of_a_wrong_head_counts_what_stands_before_it(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"line 5, column 1: its head"):
        load_prompt(write(tmp_path, "\n\n---\nkind: [\n---\n"), tmp_path)


def test_the_system_message_is_rendered_as_the_prompt_is(tmp_path: Path) -> None:
    name = write(tmp_path, "---\nsystem: 'You know {{ head }}, {\"a\": 1}.'\n---\n{{ head }}")
    system, user = load_prompt(name, tmp_path).render(ROW, KIND, "id", 0)
    assert system == {"role": "system", "content": 'You know knife, {"a": 1}.'}
    assert user["content"] == "knife"


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("{{ haed }}", "uses 'haed', which no input has .did you mean 'head'"),
        ("{{ head", "t.j2, its `system`: "),
        ("{{ 1 / 0 }}", "t.j2, its `system`: division by zero"),
        ("{{ none }}", "t.j2, its `system`: an empty cell"),
        ("{% if not head %}x{% endif %}", "its `system` is empty"),
    ],
)
def test_an_error_in_the_system_message_names_it(tmp_path: Path, system: str, said: str) -> None:
    prompt = load_prompt(write(tmp_path, f"---\nsystem: '{system}'\n---\n{{{{ head }}}}"), tmp_path)

    def asked() -> None:
        lint(prompt, list(ROW))
        prompt.render(ROW, KIND, "id", 0)

    with pytest.raises(PromptError, match=said):
        asked()


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    for text in ("", " \n", "{% if not head %}x{% endif %}", "{# nothing #}", "{{ '' }}"):
        with pytest.raises(PromptError, match="the prompt is empty"):
            load_prompt(write(tmp_path, text), tmp_path).render(ROW, KIND, "id", 0)


def test_a_variable_that_the_template_tests_for_may_be_missing(tmp_path: Path) -> None:
    name = write(
        tmp_path,
        "{{ head }}{% if note is defined and note %}{{ note }}{% endif %}{{ more | default('!') }}",
    )
    prompt = load_prompt(name, tmp_path)
    lint(prompt, list(ROW))
    assert prompt.render(ROW, KIND, "id", 0)[0]["content"] == "knife!"


def test_without_a_common_column_an_example_says_what_its_own_relation_says() -> None:
    examples = [{"head": "oak", "relation": "HasA", "tail": "bark"}]
    prompt = replace(load_prompt("triple/everyday"), examples=examples, by=None)
    text = prompt.render({"head": "bird", "relation": "AtLocation"}, KIND, "id", 0)[0]["content"]
    assert KIND.verbalize(examples[0]) in text
    assert "found at bark" not in text


#: What rows of a loop have beside the kind's columns.
LOOP = {
    "report": "",
    "hard": [],
    "incorrect": [],
    "correct": [],
    "shots": [],
    "draw": 0,
    "round": 1,
    "had": [],
}


GIVEN: dict[str, dict[str, Any]] = {
    "record/continue": {"task": "One of each."},
    "record/json": {"task": "Write it."},
    "record/standalone": {"previous": ""},
    "fact/of-entities": {"entities": [{"entity": "Ada", "type": "person"}]},
}


@pytest.mark.parametrize(
    "name", [name for name in shipped_prompts() if not name.startswith("judge/")]
)
def test_every_shipped_template_runs_with_the_least_columns_of_its_kind(name: str) -> None:
    prompt = load_prompt(name)
    columns = {"columns": {"text": "text", "plain": "text"}, "inputs": ["text"]}
    options = columns if prompt.head.kind == "record" else {}
    kind = plugins.find("kinds", prompt.head.kind)(**options)
    row: dict[str, Any] = {column: f"a {column}" for column in kind.input_columns}
    if prompt.head.kind == "triple":
        row["relation"] = "xWant" if "events" in name else "UsedFor"
    elif prompt.head.kind == "proposition":
        # As the kind cuts a document; to cut one here would load spaCy.
        row |= {
            "sentences": ["A cat purrs."],
            "before": "",
            "starts": [0],
            "ends": [12],
            "first_index": 0,
        }
    elif name in ("labelled_text/pgkd", "labelled_text/pool"):
        row |= LOOP
    # What a recipe or an earlier step gives besides.
    row |= GIVEN.get(name, {})
    (row,) = kind.expand(row)
    if prompt.head.needs:
        with pytest.raises(PromptError, match=f"needs a value of {prompt.head.needs[0]!r}"):
            prompt.render(row, kind, "id", 0)
        row["comparative"] = "heavier"
    assert kind.check(row) is None
    if prompt.head.examples:
        source = resource(f"prompts/{prompt.head.examples}")
        prompt = replace(prompt, examples=[one for rows in read_rows(source) for one in rows])
        kind.check_examples(prompt.examples)
    lint(prompt, list(kind.context(row, [], random.Random(0))))
    text = prompt.render(row, kind, "id", 0)[-1]["content"]
    assert text
    assert "None" not in text


@pytest.mark.parametrize("name", [name for name in shipped_prompts() if name.startswith("judge/")])
def test_every_shipped_template_of_a_judge_runs_with_what_it_says_it_needs(name: str) -> None:
    columns = {
        "judge/grounded": ["source"],
        "judge/fact": ["source"],
        "judge/pairwise": ["task", "first", "second"],
    }.get(name, [])
    kind: Kind = FactKind() if name == "judge/fact" else KIND
    prompt = JudgePrompt.load(name, kind, columns)
    row = {
        "document_id": "d",
        **ROW,
        "tail": "cut bread",
        **{column: f"a {column}" for column in columns},
    }
    assert all(message["content"] for message in prompt.messages(row))


def test_a_column_in_single_braces_is_refused_where_no_prompt_would_name_its_input(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "What is {head} used for?")
    with pytest.raises(
        PromptError, match=r"all prompts would be the same; write \{\{ head \}\} for \{head\}"
    ):
        lint(load_prompt(path, tmp_path), ["head"])
    for text in ("{head} {{ head }}", "Say {something}.", "Name an event.", '{"tail": 1}'):
        lint(load_prompt(write(tmp_path, text), tmp_path), ["head"])


def test_a_variable_that_an_input_would_hide_is_refused(tmp_path: Path) -> None:
    prompt = load_prompt(write(tmp_path, "{{ head }} {{ style }}"), tmp_path)
    prompt = replace(prompt, variables={"style": "short"})
    lint(prompt, ["head"])
    with pytest.raises(
        PromptError, match=r"prompt\.variables\.style: the inputs have 'style' themselves"
    ):
        lint(prompt, ["head", "style"])
