"""Runs and their planned changes."""
