"""Routing: kept, compiled, proven."""
