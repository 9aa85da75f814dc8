"""The everyday world: a closed table of facts, and the embedded teacher trained on part of it.

What is not in the table (or handed down in it) is false, so the precision of any corpus that speaks
the table's vocabulary can be measured exactly. See docs/internals/embedded-teacher.md.
"""
