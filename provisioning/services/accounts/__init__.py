"""Accounts: their life, addresses, credentials, and why they are as they are."""
