"""Rules and duplicates."""
