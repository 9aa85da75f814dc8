"""Near duplicates: which row stays, whatever the order, and what is verified."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.near_duplicates import BYTES, NearDuplicate
from synthkd.kinds.labelled_text.kind import LabelledTextKind
from synthkd.kinds.triple import TripleKind
from synthkd.text.near_duplicates import jaccard
from synthkd.text.normal_forms import normal_text, shingles

KIND = LabelledTextKind()
LONG = "I would like to have my money back for the red shoes that I ordered from you last week"


def rows(*texts: str, **columns: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "text": text, "label": "refund", "id": f"{i:08x}", "completion_key": f"key-{i:02d}",
            "logprob": None,
            **{name: values[i] for name, values in columns.items()},
        }
        for i, text in enumerate(texts)
    ]  # fmt: skip


def rejected(
    rule: NearDuplicate, taken: list[dict[str, Any]], kind: Any = KIND, step: int = 3
) -> dict[str, str]:
    """Return the reason of each rejected row by id, from batches of ``size`` rows."""
    names = rule.columns(kind)
    schema = pa.schema([candidate_schema(kind).field(name) for name in names])
    for begin in range(0, len(taken), step):
        part = [{name: row[name] for name in names} for row in taken[begin : begin + step]]
        rule.take(pa.RecordBatch.from_pylist(part, schema=schema), kind)
    return {taken[number]["id"]: why for number, why in rule.settle(kind)}


def test_the_likelier_of_two_near_texts_stays_and_the_reason_names_it() -> None:
    taken = rows(LONG, LONG + ", please", "Something quite different", logprob=[-5.0, -1.0, -9.0])
    assert rejected(NearDuplicate(), taken) == {"00000000": "near key-01 (0.92)"}


def test_among_equally_likely_ones_the_lowest_key_stays() -> None:
    taken = rows(LONG + "!", LONG, completion_key=["b", "a"])
    assert rejected(NearDuplicate(), taken) == {"00000000": "near a (1.00)"}


def test_what_is_said_of_two_texts_is_their_exact_similarity() -> None:
    other = LONG.replace("red shoes", "blue boots")
    exact = jaccard(shingles(normal_text(LONG)), shingles(normal_text(other)))
    (why,) = rejected(NearDuplicate(threshold=0.6), rows(LONG, other)).values()
    assert why == f"near key-00 ({exact:.2f})"
    assert not rejected(NearDuplicate(threshold=exact + 0.01), rows(LONG, other))


def random_rows(count: int) -> list[dict[str, Any]]:
    rng = random.Random(0)
    words = [
        f"{a}{b}"
        for a in ("ba", "do", "ki", "lu", "me", "so")
        for b in ("n", "r", "st", "la", "vi", "po")
    ]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(count // 3)]
    for _ in range(count - len(texts)):
        said = rng.choice(texts).split()
        said[rng.randrange(len(said))] = rng.choice(words)
        texts.append(" ".join(said))
    return rows(*texts, logprob=[round(rng.random(), 1) for _ in texts])


@pytest.mark.slow
def test_the_order_and_the_batches_of_rows_carry_no_meaning() -> None:
    taken = random_rows(300)
    first = rejected(NearDuplicate(threshold=0.7), taken, step=300)
    assert 50 < len(first) < 250
    for seed in range(3):
        random.Random(seed).shuffle(taken)
        assert rejected(NearDuplicate(threshold=0.7), taken, step=7) == first


def test_no_two_rows_that_stay_are_near_and_every_rejected_one_is_near_one_that_stays() -> None:
    taken = random_rows(300)
    fell = rejected(NearDuplicate(threshold=0.7), taken)
    kept = {
        row["completion_key"]: shingles(normal_text(row["text"]))
        for row in taken
        if row["id"] not in fell
    }
    assert all(why.split()[1] in kept for why in fell.values())
    names = list(kept)
    pairs = [
        (a, b) for i, a in enumerate(names) for b in names[:i] if jaccard(kept[a], kept[b]) >= 0.7
    ]
    # A pair at the threshold may be missed with a probability of 1 - RECALL.
    assert len(pairs) <= 1


def test_a_real_row_stays_whatever_its_twin_is_worth(tmp_path: Any) -> None:
    path = tmp_path / "real.jsonl"
    path.write_text('{"text": "Give me my money back now", "label": "refund"}\n')
    kind = LabelledTextKind(real=str(path))
    found = rejected(NearDuplicate(), rows("Give me my money back, now!", logprob=[-0.1]), kind)
    assert found == {"00000000": f"near {path} row 1 (1.00)"}


def test_rows_of_other_labels_are_let_alone_where_a_recipe_wants_that() -> None:
    taken = rows(LONG, LONG + "!", LONG + "?", label=["refund", "exchange", "refund"])
    assert set(rejected(NearDuplicate(within="label"), taken)) == {"00000002"}


@pytest.mark.parametrize(
    "pair",
    [
        ("我想要退回上周买的红色鞋子", "我想要退回上周买的红色鞋子吧"),
        ("أريد استرداد نقودي من فضلك الآن", "أريد استرداد نقودي من فضلك الان"),
    ],
)
def test_texts_in_any_script_are_compared(pair: tuple[str, str]) -> None:
    assert len(rejected(NearDuplicate(threshold=0.6), rows(*pair))) == 1


def test_a_rule_can_be_asked_again_after_it_has_settled() -> None:
    rule, taken = NearDuplicate(), rows(LONG, LONG + "!")
    assert rejected(rule, taken) == rejected(rule, taken)
    assert rejected(rule, []) == {}


def test_reasons_come_in_the_order_of_the_rows() -> None:
    rule, taken = NearDuplicate(threshold=0.7), random_rows(300)
    names = rule.columns(KIND)
    schema = pa.schema([candidate_schema(KIND).field(name) for name in names])
    part = [{name: row[name] for name in names} for row in taken]
    rule.take(pa.RecordBatch.from_pylist(part, schema=schema), KIND)
    numbers = [number for number, _ in rule.settle(KIND)]
    assert len(numbers) > 50
    assert numbers == sorted(numbers)


def test_the_number_of_threads_carries_no_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = random_rows(300)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("synthkd.filters.near_duplicates.cores", lambda n=threads: n)
        found.append(rejected(NearDuplicate(threshold=0.7), taken))
    assert found[0] == found[1]


def test_a_column_that_rows_do_not_have_is_refused() -> None:
    with pytest.raises(RecipeError, match="no column 'style2'"):
        NearDuplicate(within="style2").columns(KIND)


def test_rows_of_other_kinds_are_compared_by_their_sentence() -> None:
    assert NearDuplicate().columns(TripleKind())[0] == "text"


def test_a_row_takes_little_memory() -> None:
    assert BYTES <= 80
