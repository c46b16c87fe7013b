"""What machines fetch: provisioning documents and health. Small on purpose; no administration behind it."""
