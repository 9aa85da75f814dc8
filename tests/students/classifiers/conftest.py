"""Fixtures of the tests of classifiers."""

from support.encoder_student import small

__all__ = ["small"]
