"""Kamailio 5.6 to 6.1: rows in its database, control over its JSON-RPC."""
