"""The command line: a short function for each verb, which calls the API and prints."""

from synthkd.cli.app import app, main

__all__ = ["app", "main"]
