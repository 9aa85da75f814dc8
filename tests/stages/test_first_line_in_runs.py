"""Templates that cut answers at their first line, in plans and runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd import Recipe, run
from synthkd.corpora.schema import candidate_schema
from synthkd.errors import PromptError, RecipeError
from synthkd.kinds.base import Malformed
from synthkd.kinds.columns import AnswerColumns, distinct_rows, encode_texts
from synthkd.stages.components import Components, resolve_components
from synthkd.stages.parsed_answers import AnswerParser

HEAD = "---\nkind: triple\nchat: false\nfirst_line: true\n---\n- {{ stem }}"
ROWS = [{"head": head, "relation": relation} for head in ("knife", "oak") for relation in
        ("UsedFor", "HasProperty")]  # fmt: skip


def recipe(folder: Path, template: str = HEAD, **teacher: Any) -> Recipe:
    (folder / "list.j2").write_text(template)
    (folder / "recorded.jsonl").touch()
    (folder / "inputs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return Recipe.from_dict(
        {
            "name": "lists",
            "inputs": {"path": "inputs.jsonl"},
            "kind": {"name": "triple", "relations": "everyday"},
            "prompt": {"template": "list.j2"},
            "teacher": {"backend": "recorded", "path": "recorded.jsonl", **teacher},
            "corpus": {"path": "corpus"},
        },
        folder,
    )


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Components:
    return resolve_components(recipe(tmp_path_factory.mktemp("lists")))


def test_a_line_break_stops_the_answer_unless_template_or_recipe_has_a_stop(tmp_path: Path) -> None:
    def stop(text: str, **sampling: Any) -> tuple[str, ...]:
        return resolve_components(recipe(tmp_path, text, sampling=sampling)).sampling.stop

    assert stop(HEAD) == ("\n",)
    assert stop(HEAD.replace("first_line", 'stop: ["."]\nfirst_line')) == (".",)
    assert stop(HEAD, stop=["!"]) == ("!",)
    assert stop(HEAD.replace("first_line: true\n", "")) == ()


def test_structured_answers_and_first_lines_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cuts answers at their first line"):
        resolve_components(recipe(tmp_path, structured=True))


def test_a_value_that_is_no_truth_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="its head: first_line: Input should be a valid boolean"):
        resolve_components(recipe(tmp_path, HEAD.replace("line: true", "line: 7")))


#: Pieces of answers: lines, marks of lists, quotes, beginnings of sentences, JSON, thoughts.
PIECES = (
    "cutting", " bread.", "\n", "- ", '"', "knife is used for ", "[", '["a",\n"b"]', "<think>",
    "</think>", ":", "1. ", "**", "\u2028", "",
)  # fmt: skip


@given(
    texts=st.lists(
        st.one_of(st.lists(st.sampled_from(PIECES), max_size=7).map("".join), st.text(max_size=12)),
        min_size=1,
        max_size=8,
        unique=True,
    ),
    data=st.data(),
)
def test_columns_hold_what_the_first_line_of_each_answer_holds(
    components: Components, texts: list[str], data: st.DataObject
) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    pairs = [(text, row) for row in range(len(ROWS)) for text in range(len(texts))]
    pairs = data.draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1))
    codes, lines = encode_texts([components.part_of(text).text for text in texts])
    line, row = (
        np.array(column) for column in zip(*((codes[t], r) for t, r in pairs), strict=True)
    )
    of, first = distinct_rows([row, line])
    parser = AnswerParser(components, candidate_schema(components.kind))
    answers = AnswerColumns(lines, ROWS, line[first], row[first])
    parsed = parser.parse(answers, np.zeros(len(first), bool))

    begins = np.cumsum(parsed.counts) - parsed.counts
    tails = parsed.columns["tail"].to_pylist()
    for (text, at), answer in zip(pairs, of.tolist(), strict=True):
        found, _ = components.read_answer(texts[text], ROWS[at])
        if isinstance(found, Malformed):
            assert parsed.malformed[answer] == (found,)
            assert not parsed.counts[answer]
        else:
            places = range(begins[answer], begins[answer] + parsed.counts[answer])
            assert [tails[place] for place in places] == [one["tail"] for one in found]  # type: ignore[index]


def test_a_run_reads_first_lines_and_keeps_the_whole_completion_in_raw(tmp_path: Path) -> None:
    made = recipe(tmp_path, sampling={"n": 2})
    first = "cutting bread\n- spoon is used for eating soup\n- pen is us"
    texts = {"UsedFor": [first, "cutting bread"], "HasProperty": ["\n- sharp\n"]}
    rows = [
        {"input_id": str(number), "sample_index": place, "text": text, "logprob": -1.0}
        for number, row in enumerate(ROWS[:2])
        for place, text in enumerate(texts[row["relation"]])
    ]
    made = made.model_copy(update={"inputs": made.inputs.model_copy(update={"id": "number"})})
    (tmp_path / "inputs.jsonl").write_text(
        "".join(f"{json.dumps({**row, 'number': str(i)})}\n" for i, row in enumerate(ROWS[:2]))
    )
    (tmp_path / "recorded.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    result = run(made, quiet=True)
    assert result.corpus is not None
    found = [*result.corpus.table(provenance=True).to_pylist(), *result.corpus.rejected.to_pylist()]
    by_raw = {row["raw"]: row for row in found}
    assert {raw: row["tail"] for raw, row in by_raw.items()} == {
        first: "cutting bread", "cutting bread": "cutting bread", "\n- sharp\n": "sharp"
    }  # fmt: skip
    assert by_raw[first]["logprob"] is None
    assert by_raw["cutting bread"]["logprob"] == -1.0
