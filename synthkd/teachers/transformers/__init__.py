"""Transformers_."""
