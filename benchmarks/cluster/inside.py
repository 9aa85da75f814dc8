"""The parts that need a cluster, in its network namespace; prints figures as JSON.

Run by `parts`; by itself it would start Ray on every address of the machine.
"""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from benchmarks.base import Figures
from benchmarks.cluster.nodes import Nodes
from benchmarks.generate.job import run, server, start, write_job
from benchmarks.generate.limits import most
from synthkd.cluster.parts import MOST_BEHIND, import_parts
from synthkd.cluster.shared_folder import SharedFolder
from synthkd.testing import FakeServer

_RAY = ("--engine", "ray")


def bytes_(folder: Path, rows: int) -> Figures:
    """Compare the corpora of several recipes with those of one machine."""
    equal = {}
    with FakeServer() as fake, Nodes(2):
        for name, parts in _recipes(folder).items():
            pair = []
            for place, options in (("one", ()), ("cluster", _RAY)):
                home = folder / name / place
                recipe = _changed(write_job(home, fake.url, rows), parts)
                ended = run(recipe, "run", *options)
                assert ended.status == 0, ended.output
                pair.append(_files(home / "corpus"))
            equal[name] = pair[0] == pair[1]
    return {"bytes_recipes": equal, "bytes_equal_share": sum(equal.values()) / len(equal)}


def _recipes(folder: Path) -> dict[str, dict[str, Any]]:
    """Return parts of recipes that filter in different ways."""
    labels = folder / "labels.csv"
    rng = random.Random(0)
    lines = ["head,relation,tail,label"]
    lines += [f"thing {i},UsedFor,answer {i % 7} of {i},{rng.random() < 0.6:d}" for i in range(200)]
    labels.write_text("\n".join(lines) + "\n")
    critic = {
        "name": "linear", "labels": str(labels), "precision": 0.5, "publish_anyway": True,
    }  # fmt: skip
    several = {"sampling": {"max_tokens": 8, "n": 3, "logprobs": True}}
    return {
        "plain": {},
        "rules": {"teacher": several, "rules": ["empty", "echo", {"worst_nll": {"share": 0.1}}]},
        "votes": {"teacher": several, "votes": {"by": "teacher"}},
        "critic": {"critic": critic},
    }


def _changed(path: Path, parts: dict[str, Any]) -> Path:
    raw = yaml.safe_load(path.read_text())
    raw["teacher"] |= parts.get("teacher", {})
    raw |= {name: value for name, value in parts.items() if name != "teacher"}
    path.write_text(yaml.safe_dump(raw))
    return path


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class _Killer:
    """Kills nodes at random moments while a run is on, and starts each again."""

    def __init__(self, nodes: Nodes, fake: FakeServer, seed: int) -> None:
        self.nodes, self.fake, self.rng = nodes, fake, random.Random(seed)

    def kill(self, process: subprocess.Popen[str], kills: int) -> int:
        """Kill up to a number of nodes; return how many were."""
        done = 0
        while done < kills and self._until_sending(process):
            time.sleep(self.rng.uniform(0.2, 2.5))
            if process.poll() is not None:
                break
            number = self.rng.randint(1, self.nodes.count)
            self.nodes.kill(number)
            done += 1
            self.nodes.start(number)
        return done

    def _until_sending(self, process: subprocess.Popen[str]) -> bool:
        """Wait until more was sent, as after a shard went on elsewhere; False if the run ended."""
        sent, begin = self.fake.requests, time.monotonic()
        while self.fake.requests < sent + 200 and time.monotonic() - begin < 30:
            if process.poll() is not None:
                return False
            time.sleep(0.02)
        return True


