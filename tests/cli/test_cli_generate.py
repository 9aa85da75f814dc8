"""The command line's caps, probe and workers: what they do, and wrong values as one clear line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cli import one_line, write
from support.command_line import synthkd

from benchmarks.kills.step_texts import answer, steps_recipe
from synthkd.testing import FakeServer

HERE = "http://127.0.0.1:9/v1"


def teacher(url: str, **more: Any) -> dict[str, Any]:
    return {"backend": "openai", "model": "fake", "base_url": url, "max_attempts": 1, **more}


def priced(folder: Path, url: str, **more: Any) -> str:
    """Return a recipe of four requests that cost a dollar a token."""
    price = {"input": 1e6, "output": 1e6}
    sampling = {"max_tokens": 4}
    return str(write(folder, teacher=teacher(url, price=price, sampling=sampling, **more)))


def tokens(server: FakeServer) -> int:
    return sum(count for _, count in server.times)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["generate", "run"])
def test_a_budget_stops_before_it_is_passed_and_says_so(
    tmp_path: Path, server: FakeServer, verb: str
) -> None:
    recipe = priced(tmp_path, server.url)
    result = synthkd(verb, recipe, "--budget", "112", "--quiet")
    assert result.returncode == 0, result.stderr
    assert 0 < server.requests < 4
    assert tokens(server) <= 112
    assert f"the cap is reached: ${tokens(server)}.0000 of $112.0000 spent" in result.stdout
    assert "raise the cap to continue" in result.stdout


@pytest.mark.slow
def test_max_tokens_stops_before_it_is_passed_and_a_higher_cap_goes_on(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = str(write(tmp_path, server.url, limits={"tokens": 1}))
    nothing = synthkd("generate", recipe, "--quiet").stdout
    assert "completed 0" in nothing
    assert "the cap is reached: 0 of 1 tokens spent" in nothing
    assert server.requests == 0
    result = synthkd("run", recipe, "--max-tokens", "100000", "--quiet")
    assert "the cap is reached" not in result.stdout
    assert server.requests == 4


@pytest.mark.slow
def test_a_cap_that_leaves_nothing_to_judge_is_one_line(tmp_path: Path, server: FakeServer) -> None:
    result = synthkd("run", str(write(tmp_path, server.url)), "--max-tokens", "1", "--quiet")
    one_line(result, 2, "nothing was bought: the cap is reached", "raise the cap")
    assert server.requests == 0


@pytest.mark.slow
def test_a_budget_without_a_price_is_refused_before_anything_is_sent(
    tmp_path: Path, server: FakeServer
) -> None:
    result = synthkd("run", str(write(tmp_path, server.url)), "--budget", "1", "--quiet")
    one_line(result, 2, "limits.dollars (--budget) needs prices", "'fake'", "--max-tokens")
    assert server.requests == 0


@pytest.mark.slow
def test_workers_ask_for_each_request_once(tmp_path: Path) -> None:
    with FakeServer(latency=0.02) as server:
        result = synthkd("run", str(write(tmp_path, server.url)), "--workers", "2", "--quiet")
    assert result.returncode == 0, result.stderr
    assert "4 in this run, 0 were in the journal" in result.stdout
    assert Counter(server.sent.values()) == {1: 4}


@pytest.mark.slow
def test_an_error_of_a_worker_is_one_line(tmp_path: Path) -> None:
    with FakeServer(key="right") as server:
        recipe = str(write(tmp_path, server.url))
        result = synthkd(
            "generate", recipe, "--workers", "2", "--quiet", OPENAI_API_KEY="sk-wrong-one"
        )
    one_line(result, 3, "OPENAI_API_KEY", "401")


@pytest.mark.slow
def test_a_probe_asks_a_few_projects_the_whole_and_stops_where_nobody_can_be_asked(
    tmp_path: Path, server: FakeServer
) -> None:
    result = synthkd("run", str(write(tmp_path, server.url)), "--probe", "2")
    assert result.returncode == 0, result.stderr
    assert server.requests == 2
    for said in (
        "4; asked 2 of them, 0 failed",
        "tokens read",
        "cost",
        "accepted rows",
        "add --yes to go on",
    ):
        assert said in result.stdout
    assert not (tmp_path / "corpus").exists()


@pytest.mark.slow
def test_after_a_probe_yes_goes_on_and_buys_only_the_rest(
    tmp_path: Path, server: FakeServer
) -> None:
    recipe = str(write(tmp_path, server.url))
    result = synthkd("run", recipe, "--probe", "2", "--yes", "--quiet")
    assert "2 in this run, 2 were in the journal" in result.stdout
    assert Counter(server.sent.values()) == {1: 4}
    assert "nothing to probe" in synthkd("run", recipe, "--probe", "2", "--quiet").stdout
    assert server.requests == 4


@pytest.mark.slow
def test_filter_tells_of_repaired_answers(tmp_path: Path) -> None:
    (tmp_path / "json.j2").write_text("As JSON: {{ stem }}")
    with FakeServer(answer=lambda *_: 'Here: {"tail": "cutting bread"}') as server:
        part = teacher(server.url, structured=True)
        recipe = str(write(tmp_path, teacher=part, prompt={"template": "json.j2"}))
        assert synthkd("generate", recipe, "--quiet").returncode == 0
    assert "malformed 0, repaired 4, accepted 4" in synthkd("filter", recipe, "--quiet").stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("limits.dollars=-3", "limits.dollars: Input should be greater than 0"),
        ("limits.tokens=0", "limits.tokens: Input should be greater than or equal to 1"),
        ("limits.tokens=many", "limits.tokens: "),
        ("limits.dolars=3", "limits.dolars: unknown key (did you mean 'dollars'?)"),
        (
            "limits.request_per_minute=3",
            "limits.request_per_minute: unknown key (did you mean 'requests_per_",
        ),
        ("limits.requests_per_minute=0", "limits.requests_per_minute: "),
        ("limits.failing_share=2", "limits.failing_share: "),
        ("limits=3", "limits: "),
        ("teacher.concurency=3", "teacher.concurency: unknown key (did you mean 'concurrency'?)"),
        ("teacher.concurrency=0", "teacher.concurrency: "),
        ("teacher.base_url=[http://127.0.0.1:9/v1, 3]", "teacher.base_url.1: "),
        ("teacher.price.inptu=1", "teacher.price.inptu: unknown key (did you mean 'input'?)"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_file_and_the_field(
    tmp_path: Path, change: str, said: str
) -> None:
    recipe = write(tmp_path)
    one_line(synthkd("run", str(recipe), "--set", change, "--quiet"), 2, f"{recipe}: ", said)


@pytest.mark.parametrize(
    ("backend", "change", "said"),
    [
        (
            "vllm",
            "tensor_paralel_size=2",
            "no option 'tensor_paralel_size' (did you mean 'tensor_parallel_size'?)",
        ),
        ("openai-batch", "poll=0", "teacher.options: poll: a number above 0 is needed, not 0"),
        ("openai", "poll=2", "backend 'openai': teacher.options: no option 'poll'; it has none"),
    ],
)
def test_a_wrong_option_of_a_backend_is_one_line(
    tmp_path: Path, backend: str, change: str, said: str
) -> None:
    recipe = str(write(tmp_path, teacher=teacher("http://127.0.0.1:9/v1") | {"backend": backend}))
    one_line(synthkd("run", recipe, "--set", f"teacher.options.{change}", "--quiet"), 2, said)


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ([HERE, "127.0.0.1:10/v1"], "begin it with http:// or https://"),
        ([HERE, "ftp://127.0.0.1/v1"], "begin it with http:// or https://"),
        ([HERE, "http://127.0.0.1:10/v1"], "name `teacher.identity` too"),
    ],
)
def test_a_wrong_list_of_addresses_is_one_line_with_the_field(
    tmp_path: Path, urls: list[str], said: str
) -> None:
    recipe = str(write(tmp_path, teacher=teacher("") | {"base_url": urls}))
    one_line(synthkd("generate", recipe, "--quiet"), 2, "teacher.base_url", said)


@pytest.mark.parametrize("verb", ["generate", "run"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--budget", "-1"),
        ("--budget", "much"),
        ("--max-tokens", "0"),
        ("--workers", "0"),
        ("--workers", "1.5"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_sent(
    tmp_path: Path, server: FakeServer, verb: str, option: str, value: str
) -> None:
    result = synthkd(verb, str(write(tmp_path, server.url)), option, value)
    assert result.returncode == 2
    assert f"'{option}'" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert server.requests == 0


def test_a_budget_of_nothing_is_refused_by_the_recipe(tmp_path: Path) -> None:
    one_line(
        synthkd("run", str(write(tmp_path)), "--budget", "0"), 2, "recipe.yaml: limits.dollars: "
    )


def test_a_probe_of_all_inputs_of_steps_does_not_go_on_unasked(tmp_path: Path) -> None:
    with FakeServer(answer=answer) as server:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(steps_recipe(tmp_path, server.url), sort_keys=False))
        result = synthkd("run", str(path), "--probe", "20")
        assert server.requests == 0
        assert result.returncode == 0
        assert "a probe of 20 inputs would be the whole run" in result.stdout
        assert "add --yes to go on" in result.stdout
        assert synthkd("run", str(path), "--probe", "20", "--yes").returncode == 0
        assert server.requests == 26


def test_a_probe_and_a_dry_run_of_one_step_say_what_they_need(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        yaml.safe_dump(steps_recipe(tmp_path, "http://127.0.0.1:1/v1"), sort_keys=False)
    )
    probed = synthkd("run", str(path), "--probe", "2", "--step", "things")
    assert "runs a sample through all steps" in probed.stderr
    shown = synthkd("run", str(path), "--dry-run", "--step", "things")
    assert "its rows come of earlier steps, which have not been run" in shown.stderr
    assert (probed.returncode, shown.returncode) == (2, 2)


def test_a_probe_of_one_request_is_refused(tmp_path: Path) -> None:
    result = synthkd("run", str(write(tmp_path)), "--probe", "1")
    assert result.returncode == 2
    assert "'--probe'" in result.stderr.splitlines()[-1]


@pytest.mark.slow
def test_describe_lists_every_backend_in_a_line_and_the_recipe_of_its_part() -> None:
    lines = synthkd("describe").stdout.splitlines()
    for backend in ("openai", "openai-batch", "vllm", "transformers", "recorded"):
        (line,) = [line for line in lines if line.split()[:1] == [backend]]
        assert len(line.split()) > 3
    found = json.loads(synthkd("describe", "--json").stdout)
    assert {"openai-batch", "vllm"} <= set(found["backends"])
    assert {"TeacherPart", "SamplingPart", "LimitsPart"} <= set(found["recipe"]["$defs"])
