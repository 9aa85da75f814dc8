"""Reporting: escaped text, and tables as text, Markdown and HTML."""
