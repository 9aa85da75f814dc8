"""The clients that are compared, and an environment for each peer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: An environment for each peer. Of datatrove's `inference` extra only what a client needs; the
#: others are servers.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    # It imports two packages that the newest versions of its dependencies no longer bring.
    "distilabel": ("distilabel[openai]==1.5.3", "pillow", "requests"),
    "bespokelabs-curator": ("bespokelabs-curator==0.1.31",),
    "data-designer": (
        "data-designer==0.9.7",
        "data-designer-config==0.9.7",
        "data-designer-engine==0.9.7",
    ),
    "sdg-hub": ("sdg-hub==0.9.4",),
    "datatrove": ("datatrove[io]==0.10.1", "aiofiles", "aiosqlite", "httpx", "openai", "xxhash"),
}
#: Requirements of any version: no certificate is read on loopback, and an index that is some days
#: behind lacks the newest bundle, which data-designer requires.
ANY_VERSION = {"certifi"}
#: Prints the requirements of installed packages, less extras and less the packages themselves.
REQUIREMENTS = """
import sys
from importlib.metadata import requires
own = tuple(f"{name}==" for name in sys.argv[1:])
for name in sys.argv[1:]:
    for line in requires(name) or []:
        if "extra ==" not in line and not line.startswith(own):
            print(line)
"""


@dataclass(frozen=True)
class Client:
    """The command of a client; without an environment it runs in this one."""

    name: str
    script: str | None = None
    environment: str | None = None
    more: tuple[str, ...] = ()

    def python(self, envs: Path | None) -> Path | None:
        """Return the environment's interpreter; None if it is missing."""
        if self.environment is None:
            return Path(sys.executable)
        python = envs / self.environment / "bin" / "python" if envs else None
        return python if python and python.exists() else None

    @property
    def version(self) -> str:
        return ENVIRONMENTS[self.environment][0].partition("==")[2] if self.environment else ""


CLIENTS = (
    Client("bare", "bare_aiohttp.py"),
    Client("synthkd"),
    Client("datatrove-local", "run_datatrove.py", "datatrove", ("local",)),
    Client("datatrove-checkpoints", "run_datatrove.py", "datatrove", ("checkpoints",)),
    Client("datatrove-remote", "run_datatrove.py", "datatrove", ("remote",)),
    Client("distilabel", "run_distilabel.py", "distilabel"),
    Client("curator", "run_curator.py", "bespokelabs-curator"),
    Client("sdg-hub", "run_sdg_hub.py", "sdg-hub"),
    Client("data-designer", "run_data_designer.py", "data-designer"),
)


def install(envs: Path, names: Sequence[str]) -> int:
    """Make the environments of these clients; return the number of those that failed."""
    failed = 0
    wanted = {client.environment for client in CLIENTS if client.name in names}
    for name, packages in ENVIRONMENTS.items():
        if name not in wanted:
            continue
        print(f"{name}: {' '.join(packages)}", flush=True)
        folder = envs / name
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        if pip(python, *packages) or loosely(python, packages):
            continue
        failed += 1
        print(f"{name}: not installed", file=sys.stderr)
    return failed


def pip(python: str, *what: str) -> bool:
    return (
        subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=False).returncode
        == 0
    )


def loosely(python: str, packages: tuple[str, ...]) -> bool:
    """Install the same packages, with any version of the requirements named in `ANY_VERSION`."""
    if not pip(python, "--no-deps", *packages):
        return False
    names = [package.partition("==")[0].partition("[")[0] for package in packages]
    results = subprocess.run(
        [python, "-c", REQUIREMENTS, *names], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    loose = {name for name in ANY_VERSION for line in results if line.startswith(name)}
    if not loose:
        return False
    return pip(python, *(line for line in results if not line.startswith(tuple(loose))), *loose)
