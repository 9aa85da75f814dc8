"""The kind `span`: answers in every form, places, overlaps, votes, inputs and examples."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synthkd import Recipe, load_corpus, run
from synthkd.errors import KindError, RecipeError
from synthkd.kinds import Malformed, SpanKind
from synthkd.kinds.span.answers import WrittenSpan
from synthkd.kinds.span.places import locate_spans
from synthkd.kinds.structured_answers import read_structured_answer
from synthkd.stages.plan import plan_run

KIND = SpanKind(types={"person": "Somebody with a name.", "place": ""})
TAGGED = SpanKind(types=["person", "place", "work"], answers="tagged")
ROW = {"sentence": "Ada Lovelace left London for New London."}
BOTH = [("person", "Ada Lovelace", 0), ("place", "London", 18)]


def spans(kind: SpanKind, text: str, row: dict[str, Any] = ROW) -> list[tuple[str, str, int]]:
    """Return type, text and start of the sound spans of an answer."""
    found = kind.parse(text, row)
    assert not isinstance(found, Malformed), found
    for one in found:
        if not one["flaw"] and one["span"]:
            assert row["sentence"][one["start"] : one["end"]] == one["span"]
    return [(one["type"], one["span"], one["start"]) for one in found if not one["flaw"]]


def flaws(kind: SpanKind, text: str, row: dict[str, Any] = ROW) -> list[str]:
    found = kind.parse(text, row)
    assert not isinstance(found, Malformed), found
    return [one["flaw"] for one in found]


@pytest.mark.parametrize(
    "answer",
    [
        '[{"type": "person", "text": "Ada Lovelace"}, {"type": "place", "text": "London"}]',
        '[{"label": "Person", "span": "Ada Lovelace"}, {"label": "PLACE", "name": "London"}]',
        '{"entities": [{"type": "person", "entity": "Ada Lovelace"},'
        ' {"category": "place", "mention": "London"}]}',
        '{"person": ["Ada Lovelace"], "place": ["London"]}',
        '{"person": "Ada Lovelace", "place": "London"}',
        '{"Ada Lovelace": "person", "London": "place"}',
        '[["person", "Ada Lovelace"], ["London", "place"]]',
        '```json\n[{"type": "person", "text": "Ada Lovelace"},\n'
        '{"type": "place", "text": "London"}]\n```',
        'The spans are:\n[{"type": "person", "text": "Ada Lovelace"},'
        ' {"type": "place", "text": "London"}]',
        '[{"type": "person", "text": "Ada Lovelace"}, {"type": "place", "text": "London"},'
        ' {"type": "pla',
        "- person: Ada Lovelace\n- place: London",
        "person: Ada Lovelace; place: London",
    ],
)
def test_spans_are_read_from_json_of_many_shapes_and_from_lines(answer: str) -> None:
    assert spans(KIND, answer) == BOTH


@pytest.mark.parametrize(
    "answer", ["[]", "{}", '{"entities": []}', '{"person": [], "place": []}', "None", "No spans."]
)
def test_an_answer_without_spans_is_one_row_without_type_and_span(answer: str) -> None:
    (row,) = KIND.parse(answer, ROW)
    assert (row["type"], row["span"], row["start"], row["flaw"]) == ("", "", None, "")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no_text"),
        ("Ada Lovelace was a mathematician.", "not_json"),
        ('[{"type": "per', "cut"),
        ('{"sentence": "Ada"}', "no_spans"),
    ],
)
def test_an_answer_that_cannot_be_read_is_malformed_by_its_reason(answer: str, reason: str) -> None:
    found = KIND.parse(answer, {"sentence": "x"})
    if isinstance(found, Malformed):
        assert found.reason == reason
    else:
        assert reason == "no_spans"
        assert found[0]["flaw"]


@pytest.mark.parametrize(
    ("item", "flaw"),
    [
        ({"type": "person", "text": "Byron"}, "not_in_sentence"),
        ({"type": "person", "text": "Ada Love"}, "part_of_word"),
        ({"type": "poet", "text": "Ada"}, "unknown_type"),
        ({"type": "person", "text": ""}, "empty_span"),
        ({"type": "", "text": "Ada"}, "no_type"),
        ({"type": "person", "text": "Ada Lovelace"}, "repeated"),
    ],
)
def test_a_bad_span_has_a_flaw_and_the_good_spans_of_the_answer_stay(
    item: dict[str, str], flaw: str
) -> None:
    answer = [{"type": "person", "text": "Ada Lovelace"}, item, {"type": "place", "text": "London"}]
    assert flaws(KIND, json.dumps(answer)) == ["", flaw, ""]


def test_the_spelling_of_the_sentence_is_kept_where_the_teacher_differs() -> None:
    row = {"sentence": "He read “The  Times” in AT & T 's hall."}
    answer = '[{"type": "place", "text": "the times"}, {"type": "place", "text": "AT&T\'s"}]'
    assert spans(KIND, answer, row) == [("place", "The  Times", 9), ("place", "AT & T 's", 24)]


def test_a_repeated_text_gets_its_occurrences_in_turn() -> None:
    row = {"sentence": "Rome, Rome and Rome."}
    answer = json.dumps([{"type": "place", "text": "Rome"}] * 3)
    assert [start for *_, start in spans(KIND, answer, row)] == [0, 6, 15]


def test_a_text_that_is_named_hundreds_of_times_is_found_in_little_time() -> None:
    sentence = " ".join(["a bird"] * 4000)
    start = time.monotonic()
    spans = locate_spans([WrittenSpan("animal", "a bird")] * 200, sentence)
    assert [span.start for span in spans] == [7 * number for number in range(200)]
    # Each span was compared with all places of all others: 11 s.
    assert time.monotonic() - start < 4


def test_a_text_takes_a_place_outside_of_longer_spans_first() -> None:
    row = {"sentence": "New York is larger than York."}
    answer = json.dumps([{"type": "place", "text": text} for text in ("York", "New York")])
    assert spans(KIND, answer, row) == [("place", "York", 24), ("place", "New York", 0)]


def test_scripts_without_blanks_have_spans_inside_of_their_text() -> None:
    row = {"sentence": "我住在北京市。"}
    assert spans(KIND, '[{"type": "place", "text": "北京"}]', row) == [("place", "北京", 3)]


@pytest.mark.parametrize(
    ("overlaps", "kept"),
    [
        ("refuse", ["Paris"]),
        ("longest", ["New York City", "Paris"]),
        ("first", ["York", "Paris"]),
        ("keep", ["York", "New York City", "Paris"]),
    ],
)
def test_the_rule_of_overlaps_decides_which_span_stays(overlaps: str, kept: list[str]) -> None:
    kind = SpanKind(types=["place"], overlaps=overlaps)
    row = {"sentence": "New York City is not Paris."}
    answer = json.dumps(
        [{"type": "place", "text": text} for text in ("York", "New York City", "Paris")]
    )
    assert [text for _, text, _ in spans(kind, answer, row)] == kept


def test_one_text_of_two_types_overlaps_itself() -> None:
    answer = (
        '[{"type": "person", "text": "Ada Lovelace"}, {"type": "place", "text": "Ada Lovelace"}]'
    )
    assert flaws(KIND, answer) == ["", "overlap"]


def test_tags_give_the_place_of_a_repeated_text() -> None:
    answer = "<person>Ada Lovelace</person> left London for New <place>London</place>."
    assert spans(TAGGED, answer) == [("person", "Ada Lovelace", 0), ("place", "London", 33)]


def test_nested_tags_are_spans_of_their_own_and_the_longest_is_kept() -> None:
    row = {"sentence": "The History of Rome is long."}
    answer = "<work>The History of <place>Rome</place></work> is long."
    assert flaws(TAGGED, answer, row) == ["", "overlap"]
    keeping = SpanKind(types=["place", "work"], answers="tagged", overlaps="keep")
    assert len(spans(keeping, answer, row)) == 2


def test_angle_brackets_of_the_sentence_are_no_tags() -> None:
    row = {"sentence": "The tag <b> is known in Rome."}
    assert spans(TAGGED, "The tag <b> is known in <place>Rome</place>.", row) == [
        ("place", "Rome", 24)
    ]


def test_a_tag_with_the_type_as_an_attribute_is_read() -> None:
    answer = '<entity type="person">Ada Lovelace</entity> left London for New London.'
    assert spans(TAGGED, answer) == [("person", "Ada Lovelace", 0)]


def test_a_sentence_without_tags_has_no_spans_and_another_text_is_malformed() -> None:
    assert spans(TAGGED, ROW["sentence"]) == [("", "", None)]
    found = TAGGED.parse("Ada was here.", ROW)
    assert isinstance(found, Malformed)
    assert found.reason == "not_tagged"


def test_a_tag_that_is_not_closed_is_cut() -> None:
    assert flaws(TAGGED, "<person>Ada Lovelace</person> left <place>Lond") == ["", "cut"]


def test_a_structured_answer_has_the_same_outcomes() -> None:
    model = KIND.answer_model()
    text = '{"answers": [{"type": "person", "span": "Ada Lovelace"}, {"type": "x", "span": "y"}]}'
    answer = read_structured_answer(text, model)
    assert not isinstance(answer, Malformed)
    found = KIND.read(answer.value, ROW)
    assert not isinstance(found, Malformed)
    assert [one["flaw"] for one in found] == ["", "unknown_type"]
    empty = read_structured_answer('{"answers": []}', model)
    assert not isinstance(empty, Malformed)
    assert KIND.read(empty.value, ROW)[0]["span"] == ""


def test_two_places_of_one_text_are_two_spans() -> None:
    row = {"sentence": "Rome and Rome."}
    first, second = KIND.parse(json.dumps([{"type": "place", "text": "Rome"}] * 2), row)
    assert KIND.identity(first) != KIND.identity(second)
    assert KIND.vote_for(first) != KIND.vote_for(second)
    assert KIND.vote_on(first) == KIND.vote_on(second) == ("Rome and Rome.",)


words = st.lists(st.sampled_from(["Ada", "Bob", "Rome", "the", "Oslo"]), min_size=1, max_size=9)


@st.composite
def marked(draw: Any) -> tuple[str, list[dict[str, Any]]]:
    """Draw a sentence with spans that do not overlap, the first ones of equal texts."""
    tokens = draw(words)
    sentence = " ".join(tokens)
    starts = [len(" ".join([*tokens[:i], ""])) for i in range(len(tokens))]
    place, rows = 0, []
    while place < len(tokens):
        size = draw(st.integers(0, 2))
        text = " ".join(tokens[place : place + size])
        if size and sum(sentence.startswith(text, at) for at in range(len(sentence))) == 1:
            row = {"sentence": sentence, "type": draw(st.sampled_from(["person", "place"]))}
            start = starts[place]
            rows.append({**row, "span": text, "start": start, "end": start + len(text)})
        place += max(size, 1)
    return sentence, rows


@pytest.mark.parametrize("answers", ["json", "tagged"])
@given(case=marked())
def test_the_completion_of_spans_is_parsed_to_the_same_spans(answers: str, case: Any) -> None:
    kind = SpanKind(types=["person", "place"], answers=answers)
    sentence, rows = case
    found = kind.parse(kind.completion(rows, {"sentence": sentence}), {"sentence": sentence})
    assert not isinstance(found, Malformed)
    wanted = [(row["type"], row["span"], row["start"]) for row in rows] or [("", "", None)]
    assert [(row["type"], row["span"], row["start"]) for row in found] == wanted


@given(answer=st.text(max_size=60), sentence=st.text(min_size=1, max_size=60))
def test_a_span_without_a_flaw_stands_in_its_sentence(answer: str, sentence: str) -> None:
    texts = [answer, *answer.split(), sentence[1:5], sentence[::2]]
    written = json.dumps([{"type": "person", "text": text} for text in texts])
    found = KIND.parse(written, {"sentence": sentence})
    assert not isinstance(found, Malformed)
    for one in found:
        if not one["flaw"] and one["span"]:
            assert sentence[one["start"] : one["end"]] == one["span"]


@pytest.mark.parametrize("name", ["types.yaml", "types.csv"])
def test_types_come_from_a_file(tmp_path: Path, name: str) -> None:
    rows = [{"type": "clause", "description": "A clause."}]
    text = yaml.safe_dump(rows) if name.endswith("yaml") else "type,description\nclause,A clause.\n"
    (tmp_path / name).write_text(text)
    kind = SpanKind(types=str(tmp_path / name))
    assert kind.context({"sentence": "x"}, [], random.Random(0))["types"] == [
        {"name": "clause", "description": "A clause."}
    ]


def test_types_that_read_the_same_are_refused() -> None:
    with pytest.raises(KindError, match=r"types row 2: the class 'Person' reads the same"):
        SpanKind(types=["person", "Person"])


def test_a_few_shot_example_has_its_answer_and_must_fit_its_sentence() -> None:
    example = {**ROW, "spans": [{"type": "person", "text": "Ada Lovelace"}]}
    KIND.check_examples([example, {**ROW, "spans": "[]"}])
    shown = KIND.context(ROW, [example], random.Random(0))["examples"]
    assert shown[0]["answer"] == '[{"type": "person", "text": "Ada Lovelace"}]'
    with pytest.raises(KindError, match=r"few-shot row 1: 'person' 'Byron': not_in_sentence"):
        KIND.check_examples([{**ROW, "spans": [{"type": "person", "text": "Byron"}]}])
    with pytest.raises(KindError, match="`spans` is None"):
        KIND.check_examples([ROW])


def recipe(folder: Path, answers: list[str], **parts: Any) -> Recipe:
    (folder / "inputs.jsonl").write_text(
        json.dumps({"key": "s", "text": ROW["sentence"], "document_id": "d"}) + "\n"
    )
    rows = [
        json.dumps({"input_id": "s", "sample_index": i, "text": text})
        for i, text in enumerate(answers)
    ]
    (folder / "answers.jsonl").write_text("\n".join(rows) + "\n")
    sampling = {"n": len(answers)}
    return Recipe.from_dict(
        {
            "name": "spans", "inputs": {"path": "inputs.jsonl", "id": "key"},
            "kind": {"name": "span", "options": {"types": ["person", "place"]}},
            "teacher": {"backend": "recorded", "path": "answers.jsonl", "sampling": sampling},
            "corpus": {"path": "corpus"}, **parts,
        },
        folder,
    )  # fmt: skip


def test_samples_vote_for_exact_spans(tmp_path: Path) -> None:
    ada, london = (
        '{"type": "person", "text": "Ada Lovelace"}',
        '{"type": "place", "text": "London"}',
    )
    answers = [f"[{ada}, {london}]", f"[{ada}]", "[]", "person: Ada Lovelace, yes"]
    run(recipe(tmp_path, answers, votes={"min_agreement": 0.5}), quiet=True)
    corpus = load_corpus(tmp_path / "corpus")
    (kept,) = corpus.table(provenance=True).to_pylist()
    assert (kept["span"], kept["votes"], kept["agreement"]) == ("Ada Lovelace", 2, 0.5)
    assert (kept["start"], kept["end"], kept["document_id"]) == (0, 12, "d")
    reasons = {row["reason"][:15] for row in corpus.rejected.to_pylist()}
    assert "not_in_sentence" in reasons


def test_a_sentence_on_which_samples_agree_that_it_has_no_span_is_accepted(tmp_path: Path) -> None:
    run(recipe(tmp_path, ["[]", "none"], votes={"min_agreement": 0.5}), quiet=True)
    (kept,) = load_corpus(tmp_path / "corpus").table(provenance=True).to_pylist()
    assert (kept["sentence"], kept["type"], kept["span"]) == (ROW["sentence"], "", "")
    assert kept["votes"] == 2


def test_a_recipe_that_leaves_the_rule_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="put `in_sentence` first"):
        plan_run(recipe(tmp_path, ["[]"], rules=["empty"]))
