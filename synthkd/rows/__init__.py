"""Rows_."""
