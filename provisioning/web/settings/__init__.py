"""Settings of every place."""
