"""Storage_."""
