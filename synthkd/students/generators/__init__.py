"""Generators: causal or sequence-to-sequence checkpoints, trained to write the rows of a kind."""
