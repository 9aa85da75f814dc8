"""Text_."""
