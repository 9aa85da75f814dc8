"""Pool_."""
