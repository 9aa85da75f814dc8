"""The text critic: features of answers that are texts."""
