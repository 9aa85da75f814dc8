"""The knowledge-base critic: a reference of true triples as evidence about candidates."""
