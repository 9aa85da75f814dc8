"""Run the program `synthkd` by `python -m synthkd.cli`."""

from synthkd.cli.app import main

main()
