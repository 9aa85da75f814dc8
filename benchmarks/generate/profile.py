"""Profile of the processor time of a row, by py-spy (`pip install py-spy`).

The command is `synthkd generate` over short prompts, 1,024 in flight. A sample counts for the
innermost frame that belongs to a part; waiting threads do not count. `--tree DIR` profiles another
checkout, so that a change can be compared with what was before.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.base import ROOT
from benchmarks.generate.job import command, finish, server, write_job

#: Parts of a row's time, and the paths of their frames; the first that fits counts.
PARTS = (
    ("http", ("synthkd/teachers/openai/http/", "synthkd/teachers/openai/transport", "aiohttp/",
              "synthkd/teachers/openai/connections", "yarl/", "multidict/", "aiohappyeyeballs/")),
    ("bodies_and_answers", ("synthkd/teachers/openai/", "synthkd/fastjson")),
    ("dispatch", ("synthkd/teachers/",)),
    ("journal", ("synthkd/journal/",)),
    ("inputs_and_prompts", ("synthkd/stages/", "synthkd/prompts/", "synthkd/rows/", "synthkd/keys",
                            "synthkd/kinds/", "synthkd/requests", "synthkd/text/", "jinja2/")),
    ("imports", ("<frozen importlib", "synthkd/cli/", "synthkd/recipe/", "synthkd/plugins",
                 "pydantic/", "typer/")),
    ("event_loop", ("asyncio/", "synthkd/teachers/event_loop")),
)  # fmt: skip
#: Frames of threads that wait.
_WAITS = ("wait (threading.py", "_serve (synthkd/journal/writer.py")
_PATH = re.compile(r"\(([^)]*)\)$")


def profile(
    folder: Path, rows: int, tree: Path | None, cores: tuple[int, int] | None
) -> dict[str, Any]:
    """Sample one run; return microseconds of processor time a row, by part."""
    sampler = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which(
        "py-spy"
    )
    if sampler is None:
        raise SystemExit("generate --only profile needs py-spy: pip install py-spy")
    pin = [] if cores is None else ["taskset", "-c", str(cores[0])]
    with server(core=cores[1] if cores else None) as url:
        plain = finish([*pin, *command(write_job(folder / "plain", url, rows, concurrency=1024))],
                       tree)  # fmt: skip
        recipe = write_job(folder / "sampled", url, rows, concurrency=1024)
        samples = folder / "samples"
        subprocess.run(
            [sampler, "record", "-r", "400", "-f", "raw", "-o", str(samples), "--",
             *pin, *command(recipe)],
            cwd=tree or ROOT, check=True, capture_output=True,
        )  # fmt: skip
    assert f"completed {rows:,}" in plain.output, plain.output
    counts = count_parts(samples.read_text("utf-8"))
    total = counts.total()
    per_row = 1e6 * plain.cpu / rows
    return {
        "profile_us": per_row,
        **{
            f"profile_us_{part}": per_row * counts[part] / total
            for part in [*(name for name, _ in PARTS), "other"]
        },
    }


def count_parts(text: str) -> Counter[str]:
    """Count py-spy's raw samples (frames by ``;``, then a number) by part."""
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = stack.split(";")
        if not any(wait in frames[-1] for wait in _WAITS):
            counts[_part(frames)] += int(number)
    return counts


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        found = _PATH.search(frame)
        path = found[1] if found else ""
        for part, prefixes in PARTS:
            if any(prefix in path for prefix in prefixes):
                return part
    return "other"
