"""Parts of the kind `example`: the taxonomy, its files, and how an answer is read."""
