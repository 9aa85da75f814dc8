"""The same rows through other tools, each in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.base import Figures, Options
from benchmarks.near_duplicates.recall import exact_pairs, resolved
from benchmarks.near_duplicates.speed import corpus
from benchmarks.peers.environments import pip
from benchmarks.peers.runs import environment, time_process

#: An environment for each peer.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "rensa": ("rensa==0.5.0", "pyarrow", "numpy"),
    "datatrove": ("datatrove[io,processing]==0.10.1", "spacy"),
    "text-dedup": ("text-dedup==0.4.0", "pyarrow"),
}
_CLIENTS = Path(__file__).with_name("clients")
_DROPPED = "dropped.npy"


def install(envs: Path) -> None:
    """Make the environments that do not exist yet."""
    for name, packages in ENVIRONMENTS.items():
        if (envs / name).exists():
            continue
        subprocess.run([sys.executable, "-m", "venv", str(envs / name)], check=True)
        if not pip(str(envs / name / "bin" / "python"), *packages):
            shutil.rmtree(envs / name)
            print(f"{name}: not installed", file=sys.stderr)


def figures(options: Options) -> Figures:
    """Measure synthkd and every installed peer as processes, in turn.

    Raises:
        SystemExit: no folder of environments is named.
    """
    if options.envs is None:
        raise SystemExit("peers: name the folder of their environments with --envs")
    if options.install:
        install(options.envs)
    found: Figures = {}
    with corpus(options) as path, tempfile.TemporaryDirectory(prefix="peers-") as temporary:
        rows = pq.ParquetFile(path).metadata.num_rows
        names = ("synthkd", *(options.peers or ENVIRONMENTS))
        for name in names:
            folder = Path(temporary) / name
            folder.mkdir()
            python = options.envs / name / "bin" / "python"
            command = [str(python), str(_CLIENTS / f"run_{_key(name)}.py"), str(path), str(folder)]
            if name == "synthkd":
                module = ["-m", "benchmarks.near_duplicates.job", str(path), "--out"]
                command = [sys.executable, *module]
            elif not python.exists():
                continue
            command.append(str(folder / _DROPPED))
            measured = _measured(name, command, folder, rows, options.timeout)
            print(name, measured, file=sys.stderr, flush=True)
            found |= measured
        pairs = exact_pairs(path)
        for name in names:
            if (out := Path(temporary) / name / _DROPPED).exists():
                found[f"{_key(name)}_resolved"] = resolved(pairs, out)
    speeds = [found[key] for name in names[1:] if (key := f"{_key(name)}_rows_per_second") in found]
    if speeds:
        found["ratio_best_peer"] = found["synthkd_rows_per_second"] / max(speeds)
    return found


def _key(name: str) -> str:
    return name.replace("-", "_")


def _measured(name: str, command: list[str], folder: Path, rows: int, timeout: float) -> Figures:
    """Run a tool once; nothing if it failed, with its last lines on the standard error."""
    with (folder / "log").open("w") as log:
        # synthkd runs from this tree.
        cwd = Path.cwd() if name == "synthkd" else folder
        code, seconds, cpu, memory = time_process(
            command, environment(folder) | {"OMP_NUM_THREADS": "1"}, cwd, log, timeout
        )
    if code:
        end = (folder / "log").read_text(errors="replace")[-2000:]
        print(f"{name}: ended with status {code} after {seconds:.0f} s\n{end}", file=sys.stderr)
        return {}
    key, unit = _key(name), 2**20 if sys.platform == "darwin" else 2**10
    return {
        f"{key}_rows_per_second": rows / seconds,
        f"{key}_cpu_microseconds_per_row": 1e6 * cpu / rows,
        f"{key}_megabytes": memory / unit,
    }
