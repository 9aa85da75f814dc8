"""vLLM as a server that the run owns, against a stand-in."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.files import ROOT
from support.vllm import ask, completed, gone, hear, part, request, wait_until

from synthkd.errors import RecipeError, TeacherError
from synthkd.teachers.transformers import EMBEDDED
from synthkd.teachers.vllm import VllmTeacher
from synthkd.teachers.vllm import server as serve
from synthkd.teachers.vllm.teacher import python_of


def test_the_servers_command_line() -> None:
    chosen = part(
        model="who/what",
        revision="v2",
        options={
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
    line = serve.server_command(chosen, "who/what", 4321)
    assert line[:3] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    rest = " ".join(line[3:])
    for option in (
        *(
            "--model who/what",
            "--revision v2",
            "--tokenizer-revision v2",
            "--tensor-parallel-size 2",
        ),
        *(
            "--max-model-len 256",
            "--enforce-eager",
            "--no-enable-prefix-caching",
            '--hf-overrides {"a": 1}',
        ),
        *("--middleware one two", "--host 127.0.0.1", "--port 4321", "--dtype auto"),
        *("--served-model-name who/what", "--generation-config vllm"),
    ):
        assert f" {option}" in f" {rest}"
    assert "quantization" not in rest
    assert "--port 80" not in rest


def test_the_embedded_teacher_is_served_from_its_folder() -> None:
    line = serve.server_command(part(), VllmTeacher(part()).model, 1)
    assert Path(line[line.index("--model") + 1], "config.json").is_file()
    assert line[line.index("--served-model-name") + 1] == EMBEDDED


def test_the_server_sends_no_usage_and_asks_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    found = serve.server_environment()
    assert (found["VLLM_NO_USAGE_STATS"], found["DO_NOT_TRACK"]) == ("1", "1")
    assert "VLLM_API_KEY" not in found


def test_another_python_is_a_path_from_the_recipe_or_a_programs_name(tmp_path: Path) -> None:
    def found(python: str) -> str | None:
        return python_of(part(options={"python": python}), tmp_path)

    assert found("env/bin/python") == str(tmp_path / "env/bin/python")
    assert found("/opt/env/bin/python") == "/opt/env/bin/python"
    assert found("python3.12") == "python3.12"


# What stands in for `python -m vllm.entrypoints.openai.api_server`: a child that hears no SIGTERM
# stands for the engine; {trouble} is code that goes wrong in one way.
STAND_IN = """#!{python}
import json, os, signal, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
option = lambda name: sys.argv[sys.argv.index(name) + 1]
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
code += "; print(1, flush=True); time.sleep(600)"
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
    """Return a teacher whose server is a small script."""
    # Logs that are kept for the reader go where pytest cleans up.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def make(trouble: str = "", startup: float = 20, **values: Any) -> VllmTeacher:
        script = tmp_path / "python"
        pids = str(tmp_path / "pids")
        script.write_text(
            STAND_IN.format(python=sys.executable, pids=pids, trouble=trouble), "utf-8"
        )
        script.chmod(0o755)
        chosen = {"serve": True, "python": str(script), "startup": startup}
        return VllmTeacher(part(options=chosen, **values))

    yield make
    if (tmp_path / "pids").exists():
        assert all(wait_until(lambda pid=pid: gone(pid)) for pid in pids_in(tmp_path))


def pids_in(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


@pytest.mark.slow
def test_the_server_answers_every_sample(stand_in: StandIn) -> None:
    asked = [request(({"role": "prompt", "content": str(i)},), (0, 1)) for i in range(10)]
    answers = completed(ask(stand_in(), *asked))
    assert {answer.key for answer in answers} == {
        f"{one.request_id}-{i}" for one in asked for i in (0, 1)
    }


@pytest.mark.slow
def test_a_server_of_our_own_gets_no_key_and_no_proxy(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-show")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.org")
    (answer,) = completed(ask(stand_in(), request()))
    assert answer.text == f"Bearer none {EMBEDDED}"


@pytest.mark.slow
def test_after_close_no_process_is_left_and_no_log(stand_in: StandIn, tmp_path: Path) -> None:
    teacher = stand_in()
    logs: list[Path] = []

    async def work() -> None:
        await hear(teacher, request())
        assert teacher._runtime is not None
        logs.append(teacher._runtime._server.log)  # type: ignore[attr-defined]
        assert not any(gone(pid) for pid in pids_in(tmp_path))
        await teacher.close()

    asyncio.run(work())
    assert all(gone(pid) for pid in pids_in(tmp_path))
    assert not logs[0].exists()


@pytest.mark.slow
def test_a_server_that_dies_at_its_start_shows_the_end_of_its_log(stand_in: StandIn) -> None:
    trouble = (
        "print('\\n'.join(f'line {i}' for i in range(30)), flush=True); sys.exit('no GPU here')"
    )
    with pytest.raises(
        TeacherError, match=r"ended while it was starting \(exit status 1\)"
    ) as raised:
        ask(stand_in(trouble), request())
    message = str(raised.value)
    assert message.endswith(" | line 29 | no GPU here")
    assert "line 3 " not in message
    log = Path(message.split("its log ")[1].split(" names")[0])
    assert "line 3\n" in log.read_text()


@pytest.mark.slow
def test_a_server_that_is_not_ready_in_time_is_stopped(stand_in: StandIn, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"not ready in 1 s; raise teacher\.options\.startup"):
        ask(stand_in("print('loading', flush=True); time.sleep(600)", startup=1), request())


@pytest.mark.slow
def test_a_python_that_is_not_there_is_named() -> None:
    with pytest.raises(
        RecipeError, match=r"teacher\.options\.python: /no/such/python cannot be run"
    ):
        ask(VllmTeacher(part(options={"serve": True, "python": "/no/such/python"})), request())


@pytest.mark.slow
def test_a_server_that_dies_in_the_run_ends_it_with_its_log(stand_in: StandIn) -> None:
    trouble = "def on_post(body):\n    print('out of memory', flush=True)\n    os._exit(7)"
    start = time.monotonic()
    with pytest.raises(
        TeacherError,
        match=r"ended while requests were in flight \(exit status 7\)[\s\S]*out of memory",
    ):
        ask(
            stand_in(trouble),
            *(request(({"role": "prompt", "content": str(i)},)) for i in range(5)),
        )
    assert time.monotonic() - start < 20


@pytest.mark.slow
@pytest.mark.parametrize("while_starting", [True, False])
def test_nothing_is_left_of_a_server_whose_parent_is_killed(
    stand_in: StandIn, tmp_path: Path, while_starting: bool
) -> None:
    teacher = stand_in("time.sleep(600)" if while_starting else "")
    code = (
        "import asyncio, sys; sys.path[:0] = sys.argv[1:3]; from support import vllm as t\n"
        "who = t.VllmTeacher(t.part(options={'serve': True, 'python': sys.argv[3]}))\n"
        "async def work():\n"
        "    await t.hear(who, t.request()); print('answered', flush=True); await"
        " asyncio.sleep(600)\n"
        "asyncio.run(work())"
    )
    folders = [str(ROOT / "tests"), str(ROOT / "tests" / "teachers")]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *folders, str(teacher.options.python)], stdout=subprocess.PIPE
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
