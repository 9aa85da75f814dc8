"""`python -m synthkd.cli` is the program `synthkd`."""

from synthkd.cli.app import main

main()
