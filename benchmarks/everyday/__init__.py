"""Parts of the benchmark of the everyday world."""
