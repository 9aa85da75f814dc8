"""No installed kind raises on any text, and every completion has an outcome."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd import Recipe, load_corpus, plugins, run
from synthkd.kinds.base import Kind, Malformed
from synthkd.stages.plan import plan_run

#: Kind -> an input row, the recipe's part, and an answer that parses.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "triple": ({"head": "cat", "relation": "IsA"}, {"relations": "everyday"}, " animal"),
    "event": ({"name": "one"}, {}, " PersonX pays PersonY a compliment"),
    "comparative": ({"left": "elephant", "right": "cat"}, {}, " typically much heavier."),
    "proposition": (
        {"document_id": "d", "text": "An elephant is an animal that has a trunk. It can swim."},
        {},
        "<s>\n- An elephant is an animal.\n- An elephant has a trunk.\n</s>\n<s>\n- An elephant can"
        " swim.\n</s>",
    ),
    "rationale": (
        {
            "question": "Tom has 12 apples. He gives 5 apples to Ann."
            " How many apples does Tom have left?"
        },
        {},
        " Tom has 12 apples. 12 - 5 = 7. The answer is 7.",
    ),
    "labelled_text": ({"label": "refund"}, {}, " Please give me my money back."),
    "span": (
        {"sentence": "Ada Lovelace was born in London."},
        {"options": {"types": ["person", "place"]}},
        '[{"type": "person", "text": "Ada Lovelace"}, {"type": "place", "text": "London"}]',
    ),
    "record": (
        {"cuisine": "Thai"},
        {
            "options": {
                "columns": {"cuisine": "text", "dish": "text", "minutes": "int 1..600"},
                "inputs": ["cuisine"],
            }
        },
        '{"dish": "Soup", "minutes": 20}',
    ),
    "fact": (
        {"document_id": "d", "text": "The ferry Solveig links Rysa to the mainland."},
        {},
        "Solveig | links | Rysa",
    ),
}
NAMES = sorted(plugins.names("kinds"))
#: Python types of a column, by Arrow type.
TYPES = {"string": str, "int64": int, "float64": float, "bool": bool}
#: Bits that parsers look for, and bits that they do not expect.
BITS = [
    "<s>", "</s>", "- ", "\n", "\n\n", "{", "}", '{"answers": [', "]", '"', "Question:", "Answer:",
    "The answer is", "Message:",
    "(a)", "<<1/0=3>>", "1 / 0 = 2", "9" * 400, "½", "-", "than", "more", "less", "\x00",
    "\x1b[31m", "\u202e", "\ud7ff", "ﷺ",
    "你好", "אבג", "😀", "'", "```json\n", "%", "$1,000.50", "²", "are", "Compared to", "\t",
    "\r\n", "\u2028", "#" * 50,
]  # fmt: skip


def test_every_installed_kind_is_in_the_table() -> None:
    assert set(NAMES) <= set(KINDS)


def recipe(folder: Path, name: str, n: int = 1) -> Recipe:
    row, part, _ = KINDS[name]
    (folder / "inputs.jsonl").write_text(json.dumps({**row, "key": "i"}) + "\n")
    if not (folder / "rows.jsonl").exists():
        (folder / "rows.jsonl").write_text(json.dumps({"input_id": "i", "text": "x"}) + "\n")
    return Recipe.from_dict(
        {
            "name": "fuzz",
            "inputs": {"path": "inputs.jsonl", "id": "key"},
            "kind": {"name": name, **part},
            "teacher": {"backend": "recorded", "path": "rows.jsonl", "sampling": {"n": n}},
            "corpus": {"path": "corpus"},
        },
        folder,
    )


@pytest.fixture(scope="module", params=[name for name in NAMES if name in KINDS])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Kind, dict[str, Any], str]:
    """Return a kind, an input row as a plan expands it, and an answer that parses."""
    plan = plan_run(recipe(tmp_path_factory.mktemp(request.param), request.param))
    (asked, *_) = next(plan.batches())
    return plan.kind, asked.row, KINDS[request.param][2]


def check(kind: Kind, found: Any) -> None:
    if isinstance(found, Malformed):
        assert found.reason
        return
    assert found, "no candidate and no reason"
    for candidate in found:
        if isinstance(candidate, Malformed):
            # A part of the answer that cannot be read.
            assert candidate.reason
            continue
        assert set(candidate) <= {*kind.columns, *kind.details}
        for column in kind.columns:
            assert isinstance(candidate[column], TYPES[kind.types.get(column, "string")])
        assert isinstance(kind.verbalize(candidate), str)
        assert len(kind.normalize(candidate)) == len(kind.columns)
        assert all(isinstance(part, str) for part in kind.vote_on(candidate))
        assert isinstance(kind.vote_for(candidate), str)


@pytest.mark.slow
def test_the_answer_of_the_table_parses_and_its_sentence_parses_to_the_same_candidate(
    made: Any,
) -> None:
    kind, row, answer = made
    found = kind.parse(answer, row)
    assert not isinstance(found, Malformed)
    for candidate in found:
        # A sentence does not say where the parts of a fact or record begin; its answer does.
        divided = kind.name in ("fact", "record")
        written = kind.completion([candidate], row) if divided else None
        again = kind.parse(written or kind.verbalize(candidate), row)
        assert not isinstance(again, Malformed)
        assert kind.identity(again[0]) == kind.identity(candidate)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=300))
def test_no_parser_raises_on_any_text(made: Any, text: str) -> None:
    kind, row, _ = made
    check(kind, kind.parse(text, row))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    bits=st.lists(st.sampled_from(BITS), max_size=12),
    cut=st.integers(0, 200),
    place=st.integers(0, 200),
)
def test_no_parser_raises_on_a_truncated_and_padded_answer(
    made: Any, bits: list[str], cut: int, place: int
) -> None:
    kind, row, answer = made
    text = answer[:cut]
    place = min(place, len(text))
    check(kind, kind.parse(text[:place] + "".join(bits) + text[place:], row))


def fuzzed(answer: str, seed: int = 0) -> list[str]:
    """Draw completions as they come on bad days."""
    rng = random.Random(seed)
    huge = [
        answer * 3000,
        "x" * 200_000,
        "<s>\n- " * 20_000,
        "(" * 50_000,
        "1 + " * 30_000,
        "\n" * 100_000,
        "[" * 50_000,
    ]
    cut = [answer[:i] for i in range(0, len(answer), 3)]
    mixed = ["".join(rng.choices([*BITS, answer], k=rng.randint(1, 20))) for _ in range(80)]
    return ["", " ", answer, answer + answer, *cut, *huge, *mixed, *BITS]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name in KINDS])
def test_every_fuzzed_completion_has_an_outcome(name: str, tmp_path: Path) -> None:
    texts = fuzzed(KINDS[name][2])
    lines = [
        json.dumps({"input_id": "i", "sample_index": i, "text": text})
        for i, text in enumerate(texts)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    plan = plan_run(recipe(tmp_path, name, len(texts)))
    ids = [asked.input_id for group in plan.batches() for asked in group]
    # A kind may make several inputs of a row; each is answered by the same texts.
    lines = [
        json.dumps({"input_id": one, "sample_index": i, "text": text})
        for one in ids
        for i, text in enumerate(texts)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    result = run(recipe(tmp_path, name, len(texts)), quiet=True)
    counts = result.counts
    rows = [
        row
        for split in ("accepted", "rejected")
        for row in load_corpus(tmp_path / "corpus").table(split, provenance=True).to_pylist()
    ]
    assert counts["completed"] == counts["asked"] == len(ids) * len(texts)
    assert len({row["completion_key"] for row in rows}) == len(ids) * len(texts)
    assert len(rows) == counts["candidates"] + counts["malformed"]
    assert counts["candidates"] == counts["accepted"] + sum(counts["rejected"].values())
    assert all(row["reason"] for row in rows if row["rejected_by"])
