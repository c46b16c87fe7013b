"""SIP servers: what each server family stores, reloads and reports.

No policy, no retries, no models.
"""
