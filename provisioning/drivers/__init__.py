"""SIP servers: what each server family stores, reloads and reports; no policy, no retries, no models."""
