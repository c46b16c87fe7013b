"""Probes: what they find at real servers, and what they never claim."""
