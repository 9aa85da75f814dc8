"""The command line: one short function for each verb; it calls the API and prints."""

from synthkd.cli.app import app, main

__all__ = ["app", "main"]
