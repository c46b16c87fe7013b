"""What machines fetch: documents and health; small on purpose, no administration behind it."""
