"""Parts of `benchmarks/students.py`: each is a module with ``run(options)``, which gives figures by name, and may print tables.

``options`` has ``data`` (the folder of real rows), ``quick``, ``seeds`` (how many, from 0 on) and ``encoder`` (the folder of
MiniLM, or None).
"""
