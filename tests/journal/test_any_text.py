"""Any text that a server can send is read back from the journal unchanged.

One thing cannot be kept: half of a surrogate pair, which no file holds, becomes the replacement
character.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthkd.journal import Journal
from synthkd.journal.exchange import export_parquet, import_parquet
from synthkd.requests import Completion, Failure, Request, Sampling

#: Every code point, lone surrogates too, and more often what is known to go wrong.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=[]),
        st.sampled_from("\0\ud800\udbff\udc00\udfff\ud83d\ude00\ufffd\ufeff\u2028\"\\'u\n\r"),
    ),
    max_size=60,
)
LONG = "x\0\U0001f426" * 400_000


def kept(text: str) -> str:
    """Return the text as the journal keeps it: all but halves of surrogate pairs."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def store(journal: Journal, texts: list[str]) -> dict[str, str]:
    """Commit texts in one group, each as its own request. Returns request id -> text."""
    start = journal.counts().requests
    requests = [
        Request("who", ({"role": "user", "content": f"{start + i}"},), Sampling(), (0,), "i")
        for i in range(len(texts))
    ]
    journal.reserve(requests)
    pairs = list(zip(requests, texts, strict=True))
    journal.store_answers([Completion(r.request_id, 0, text, "stop") for r, text in pairs])
    return {r.request_id: text for r, text in pairs}


def read(journal: Journal, ids: list[str]) -> dict[str, str]:
    return {name: found[0].text for name, found in journal.completions(ids).items()}


def test_representable_changes_only_lone_surrogates() -> None:
    assert kept("a\0é🐦\n\ufffd") == "a\0é🐦\n\ufffd"
    assert kept("a\ud800b") == "a\ufffdb"


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=5))
@example(["a\0b", "plain"])
@example(["\0"])
@example(["\ud800", "a\0\udfff"])
@example(["\\ud800", "\\u0000"])
@example(["", "😀", "\ufeff"])
@example([LONG])
def test_a_text_comes_back_as_it_was_sent(folder: Path, texts: list[str]) -> None:
    with Journal(folder / "journal.sqlite") as journal:
        stored = store(journal, texts)
        assert read(journal, list(stored)) == {name: kept(text) for name, text in stored.items()}


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=20))
@example(["a\0b", "\ud800", "😀", "\\u0000", "", LONG])
def test_a_text_comes_back_from_an_export_as_it_was_sent(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        here, there, file = (Path(name) / part for part in ("a.sqlite", "b.sqlite", "out.parquet"))
        with Journal(here) as journal:
            stored = store(journal, texts)
        assert export_parquet(here, file) == len(texts)
        assert import_parquet(there, file).new == len(texts)
        with Journal(there) as journal:
            assert read(journal, list(stored)) == {
                name: kept(text) for name, text in stored.items()
            }


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(TEXT)
@example("a\0b")
def test_the_detail_of_a_failure_comes_back_as_it_was_sent(folder: Path, detail: str) -> None:
    with Journal(folder / "failures.sqlite") as journal:
        journal.store_answers([Failure("x", 0, "http_400", detail)])
        assert journal.failures(["x"])["x"][0].detail == kept(detail)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("a\0b")
def test_a_prompt_comes_back_as_it_was_sent(folder: Path, prompt: str) -> None:
    request = Request("who", ({"role": "user", "content": prompt},), Sampling(), (0,), "i")
    with Journal(folder / "prompts.sqlite") as journal:
        journal.reserve([request])
        found = journal.request(request.request_id)
    assert found is not None
    assert found["messages"] == list(request.messages)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1))
def test_numbers_come_back_in_full_precision(folder: Path, number: float, seed: int) -> None:
    with Journal(folder / "numbers.sqlite") as journal:
        request = f"{number!r} {seed}"
        answer = Completion(request, 0, "x", "stop", logprob=number, price=abs(number), seed=seed)
        journal.store_answers([answer])
        found = journal.completions([request])[request][0]
    # They pass through SQLite's reading of decimals, which may be off in the last bit.
    assert found.logprob == pytest.approx(number, rel=1e-15, abs=1e-320)
    assert found.price == pytest.approx(abs(number), rel=1e-15, abs=1e-320)
    assert found.seed == seed
