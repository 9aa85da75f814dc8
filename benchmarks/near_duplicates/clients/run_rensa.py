"""rensa: add rows in turn to its deduplicator; those that it refuses are dropped."""

import sys

import numpy as np
import pyarrow.parquet as pq
import rensa

path, _, out = sys.argv[1:]
index = rensa.RMinHashDeduplicator(0.8, 256, True, 32, 42)
dropped, number = [], 0
for batch in pq.ParquetFile(path).iter_batches(8192, columns=["text"]):
    entries = []
    for text in batch.column("text").to_pylist():
        marked = f" {' '.join(text.lower().split())} "
        entries.append((str(number), [marked[i : i + 4] for i in range(len(marked) - 3)]))
        number += 1
    added = index.add_pairs(entries)
    dropped += [int(key) for (key, _), is_new in zip(entries, added, strict=True) if not is_new]
np.save(out, np.array(dropped, np.int64))
