"""Settings: the typed catalogue, and which of the values given at several scopes counts."""
