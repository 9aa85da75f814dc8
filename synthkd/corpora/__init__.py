"""Corpora: schema, reading, writing, cards."""
