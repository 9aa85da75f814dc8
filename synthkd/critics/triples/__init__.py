"""What a reference of known triples says about a candidate: counts, neighbours, a learned score, and their sum."""
