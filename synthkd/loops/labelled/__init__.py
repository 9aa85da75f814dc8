"""Labelled_."""
