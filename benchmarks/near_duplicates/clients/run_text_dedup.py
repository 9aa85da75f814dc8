"""text-dedup: its command for MinHash, with two processes."""

import os
import subprocess
import sys

path, folder, out = sys.argv[1:]
kept = f"{folder}/kept"
subprocess.run(
    [
        sys.executable, "-m", "text_dedup.minhash",
        "--path", "parquet", "--data_files", path, "--split", "train", "--column", "text",
        "--cache_dir", f"{folder}/cache", "--output", kept, "--num_proc", "2",
        "--ngram", "2", "--min_length", "1", "--num_perm", "256", "--b", "32", "--r", "8",
    ],
    check=True, env=os.environ | {"HF_HOME": f"{folder}/home", "HF_HUB_OFFLINE": "1"},
)  # fmt: skip

import datasets  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

names = pq.read_table(path, columns=["id"]).column("id").to_pylist()
stay = set(datasets.load_from_disk(kept)["id"])
np.save(out, np.array([i for i, name in enumerate(names) if name not in stay], np.int64))
