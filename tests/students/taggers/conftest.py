"""Fixtures of the tests of taggers."""

from support.tagged_texts import tiny

__all__ = ["tiny"]
