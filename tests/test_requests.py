"""The key of a request: what is in it, and what is not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkd.keys import canonical
from synthkd.requests import KEY_FIELDS, KEY_VERSION, Request, Sampling, completion_key, request_id

BASE = Request("who", ({"role": "user", "content": "hello"},), Sampling(), (0,), "input")
OTHER = {
    "temperature": 0.1,
    "top_p": 0.5,
    "top_k": 3,
    "max_tokens": 7,
    "stop": ("\n",),
    "seed": 9,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "response_format": {"type": "json_object"},
    "reasoning_effort": "low",
    "regex": "a|b",
    "grammar": "start: x",
    "extra_body": {"x": 1},
    "n": 5,
    "logprobs": True,
}


def test_every_field_of_a_request_is_in_the_table_of_keys() -> None:
    known = {field.name for field in fields(Sampling)} | {
        "identity",
        "messages",
        "sample_index",
        "input_id",
        "template",
    }
    assert set(KEY_FIELDS) == known
    assert all(reason for _, reason in KEY_FIELDS.values())


@pytest.mark.parametrize("name", [field.name for field in fields(Sampling)])
def test_a_sampling_parameter_changes_the_key_exactly_when_the_table_says_so(name: str) -> None:
    changed = replace(BASE, sampling=replace(BASE.sampling, **{name: OTHER[name]}))
    assert (changed.request_id != BASE.request_id) == KEY_FIELDS[name][0]


@pytest.mark.parametrize(
    ("name", "value"), [("identity", "x"), ("messages", ({"role": "user", "content": "bye"},))]
)
def test_who_is_asked_and_what_is_read_change_the_key(name: str, value: object) -> None:
    assert replace(BASE, **{name: value}).request_id != BASE.request_id  # type: ignore[arg-type]


def test_where_an_answer_goes_does_not_change_the_key() -> None:
    assert replace(BASE, input_id="other").request_id == BASE.request_id


def test_asking_for_more_samples_keeps_the_keys_of_those_in_hand() -> None:
    more = replace(BASE, sampling=replace(BASE.sampling, n=20), sample_indexes=tuple(range(20)))
    assert completion_key(more.request_id, 3) == completion_key(BASE.request_id, 3)


def test_parameters_that_came_later_stand_in_a_key_only_where_they_are_given() -> None:
    assert not {"response_format", "reasoning_effort"} & set(Sampling().key_parameters())
    given_ = Sampling(
        response_format={"type": "json_object"}, reasoning_effort="low"
    ).key_parameters()
    assert (given_["response_format"], given_["reasoning_effort"]) == (
        {"type": "json_object"},
        "low",
    )


def test_what_version_0_1_0_bought_is_still_found() -> None:
    # The id that synthkd 0.1.0 gave to this request.
    assert BASE.request_id == "9e13c0577a0b0cbd618c0e4cd852b51f"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.slow
@given(
    TEXTS,
    st.lists(st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}), min_size=1, max_size=3),
    st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        stop=st.lists(TEXTS, max_size=2).map(tuple),
        seed=st.none() | st.integers(),
        response_format=st.none() | st.dictionaries(TEXTS, st.integers()),
        reasoning_effort=st.none() | TEXTS,
        extra_body=st.dictionaries(TEXTS, st.integers() | TEXTS),
    ),
)
def test_a_key_made_in_parts_is_the_hash_of_the_whole(
    identity: str, messages: list[dict[str, str]], sampling: Sampling
) -> None:
    whole = {
        "version": KEY_VERSION, "identity": identity, "messages": messages,
        **sampling.key_parameters(),
    }  # fmt: skip
    found = Request(identity, tuple(messages), sampling, (0,), "i").request_id
    assert found == hashlib.blake2b(canonical(whole), digest_size=16).hexdigest()


def test_the_json_of_a_sampling_is_what_is_keyed() -> None:
    sampling = Sampling(temperature=0.5, stop=("\n", "é"), extra_body={"b": 1, "a": [2]})
    assert json.loads(sampling.json) == sampling.key_parameters()
    assert list(json.loads(sampling.json)) == sorted(sampling.key_parameters())
    # Made once: a run asks for it with every request.
    assert sampling.json is sampling.json


@pytest.mark.parametrize("indexes", [(0,), (1, 2), ()])
def test_other_samples_of_a_request_keep_its_id_without_making_it_again(
    indexes: tuple[int, ...],
) -> None:
    whole = replace(BASE, sample_indexes=(0, 1, 2))
    part = whole.with_samples(indexes)
    assert part.sample_indexes == indexes
    assert part.request_id is whole.request_id
    assert (
        Request(part.identity, part.messages, part.sampling, indexes, "i").request_id
        == part.request_id
    )


def test_a_request_that_was_altered_gets_another_id() -> None:
    assert BASE.request_id
    assert replace(BASE.with_samples(()), identity="x").request_id != BASE.request_id


#: Half surrogates too, which a file may hold.
TEXT = st.text(st.characters(exclude_categories=[]))


@pytest.mark.slow
@given(st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), max_size=3), TEXT)
def test_the_fast_way_to_a_key_gives_the_bytes_of_canonical_json(
    messages: list[dict[str, str]], identity: str
) -> None:
    sampling = Sampling()
    before, between, after = sampling.key_parts
    slow = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    parts = [slow.encode(value).encode("utf-8", "surrogatepass") for value in (identity, messages)]
    whole = before + parts[0] + between + parts[1] + after
    found = request_id(identity, tuple(messages), sampling)
    assert found == hashlib.blake2b(whole, digest_size=16).hexdigest()
