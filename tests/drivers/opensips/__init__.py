"""OpenSIPS as it answered: what was recorded, and a server made of it."""
