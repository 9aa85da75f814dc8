"""Prompts_."""
