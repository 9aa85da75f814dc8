"""Documents to sentences and chunks, and what a teacher says of them back to sentences."""
