"""Settings: given and taken back at places, what is effective, why, and who is affected."""
