"""Run a benchmark by name.

python -m benchmarks list
python -m benchmarks NAME [--quick] [--json FILE] [--data DIR] …
"""

from __future__ import annotations

import importlib
import sys

#: Name of a benchmark -> the module that runs it.
MODULES = {
    "critics": "benchmarks.critics",
    "everyday": "benchmarks.everyday.triples",
    "filter": "benchmarks.filter.throughput",
    "generate": "benchmarks.generate",
    "kills": "benchmarks.kills.signals",
    "labelled_text": "benchmarks.labelled_text.label_noise",
    "peers": "benchmarks.peers.rounds",
    "pgkd": "benchmarks.pgkd.policies",
    "propositions": "benchmarks.propositions",
    "students": "benchmarks.students",
    "verbphysics": "benchmarks.verbphysics.order",
    "vllm": "benchmarks.vllm.rates",
    "votes": "benchmarks.votes.recorded",
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        raise SystemExit(__doc__)
    name = sys.argv[1]
    if name == "list":
        for known, path in MODULES.items():
            module = importlib.import_module(path)
            print(f"{known:14} {(module.__doc__ or '').splitlines()[0]}")
        return
    if name not in MODULES:
        raise SystemExit(f"no benchmark {name!r}; there are: {', '.join(MODULES)}")
    sys.argv = [f"python -m benchmarks {name}", *sys.argv[2:]]
    importlib.import_module(MODULES[name]).main()


main()
