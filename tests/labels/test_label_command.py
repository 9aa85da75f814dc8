"""`synthkd label` as a program: from a pipe, on a terminal, killed in the middle."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import synthkd
from support.files import write_csv
from support.label_candidates import pool_rows

from synthkd.labels.sheet import read_sheet

pty = pytest.importorskip("pty")
import fcntl  # noqa: E402
import termios  # noqa: E402


def label(folder: Path, *arguments: str, keys: str = "") -> subprocess.CompletedProcess[str]:
    return synthkd("label", *arguments, keys=keys, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "rows.csv", pool_rows())
    return tmp_path


def test_keys_come_from_a_pipe_with_or_without_line_ends(folder: Path) -> None:
    done = label(folder, "rows.csv", "l.csv", "--annotator", "ann", keys="ar\nu\nwbecause\na")
    assert done.returncode == 0, done.stderr
    rows = read_sheet(folder / "l.csv")
    assert [row["verdict"] for row in rows] == ["accept", "reject", "unsure", "accept"]
    assert rows[-1]["why"] == "because"
    assert "4 rows labelled" in done.stdout


def test_the_sheet_is_named_after_the_rows(folder: Path) -> None:
    assert label(folder, "rows.csv", keys="a").returncode == 0
    assert len(read_sheet(folder / "rows-labels.csv")) == 1


def test_a_path_that_is_not_there_is_one_line_and_status_2(folder: Path) -> None:
    done = label(folder, "gone.csv", keys="a")
    assert done.returncode == 2
    assert done.stderr.startswith("synthkd: gone.csv: no such file")
    assert not (folder / "gone-labels.csv").exists()


def test_options_may_stand_before_the_rows(folder: Path) -> None:
    done = label(folder, "--annotator", "ann", "rows.csv", "l.csv", keys="a")
    assert done.returncode == 0, done.stderr
    assert read_sheet(folder / "l.csv")[0]["annotator"] == "ann"


def test_a_threshold_that_is_no_number_is_refused_before_a_sheet_is_made(folder: Path) -> None:
    done = label(folder, "rows.csv", "l.csv", "--threshold", "nan", keys="a")
    assert (done.returncode, done.stderr) == (
        2,
        "synthkd: --threshold is nan; give a number, such as 0.7\n",
    )
    assert not (folder / "l.csv").exists()


@pytest.mark.slow
def test_verdicts_are_counted_apart_from_rows_where_two_annotators_spoke(folder: Path) -> None:
    label(folder, "rows.csv", "l.csv", "--annotator", "ann", keys="ar")
    done = label(folder, "rows.csv", "l.csv", "--annotator", "bob", keys="aa")
    assert "2 rows labelled, 4 verdicts (3 accept, 1 reject)" in done.stdout


@pytest.mark.slow
def test_a_file_without_an_answer_is_refused_and_makes_no_sheet(folder: Path) -> None:
    label(folder, "export", "rows.csv", "tasks.json", "--count", "3")
    done = label(folder, "import", "tasks.json", "tasks.json", "l.csv")
    assert done.returncode == 2
    assert "tasks.json: no answers in it" in done.stderr
    assert not (folder / "l.csv").exists()


@pytest.mark.slow
def test_rows_go_to_another_tool_and_come_back(folder: Path) -> None:
    assert label(folder, "export", "rows.csv", "tasks.json", "--count", "3").returncode == 0
    tasks = json.loads((folder / "tasks.json").read_text())
    result = [{"from_name": "verdict", "type": "choices", "value": {"choices": ["accept"]}}]
    tasks[0]["annotations"] = [{"result": result, "completed_by": 5}]
    tasks[1]["data"]["id"] = "other"
    tasks[1]["annotations"] = [{"result": result}]
    (folder / "done.json").write_text(json.dumps(tasks))
    done = label(folder, "import", "done.json", "tasks.json", "l.csv")
    assert "1 verdict added, 2 entries not taken in" in done.stdout
    assert "'other' was not among the exported rows" in done.stderr
    assert "was not annotated" in done.stderr
    assert read_sheet(folder / "l.csv")[0]["annotator"] == "5"


@pytest.mark.slow
def test_imported_rows_are_not_asked_again_and_share_a_round_with_a_session(folder: Path) -> None:
    label(folder, "export", "rows.csv", "tasks.json", "--count", "3")
    tasks = json.loads((folder / "tasks.json").read_text())
    result = [{"from_name": "verdict", "type": "choices", "value": {"choices": ["accept"]}}]
    for task in tasks:
        task["annotations"] = [{"result": result, "completed_by": 5}]
    (folder / "done.json").write_text(json.dumps(tasks))
    label(folder, "import", "done.json", "tasks.json", "l.csv")
    label(folder, "rows.csv", "l.csv", "--fresh", keys="rr")
    rows = read_sheet(folder / "l.csv")
    assert len({row["id"] for row in rows}) == 5
    assert len({row["design"] for row in rows}) == 1


@pytest.mark.slow
def test_agreement_is_told(folder: Path) -> None:
    for name, keys in (("ann", "aarr"), ("bob", "aaar"), ("eve", "aarr")):
        label(folder, "rows.csv", "l.csv", "--annotator", name, keys=keys)
    told = label(folder, "agreement", "l.csv", "--merge", "dawid-skene").stdout
    assert "Krippendorff's alpha: 0.6" in told
    assert "ann and bob: 3 of 4 alike (75%)" in told
    assert "by dawid-skene: 2 accept, 2 reject" in told


class Terminal:
    """The program on a terminal of its own.

    With ``background``, it starts as a shell without job control starts a command with `&`.
    """

    def __init__(self, folder: Path, background: bool = False) -> None:
        self.master, slave = pty.openpty()
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "synthkd", "label", "rows.csv", "l.csv", "--annotator", "ann"],
            stdin=slave, stdout=slave, stderr=slave, cwd=folder, start_new_session=True,
            preexec_fn=lambda: self._begin(background),
        )  # fmt: skip
        self.seen = ""

    @staticmethod
    def _begin(background: bool) -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.SIG_DFL)

    def until(self, text: str) -> None:
        end = time.monotonic() + 30
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} not in {self.seen!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 4096).decode("utf-8", "replace")
        self.seen = self.seen.split(text, 1)[1]

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self) -> int:
        return self.process.wait(30)


@pytest.fixture(params=[False])
def terminal(folder: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    running = Terminal(folder, request.param)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()
    os.close(running.master)
    os.close(running.slave)


@pytest.mark.slow
def test_on_a_terminal_a_key_needs_no_return_and_is_on_the_disk_at_once(
    folder: Path, terminal: Terminal
) -> None:
    terminal.until("1 of 60")
    terminal.type("a")
    terminal.until("2 of 60, 1 accept")
    assert [row["verdict"] for row in read_sheet(folder / "l.csv")] == ["accept"]
    terminal.type("\x1b[A")
    terminal.type("w")
    terminal.until("why?")
    terminal.type("no\x7fot so\n")
    terminal.type("r")
    terminal.until("3 of 60")
    terminal.type("q")
    assert terminal.end() == 0
    rows = read_sheet(folder / "l.csv")
    assert [(row["verdict"], row["why"]) for row in rows] == [("accept", ""), ("reject", "not so")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "terminal"),
    [("q", False), ("\x03", False), ("\x03", True), ("\x04", False)],
    indirect=["terminal"],
)
def test_the_terminal_is_as_before_when_a_session_ends(
    folder: Path, terminal: Terminal, key: str
) -> None:
    terminal.until("1 of 60")
    terminal.type("a")
    terminal.until("2 of 60")
    terminal.type(key)
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert float(read_sheet(folder / "l.csv")[0]["weight"]) > 1


@pytest.mark.slow
def test_a_session_that_was_killed_goes_on_where_it_was(folder: Path, terminal: Terminal) -> None:
    terminal.until("1 of 60")
    terminal.type("ar")
    terminal.until("3 of 60")
    terminal.process.send_signal(signal.SIGKILL)
    terminal.end()
    rows = read_sheet(folder / "l.csv")
    assert [row["verdict"] for row in rows] == ["accept", "reject"]
    assert not any(row["weight"] for row in rows)
    label(folder, "rows.csv", "l.csv", "--annotator", "ann", keys="u")
    again = read_sheet(folder / "l.csv")
    assert [row["verdict"] for row in again] == ["accept", "reject", "unsure"]
    assert all(float(row["weight"]) > 1 for row in again)
