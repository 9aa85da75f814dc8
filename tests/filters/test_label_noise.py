"""Wrong labels: planted ones are found, clean rows stay, small classes are let alone."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pyarrow as pa
import pytest
from support.files import ROOT

pytest.importorskip("cleanlab", reason="needs the extra text")

from everyday import messages
from synthkd.corpora.schema import candidate_schema
from synthkd.errors import InputError, RecipeError
from synthkd.filters.label_noise import LabelNoiseRule, find_label_noise
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.rows import read_rows

BANKING = Path(os.environ.get("SYNTHKD_DATA", ROOT.parent / "shared" / "data")) / "banking77"


def shop(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    labels = [rng.choice(sorted(messages.intents())) for _ in range(count)]
    return [messages.random_message(label, rng)[2] for label in labels], labels


def planted(labels: list[str], share: float, seed: int = 0) -> tuple[list[str], set[int]]:
    rng = random.Random(seed)
    wrong = {i for i in range(len(labels)) if rng.random() < share}
    names = sorted(set(labels))
    return [
        rng.choice([n for n in names if n != label]) if i in wrong else label
        for i, label in enumerate(labels)
    ], wrong


@pytest.mark.slow
def test_planted_errors_are_found_and_the_right_label_is_suggested() -> None:
    texts, labels = shop(600)
    noisy, wrong = planted(labels, 0.1)
    found = find_label_noise(texts, noisy)
    hits = wrong & set(found.wrong)
    assert len(hits) >= 0.75 * len(wrong)
    assert len(hits) >= 0.9 * len(found.wrong)
    assert sum(found.suggested[i] == labels[i] for i in hits) >= 0.95 * len(hits)


@pytest.mark.slow
def test_clean_rows_stay() -> None:
    texts, labels = shop(600)
    assert len(find_label_noise(texts, labels).wrong) <= 6


@pytest.mark.slow
def test_the_same_rows_give_the_same_answer() -> None:
    texts, labels = shop(300)
    noisy, _ = planted(labels, 0.1)
    assert find_label_noise(texts, noisy).wrong == find_label_noise(texts, noisy).wrong


@pytest.mark.slow
def test_a_class_that_is_too_small_is_let_alone_and_told() -> None:
    texts, labels = shop(300)
    found = find_label_noise([*texts, "Odd one", "Other"], [*labels, "rare", "rare"])
    assert found.small == {"rare": 2}
    assert found.trust[-1] != found.trust[-1]
    assert not {300, 301} & set(found.wrong)


@pytest.mark.slow
def test_one_row_of_each_class_is_judged_by_the_trusted_rows() -> None:
    texts, labels = shop(10)
    trusted = shop(200, seed=1)
    names = sorted(set(labels))
    swapped = [names[(names.index(label) + 1) % len(names)] for label in labels[:3]] + labels[3:]
    found = find_label_noise(texts, swapped, trusted)
    assert found.small == {}
    assert {0, 1, 2} <= set(found.wrong)
    assert len(found.wrong) <= 4
    assert found.suggested[:3] == labels[:3]


def test_few_rows_of_a_class_with_few_trusted_ones_are_let_alone() -> None:
    texts, labels = shop(200, seed=1)
    found = find_label_noise(["Odd one"], ["rare"], ([*texts, "So odd"], [*labels, "rare"]))
    assert (found.wrong, found.small) == ([], {"rare": 1})


@pytest.mark.parametrize("count", [0, 1, 4])
def test_few_rows_are_let_alone(count: int) -> None:
    texts, labels = shop(count)
    assert find_label_noise(texts, labels).wrong == []


def test_a_single_class_has_no_wrong_labels() -> None:
    texts, _ = shop(50)
    assert find_label_noise(texts, ["refund"] * 50).wrong == []


@pytest.mark.slow
def test_trusted_rows_help_where_labels_are_bad() -> None:
    texts, labels = shop(240)
    noisy, wrong = planted(labels, 0.4)
    trusted = shop(400, seed=1)
    with_them = wrong & set(find_label_noise(texts, noisy, trusted).wrong)
    assert len(with_them) > len(wrong & set(find_label_noise(texts, noisy).wrong))


def test_texts_without_labels_are_refused() -> None:
    with pytest.raises(InputError, match="2 texts and 1 labels"):
        find_label_noise(["a", "b"], ["x"])


def test_a_way_that_is_none_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"by: one of .* is needed, not 'x'"):
        LabelNoiseRule(by="x")  # type: ignore[arg-type]


def test_the_report_tells_which_classes_were_not_judged_and_what_judges_them() -> None:
    rule, kind = LabelNoiseRule(), LabelledTextKind()
    texts = ["Odd one", "Another", "Money back please"]
    rows = [{"id": str(i), "text": text, "label": "rare"} for i, text in enumerate(texts)]
    rule.take(pa.RecordBatch.from_pylist(rows, schema=candidate_schema(kind)), kind)
    assert list(rule.settle(kind)) == []
    found = rule.findings()
    assert (found["classes_not_judged"], found["rows_not_judged"]) == (1, 3)
    assert "`label_agrees` checks them" in found["sentence"]


@pytest.mark.slow
@pytest.mark.skipif(not BANKING.is_dir(), reason="needs the rows of banking77")
def test_planted_errors_in_real_queries_are_found() -> None:
    rows = [row for part in read_rows(BANKING / "train.parquet", ["text", "label"]) for row in part]
    names = sorted({row["label"] for row in rows})[:10]
    texts, labels = zip(
        *[(row["text"], row["label"]) for row in rows if row["label"] in names], strict=True
    )
    noisy, wrong = planted(list(labels), 0.1)
    found = find_label_noise(texts, noisy)
    hits = wrong & set(found.wrong)
    assert len(hits) >= 0.75 * len(wrong)
    assert len(hits) >= 0.85 * len(found.wrong)
