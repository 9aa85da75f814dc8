"""Secrets of addresses and headers are never shown, stored or hashed."""

from __future__ import annotations

import copy
import json
import pickle
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.files import ROOT, write_csv

from synthkd import run
from synthkd.commands.dry_run import dry_run
from synthkd.errors import RecipeError, SynthKDError
from synthkd.pipeline import publish
from synthkd.recipe import Recipe, TeacherPart
from synthkd.secrets import (
    Headers,
    Mask,
    Url,
    has_token,
    is_credential_field,
    is_credential_name,
    mask_tokens,
)
from synthkd.stages.plan import plan_run
from synthkd.testing import FakeServer

SECRET = "Zx9-hunter2-Qm4"
CODED = Mask.of([SECRET])


def recipe(folder: Path, url: str = "http://127.0.0.1:9/v1", **teacher: Any) -> Recipe:
    write_csv(folder / "heads.csv", [{"head": "a pan", "relation": "UsedFor"}])
    part = {"backend": "openai", "model": "fake", "base_url": url, "max_attempts": 1, **teacher}
    raw = {
        "name": "r", "inputs": {"path": "heads.csv"},
        "prompt": {"template": "triple/everyday-plain"},
        "teacher": part, "corpus": {"path": "corpus"},
    }  # fmt: skip
    return Recipe.from_dict(raw, folder)


def shown(made: Recipe) -> str:
    """Return all ways in which a recipe may be put into words."""
    ways = [
        repr(made), str(made), f"{made.teacher!r}", f"{made.teacher.base_url}"
            f" {made.teacher.proxy!s:>5} {made.teacher.headers}",
        json.dumps(made.record()), made.fingerprint(), made.model_dump_json(),
        repr(made.model_dump()),
        repr(copy.deepcopy(made)), repr(vars(made)),
        str(hash(made.teacher.base_url)) if isinstance(made.teacher.base_url, Url) else "",
    ]  # fmt: skip
    return "\n".join(ways)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/"),
        (f"http://me:{SECRET}@127.0.0.1/v1", "http://***@127.0.0.1/v1"),
        (f"http://{SECRET}@localhost/v1", "http://***@localhost/v1"),
        (f"http://[::1]:8000/v1?key={SECRET}", "http://[::1]:8000/v1?key=***"),
        ("http://h/v1?api-version=2024-10-21", "http://h/v1?api-version=2024-10-21"),
        ("http://h/v1?team=blue", "http://h/v1?team=***"),
        ("http://$USER_NAME:$PASS@h/v1?key=$KEY", "http://$USER_NAME:$PASS@h/v1?key=$KEY"),
        ("$SERVER/v1", "$SERVER/v1"),
    ],
)
def test_an_address_shows_its_public_form_only(url: str, public: str) -> None:
    made = Url(url)
    assert (str(made), f"{made}", repr(made), made.public) == (public, public, repr(public), public)
    with pytest.raises(TypeError):
        json.dumps(made)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(made)


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{SECRET}@h/v1", f"https://{SECRET}@h/v1", f"http://h/v1?key={SECRET}",
        f"http://h/v1?sig={SECRET}",
        f"http://h/v1?access_token={SECRET}", "http://h/sk-abcdefghijklmnop1234567/v1",
        f"http://me:$PASS{SECRET}@127.0.0.1/v1",
        f"http://h/v1#{SECRET}", f"me:{SECRET}@h/v1", f"http://me:{SECRET}@[::1/v1",
        f"http://me:{SECRET}@h:port/v1",
        f"http://me:{SECRET}@h/v 1", f"http://?{SECRET}", f"$SERVER?key={SECRET}",
        f"ftp://me:{SECRET}@h", f"http://me:{SECRET}@",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["base_url", "proxy", "list"])
