"""The way to a server: TLS with an authority of one's own, and HTTP proxies."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.ask_teacher import (
    KEY,
    ask,
    closed_port,
    completed,
    failure,
    request,
    shown,
    teacher,
)
from support.http_server import Answering, Authority, Proxy, answering, made

from synthkd.errors import AuthenticationError, RecipeError, TeacherError, UnreachableError
from synthkd.testing import FakeServer

Make = Callable[..., Authority]


@pytest.fixture(scope="module")
def make_authority(tmp_path_factory: pytest.TempPathFactory) -> Make:
    if shutil.which("openssl") is None:
        pytest.skip("the command openssl is not here: no certificates can be made")
    return lambda **options: made(tmp_path_factory.mktemp("ca"), **options)


@pytest.fixture(scope="module")
def authority(make_authority: Make) -> Authority:
    return make_authority()


# TLS


@pytest.mark.slow
def test_a_certificate_of_the_named_authority_is_trusted(authority: Authority) -> None:
    with Answering(tls=authority.serving()) as server:
        (answer,) = completed(ask(teacher(server.url, ca_file=authority.file), request()))
    assert server.url.startswith("https://")
    assert answer.text == "bread"


@pytest.mark.slow
def test_a_certificate_of_nobody_known_ends_the_run_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Answering(tls=authority.serving()) as server, pytest.raises(TeacherError) as caught:
        ask(teacher(server.url), request())
    assert "its TLS certificate is not trusted" in str(caught.value)
    assert "teacher.ca_file" in str(caught.value)
    assert server.url in str(caught.value)
    assert server.seen == []


@pytest.mark.slow
def test_a_certificate_of_another_authority_is_not_trusted(
    authority: Authority, make_authority: Make
) -> None:
    with (
        Answering(tls=authority.serving()) as server,
        pytest.raises(TeacherError, match="not trusted"),
    ):
        ask(teacher(server.url, ca_file=make_authority().file), request())
    assert server.seen == []


@pytest.mark.slow
def test_a_certificate_for_another_name_is_not_trusted(make_authority: Make) -> None:
    other = make_authority(name="DNS:elsewhere.invalid")
    with Answering(tls=other.serving()) as server, pytest.raises(TeacherError, match="not trusted"):
        ask(teacher(server.url, ca_file=other.file), request())
    assert server.seen == []


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing here")
    for file in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(RecipeError, match=r"teacher\.ca_file") as caught:
            ask(teacher("https://127.0.0.1:9/v1", ca_file=str(file)), request())
        assert str(file) in str(caught.value)


def test_https_at_a_port_that_speaks_plain_http_is_unreachable() -> None:
    with answering() as server, pytest.raises(UnreachableError, match="is it https") as caught:
        ask(teacher(server.url.replace("http://", "https://")), request())
    assert "not trusted" not in str(caught.value)


@pytest.mark.slow
def test_a_handshake_that_breaks_once_does_not_end_the_run(authority: Authority) -> None:
    # A gateway that is restarted breaks what is being opened.
    with Answering(tls=authority.serving(), breaks=1) as server:
        (answer,) = completed(ask(teacher(server.url, ca_file=authority.file), request()))
    assert (answer.text, server.breaks, len(server.seen)) == ("bread", 0, 1)


# Proxies


def test_a_proxy_of_the_recipe_is_used() -> None:
    with FakeServer() as server, Proxy() as proxy:
        completed(ask(teacher(server.url, proxy=proxy.url), request()))
    assert [seen.path for seen in proxy.seen] == [f"{server.url}/chat/completions"]
    assert server.requests == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with FakeServer() as server, Proxy() as proxy:
        monkeypatch.setenv(name, proxy.url)
        completed(ask(teacher(server.url), request()))
    assert (len(proxy.seen), server.requests) == (1, 1)


def test_a_host_that_the_environment_excepts_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeServer() as server, Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        completed(ask(teacher(server.url), request()))
    assert (len(proxy.seen), server.requests) == (0, 1)


def test_a_proxy_of_the_recipe_comes_before_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeServer() as server, Proxy() as proxy, Proxy() as other:
        monkeypatch.setenv("HTTP_PROXY", other.url)
        completed(ask(teacher(server.url, proxy=proxy.url), request()))
    assert (len(proxy.seen), len(other.seen)) == (1, 0)


@pytest.mark.slow
def test_tls_goes_through_a_proxy_as_a_tunnel(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Answering(tls=authority.serving()) as server, Proxy() as proxy:
        who = teacher(server.url, ca_file=authority.file, proxy=proxy.url)
        completed(ask(who, request()))
    assert [(seen.method, seen.path) for seen in proxy.seen] == [("CONNECT", server.address)]
    assert KEY not in str(proxy.seen[0].headers)
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_user_and_password_of_a_proxy_are_sent_to_it_alone() -> None:
    with answering() as server, Proxy() as proxy:
        url = proxy.url.replace("http://", "http://me:for-the-proxy@")
        completed(ask(teacher(server.url, proxy=url), request()))
    wanted = base64.b64encode(b"me:for-the-proxy").decode()
    assert proxy.seen[0].headers["proxy-authorization"] == f"Basic {wanted}"
    assert wanted not in str(server.seen[0].headers)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_its_password_ends_the_run_without_showing_it(scheme: str) -> None:
    with Proxy(refuses=407) as proxy:
        url = proxy.url.replace("http://", "http://me:for-the-proxy@")
        who = teacher(f"{scheme}://host.invalid/v1", proxy=url)
        with pytest.raises(AuthenticationError, match=r"proxy.*407") as caught:
            ask(who, request())
    assert len(proxy.seen) == 1
    assert "for-the-proxy" not in shown(caught.value) + repr(who)


def test_a_proxy_that_opens_no_tunnel_for_now_is_asked_again() -> None:
    with Proxy(refuses=502) as proxy:
        url = proxy.url.replace("http://", "http://me:for-the-proxy@")
        found = failure(ask(teacher("https://host.invalid/v1", attempts=3, proxy=url), request()))
    assert (found.reason, found.permanent, len(proxy.seen)) == ("connection", False, 3)
    assert "502" in found.detail
    assert "for-the-proxy" not in found.detail


def test_a_proxy_that_does_not_answer_is_told_apart_from_the_server() -> None:
    with closed_port() as url, FakeServer() as server:
        dead = url.removesuffix("/v1").replace("http://", "http://me:for-the-proxy@")
        with pytest.raises(UnreachableError, match="the proxy for") as caught:
            ask(teacher(server.url, proxy=dead), request())
    assert "for-the-proxy" not in shown(caught.value)
    assert server.requests == 0
