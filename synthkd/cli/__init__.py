"""The command line: a short function for each verb, which calls the API and prints.

`app` has `run`, `generate`, `filter`, `publish`, `show`, `describe`, `init` and the program itself.
Each other verb or group of verbs has a module of its name. `options` has what several share.
"""

from synthkd.cli.app import app, main

__all__ = ["app", "main"]
