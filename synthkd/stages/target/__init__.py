"""Ask in rounds until so many rows are accepted (`target` in a recipe)."""