def kills(folder: Path, rows: int, kills: int, nodes: int, seed: int) -> Figures:
    """Kill nodes at random moments; count what is lost and what is bought twice."""
    concurrency = 32 * nodes
    with FakeServer(latency=0.2, keep=False) as fake, Nodes(nodes) as cluster:
        recipe = write_job(folder / "run", fake.url, rows, concurrency=concurrency)
        begin = time.perf_counter()
        process = start(recipe, "run", *_RAY)
        done = _Killer(cluster, fake, seed).kill(process, kills)
        output = process.communicate(timeout=400)[0]
        seconds = time.perf_counter() - begin
        assert process.returncode == 0, output
        times: Counter[str] = Counter()
        for (prompt, _, _), count in fake.sent.items():
            times[prompt] += count
        before = fake.requests
        again = run(recipe, "run", *_RAY)
        assert again.status == 0, again.output
        alone = write_job(folder / "one", fake.url, rows, concurrency=concurrency)
        assert run(alone, "run").status == 0
    import_parts(
        SharedFolder(str(folder / "run/runs/bench/cluster")), "shards", folder / "all.sqlite"
    )
    twice = sum(count - 1 for count in times.values())
    # Of each lost shard: what was reserved, and what was committed and not exported.
    bound = done * (4 * concurrency // nodes + MOST_BEHIND)
    return {
        "kills_nodes_killed": done,
        "kills_lost": rows - len(times) + (fake.requests - before - rows),
        "kills_bought_twice": twice,
        "kills_bought_twice_per_kill": round(twice / max(done, 1), 1),
        "kills_bound_per_kill": 4 * concurrency // nodes + MOST_BEHIND,
        "kills_bought_twice_of_bound": round(twice / bound, 4),
        "kills_in_flight_per_shard": concurrency // nodes,
        "kills_seconds": round(seconds, 1),
        "kills_same_bytes": _files(folder / "run/corpus") == _files(folder / "one/corpus"),
    }


def budget(folder: Path, rows: int, kills: int, nodes: int, seed: int) -> Figures:
    """Kill nodes of a run with a cap; add up what the server has billed."""
    # About half of what all rows would cost.
    cap = 4 * rows
    with FakeServer(latency=0.2, keep=False) as fake, Nodes(nodes) as cluster:
        recipe = write_job(
            folder / "killed", fake.url, rows, limits={"tokens": cap}, concurrency=32 * nodes
        )
        process = start(recipe, "run", *_RAY)
        done = _Killer(cluster, fake, seed).kill(process, kills)
        output = process.communicate(timeout=400)[0]
        assert process.returncode == 0, output
        billed = sum(tokens for _, tokens in fake.times)
        fake.times.clear()
        clean = write_job(
            folder / "clean", fake.url, rows, limits={"tokens": cap}, concurrency=32 * nodes
        )
        undisturbed = run(clean, "run", *_RAY)
        assert undisturbed.status == 0, undisturbed.output
        billed_clean = sum(tokens for _, tokens in fake.times)
    return {
        "budget_nodes_killed": done,
        "budget_billed_share": round(billed / cap, 4),
        "budget_billed_share_undisturbed": round(billed_clean / cap, 4),
        "budget_said_so": "the cap is reached" in output,
    }


def rates(folder: Path, seconds: float, nodes: int) -> Figures:
    """Count the requests of all nodes in any 60 seconds under a limit."""
    limit = 6_000
    with FakeServer(latency=0.05, keep=False) as fake, Nodes(nodes):
        recipe = write_job(
            folder, fake.url, 60_000, limits={"requests_per_minute": limit}, concurrency=256
        )
        process = start(recipe, "run", *_RAY)
        while not fake.times and process.poll() is None:
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        process.communicate()
        seen = [(at, 1) for at, _ in fake.times]
    begin, end = seen[0][0], seen[0][0] + seconds
    used = sum(1 for at, _ in seen if at <= end)
    return {
        "rates_most_in_60_s": most(seen, 60.0),
        "rates_limit": limit,
        "rates_most_of_limit": round(most(seen, 60.0) / limit, 4),
        "rates_used_share": round(used / (limit * (end - begin) / 60), 4),
    }


def scaling(folder: Path, rows: int, nodes: int, rounds: int) -> Figures:
    """Time a run on a number of nodes and in as many local processes, in turn."""
    seconds: dict[str, list[float]] = {"ray": [], "local": []}
    options = {"ray": _RAY, "local": ("--workers", str(nodes))}
    with server(latency=0.05) as url, Nodes(nodes):
        for turn in range(rounds):
            for name, words in options.items():
                recipe = write_job(folder / f"{name}-{turn}", url, rows, concurrency=256)
                ended = run(recipe, "run", *words)
                assert ended.status == 0, ended.output
                seconds[name].append(ended.seconds)
    ratios = [local / ray for local, ray in zip(seconds["local"], seconds["ray"], strict=True)]
    middle = {name: statistics.median(all_) for name, all_ in seconds.items()}
    return {
        f"ray_efficiency_{nodes}": round(statistics.median(ratios), 3),
        f"rows_per_second_ray_{nodes}": round(rows / middle["ray"]),
        f"rows_per_second_local_{nodes}": round(rows / middle["local"]),
        f"seconds_ray_{nodes}": [round(one, 1) for one in seconds["ray"]],
        f"seconds_local_{nodes}": [round(one, 1) for one in seconds["local"]],
    }


if __name__ == "__main__":
    part, arguments = sys.argv[1], json.loads(sys.argv[2])
    with tempfile.TemporaryDirectory() as home, contextlib.redirect_stdout(sys.stderr):
        work = {
            "bytes": bytes_, "kills": kills, "budget": budget, "rates": rates, "scaling": scaling,
        }[part]  # fmt: skip
        figures = work(Path(home), **arguments)
    print(json.dumps(figures))
