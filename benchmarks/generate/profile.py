"""Profile of the processor time of a row, by py-spy (`pip install py-spy`).

The command is `synthkd generate` over short prompts, 1,024 in flight; waiting threads do not count.
`--tree DIR` profiles another checkout, so that a change can be compared with what was before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.base import ROOT
from benchmarks.generate.job import command, finish, server, write_job
from benchmarks.sampling import sample_parts, shares

#: Parts of a row's time, and what their frames have.
PARTS = (
    ("http", ("synthkd/teachers/remote/http/", "synthkd/teachers/remote/transport", "aiohttp/",
              "yarl/", "multidict/", "aiohappyeyeballs/")),
    ("bodies_and_answers", ("synthkd/teachers/openai/", "synthkd/teachers/remote/",
                            "synthkd/fastjson")),
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


def profile(
    folder: Path, rows: int, tree: Path | None, cores: tuple[int, int] | None
) -> dict[str, Any]:
    """Sample one run; return microseconds of processor time a row, by part."""
    pin = [] if cores is None else ["taskset", "-c", str(cores[0])]
    with server(core=cores[1] if cores else None) as url:
        recipe = write_job(folder / "plain", url, rows, concurrency=1024)
        plain = finish([*pin, *command(recipe)], tree)
        recipe = write_job(folder / "sampled", url, rows, concurrency=1024)
        counts = sample_parts([*pin, *command(recipe)], tree or ROOT, PARTS, _WAITS)
    assert f"completed {rows:,}" in plain.output, plain.output
    return shares(counts, PARTS, 1e6 * plain.cpu / rows, "profile_us")
