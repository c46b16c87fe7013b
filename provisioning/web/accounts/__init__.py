"""Accounts and numbers."""