def test_an_address_with_a_secret_in_clear_is_refused_without_repeating_it(
    tmp_path: Path, url: str, field: str
) -> None:
    part = {"base_url": [url, "http://127.0.0.1/v1"]} if field == "list" else {field: url}
    with pytest.raises(RecipeError, match=r"teacher\.(base_url|proxy)") as caught:
        recipe(tmp_path, **part)
    assert SECRET not in str(caught.value)
    with pytest.raises(ValidationError) as direct:
        TeacherPart.model_validate({"backend": "openai", "model": "m", **part})
    assert SECRET not in str(direct.value) + repr(direct.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"Bearer {SECRET}"), ("Proxy-Authorization", SECRET), ("api-key", SECRET),
        ("X-API-Key", SECRET), ("Cookie", f"session={SECRET}"), ("X-Auth-Token", SECRET),
        ("x-goog-api-key", SECRET),
        ("Ocp-Apim-Subscription-Key", SECRET), ("X-Team", "Bearer abcdef0123456789"), ("X-Team",
        "sk-abcdefghij1234567890"),
        ("X-Team", "ghp_abcdefghij1234567890ab"), ("X-Team", "hf_abcdefghijklmnopqrstuvwx12"),
        ("X-Team", "AKIAABCDEFGHIJ123456"),
        ("X-Team", "q8Jx2vLk09PzRt5mWc7YbN3d"), ("X-Team", f"{SECRET}\r\nX-Other: 1"),
        (f"X {SECRET}", "x"),
        ("Authorization", "Bearer $KEY sk-abcdefghij1234567890"),
    ],
)  # fmt: skip
def test_a_header_with_a_credential_in_clear_is_refused_without_repeating_it(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(RecipeError, match=r"teacher\.headers") as caught:
        recipe(tmp_path, headers={name: value})
    assert SECRET not in str(caught.value)
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer $KEY"}, {"authorization": "Token ${KEY}"}, {"X-Team": "blue"},
        {"User-Agent": "kd/1"},
        {"X-Request-Token": ""}, {"Authorization": "Bearer none"},
        {"HTTP-Referer": "https://example.org"},
    ],
)  # fmt: skip
def test_headers_without_a_credential_in_clear_are_taken(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    assert recipe(tmp_path, headers=headers).teacher.headers.reveal() == headers


def test_literal_headers_are_recorded_by_name_alone() -> None:
    made = Headers(
        {
            "X-Team": SECRET,
            "User-Agent": "kd/1",
            "X-Gate": f"token {SECRET} $KEY",
            "X-Plain": "token $KEY",
        }
    )
    assert made.public == {
        "X-Team": "***",
        "User-Agent": "kd/1",
        "X-Gate": "***$KEY",
        "X-Plain": "token $KEY",
    }


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("teacher.sampling.extra_body", {"api_key": SECRET}), ("teacher.sampling.extra_body",
        {"auth": {"password": SECRET}}),
        ("prompt.variables", {"note": f"see https://me:{SECRET}@h/x"}), ("teacher.options",
        {"args": {"hf-token": SECRET}}),
        ("kind.options", {"clientSecret": SECRET}), ("rules", [{"name": "empty",
        "options": {"password": SECRET}}]),
        ("critic", {"labels": "l.csv",
        "options": {"teacher": {"base_url": f"http://me:{SECRET}@127.0.0.1/v1"}}}),
        ("critic", {"labels": "l.csv",
        "options": {"teacher": {"headers": {"Authorization": f"Bearer {SECRET}"}}}}),
        ("teacher.api_key_env", "sk-abcdefghijklmnop12345"), ("teacher.model",
        "sk-abcdefghijklmnop12345"),
    ],
)  # fmt: skip
def test_a_credential_in_any_other_place_is_refused_with_the_place(
    tmp_path: Path, place: str, value: Any
) -> None:
    raw = recipe(tmp_path).model_dump(mode="json")
    *parents, last = place.split(".")
    target = raw
    for parent in parents:
        target = target[parent]
    target[last] = value
    with pytest.raises(RecipeError, match=place.split(".")[-1]) as caught:
        Recipe.from_dict(raw, tmp_path)
    assert SECRET not in str(caught.value)
    assert "sk-abc" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["stop_token", "max_tokens", "prompt_cache_key", "eos_token", "by", "key", "tokenizer"]
)
def test_fields_that_only_sound_like_credentials_are_taken(name: str) -> None:
    assert not is_credential_field(name)


@pytest.mark.parametrize(
    "name", ["X-Auth", "xApiKey", "cookie", "my-token", "SIG", "subscription_key", "authtoken"]
)
def test_headers_and_parameters_that_hold_credentials_are_known_by_name(name: str) -> None:
    assert is_credential_name(name)


