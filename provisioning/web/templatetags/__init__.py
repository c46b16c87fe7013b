"""Template tags of the web console."""
