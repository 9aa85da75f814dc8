"""Writes as data: what goes to another process as JSON is written as it would be here."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from synthkd.fastjson import dumps, loads
from synthkd.journal import Journal
from synthkd.journal.ledger import Caps
from synthkd.journal.values import EncodedRows
from synthkd.journal.writes import (
    AnswersWrite,
    EndWrite,
    Reservation,
    ReservationWrite,
    UnknownCostWrite,
    Write,
    write_from_json,
    write_to_json,
)
from synthkd.requests import Answer, Completion, Failure, Request, Sampling

#: Any text, with NUL and halves of surrogate pairs among its characters.
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\x00\ud800\udfff\\\n'\"")), max_size=12)
VALUES = st.one_of(st.none(), st.integers(0, 2**53), st.floats(0, 1e9), TEXTS)


def request(number: int, samples: int = 1, text: str = "hello") -> Request:
    message = {"role": "user", "content": f"{text} {number}"}
    return Request("who", (message,), Sampling(n=samples), tuple(range(samples)), "i")


@st.composite
def answers(draw: st.DrawFn) -> list[Answer]:
    found: list[Answer] = []
    for number in range(draw(st.integers(1, 5))):
        request_id = request(number).request_id
        if draw(st.booleans()):
            counts = st.one_of(st.none(), st.integers(0, 50))
            price = draw(st.one_of(st.none(), st.floats(0, 10)))
            text = draw(TEXTS)
            found.append(
                Completion(request_id, 0, text, "stop", draw(counts), draw(counts), price=price)
            )
        else:
            tokens = draw(st.one_of(st.none(), st.integers(0, 50)))
            found.append(Failure(request_id, 0, "odd", draw(TEXTS), tokens=tokens))
    return found


def sent(write: Write) -> Write:
    """Return a write as it comes to another process."""
    line = dumps(write_to_json(write))
    assert b"\n" not in line
    return write_from_json(loads(line))


def content(journal: Journal) -> list[Any]:
    """Return all rows, but for times."""
    times = {"created", "sent"}
    rows: list[Any] = [journal.spending("run")]
    for table in ("requests", "completions", "failures", "flights"):
        rows += [
            {name: value for name, value in row.items() if name not in times}
            for row in journal.rows(table)
        ]
    return rows


@settings(max_examples=60, deadline=None)
@given(answers(), TEXTS, st.sampled_from([0.0, 0.5]))
def test_a_run_whose_writes_were_sent_as_json_has_the_same_journal(
    came: list[Answer], text: str, dollars: float
) -> None:
    requests = [request(i) for i in range(5)] + [request(9, samples=3, text=text)]
    bounds = [(dollars, 10)] * 5 + [(0.25, 7)]
    writes: list[Write] = [
        ReservationWrite.of(requests, "run", bounds),
        AnswersWrite.of(came),
        UnknownCostWrite(requests[5].request_id, (0, 2)),
        EndWrite([r.request_id for r in requests], [requests[5].request_id]),
    ]
    found = []
    with TemporaryDirectory() as folder:
        for name in ("here", "sent"):
            results = []
            with Journal(Path(folder) / name) as journal, journal.transaction():
                for write in writes:
                    result = journal.write(write if name == "here" else sent(write), "run")
                    results.append(loads(dumps(result)))
            with Journal(Path(folder) / name) as journal:
                found.append((results, content(journal)))
    assert found[0] == found[1]


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6))
def test_encoded_rows_are_decoded_as_they_were_but_for_halves_of_surrogate_pairs(
    rows: list[tuple[Any, ...]],
) -> None:
    def mended(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    expected = [[mended(value) for value in row] for row in rows]
    assert EncodedRows.of(rows).rows() == expected
    places = range(0, len(rows), 2)
    assert EncodedRows.of(rows).select(places).rows() == [expected[place] for place in places]


def test_a_reservation_that_is_granted_in_part_reserves_for_the_samples_of_that_part(
    tmp_path: Path,
) -> None:
    requests = [request(0, samples=2), request(1, samples=3), request(2)]
    write = sent(ReservationWrite.of(requests, "run", [(1.0, 1)] * 3))
    with Journal(tmp_path / "journal.sqlite") as journal:
        with journal.transaction():
            journal.write(AnswersWrite.of([Completion(requests[0].request_id, 1, "x", "stop")]), "")
            result = journal.write(write, "run", Caps(dollars=3.5), shared=True)
        reservation = Reservation.of(requests, *result)
        assert reservation == Reservation([requests[1]], [requests[2]], [requests[0]])
        assert {(row["request_id"], row["sample_index"]) for row in journal.rows("flights")} == {
            (requests[1].request_id, index) for index in range(3)
        }
        assert [row["request_id"] for row in journal.rows("requests")] == [requests[1].request_id]
