"""Runs with a target that are killed at random moments: what they spend, and what they write.

The server is on loopback and counts every token that it was asked for, those of answers that a
killed process never read included. Limits are of two kinds: ones that leave room, under which a
killed run must write the bytes of one that was not, and tight ones that end the run early.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from benchmarks.base import Figures, Options
from benchmarks.kills.forking import Started, Starter
from synthkd.keys import seed_from
from synthkd.testing import FakeServer

#: Share of whole answers by the first word of a head.
_YIELDS = {"easy": 0.8, "hard": 0.3}
_WANTED, _HEADS, _CONCURRENCY = 40, 60, 4
#: Kills of a run, at most; the start after them goes to the end.
_KILLS = 3
_LONG = 180.0
#: Tokens and completions that leave room for what kills cost, and ones that do not suffice.
_ROOMY, _TIGHT = (100_000, 1_000), (1_200, 150)
_MODULES = (
    "pydantic", "typer.rich_utils", "synthkd.recipe", "synthkd.journal", "pyarrow.parquet",
    "synthkd.pipeline", "synthkd.stages.target.run", "synthkd.corpora.write",
    "synthkd.teachers.remote.transport", "synthkd.stages.manifest", "synthkd.kinds.triple",
    "synthkd.corpora.diversity",
)  # fmt: skip


def figures(options: Options) -> Figures:
    """Kill runs with either kind of limits, in turn, and count what went wrong."""
    runs = 1 if options.quick else 50
    rng = random.Random(0)
    counts = dict.fromkeys(
        ("kills", "over_budget", "differing", "lost", "wrong_end", "tight_over_budget"), 0
    )
    with (
        tempfile.TemporaryDirectory(prefix="synthkd-bench-") as name,
        FakeServer(answer=_answer, latency=0.02) as server,
        Starter(_MODULES) as starter,
    ):
        folder = Path(name)
        killing = _KilledRuns(folder, server, starter, rng)
        whole = killing.run(_ROOMY, kills=0)
        for number in range(runs):
            one = killing.killed(_ROOMY, whole["seconds"])
            counts["kills"] += one["kills"]
            counts["over_budget"] += one["over"]
            counts["differing"] += one["bytes"] != whole["bytes"]
            counts["lost"] += one["lost"]
            counts["wrong_end"] += one["status"] != 0
            tight = killing.killed(_TIGHT, whole["seconds"] / 2)
            counts["tight_over_budget"] += tight["over"]
            counts["kills"] += tight["kills"]
            print(f"{number + 1:>3} {one} {tight}", file=sys.stderr, flush=True)
    return {
        "target_over_budget": counts["over_budget"] + counts["tight_over_budget"],
        "target_kills_runs": 2 * runs,
        "target_kills": counts["kills"],
        "target_kills_differing": counts["differing"],
        "target_kills_lost": counts["lost"],
        "target_kills_wrong_end": counts["wrong_end"],
    }


def _answer(prompt: str, index: int, seed: int) -> str:
    """Answer with a number, or with more words than the rules allow."""
    rng = random.Random(seed_from(prompt, seed + index))
    word = "easy" if "easy" in prompt else "hard"
    return (
        f"number {rng.randrange(10**6)}" if rng.random() < _YIELDS[word] else "far too many words"
    )


class _KilledRuns:
    """Runs in one folder, one after another."""

    def __init__(
        self, folder: Path, server: FakeServer, starter: Starter, rng: random.Random
    ) -> None:
        self.here, self.output = folder / "here", folder / "output.txt"
        self.temporary = folder / "tmp"
        self.server, self.starter, self.rng = server, starter, rng

    def _prepare(self, tokens: int, completions: int) -> None:
        for path in (self.here, self.temporary):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        rows = [
            f"{word} {i},{relation}"
            for word, relation in (("easy", "UsedFor"), ("hard", "IsA"))
            for i in range(_HEADS)
        ]
        (self.here / "inputs.csv").write_text("\n".join(["head,relation", *rows]) + "\n")
        raw = {
            "name": "killed",
            "inputs": {"path": "inputs.csv"},
            "prompt": {"template": "triple/everyday-plain"},
            "teacher": {
                "backend": "openai", "model": "fake", "base_url": self.server.url,
                "identity": "fake", "concurrency": _CONCURRENCY, "sampling": {"n": 2},
            },
            "limits": {"tokens": tokens},
            "rules": ["empty", {"too_long": {"max_words": 3}}],
            "target": {
                "accepted": _WANTED, "per": "relation", "at_most": {"completions": completions},
            },
            "corpus": {"path": "corpus"},
        }  # fmt: skip
        (self.here / "recipe.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
        self.server.times.clear()

    def killed(self, limits: tuple[int, int], seconds: float) -> dict[str, Any]:
        """Return a run that was killed once at least; one that ended before is begun again."""
        while not (one := self.run(limits, _KILLS, seconds))["kills"]:
            pass
        return one

    def run(self, limits: tuple[int, int], kills: int, seconds: float = 0.0) -> dict[str, Any]:
        """Start a run, kill it so many times at random moments, and start it to its end."""
        self._prepare(*limits)
        done = lost = 0
        began = time.monotonic()
        for _ in range(self.rng.randint(1, kills) if kills else 0):
            process = self._start()
            if process.wait(self.rng.uniform(0.02, 0.8 * seconds)) is None:
                committed = self._completions()
                process.send(signal.SIGKILL)
                process.wait(_LONG)
                done += 1
                lost += len(committed - self._completions())
        status = self._start().wait(_LONG)
        asked = len(self._completions())
        # The server counts a request when its answer is ready; a killed run's are awaited.
        time.sleep(0.05)
        billed = sum(tokens for _, tokens in self.server.times)
        return {
            "kills": done,
            "status": status,
            "lost": lost,
            "billed": billed,
            "asked": asked,
            "over": int(billed > limits[0] or asked > limits[1]),
            "seconds": time.monotonic() - began,
            "bytes": self._bytes(),
        }

    def _start(self) -> Started:
        environment = {"TMPDIR": str(self.temporary)}
        return self.starter.start(
            ["run", "recipe.yaml", "--quiet"], self.here, self.output, environment
        )

    def _completions(self) -> set[tuple[str, int]]:
        path = self.here / "journal.sqlite"
        if not path.exists():
            return set()
        # A copy: opening the file of a living run would disturb its locks.
        copy = self.temporary / "copy"
        copy.mkdir(exist_ok=True)
        for file in self.here.glob("journal.sqlite*"):
            if "-run-" not in file.name:
                shutil.copy(file, copy / file.name)
        try:
            with closing(sqlite3.connect(copy / "journal.sqlite")) as journal:
                return set(journal.execute("SELECT request_id, sample_index FROM completions"))
        except sqlite3.OperationalError:
            # Killed before its tables were made.
            return set()
        finally:
            shutil.rmtree(copy)

    def _bytes(self) -> str:
        """Hash the corpus and the rounds."""
        digest = hashlib.sha256()
        corpus = self.here / "corpus"
        files = sorted(path for path in corpus.rglob("*") if path.is_file())
        for path in [*files, self.here / "runs" / "killed" / "target.json"]:
            digest.update(os.fsencode(path.relative_to(self.here)) + path.read_bytes())
        return digest.hexdigest()[:12]
