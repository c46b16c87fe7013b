"""The verbs: what web, API, command line and tasks do, as plain keyword-only functions."""
