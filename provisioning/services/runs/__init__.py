"""Runs: plans, limits, review, applying and undoing."""
