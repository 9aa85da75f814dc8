"""Run the program `synthkd` by `python -m synthkd.cli`."""

from synthkd.cli.program import main

main()
