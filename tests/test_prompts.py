"""Templates: found, checked, rendered in a sandbox."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from synthkd.errors import PromptError
from synthkd.kinds.triple import TripleKind
from synthkd.prompts import lint, load_prompt, shipped_prompts

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


def test_an_example_about_the_input_itself_is_never_shown() -> None:
    prompt = replace(load_prompt("triple/everyday"), examples=POOL, shots=5)
    for number in range(30):
        shown = prompt.draw(ROW, KIND, random.Random(number))
        assert "knife" not in {example["head"] for example in shown}


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
        {"head": f"PersonX does {i} for PersonY", "relation": relation, "tail": f"tail {i} of PersonY"}
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


def test_a_random_that_is_seeded_late_draws_what_one_seeded_at_once_draws() -> None:
    import random

    from synthkd.keys import seed_from
    from synthkd.prompts import LateRandom

    late, soon = LateRandom(), random.Random()
    for number in range(20):
        late.seed_late("prompt", 0, str(number))
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
