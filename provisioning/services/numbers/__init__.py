"""Numbers and number ranges."""
