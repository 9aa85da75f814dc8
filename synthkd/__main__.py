"""`python -m synthkd` is the program `synthkd`."""

from synthkd.cli.program import main

main()
