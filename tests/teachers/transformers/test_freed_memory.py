"""Memory of a local model after a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Pieces below the size that glibc maps by itself; the last one, in use, keeps the others.
SCRIPT = """
import os
from pathlib import Path
from synthkd.teachers.transformers.teacher import return_freed_memory

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

pieces = [b"x" * 100_000 for _ in range(3000)]
del pieces[:-1]
before = megabytes()
return_freed_memory()
print(before - megabytes())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""),
    reason="glibc's allocator alone keeps freed memory in this way",
)
def test_freed_memory_goes_back_to_the_system(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )

    assert float(run.stdout) > 200
