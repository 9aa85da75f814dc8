"""Implementations of single verbs of the command line."""
