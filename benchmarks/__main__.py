"""Run a benchmark by name.

python -m benchmarks list
python -m benchmarks NAME [--quick] [--json FILE] [--data DIR] …
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if "\ndef main(" in path.read_text("utf-8") and path.stem != "__main__"
)


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        raise SystemExit(__doc__)
    name = sys.argv[1]
    if name == "list":
        for known in NAMES:
            module = importlib.import_module(f"benchmarks.{known}")
            print(f"{known:14} {(module.__doc__ or '').splitlines()[0]}")
        return
    if name not in NAMES:
        raise SystemExit(f"no benchmark {name!r}; there are: {', '.join(NAMES)}")
    sys.argv = [f"python -m benchmarks {name}", *sys.argv[2:]]
    importlib.import_module(f"benchmarks.{name}").main()


main()
