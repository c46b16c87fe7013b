"""Probes: what a telephone would see at each SIP server, tried on schedule and on demand."""
