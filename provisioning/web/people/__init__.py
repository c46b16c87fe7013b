"""People and groups as directories know them."""
