"""Kinds of knowledge: one file each."""
