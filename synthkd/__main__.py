"""`python -m synthkd` is the program `synthkd`."""

from synthkd.cli.app import main

main()
