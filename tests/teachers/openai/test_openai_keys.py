"""The OpenAI backend: keys, addresses and the name of who answers. Secrets are shown nowhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from support.ask_teacher import (
    KEY,
    ask,
    closed_port,
    completed,
    request,
    shown,
    teacher,
)

from synthkd.errors import AuthenticationError, RecipeError, UnreachableError
from synthkd.recipe import TeacherPart
from synthkd.teachers.openai import OpenAITeacher
from synthkd.testing import FakeServer


def test_a_model_must_be_named() -> None:
    with pytest.raises(RecipeError, match="model"):
        OpenAITeacher(TeacherPart.model_validate({"backend": "openai"}))


def test_an_address_without_a_scheme_is_refused_at_once() -> None:
    with pytest.raises(ValidationError, match="http://"):
        teacher("localhost:8000/v1")


def test_a_missing_key_is_named_by_its_variable_before_anything_is_sent() -> None:
    with pytest.raises(AuthenticationError, match="MY_KEY"):
        ask(teacher(None, api_key_env="MY_KEY"))


def test_a_server_of_ones_own_needs_no_key(server: FakeServer) -> None:
    assert completed(ask(teacher(server.url), request()))


def test_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer(key=KEY) as server:
        assert completed(ask(teacher(server.url), request()))


def test_a_wrong_key_ends_the_run_naming_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with (
        FakeServer(key="another") as server,
        pytest.raises(AuthenticationError, match="MY_KEY") as caught,
    ):
        ask(teacher(server.url, api_key_env="MY_KEY"), request())
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("fault", ["401", "404", "500", "not-json", "no-choices", "reset", "cut"])
def test_the_key_is_in_no_error_even_where_the_server_repeats_it(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeServer(rates={fault: 1.0}, echo_key=True) as server:
        who = teacher(server.url, attempts=1)
        try:
            text = repr(ask(who, request()))
        except AuthenticationError as error:
            text = shown(error)
    assert KEY not in text + repr(who) + who.identity


@pytest.mark.parametrize("ending", ["\n", "\r\n", " "])
def test_white_space_around_a_key_is_left_out(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """`export KEY=$(cat file)` keeps such ends in some shells."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY + ending)
    with FakeServer(key=KEY) as server:
        assert completed(ask(teacher(server.url), request()))


@pytest.mark.parametrize("inside", ["\n", "\t", "…"])
def test_a_key_that_no_header_can_hold_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer, inside: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}{inside}x")
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY") as caught:
        ask(teacher(server.url), request())
    assert KEY not in shown(caught.value)


def test_user_and_password_of_the_address_are_never_shown() -> None:
    with closed_port() as url:
        who = teacher(url.replace("http://", "http://me:secret@"), attempts=1)
        with pytest.raises(UnreachableError) as caught:
            ask(who, request())
    for text in (repr(who), who.identity, shown(caught.value)):
        assert "secret" not in text
        assert "me:" not in text


def test_a_key_in_the_query_of_the_address_is_never_shown() -> None:
    who = teacher("http://127.0.0.1/v1?key=sk-1")
    assert "sk-1" not in who.identity + repr(who) + repr(who.part) + str(who.base_urls)


def test_the_identity_is_the_address_and_the_model() -> None:
    assert teacher("http://127.0.0.1:8000/v1/").identity == "openai:http://127.0.0.1:8000/v1:fake"
    assert teacher(None).identity == "openai:https://api.openai.com/v1:fake"


def test_the_recipe_may_name_the_identity() -> None:
    assert teacher("http://127.0.0.1:8000/v1", identity="mine").identity == "mine"
