"""Numbers of texts: form, overlap with sources."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.critics.text.features import ColumnWords, form_features, overlap_features, rarities


def numbers(said: list[str | None], **sources: list[str | None]) -> dict[str, list[float]]:
    """Return features for which all words weigh alike."""
    columns = {name: ColumnWords(pa.array(texts, pa.string())) for name, texts in sources.items()}
    found = overlap_features(ColumnWords(pa.array(said, pa.string())), columns, np.ones(1 << 16))
    return {name: values.tolist() for name, values in found.items()}


def test_words_are_compared_without_case_marks_and_endings() -> None:
    found = numbers(["Painting, they say."], question=["what PAINTED the wall?"])
    assert found["from question"] == [pytest.approx(1 / 3)]
    assert found["covers question"] == [pytest.approx(1 / 4)]


def test_what_only_one_source_has_counts_by_itself() -> None:
    found = numbers(["a red ball"], premise=["a ball"], hypothesis=["a red ball there"])
    assert found["covers only hypothesis"] == [0.5]
    assert found["covers only premise"] == [0.0]


def test_new_words_are_those_of_no_source() -> None:
    found = numbers(["dogs eat meat"], premise=["dogs bark"], hypothesis=["they eat"])
    assert found["new share"] == [pytest.approx(1 / 3)]
    assert found["new words"] == [pytest.approx(np.log(2))]


def test_a_copied_text_is_known_by_its_pairs_of_words() -> None:
    found = numbers(["the old man sat", "man old sat the"], source=["the old man sat down"] * 2)
    assert found["copied"] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("said", "named", "where"),
    [
        ("the book store sells it", 1.0, 0.2),
        ("a store for a book", 0.0, None),
        ("book stores", 0.0, None),
        ("in a book store", 1.0, 0.5),
    ],
)
def test_an_answer_is_named_where_all_its_words_stand_together(
    said: str, named: float, where: float | None
) -> None:
    found = numbers([said], answer=["Book store."])
    assert found["names answer"] == [named]
    assert (
        found["where answer"] == [where]
        if where is not None
        else np.isnan(found["where answer"][0])
    )


def test_a_name_does_not_run_over_into_the_next_row() -> None:
    assert numbers(["a book", "store"], answer=["book store"] * 2)["names answer"] == [0.0, 0.0]


def test_numbers_are_sought_in_the_sources_and_have_no_meaning_without_digits() -> None:
    found = numbers(["in 1912 and 1950", "never"], source=["it sank in 1912", "x"])["numbers found"]
    assert found[0] == 0.5
    assert np.isnan(found[1])


def test_rare_words_weigh_more() -> None:
    said, source = (
        ColumnWords(pa.array(["the whale", "the", "the"])),
        ColumnWords(pa.array(["whale", "the", "cat"])),
    )
    found = overlap_features(said, {"source": source}, rarities([said, source]))
    assert found["from source"][0] == 1.0


def test_empty_and_missing_texts_have_numbers() -> None:
    found = numbers(["", None, "a"], source=["b", "c", None])
    assert all(len(values) == 3 for values in found.values())
    assert found["from source"] == [0.0, 0.0, 0.0]


texts = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=6)


@pytest.mark.slow
@given(texts)
def test_a_row_has_the_same_numbers_in_any_company(pairs: list[tuple[str, str]]) -> None:
    together = numbers([said for said, _ in pairs], source=[source for _, source in pairs])
    alone = [numbers([said], source=[source]) for said, source in pairs]
    for name, values in together.items():
        np.testing.assert_allclose(values, [one[name][0] for one in alone])


def test_the_form_of_a_text_is_told() -> None:
    found = form_features(pa.array(["Is it? Yes.", "no", None]))
    assert found["asks"].tolist() == [1, 0, 0]
    assert found["sentences"].tolist() == [2, 0, 0]
    assert found["ends"].tolist() == [1, 0, 0]
    assert found["begins_upper"].tolist() == [1, 0, 0]
