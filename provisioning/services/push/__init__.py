"""The push: from the outbox to rows that were read back; drift and reverts."""
