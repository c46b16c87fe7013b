"""Joins: entries of several sources that are one person, found, planned, and put together."""
