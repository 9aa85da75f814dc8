"""The command line: a short function for each verb, which calls the API and prints.

`app` has `run`, `generate`, `filter`, `publish`, `show`, `describe` and `init`; each other verb or
group of verbs has a module of its name. `program` runs them: exit statuses and signals. `options`
has what several verbs share.
"""

from synthkd.cli.app import app
from synthkd.cli.program import main

__all__ = ["app", "main"]
