"""The vLLM backend: against stand-ins everywhere, and on the real engine where vllm is installed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT, Make

from synthkd import pipeline
from synthkd.errors import MissingExtraError, RecipeError, RequestError, TeacherError
from synthkd.recipe import Recipe, TeacherPart
from synthkd.requests import Answer, Completion, Failure, Request, Sampling
from synthkd.teachers.base import Teacher
from synthkd.teachers.dispatch import TransientError
from synthkd.teachers.transformers import EMBEDDED
from synthkd.teachers.vllm import VllmTeacher, engine, serve
from synthkd.teachers.vllm.teacher import python_of

PLAIN = ({"role": "prompt", "content": "dog can"},)
CHAT = ({"role": "user", "content": "dog can"},)


def part(**values: Any) -> TeacherPart:
    return TeacherPart.model_validate({"backend": "vllm", "model": EMBEDDED, "timeout": 30} | values)


def request(
    messages: tuple[dict[str, str], ...] = PLAIN, indexes: tuple[int, ...] = (0,), **sampling: Any
) -> Request:
    settings = {"max_tokens": 12, "stop": ("\n",)} | sampling
    return Request("test", messages, Sampling(n=len(indexes), **settings), indexes, "input")


async def hear(who: VllmTeacher, *requests: Request) -> list[Answer]:
    async def each() -> AsyncIterator[Request]:
        for one in requests:
            yield one

    async with aclosing(who.stream(each())) as groups:
        found = [answer async for group in groups for answer in group]
    return sorted(found, key=lambda answer: answer.key)


def ask(who: VllmTeacher, *requests: Request, seconds: float = 30) -> list[Answer]:
    async def collect() -> list[Answer]:
        try:
            return await hear(who, *requests)
        finally:
            await who.close()

    return asyncio.run(asyncio.wait_for(collect(), seconds))


def completed(answers: list[Answer]) -> list[Completion]:
    assert all(isinstance(answer, Completion) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Completion)]


# Who it is


def test_it_is_a_teacher() -> None:
    assert isinstance(VllmTeacher(part()), Teacher)


def test_a_recipe_makes_one() -> None:
    recipe = Recipe.from_dict(
        {
            "name": "test",
            "inputs": {"count": 3},
            "teacher": {"backend": "vllm", "model": EMBEDDED, "concurrency": 7},
            "corpus": {"path": "corpus"},
        }
    )
    made = VllmTeacher.from_recipe(recipe)
    assert (made.policy.concurrency, made.policy.adaptive) == (7, False)


def test_making_one_imports_neither_vllm_nor_torch() -> None:
    code = (
        "import sys; from synthkd.recipe import TeacherPart; from synthkd.teachers.vllm import VllmTeacher;"
        f"VllmTeacher(TeacherPart(model={EMBEDDED!r})).identity;"
        "sys.exit(bool({'vllm', 'torch', 'aiohttp'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.model"):
        VllmTeacher(part(model=None))


def test_it_is_the_same_teacher_in_process_and_served() -> None:
    served = VllmTeacher(part(vllm={"serve": True, "python": "/elsewhere/python", "startup": 5}))
    assert VllmTeacher(part()).identity == served.identity
    assert served.identity.startswith(f"vllm:{EMBEDDED}@")
    assert served.identity.endswith(":auto")


@pytest.mark.parametrize(
    ("args", "same"),
    [
        ({"max_num_seqs": 8, "enforce_eager": True, "gpu_memory_utilization": 0.5}, True),
        ({"quantization": "fp8"}, False),
        ({"unheard_of": 1}, False),
        ({"dtype": "bfloat16"}, False),
    ],
)
def test_arguments_that_change_what_is_said_are_part_of_who_answers(args: dict[str, Any], same: bool) -> None:
    assert (VllmTeacher(part()).identity == VllmTeacher(part(vllm={"args": args})).identity) is same


def test_the_number_type_is_the_checkpoints_own_unless_one_is_named() -> None:
    assert VllmTeacher(part(dtype="float32")).identity.endswith(":float32")
    assert VllmTeacher(part()).identity.endswith(":auto")


def test_a_hub_name_is_known_by_its_revision() -> None:
    assert VllmTeacher(part(model="who/what", revision="v2")).identity == "vllm:who/what@v2:auto"
    assert VllmTeacher(part(model="who/what")).identity == "vllm:who/what@main:auto"


def test_an_identity_that_the_recipe_names_counts() -> None:
    assert VllmTeacher(part(identity="ours")).identity == "ours"


# Without vllm


@pytest.fixture
def no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (engine, serve):
        monkeypatch.setattr(module, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_vllm")
@pytest.mark.parametrize("served", [False, True])
def test_a_missing_vllm_names_the_extra(served: bool) -> None:
    with pytest.raises(MissingExtraError, match=r"vllm backend.*synthkd\[vllm\]"):
        ask(VllmTeacher(part(vllm={"serve": served})), request())


@pytest.mark.usefixtures("no_vllm")
def test_where_nothing_is_asked_nothing_is_started() -> None:
    assert ask(VllmTeacher(part())) == []


# The server


def test_the_servers_command_line() -> None:
    chosen = part(
        model="who/what",
        revision="v2",
        vllm={
            "tensor_parallel_size": 2,
            "args": {
                "max_model_len": 256,
                "enforce_eager": True,
                "enable_prefix_caching": False,
                "hf_overrides": {"a": 1},
                "quantization": None,
                "middleware": ["one", "two"],
                "port": 80,
            },
        },
    )
    line = serve.command(chosen, "who/what", 4321)
    assert line[:3] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    rest = " ".join(line[3:])
    for option in (
        *("--model who/what", "--revision v2", "--tokenizer-revision v2", "--tensor-parallel-size 2"),
        *("--max-model-len 256", "--enforce-eager", "--no-enable-prefix-caching", '--hf-overrides {"a": 1}'),
        *("--middleware one two", "--host 127.0.0.1", "--port 4321", "--dtype auto"),
        *("--served-model-name who/what", "--generation-config vllm"),
    ):
        assert f" {option}" in f" {rest}"
    assert "quantization" not in rest
    assert "--port 80" not in rest


def test_the_embedded_teacher_is_served_from_its_folder() -> None:
    line = serve.command(part(), VllmTeacher(part()).model, 1)
    assert Path(line[line.index("--model") + 1], "config.json").is_file()
    assert line[line.index("--served-model-name") + 1] == EMBEDDED


def test_the_server_sends_no_usage_and_asks_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    found = serve.environment()
    assert (found["VLLM_NO_USAGE_STATS"], found["DO_NOT_TRACK"]) == ("1", "1")
    assert "VLLM_API_KEY" not in found


def test_another_python_is_a_path_from_the_recipe_or_a_programs_name(tmp_path: Path) -> None:
    def found(python: str) -> str | None:
        return python_of(part(vllm={"python": python}), tmp_path)

    assert found("env/bin/python") == str(tmp_path / "env/bin/python")
    assert found("/opt/env/bin/python") == "/opt/env/bin/python"
    assert found("python3.12") == "python3.12"


# What stands in for `python -m vllm.entrypoints.openai.api_server`: a child that hears no SIGTERM stands for the
# engine; {trouble} is code that goes wrong in one way.
STAND_IN = """#!{python}
import json, os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
option = lambda name: sys.argv[sys.argv.index(name) + 1]
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
open({pids!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.reply({{}})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        on_post(body)
        text = self.headers["Authorization"] + " " + body["model"]
        self.reply({{"model": body["model"], "choices": [
            {{"index": i, "text": text, "finish_reason": "stop"}} for i in range(body["n"])]}})
    def reply(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *_):
        pass
def on_post(body):
    pass
{trouble}
ThreadingHTTPServer((option("--host"), int(option("--port"))), Handler).serve_forever()
"""

StandIn = Callable[..., VllmTeacher]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A teacher whose server is a small script."""
    # Logs that are kept for the reader go where pytest cleans up.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def make(trouble: str = "", startup: float = 20, **values: Any) -> VllmTeacher:
        script = tmp_path / "python"
        pids = str(tmp_path / "pids")
        script.write_text(STAND_IN.format(python=sys.executable, pids=pids, trouble=trouble), "utf-8")
        script.chmod(0o755)
        chosen = {"serve": True, "python": str(script), "startup": startup}
        return VllmTeacher(part(vllm=chosen, **values))

    yield make
    if (tmp_path / "pids").exists():
        assert all(wait_until(lambda pid=pid: gone(pid)) for pid in pids_in(tmp_path))


def pids_in(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def gone(pid: int) -> bool:
    """No process, or one that has ended and that nobody has asked about."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip().startswith("Z") or not found.stdout.strip()


def wait_until(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def test_the_server_answers_every_sample(stand_in: StandIn) -> None:
    asked = [request(({"role": "prompt", "content": str(i)},), (0, 1)) for i in range(10)]
    answers = completed(ask(stand_in(), *asked))
    assert {answer.key for answer in answers} == {f"{one.request_id}-{i}" for one in asked for i in (0, 1)}


def test_a_server_of_our_own_gets_no_key_and_no_proxy(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-show")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.org")
    (answer,) = completed(ask(stand_in(), request()))
    assert answer.text == f"Bearer none {EMBEDDED}"


def test_after_close_no_process_is_left_and_no_log(stand_in: StandIn, tmp_path: Path) -> None:
    teacher = stand_in()
    logs: list[Path] = []

    async def work() -> None:
        await hear(teacher, request())
        assert teacher._way is not None
        logs.append(teacher._way._server.log)  # type: ignore[attr-defined]
        assert not any(gone(pid) for pid in pids_in(tmp_path))
        await teacher.close()

    asyncio.run(work())
    assert all(gone(pid) for pid in pids_in(tmp_path))
    assert not logs[0].exists()


def test_a_server_that_dies_at_its_start_shows_the_end_of_its_log(stand_in: StandIn) -> None:
    trouble = "print('\\n'.join(f'line {i}' for i in range(30)), flush=True); sys.exit('no GPU here')"
    with pytest.raises(TeacherError, match=r"ended while it was starting \(exit status 1\)") as raised:
        ask(stand_in(trouble), request())
    message = str(raised.value)
    assert message.splitlines()[-1].strip() == "no GPU here"
    assert "line 29" in message
    assert "line 3\n" not in message
    log = Path(message.split("its log ")[1].split(" says")[0])
    assert "line 3\n" in log.read_text()


def test_a_server_that_is_not_ready_in_time_is_stopped(stand_in: StandIn, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"not ready in 1 s; raise teacher\.vllm\.startup"):
        ask(stand_in("print('loading', flush=True); time.sleep(600)", startup=1), request())


def test_a_python_that_is_not_there_is_named() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.vllm\.python: /no/such/python cannot be run"):
        ask(VllmTeacher(part(vllm={"serve": True, "python": "/no/such/python"})), request())


def test_a_server_that_dies_in_the_run_ends_it_with_its_log(stand_in: StandIn) -> None:
    trouble = "def on_post(body):\n    print('out of memory', flush=True)\n    os._exit(7)"
    start = time.monotonic()
    with pytest.raises(TeacherError, match=r"ended before its time \(exit status 7\)[\s\S]*out of memory"):
        ask(stand_in(trouble), *(request(({"role": "prompt", "content": str(i)},)) for i in range(5)))
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("while_starting", [True, False])
def test_nothing_is_left_of_a_server_whose_parent_is_killed(
    stand_in: StandIn, tmp_path: Path, while_starting: bool
) -> None:
    teacher = stand_in("time.sleep(600)" if while_starting else "")
    code = (
        "import asyncio, sys; sys.path[:0] = sys.argv[1:3]; import test_vllm as t\n"
        "who = t.VllmTeacher(t.part(vllm={'serve': True, 'python': sys.argv[3]}))\n"
        "async def work():\n"
        "    await t.hear(who, t.request()); print('answered', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(work())"
    )
    folders = [str(ROOT / "tests"), str(ROOT / "tests" / "teachers")]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *folders, str(teacher.part.vllm.python)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    if not while_starting:
        assert parent.stdout.readline() == b"answered\n"
    assert wait_until(lambda: (tmp_path / "pids").exists() and len(pids_in(tmp_path)) == 2)
    assert not any(gone(pid) for pid in pids_in(tmp_path))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert all(wait_until(lambda pid=pid: gone(pid)) for pid in pids_in(tmp_path))


# What the engine is asked, in this process


class Dead(Exception): ...


class Failed(Exception): ...


class Params(SimpleNamespace):
    __struct_fields__ = ("min_p",)


class Engine:
    """Notes what it is asked; ``error`` is raised instead of an answer."""

    def __init__(self, error: Exception | None = None, finish: str = "stop") -> None:
        self.error, self.finish = error, finish
        self.asked: list[Any] = []
        self.model_config = SimpleNamespace(max_model_len=32, get_diff_sampling_param=dict)

    async def generate(self, prompt: dict[str, Any], params: Any, name: str) -> AsyncIterator[Any]:
        self.asked.append((prompt["prompt_token_ids"], params, name))
        if self.error:
            raise self.error
        outputs = [
            SimpleNamespace(
                index=i, text=f"text {params.seed} {i}", token_ids=[1, 2], finish_reason=self.finish, cumulative_logprob=-1.5
            )
            for i in reversed(range(params.n))
        ]  # fmt: skip
        yield SimpleNamespace(
            prompt_token_ids=prompt["prompt_token_ids"], outputs=outputs, num_cached_tokens=0
        )


class Tokenizer:
    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [0] * add_special_tokens + [len(word) for word in text.split()]}

    def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> str:
        if messages[0]["role"] == "system":
            raise ValueError("no template")
        return " ".join(m["content"] for m in messages) + " " + "x" * len(options)


def asker(made: Engine, **values: Any) -> engine.Asker:
    names = engine.Vllm(None, None, Params, SimpleNamespace, "final", Dead, Failed)
    return engine.Asker(names, made, Tokenizer(), part(**values))


def test_each_sample_has_a_seed_of_its_own_also_over_a_gap() -> None:
    made = Engine()
    answers = completed(asyncio.run(asker(made).ask(request(indexes=(0, 1, 5), seed=7))))
    assert [(params.seed, params.n) for _, params, _ in made.asked] == [(7, 2), (12, 1)]
    assert [answer.text for answer in answers] == ["text 7 0", "text 7 1", "text 12 0"]
    assert [answer.sample_index for answer in answers] == [0, 1, 5]
    assert len({name for *_, name in made.asked}) == 2


def test_without_a_seed_a_gap_costs_no_further_request() -> None:
    made = Engine()
    asyncio.run(asker(made).ask(request(indexes=(0, 5), seed=None)))
    assert [params.n for _, params, _ in made.asked] == [2]


def test_tokens_price_and_logprob_are_filled_in() -> None:
    first, second = completed(asyncio.run(asker(Engine()).ask(request(indexes=(0, 1), logprobs=True))))
    assert (first.prompt_tokens, first.completion_tokens, first.tokens, second.tokens) == (3, 2, 5, 2)
    assert (first.logprob, first.finish_reason, first.price) == (-1.5, "stop", 0.0)
    (answer,) = completed(asyncio.run(asker(Engine(), price={"output": 1e6}).ask(request())))
    assert (answer.price, answer.logprob) == (2.0, None)


def test_parameters_reach_the_engine_by_its_names() -> None:
    made = Engine()
    schema = {"type": "object"}
    asked = request(
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        extra_body={"min_p": 0.05},
    )
    asyncio.run(asker(made).ask(asked))
    assert vars(made.asked[0][1]) == {
        **{"temperature": 0.5, "top_p": 0.9, "top_k": 4, "presence_penalty": 0.1, "frequency_penalty": 0.2},
        **{"n": 1, "max_tokens": 12, "stop": ["\n"], "seed": 0, "logprobs": 0, "min_p": 0.05},
        **{"output_kind": "final", "structured_outputs": SimpleNamespace(json=schema)},
    }


def test_a_chat_goes_through_the_template_and_a_prompt_does_not() -> None:
    made = Engine()
    options = {"chat_template_kwargs": {"think": False}}
    asyncio.run(asker(made).ask(request(CHAT, extra_body=options)))
    asyncio.run(asker(made).ask(request(PLAIN)))
    asyncio.run(asker(made, chat=True).ask(request(PLAIN)))
    assert [ids for ids, *_ in made.asked] == [[3, 3, 3], [0, 3, 3], [3, 3, 2]]


def test_a_prompt_that_does_not_fit_is_refused_for_good() -> None:
    with pytest.raises(RequestError) as raised:
        asyncio.run(asker(Engine()).ask(request(({"role": "prompt", "content": "a " * 20},))))
    assert raised.value.reason == "context_too_long"


@pytest.mark.parametrize(
    ("error", "becomes", "says"),
    [
        (Dead(), TeacherError, "has died"),
        (Failed("once"), TransientError, "once"),
        (ValueError("temperature"), RequestError, "refused: ValueError: temperature"),
    ],
)
def test_what_goes_wrong_in_the_engine_is_told_apart(
    error: Exception, becomes: type[TeacherError], says: str
) -> None:
    with pytest.raises(becomes, match=says) as raised:
        asyncio.run(asker(Engine(error)).ask(request()))
    assert type(raised.value) is becomes


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (request(extra_body={"guided": 1}), r"extra_body\.guided"),
        (request(response_format={"type": "grammar"}), "'grammar'"),
        (request(({"role": "system", "content": "x"},)), r"takes no such chat.*teacher\.chat: false"),
    ],
)
def test_what_no_request_can_be_asked_with_ends_the_run(asked: Request, says: str) -> None:
    with pytest.raises(TeacherError, match=says) as raised:
        asyncio.run(asker(Engine()).ask(asked))
    assert type(raised.value) is TeacherError


def test_a_sample_that_the_engine_gave_up_may_be_asked_again() -> None:
    (answer,) = asyncio.run(asker(Engine(finish="abort")).ask(request()))
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.permanent) == ("aborted", False)


# The real engine

real = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        find_spec("vllm") is None,
        reason="vllm is not installed; scripts/test-vllm makes an environment that has it",
    ),
]
#: A small model likes to write blanks between the parts of an object, without end.
COMPACT = {"backend": "xgrammar", "disable_any_whitespace": True}
SMALL: dict[str, Any] = {"max_model_len": 256, "enforce_eager": True, "structured_outputs_config": COMPACT}
#: What a small machine needs, and no network.
MACHINE = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
HEADS = ("dog", "knife", "oak", "lemon", "bread", "car", "river", "cup", "cat", "lamp")
RELATIONS = ("can", "is a kind of", "is used for", "is often", "has")
SCHEMA = {
    "type": "object",
    "properties": {"word": {"enum": ["yes", "no"]}, "number": {"type": "integer"}},
    "required": ["word", "number"],
    "additionalProperties": False,
}


def prompts(n: int) -> list[str]:
    pairs = [f"{head} {relation}" for head in HEADS for relation in RELATIONS]
    return [f"{i}\n{pairs[i % len(pairs)]}" for i in range(n)]


@pytest.fixture(scope="module")
def machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in MACHINE.items():
            patch.setenv(name, os.environ.get(name, value))
        yield


@pytest.fixture(scope="module", params=["in-process", "served"])
def heard(request: pytest.FixtureRequest, machine: None) -> dict[str, list[Answer]]:
    """All that is asked of one engine: it takes long to start."""
    ask_for = globals()["request"]
    many = [ask_for(({"role": "prompt", "content": p},), (0, 1), logprobs=True, seed=3) for p in prompts(200)]
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    shaped = {"stop": (), "max_tokens": 100, "temperature": 0.7, "response_format": shape}
    questions: dict[str, list[Request]] = {
        "many": many,
        "again": many,
        "other seed": [ask_for(one.messages, (0, 1), seed=4) for one in many[:50]],
        "later": [ask_for(one.messages, (1,), logprobs=True, seed=3) for one in many],
        "json": [ask_for(PLAIN, (0, 1, 2), **shaped)],
        "long": [ask_for(({"role": "prompt", "content": "dog can " * 400},), (0, 1))],
        "cut": [ask_for(PLAIN, max_tokens=1, stop=())],
    }
    chosen = {"serve": request.param == "served", "args": SMALL}
    who = VllmTeacher(part(dtype="float32", concurrency=128, vllm=chosen))

    async def work() -> dict[str, list[Answer]]:
        try:
            return {name: await hear(who, *asked) for name, asked in questions.items()}
        finally:
            await who.close()

    return asyncio.run(asyncio.wait_for(work(), 500))


def texts(answers: list[Answer]) -> dict[str, str]:
    return {answer.key: answer.text for answer in completed(answers)}


class TestReal:
    pytestmark = real

    def test_every_sample_of_200_requests_is_completed(self, heard: dict[str, list[Answer]]) -> None:
        answers = completed(heard["many"])
        assert len({answer.key for answer in answers}) == 400
        assert {answer.finish_reason for answer in answers} <= {"stop", "length"}
        assert all(answer.prompt_tokens and answer.completion_tokens for answer in answers)
        assert {answer.model for answer in answers} == {EMBEDDED}

    def test_the_logprob_is_a_negative_number_of_nats(self, heard: dict[str, list[Answer]]) -> None:
        assert all(answer.logprob is not None and answer.logprob < 0 for answer in completed(heard["many"]))

    def test_one_seed_gives_the_same_texts_and_another_gives_others(
        self, heard: dict[str, list[Answer]]
    ) -> None:
        assert texts(heard["again"]) == texts(heard["many"])
        assert set(texts(heard["other seed"]).values()) != set(texts(heard["many"][:100]).values())

    def test_the_samples_of_a_request_differ(self, heard: dict[str, list[Answer]]) -> None:
        found = texts(heard["many"])
        pairs = [(found[key], found[f"{key[:-1]}1"]) for key in found if key.endswith("-0")]
        assert sum(one != other for one, other in pairs) > len(pairs) / 2

    def test_a_sample_that_is_bought_later_is_the_one_that_would_have_come_at_once(
        self, heard: dict[str, list[Answer]]
    ) -> None:
        at_once = texts(heard["many"])
        later = texts(heard["later"])
        assert len(later) == 200
        assert later.items() <= at_once.items()

    def test_a_schema_is_kept(self, heard: dict[str, list[Answer]]) -> None:
        for answer in completed(heard["json"]):
            found = json.loads(answer.text)
            assert found["word"] in ("yes", "no")
            assert isinstance(found["number"], int)

    def test_a_prompt_that_does_not_fit_is_a_failure(self, heard: dict[str, list[Answer]]) -> None:
        assert [
            (a.reason, a.permanent) if isinstance(a, Failure) else a for a in heard["long"]
        ] == [("context_too_long", True)] * 2  # fmt: skip

    def test_a_text_that_is_cut_by_the_limit_says_so(self, heard: dict[str, list[Answer]]) -> None:
        (answer,) = completed(heard["cut"])
        assert (answer.finish_reason, answer.completion_tokens) == ("length", 1)

    @pytest.mark.parametrize("served", [False, True])
    def test_a_recipe_ends_in_a_corpus(self, make_recipe: Make, machine: None, served: bool) -> None:
        teacher = {
            **{"backend": "vllm", "model": EMBEDDED, "dtype": "float32"},
            "vllm": {"serve": served, "args": SMALL},
            "sampling": {"n": 2, "logprobs": True},
        }
        result = pipeline.run(make_recipe(heads=20, teacher=teacher), quiet=True)
        assert (result.generated.completed, result.generated.failed) == (40, 0)
        assert result.counts["candidates"] > 0
        assert result.manifest["counts"] == result.counts

    def test_an_unknown_engine_argument_is_named(self) -> None:
        with pytest.raises(RecipeError, match=r"max_model_lenght.*did you mean 'max_model_len'"):
            ask(VllmTeacher(part(vllm={"args": {"max_model_lenght": 1}})), request(), seconds=120)

    @pytest.mark.parametrize("served", [False, True])
    def test_nothing_is_left_of_an_engine_whose_parent_is_killed(self, machine: None, served: bool) -> None:
        code = (
            "import asyncio, sys; sys.path[:0] = sys.argv[1:3]; import test_vllm as t\n"
            "async def work():\n"
            f"    who = t.VllmTeacher(t.part(dtype='float32', vllm={{'serve': {served}, 'args': t.SMALL}}))\n"
            "    await t.hear(who, t.request()); print('answered', flush=True); await asyncio.sleep(600)\n"
            "if __name__ == '__main__':\n"
            "    asyncio.run(work())"
        )
        folders = [str(ROOT / "tests"), str(ROOT / "tests" / "teachers")]
        parent = subprocess.Popen([sys.executable, "-c", code, *folders], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        assert b"answered" in parent.stdout.readline()
        family = descendants(parent.pid)
        assert len(family) >= 3
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
        assert all(wait_until(lambda pid=pid: gone(pid), 30) for pid in family)


def descendants(pid: int) -> list[int]:
    """All processes that a process has started, and those that these have."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = [pid]
    for one in found:
        found += [child for child, parent in pairs if parent == one]
    return found[1:]
