"""Reading texts with spans, their figures, and retrieval by type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd import Recipe, run
from synthkd.errors import InputError, StudentError
from synthkd.students.metrics import count_spans, evaluate_spans, paired_span_bootstrap
from synthkd.students.span_rows import bio_spans, read_tagged_texts
from synthkd.students.spans import TaggedTexts, TypedSpan
from synthkd.students.taggers.retrieval import RowsByType, recall_at, recall_by_type


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


ADA = (TypedSpan(0, 3, "person"), TypedSpan(9, 13, "place"))


def test_rows_of_spans_are_joined_by_their_sentence(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"sentence": "Ada left Rome.", "type": "place", "span": "Rome", "start": 9, "end": 13},
        {"sentence": "Ada left Rome.", "type": "person", "span": "Ada"},
        {"sentence": "It rains.", "type": "", "span": ""},
    )
    assert read_tagged_texts(path) == TaggedTexts(("Ada left Rome.", "It rains."), (ADA, ()))


def test_places_are_read_as_tables_write_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "sentence,type,span,start,end\nAda left Rome.,person,Ada,0.0,3.0\nIt rains.,,,,\n"
    )
    assert read_tagged_texts(path) == TaggedTexts(("Ada left Rome.", "It rains."), (ADA[:1], ()))


def test_equal_rows_without_a_place_are_the_occurrences_in_turn(tmp_path: Path) -> None:
    row = {"sentence": "Ada and Ada", "type": "person", "span": "Ada"}
    (spans,) = read_tagged_texts(write(tmp_path, row, row, row)).spans
    assert [(span.start, span.end) for span in spans] == [(0, 3), (8, 11)]


def test_a_list_may_have_spans_with_and_without_a_place(tmp_path: Path) -> None:
    spans = [{"type": "person", "start": 0, "end": 3}, {"type": "place", "text": "Rome"}]
    path = write(tmp_path, {"text": "Ada left Rome.", "spans": spans})
    assert read_tagged_texts(path).spans == (ADA,)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"type": "person", "span": "Ada", "start": "x", "end": 3}, "'start' is 'x', which is no"),
        ({"type": "person", "span": "Ada", "start": 0, "end": 2.5}, "'end' is 2.5, which is no"),
        ({"spans": 5}, "'spans' is not a list of objects"),
        ({"spans": "5"}, "'spans' is not a list of objects"),
        ({"spans": {"person": ["Ada"]}}, "'spans' is not a list of objects"),
        ({"spans": ["Ada"]}, "'spans' is not a list of objects"),
        ({"tokens": ["Ada", "left"], "tags": ["S-person", "O"]}, "'S-person' is no BIO tag"),
    ],
)
def test_cells_of_another_form_are_refused_with_their_row(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=rf"rows\.jsonl row 1: {message}"):
        read_tagged_texts(write(tmp_path, {"text": "Ada left Rome.", **row}))


def test_a_corpus_of_spans_is_read_by_its_sentences(tmp_path: Path) -> None:
    row = {"key": "s", "sentence": "Ada left Rome."}
    answer = '[{"type": "person", "text": "Ada"}, {"type": "place", "text": "Rome"}]'
    write(tmp_path, row).rename(tmp_path / "inputs.jsonl")
    write(tmp_path, {"input_id": "s", "text": answer}).rename(tmp_path / "answers.jsonl")
    recipe = Recipe.from_dict(
        {
            "name": "spans", "inputs": {"path": "inputs.jsonl", "id": "key"},
            "kind": {"name": "span"}, "corpus": {"path": "corpus"},
            "teacher": {"backend": "recorded", "path": "answers.jsonl"},
        },
        tmp_path,
    )  # fmt: skip
    run(recipe, quiet=True)
    for column in (None, "text"):
        assert read_tagged_texts(tmp_path / "corpus", column) == TaggedTexts(
            ("Ada left Rome.",), (ADA,)
        )


def test_rows_of_texts_have_their_spans_in_a_list(tmp_path: Path) -> None:
    spans = [{"label": "person", "text": "Ada"}, {"label": "place", "text": "Rome"}]
    path = write(tmp_path, {"text": "Ada left Rome.", "spans": spans},
                 {"text": "Ada left Rome.", "spans": json.dumps([])})  # fmt: skip
    assert read_tagged_texts(path).spans == (ADA, ())


def test_tokens_and_tags_are_joined_by_blanks(tmp_path: Path) -> None:
    table = pa.table({"tokens": [["Ada", "left", "Rome"]], "tags": [["B-person", "O", "I-place"]]})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read_tagged_texts(tmp_path / "rows.parquet") == TaggedTexts(("Ada left Rome",), (ADA,))


def test_of_spans_that_overlap_the_longest_is_kept(tmp_path: Path) -> None:
    spans = [{"type": "place", "text": text} for text in ("York", "New York")]
    path = write(tmp_path, {"text": "New York", "spans": spans})
    assert read_tagged_texts(path).spans == ((TypedSpan(0, 8, "place"),),)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"text": "Ada", "spans": [{"type": "person", "text": "Bob"}]}, "row 1: .*not_in_sentence"),
        ({"sentence": "Ada", "type": "person", "span": "Ada", "start": 1, "end": 4}, "at 1:4"),
        ({"sentence": "Ada", "type": "", "span": "Ada"}, "has no type"),
        ({"text": "Ada"}, "no column 'spans'"),
        ({"spans": []}, "no column 'sentence'"),
        ({"text": "Ada", "spans": "["}, "is no JSON"),
        ({"tokens": ["Ada"], "tags": []}, "as many BIO tags"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(
    row: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        read_tagged_texts(write(tmp_path, row))


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-A I-A O B-A", [(0, 2, "A"), (3, 4, "A")]),
        ("B-A B-A", [(0, 1, "A"), (1, 2, "A")]),
        ("B-A I-B", [(0, 1, "A"), (1, 2, "B")]),
        ("O I-A I-A", [(1, 3, "A")]),
        ("O", []),
    ],
)
def test_tags_are_read_as_seqeval_reads_them(tags: str, spans: Any) -> None:
    assert bio_spans(tags.split()) == spans


def test_spans_of_a_text_must_fit_it() -> None:
    with pytest.raises(StudentError, match="text 1: the span 0:9"):
        TaggedTexts(("Ada",), ((TypedSpan(0, 9, "person"),),))


A, B, C = (TypedSpan(i, i + 1, "x") for i in range(3))


def test_a_span_is_right_if_its_place_and_type_are() -> None:
    wrong_type = TypedSpan(1, 2, "y")
    evaluation = evaluate_spans([(A, B), (C,), ()], [(A, wrong_type), (), ()], draws=200)
    assert (evaluation.precision, evaluation.recall, evaluation.f1) == (1 / 2, 1 / 3, 2 / 5)
    assert [(one.type, one.true, one.predicted) for one in evaluation.per_type] == [
        ("x", 3, 1), ("y", 0, 1)
    ]  # fmt: skip
    low, high = evaluation.intervals["f1"]
    assert 0 <= low <= evaluation.f1 <= high <= 1
    assert "f1" in str(evaluation)
    assert evaluation.as_dict()["f1"] == 2 / 5


def test_without_spans_all_figures_are_0() -> None:
    evaluation = evaluate_spans([()], [()], draws=0)
    assert (evaluation.precision, evaluation.recall, evaluation.f1) == (0, 0, 0)


@given(st.lists(st.tuples(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5))), min_size=1))
def test_the_micro_f1_counts_spans_over_all_texts(rows: Any) -> None:
    def spans(numbers: set[int]) -> tuple[TypedSpan, ...]:
        return tuple(TypedSpan(i, i + 1, "x") for i in sorted(numbers))

    true, found = [spans(one) for one, _ in rows], [spans(one) for _, one in rows]
    right = sum(len(one & other) for one, other in rows)
    size = sum(len(one) + len(other) for one, other in rows)
    assert evaluate_spans(true, found, draws=0).f1 == (2 * right / size if size else 0)


def test_the_interval_of_a_difference_is_that_of_paired_texts() -> None:
    better = count_spans([(A,)] * 40, [(A,)] * 40)
    worse = count_spans([(A,)] * 40, [(A,)] * 20 + [()] * 20)
    point, low, high = paired_span_bootstrap(better, worse, draws=500)
    assert low < point < high
    assert low > 0
    assert paired_span_bootstrap(better, better, draws=50) == (0, 0, 0)
    several = paired_span_bootstrap(np.stack([better] * 3), np.stack([worse] * 3), draws=100)
    np.testing.assert_allclose(several[0], point)


class Letters:
    """Embeds texts as shares of their letters."""

    def embed(self, texts: Any) -> Any:
        counts = np.array([[text.lower().count(ch) for ch in "abcdefghi"] for text in texts]) + 1e-9
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def test_recall_at_k_is_the_share_of_relevant_rows_among_the_first() -> None:
    assert recall_at([3, 1, 0, 2], {1, 2}, 2) == 0.5
    assert recall_at([3, 1, 0, 2], {1, 2}, 4) == 1
    assert np.isnan(recall_at([0], set(), 1))


def test_rows_are_found_by_the_words_of_their_types() -> None:
    texts = ("aaa bbb", "ccc ddd", "aaa eee")
    spans = ((TypedSpan(0, 3, "a"),), (TypedSpan(0, 3, "c"),), (TypedSpan(0, 3, "a"),))
    rows = TaggedTexts(texts, spans)
    found = RowsByType(texts, Letters())
    (of_a, of_c) = recall_by_type(found, rows, ks=(1, 2))
    assert (of_a.relevant, of_a.recall, of_a.at_relevant) == (2, {1: 0.5, 2: 1.0}, 1.0)
    assert of_c.recall == {1: 1.0, 2: 1.0}


def test_spans_bring_a_row_nearer_to_their_type() -> None:
    texts = ("bbb bbb bbb a", "aa bb")
    spans = ((TypedSpan(12, 13, "a"),), ())
    plain = RowsByType(texts, Letters())
    with_spans = RowsByType(texts, Letters(), TaggedTexts(texts, spans))
    assert plain.ranked("a").tolist() == [1, 0]
    assert with_spans.ranked("a").tolist() == [0, 1]
    with pytest.raises(StudentError, match="other texts"):
        RowsByType(texts[:1], Letters(), TaggedTexts(texts, spans))
