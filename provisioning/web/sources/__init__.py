"""Directory sources: what is read, how, and when."""
