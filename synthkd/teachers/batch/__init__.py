"""Batch_."""
