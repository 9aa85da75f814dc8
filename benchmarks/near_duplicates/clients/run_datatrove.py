"""datatrove: signatures, buckets and clusters of its MinHash pipeline, with two workers."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader


def main() -> None:
    path, folder, out = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    (folder / "texts").mkdir()
    # One file for each worker.
    table = pq.read_table(path)
    half = (table.num_rows + 1) // 2
    pq.write_table(table.slice(0, half), folder / "texts" / "0.parquet")
    pq.write_table(table.slice(half), folder / "texts" / "1.parquet")
    del table
    config = MinhashConfig(n_grams=2, num_buckets=32, hashes_per_bucket=8)
    reader = ParquetReader(str(folder / "texts"), text_key="text", id_key="id")
    signatures, buckets, gone = (str(folder / name) for name in ("signatures", "buckets", "gone"))
    for number, (steps, tasks) in enumerate(
        [
            ([reader, MinhashDedupSignature(signatures, config)], 2),
            ([MinhashDedupBuckets(signatures, buckets, config=config)], 32),
            ([MinhashDedupCluster(buckets, gone, config=config)], 1),
        ]
    ):
        LocalPipelineExecutor(
            steps, tasks=tasks, workers=2, logging_dir=str(folder / f"log-{number}")
        ).run()
    dropped = []
    for rank in range(2):
        file = Path(gone) / f"{rank:06d}.remove"
        if file.exists():
            dropped.append(np.fromfile(file, "<u4").astype(np.int64) + rank * half)
    np.save(out, np.concatenate([np.empty(0, np.int64), *dropped]))


if __name__ == "__main__":
    main()