def test_a_recipe_without_a_secret_keeps_its_record(tmp_path: Path) -> None:
    made = recipe(tmp_path, headers={})
    record = made.record()
    assert record["teacher"]["base_url"] == "http://127.0.0.1:9/v1"
    assert (record["teacher"]["proxy"], record["teacher"]["headers"]) == (None, {})
    assert record["inputs"]["path"] == "heads.csv"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_record_of_every_example_is_what_its_file_says(path: Path) -> None:
    made = Recipe.load(path)
    expected = made.model_dump(mode="json", exclude={"limits", "student", "loop"})
    for part in ("steps", "target"):
        if expected[part] is None:
            del expected[part]
    if expected["votes"]:
        assert expected["votes"].pop("options") == {}
    for name in ("language", "input_columns", "normal_forms", "prompts", "card"):
        if not getattr(made.corpus, name) or name not in made.corpus.model_fields_set:
            del expected["corpus"][name]
    assert made.record() == expected


def test_a_worker_gets_what_the_recipe_says(tmp_path: Path) -> None:
    made = recipe(tmp_path, f"http://me:{SECRET}@127.0.0.1:9/v1", headers={"X-Team": "blue"})
    again = Recipe.from_dict(json.loads(json.dumps(made.for_worker())), tmp_path)
    assert again.teacher == made.teacher
    assert isinstance(again.teacher.base_url, Url)
    assert again.teacher.base_url.parts().password == SECRET


def test_names_are_expanded_where_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASS", "a@b/c?d$e")
    monkeypatch.setenv("HOST", "example.org")
    parts = Url(
        "https://me:$PASS@$HOST:8000/$PASS/v1?key=${PASS}&x=1".replace("me", "$USERNAME_")
    ).variables()
    assert parts == ["USERNAME_", "PASS", "HOST", "PASS", "PASS"]
    monkeypatch.setenv("USERNAME_", "me")
    found = Url("https://$USERNAME_:$PASS@$HOST:8000/$PASS/v1?key=${PASS}").parts()
    assert (found.user, found.password, found.host, found.query) == (
        "me",
        "a@b/c?d$e",
        "example.org",
        (("key", "a@b/c?d$e"),),
    )
    assert (found.base, found.shown) == (
        "https://example.org:8000/a%40b%2Fc%3Fd%24e/v1",
        "https://example.org:8000/$PASS/v1",
    )


def test_a_variable_that_is_not_set_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="NOT_SET_HERE"):
        dry_run(recipe(tmp_path, "http://$NOT_SET_HERE/v1"))


@pytest.mark.parametrize(
    "value", [f"me:{SECRET}@h", f"ftp://me:{SECRET}@h/v1", f"http://me:{SECRET}@[::1/v1", ""]
)
def test_an_address_of_the_environment_that_is_none_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
) -> None:
    monkeypatch.setenv("SERVER", value)
    with pytest.raises(RecipeError, match=r"\$SERVER") as caught:
        dry_run(recipe(tmp_path, "$SERVER/v1" if value else "$SERVER"))
    assert SECRET not in str(caught.value)


@pytest.mark.slow
def test_the_environment_may_hold_an_address_with_a_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with FakeServer() as server:
        monkeypatch.setenv("SERVER", server.url.replace("http://", f"http://me:{SECRET}@"))
        made = recipe(tmp_path, "$SERVER")
        run(made, quiet=True)
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert SECRET.encode() not in written
    assert SECRET not in shown(made)


@pytest.mark.parametrize("cut", range(6, len(SECRET)))
def test_a_secret_that_was_cut_at_the_end_of_a_message_is_masked(cut: int) -> None:
    assert CODED(f"refused: {SECRET[:cut]}") == "refused: ***"


def test_a_secret_is_masked_in_each_form_that_a_server_may_repeat() -> None:
    secret = 'pa"ss <wörd>\\'
    mask = Mask.of([secret])
    for form in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        assert "ss <" not in mask(form)
    assert "cGEi" not in mask("cGEic3MgPHfDtnJkPlw=")


def test_well_known_keys_are_masked_in_any_text() -> None:
    text = "a sk-abcdefghij1234567890, Bearer abcdef0123456789 and http://me:pw@h/x"
    assert mask_tokens(text) == "a ***, Bearer *** and http://***@h/x"
    assert not has_token("a sketch of basic shapes, bearer of news; sk-learn, hf-hub, key-value")


# Whatever the secret, and wherever it stands.

