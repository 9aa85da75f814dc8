"""The recipe of comparatives with the embedded teacher, and its prompts for real models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT

from everyday.truth import truth_of
from synthkd import Recipe, run
from synthkd.kinds.comparative.kind import ComparativeKind
from synthkd.stages.plan import plan_run

EXAMPLE = ROOT / "examples" / "comparatives.yaml"
TRAINED = json.loads((ROOT / "synthkd/teachers/everyday/training.json").read_text()).get(
    "documents_a_pass", {}
)
EXAMPLES = ROOT / "prompts/comparative/compared-to-examples.jsonl"


def asked(folder: Path, template: str, **options: Any) -> str:
    (folder / "pairs.csv").write_text("left,right\nelephant,water\n")
    raw = {
        "name": "x",
        "inputs": {"path": "pairs.csv"},
        "kind": {"name": "comparative", "options": options},
        "prompt": {"template": f"comparative/{template}"},
        "teacher": {"backend": "recorded", "path": "pairs.csv"},
        "corpus": {"path": "c"},
    }
    ((only,),) = plan_run(Recipe.from_dict(raw, folder=folder)).batches()
    return str(only.request.messages[-1]["content"])


@pytest.mark.slow
def test_the_embedded_teacher_keeps_to_the_sets_and_votes_raise_precision(tmp_path: Path) -> None:
    pytest.importorskip("llguidance")
    if "comparative" not in TRAINED:
        pytest.skip("the shipped teacher never read a comparison")
    own = [
        f"corpus.path={tmp_path}/corpus",
        f"journal={tmp_path}/journal.sqlite",
        f"work={tmp_path}/work",
    ]
    recipe = Recipe.load(EXAMPLE, [*own, "inputs.limit=60", "teacher.sampling.n=8"])
    result = run(recipe, quiet=True)
    assert result.counts["malformed"] == 0
    assert result.counts["candidates"] == 480
    valid = truth_of("comparative")
    accepted, rejected = (
        result.corpus.table(provenance=True).to_pylist(),
        result.corpus.rejected.to_pylist(),
    )
    outvoted = [row for row in rejected if row["rejected_by"] == "votes"]
    assert sum(map(valid, accepted)) / len(accepted) > sum(map(valid, outvoted)) / len(outvoted)
    kind = ComparativeKind(**recipe.kind.options)
    assert all(re.fullmatch(kind.answer_regex, row["raw"]) for row in accepted)


def test_the_everyday_template_ends_as_the_teacher_was_taught(tmp_path: Path) -> None:
    lines = asked(tmp_path, "everyday").splitlines()
    assert lines[-1] == "Compared to water, elephants are"
    assert all(
        re.fullmatch(r"Compared to .+, .+ are \w+( \w+)? [\w -]+\.", line) for line in lines[:-1]
    )


def test_the_template_for_base_models_goes_on_from_the_subject(tmp_path: Path) -> None:
    text = asked(tmp_path, "compared-to")
    assert text.endswith("\nCompared to water, elephants are")
    assert text.count("Compared to") == 6
    assert asked(tmp_path, "compared-to", auxiliaries=["are", "can"]).endswith("water, elephants")


def test_the_question_names_both_with_their_articles(tmp_path: Path) -> None:
    text = asked(tmp_path, "question", asked=["heavier"])
    assert text.endswith("Question: Which is heavier, an elephant or water?\nAnswer:")


def test_the_answers_of_the_examples_are_not_always_the_first_name(tmp_path: Path) -> None:
    lines = asked(tmp_path, "question", asked=["heavier"]).splitlines()[:-2]
    first = [question.split(", ")[1].startswith(answer.removeprefix("Answer: ")) for question,
    answer in zip(lines[::2], lines[1::2], strict=True)]  # fmt: skip
    assert len(first) == 5
    assert not all(first)


def test_chat_models_are_asked_for_sentences_or_a_name(tmp_path: Path) -> None:
    assert "Compared to water, elephants are typically [comparative]." in asked(tmp_path, "chat")
    assert "Write 3 different sentences" in asked(tmp_path, "chat", several=True, claims=3)
    assert "Which is heavier" in asked(tmp_path, "chat", asked=["heavier"])


def test_what_the_few_shot_examples_say_is_read_as_it_was_meant() -> None:
    kind = ComparativeKind()
    for row in map(json.loads, EXAMPLES.open()):
        found = kind.parse(kind.verbalize(row), row)
        assert isinstance(found, list)
        assert {name: found[0][name] for name in row} == row
