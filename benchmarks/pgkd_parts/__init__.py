"""Parts of benchmarks/pgkd.py: loops over BANKING77 with a teacher made of its rows."""