_TEXTS = st.text(
    string.ascii_letters + string.digits + "-_.~!%+/=:@?#&$' \"\\ü", min_size=8, max_size=24
).map(lambda text: f"S3{text}T9")
_POSITIONS = {
    "user": lambda s: {"base_url": f"http://me:{s}@127.0.0.1:9/v1"},
    "far user": lambda s: {"base_url": f"https://me:{s}@gateway.example.org/v1"},
    "token": lambda s: {"base_url": f"http://{s}@127.0.0.1:9/v1"},
    "query": lambda s: {"base_url": f"http://127.0.0.1:9/v1?key={s}"},
    "several": lambda s: {"base_url": [f"http://me:{s}@127.0.0.1:9/v1", "http://127.0.0.1:9/v1"],
    "identity": "x"},
    "proxy": lambda s: {"proxy": f"http://me:{s}@127.0.0.1:9"},
    "no scheme": lambda s: {"base_url": f"me:{s}@h"},
    "authorization": lambda s: {"headers": {"Authorization": f"Bearer {s}"}},
    "header": lambda s: {"headers": {"X-Team": s}},
    "proxy-authorization": lambda s: {"headers": {"Proxy-Authorization": s}},
    "body": lambda s: {"sampling": {"extra_body": {"api_key": s}}},
    "deep in the body": lambda s: {"sampling": {"extra_body": {"a": [{"password": s}]}}},
    "arguments": lambda s: {"options": {"args": {"api_key": s}}},
    "no text": lambda s: {"base_url": {"password": s}, "proxy": [s], "headers": [s],
    "concurrency": s},
    "variable": lambda s: {"api_key_env": f"{s} "},
}  # fmt: skip


#: Shrinking a failure here takes minutes and makes no clearer example.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.mark.slow
@settings(max_examples=150, phases=_PHASES)
@given(secret=_TEXTS, position=st.sampled_from(sorted(_POSITIONS)))
def test_no_secret_in_any_position_of_a_recipe_is_shown(
    tmp_path_factory: pytest.TempPathFactory, secret: str, position: str
) -> None:
    # What follows a `$` is the name of a variable, and names are shown.
    secret = secret.replace("$", "")
    folder = tmp_path_factory.getbasetemp() / "positions"
    folder.mkdir(exist_ok=True)
    try:
        made = recipe(folder, **_POSITIONS[position](secret))
        plan = plan_run(made)
        text = (
            shown(made)
            + str(dry_run(made))
            + plan.requests.identity
            + repr(plan.components.teacher)
        )
    except SynthKDError as error:
        text = f"{error} {error!r}"
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text


@pytest.mark.slow
@settings(max_examples=60, phases=_PHASES)
@given(
    secret=_TEXTS,
    key=st.sampled_from(["", "teacher.proxy", "teacher.headers", "teacher", "x"]),
    sign=st.sampled_from(["=", ":", "", "=[", "={a: "]),
)
def test_no_error_of_a_set_repeats_a_secret(
    tmp_path_factory: pytest.TempPathFactory, secret: str, key: str, sign: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "set.yaml"
    if not path.exists():
        path.write_text("name: r\ninputs: {count: 1}\nteacher: {model: m}\ncorpus: {path: c}\n")
    try:
        text = shown(Recipe.load(path, [f"{key}{sign}me:{secret}"]))
    except SynthKDError as error:
        text = str(error)
    assert secret not in text


@pytest.mark.slow
def test_no_secret_reaches_a_byte_that_a_run_writes_though_the_server_repeats_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # One request fails with all that it was sent in the message.
    from support.http_server import GOOD, Answering, Seen

    secrets = {"GATE": "gate-4711-secret", "PASS": "pass-4712-secret", "QUERY": "query-4713-secret"}
    for name, value in {**secrets, "USER_": "someone", "OPENAI_API_KEY": "key-4714-secret"}.items():
        monkeypatch.setenv(name, value)

    def reply(seen: Seen) -> Any:
        if len(server.seen) % 2:
            return 400, {"error": {"message": json.dumps([seen.path, seen.headers])}}, {}
        return 200, GOOD, {}

    with Answering(reply=reply) as server:
        url = server.url.replace("http://", "http://$USER_:$PASS@")
        made = recipe(
            tmp_path,
            f"{url}?key=$QUERY",
            headers={"X-Gate": "token $GATE"},
            concurrency=1,
            adaptive=False,
        )
        write_csv(
            tmp_path / "heads.csv", [{"head": f"pan {n}", "relation": "UsedFor"} for n in range(4)]
        )
        result = run(made, quiet=True)
        publish(made)
    assert result.generated.failed == 2
    assert "gate-4711-secret" in str(server.seen[0].headers)
    out, err = capfd.readouterr()
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in (*secrets.values(), "key-4714-secret"):
        assert secret.encode() not in written
        assert secret not in out + err + repr(result) + shown(made)
