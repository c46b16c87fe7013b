"""Rollouts: changes that come to a pool in stages, each watched before the next begins."""
