"""The key of a request: what is in it, and what is not."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from synthkd.requests import KEY_FIELDS, Request, Sampling, completion_key

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
