"""Directory sources: what the console reads people and groups from, and how."""
