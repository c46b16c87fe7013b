"""Forms of the console, one file a room."""
