"""Import of an export: valid rows are stored, wrong rows are skipped and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthkd.errors import InputError
from synthkd.journal import Journal
from synthkd.journal import exchange as journal_io
from synthkd.journal.exchange import SCHEMA, export_parquet, import_parquet
from synthkd.requests import Completion, Request, Sampling

REQUESTS = [
    Request(
        "who",
        ({"role": "user", "content": f"hello {i}"},),
        Sampling(extra_body={"a": [1.5]}),
        (0,),
        f"{i}",
    )
    for i in range(4)
]


@pytest.fixture
def exported(tmp_path: Path) -> list[dict[str, Any]]:
    with Journal(tmp_path / "from.sqlite") as journal:
        journal.reserve(REQUESTS)
        journal.store_answers(
            [
                Completion(r.request_id, 0, "hi", "stop", 3, 1, -0.5, 0.1, 0.01, "m", 7)
                for r in REQUESTS
            ]
        )
    export_parquet(tmp_path / "from.sqlite", tmp_path / "out.parquet")
    return pq.read_table(tmp_path / "out.parquet").to_pylist()


def imported(
    folder: Path, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA
) -> journal_io.ImportReport:
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / "in.parquet")
    return import_parquet(folder / "to.sqlite", folder / "in.parquet")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"request_id": "0" * 32}, "whose key does not match the request"),
        ({"identity": "another"}, "whose key does not match"),
        ({"messages": '[{"role": "user", "content": "another"}]'}, "whose key does not match"),
        ({"sampling": '{"max_tokens": 1}'}, "whose key does not match"),
        ({"messages": '[{"role": "user", "content": 1}]'}, "with messages that are not texts"),
        ({"messages": "[" * 100_000}, "without a request"),
        ({"messages": "null"}, "without a request"),
        ({"sampling": "[1]"}, "without a request"),
        ({"sampling": '{"temperature": NaN}'}, "without a request"),
        ({"identity": None}, "without a request"),
        ({"request_id": None}, "without request_id"),
        ({"text": None}, "without text"),
        ({"finish_reason": None}, "without finish_reason"),
        ({"finish_reason": "x" * 5000}, "too long"),
        ({"sample_index": -1}, "an impossible sample_index"),
        ({"sample_index": None}, "an impossible sample_index"),
        ({"prompt_tokens": -1}, "impossible prompt_tokens"),
        ({"completion_tokens": 2**62}, "impossible completion_tokens"),
        ({"price": float("nan")}, "an impossible price"),
        ({"price": -1.0}, "an impossible price"),
        ({"price": float("inf")}, "an impossible price"),
        ({"logprob": 5.0}, "an impossible logprob"),
        ({"latency": float("-inf")}, "an impossible latency"),
        ({"created": None}, "an impossible time"),
        ({"first_tokens": "[[1, 2]]"}, "first_tokens"),
        ({"first_tokens": '[["a", NaN]]'}, "first_tokens"),
        ({"first_tokens": "[" * 100_000}, "first_tokens"),
    ],
)
def test_a_wrong_row_is_skipped_and_counted_with_its_reason(
    tmp_path: Path, exported: list[dict[str, Any]], change: dict[str, Any], reason: str
) -> None:
    exported[2] |= change
    done = imported(tmp_path, exported)
    assert done.new == 3
    assert done.reasons().startswith("1 row skipped: 1 ")
    assert reason in done.reasons()
    assert done.reasons().endswith("(first: row 3)")


def test_skipped_rows_are_named_by_reason_and_the_others_are_imported(
    tmp_path: Path, exported: list[dict[str, Any]]
) -> None:
    for number, row in enumerate(exported[1:]):
        row |= {"text": None} if number else {"price": -1.0}
    done = imported(tmp_path, exported)
    assert done.reasons() == (
        "3 rows skipped: 2 without text (first: row 3), 1 with an impossible price (first: row 2)"
    )
    with Journal(tmp_path / "to.sqlite") as journal:
        assert journal.counts().completions == 1
        assert journal.completions([exported[0]["request_id"]])
    assert imported(tmp_path, exported).existing == 1


def test_a_file_without_a_valid_row_is_refused_and_leaves_no_journal(
    tmp_path: Path, exported: list[dict[str, Any]]
) -> None:
    for row in exported:
        row["identity"] = "another"
    with pytest.raises(
        InputError, match="nothing can be imported; 4 rows skipped: 4 whose key does not match"
    ):
        imported(tmp_path, exported)
    assert not (tmp_path / "to.sqlite").exists()


@pytest.mark.parametrize(
    ("name", "type_", "said"),
    [
        ("text", pa.int64(), "column 'text' holds int64, not string"),
        ("text", pa.binary(), "column 'text' holds binary"),
        ("prompt_tokens", pa.float64(), "column 'prompt_tokens' holds double, not int64"),
        ("price", pa.string(), "column 'price' holds string, not double"),
        ("messages", pa.list_(pa.list_(pa.string())), "column 'messages' holds list"),
    ],
)
def test_a_column_of_another_type_is_refused(
    tmp_path: Path, name: str, type_: pa.DataType, said: str
) -> None:
    fields = [pa.field(name, type_) if field.name == name else field for field in SCHEMA]
    with pytest.raises(InputError, match="not an export of a journal") as caught:
        imported(tmp_path, [], pa.schema(fields))
    assert said in str(caught.value)


def test_a_column_that_stands_twice_or_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 'text' stands 2 times"):
        imported(tmp_path, [], pa.schema([*SCHEMA, pa.field("text", pa.string())]))
    with pytest.raises(InputError, match="no column 'text'"):
        imported(tmp_path, [], SCHEMA.remove(SCHEMA.get_field_index("text")))


def test_an_export_of_an_empty_journal_can_be_imported(tmp_path: Path) -> None:
    assert imported(tmp_path, []).new == 0


def test_long_texts_are_imported_in_small_groups(
    tmp_path: Path, exported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_io, "_CHARACTERS", 100)
    for row in exported:
        row["text"] = "x" * 1000
    pq.write_table(pa.Table.from_pylist(exported, SCHEMA), tmp_path / "in.parquet")
    groups = list(journal_io._checked_groups(tmp_path / "in.parquet", journal_io.ImportReport()))
    assert [len(completions) for _, completions in groups] == [1, 1, 1, 1]


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0, 1 << 20), data=st.binary(min_size=1, max_size=4))
def test_a_damaged_export_is_imported_in_part_or_refused(
    tmp_path: Path, exported: list[dict[str, Any]], place: int, data: bytes
) -> None:
    whole = bytearray((tmp_path / "out.parquet").read_bytes())
    start = place % len(whole)
    whole[start : start + len(data)] = data
    (tmp_path / "cut.parquet").write_bytes(whole)
    (tmp_path / "fuzz.sqlite").unlink(missing_ok=True)
    try:
        import_parquet(tmp_path / "fuzz.sqlite", tmp_path / "cut.parquet")
    except InputError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
