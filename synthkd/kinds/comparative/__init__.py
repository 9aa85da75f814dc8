"""What the kind `comparative` is made of: nouns, a lexicon of comparatives, the reader of clauses, the grammar, pairs."""
